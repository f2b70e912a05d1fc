with outcomes as (

    select * from {{ ref('lead_outcomes') }} as outcomes
    where {{ is_changed('outcomes') }}

),

leads as (

    select * from {{ ref('stg_outcomes__leads') }} as leads
    where {{ is_changed('leads') }}

),

title_levels as (

    select * from {{ ref('title_levels') }}

),

titles as (

    select distinct title
    from leads
    where title is not null

),

levels_per_title as (

    select distinct on (titles.title)
        titles.title,
        title_levels.level
    from titles
    inner join title_levels on titles.title ~* title_levels.pattern
    order by titles.title, title_levels.rank

),

contacted as (

    select
        outcomes.tenant_id,
        outcomes.is_matured::integer as matured,
        outcomes.is_booked::integer as booked,
        (outcomes.is_booked_in_window and outcomes.is_matured)::integer as booked_in_window,
        leads.title,
        leads.industry,
        leads.country,
        leads.attributes,
        case
            when leads.title is not null then coalesce(levels.level, 'other')
        end as seniority,
        case
            when leads.employee_count <= 5 then '1-5'
            when leads.employee_count <= 15 then '6-15'
            when leads.employee_count <= 30 then '16-30'
            when leads.employee_count <= 50 then '31-50'
            when leads.employee_count <= 100 then '51-100'
            when leads.employee_count <= 500 then '101-500'
            when leads.employee_count > 500 then '501+'
        end as size_band,
        -- the three flags together, since their effects are told apart only jointly
        case
            when num_nonnulls(leads.is_new_role, leads.is_hiring, leads.recently_funded) > 0
                then coalesce(nullif(concat_ws(
                    '+',
                    case when leads.is_new_role then 'new_role' end,
                    case when leads.is_hiring then 'hiring' end,
                    case when leads.recently_funded then 'funded' end
                ), ''), 'none')
        end as timing_signals
    from outcomes
    inner join leads on outcomes.tenant_id = leads.tenant_id and outcomes.lead_id = leads.lead_id
    left join levels_per_title as levels on leads.title = levels.title
    where outcomes.contacted_at is not null

),

-- One more attribute is one more line here.
long as (

    {% for attribute in ['title', 'seniority', 'industry', 'country', 'size_band', 'timing_signals'] %}
    select tenant_id, '{{ attribute }}' as attribute, {{ attribute }} as value, matured, booked, booked_in_window
    from contacted
    union all
    {% endfor %}
    select
        contacted.tenant_id,
        extra.attribute,
        nullif(regexp_replace(extra.value, '\s+', ' ', 'g'), '') as value,
        contacted.matured,
        contacted.booked,
        contacted.booked_in_window
    from contacted
    cross join lateral jsonb_each_text(contacted.attributes) as extra (attribute, value)

),

-- Spellings that differ in case only are one value, shown as it is written most often.
counted as (

    select
        tenant_id,
        attribute,
        lower(value) as folded,
        mode() within group (order by value) as value,
        count(*) as leads,
        sum(matured) as matured,
        sum(booked) as booked,
        sum(booked_in_window) as booked_in_window
    from long
    group by tenant_id, attribute, lower(value)

),

-- An attribute that a tenant never gives is no finding about the tenant's leads.
given as (

    select *
    from (
        select
            counted.*,
            bool_or(folded is not null) over (partition by tenant_id, attribute) as is_given
        from counted
    ) as marked
    where is_given

),

final as (

    select
        tenant_id::integer as tenant_id,
        attribute::text as attribute,
        coalesce(value, '(missing)')::text as value,
        (folded is null)::boolean as is_missing,
        leads::integer as leads,
        matured::integer as matured,
        booked::integer as booked,
        booked_in_window::integer as booked_in_window
    from given

)

select * from final
