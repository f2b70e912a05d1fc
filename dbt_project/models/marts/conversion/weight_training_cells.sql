with outcomes as (

    select * from {{ ref('lead_outcomes') }} as outcomes
    where {{ is_changed('outcomes') }}

),

tenants as (

    select * from {{ source('raw', 'tenants') }}

),

trained_on as (

    select
        outcomes.*,
        coalesce(learned.lead_tier(
            outcomes.score_at_contact,
            (tenants.settings -> 'tiers' ->> 'hot')::double precision,
            (tenants.settings -> 'tiers' ->> 'warm')::double precision,
            (tenants.settings -> 'tiers' ->> 'cool')::double precision,
            (tenants.settings -> 'tiers' ->> 'cold')::double precision
        ), 'unknown') as tier_at_contact
    from outcomes
    inner join tenants on outcomes.tenant_id = tenants.tenant_id
    where
        outcomes.is_matured
        and num_nonnulls(outcomes.data_quality, outcomes.authority, outcomes.company_fit, outcomes.timing) > 0

),

final as (

    select
        tenant_id::integer as tenant_id,
        contact_quarter::date as contact_quarter,
        tier_at_contact::text as tier_at_contact,
        data_quality::smallint as data_quality,
        authority::smallint as authority,
        company_fit::smallint as company_fit,
        timing::smallint as timing,
        count(*)::integer as leads,
        count(*) filter (where is_booked_in_window)::integer as booked
    from trained_on
    group by tenant_id, contact_quarter, tier_at_contact, data_quality, authority, company_fit, timing

)

select * from final
