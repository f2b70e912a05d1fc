with seeds as (

    select * from {{ ref('stg_evidence__seeds') }} as seeds
    where {{ is_changed('seeds') }}

),

items as (

    select * from {{ ref('stg_evidence__items') }} as items
    where {{ is_changed('items') }}

),

code_links as (

    select * from {{ ref('stg_registry__industry_code_links') }}

),

segments as (

    select * from {{ ref('industry_segments') }}

),

background as (

    select * from {{ ref('stg_evidence__company_signals') }}

),

-- The version of the classification that most live entities have their codes in; all codes are compared in it.
registry_version as (

    select
        version,
        version_live_entities
    from segments
    order by version_live_entities desc, version desc
    limit 1

),

customers as (

    select
        tenant_id,
        company_id,
        bool_or(kind = 'best') as is_best,
        bool_or(kind = 'lost') as is_lost
    from seeds
    group by tenant_id, company_id

),

-- What was found about customers, and what the tenant answered. Its own site tells what it wants to be, not who
-- buys, and counts for nothing here.
told as (

    select
        items.tenant_id,
        items.evidence_id,
        items.company_id,
        items.signal_key,
        items.value_key,
        items.label,
        items.classification_version,
        items.source,
        items.source = 'intake' as is_answer,
        items.source <> 'intake' and customers.is_best as is_best,
        items.source <> 'intake' and customers.is_lost as is_lost
    from items
    left join customers on items.tenant_id = customers.tenant_id and items.company_id = customers.company_id
    where
        items.source = 'intake'
        or (items.source in ('seed_site', 'registry', 'crawl') and customers.company_id is not null)

),

-- A company's industry is what the registry says; its site's words are a stand-in where it is in no registry.
industries as (

    select *
    from (
        select
            told.*,
            bool_or(source = 'registry') over (partition by tenant_id, company_id) as is_registered
        from told
        where signal_key = 'ssic'
    ) as marked
    where source = 'registry' or not is_registered

),

codes as (

    select
        industries.tenant_id,
        industries.evidence_id,
        industries.value_key as code,
        1 as weight,
        coalesce(registry_version.version, industries.classification_version) as version
    from industries
    left join registry_version on true
    where coalesce(industries.classification_version = registry_version.version, true)
    union all
    select
        industries.tenant_id,
        industries.evidence_id,
        code_links.to_code as code,
        code_links.weight,
        code_links.to_version as version
    from industries
    inner join code_links
        on
            industries.classification_version = code_links.from_version
            and industries.value_key = code_links.from_code
    inner join registry_version
        on
            code_links.to_version = registry_version.version
            and industries.classification_version <> registry_version.version

),

codes_per_level as (

    {% for key, digits in [('ssic', 5), ('ssic_4', 4), ('ssic_3', 3), ('ssic_2', 2)] %}
    select
        tenant_id,
        evidence_id,
        '{{ key }}' as signal_key,
        left(code, {{ digits }}) as value_key,
        max(version) as version,
        sum(weight) as weight
    from codes
    where length(code) >= {{ digits }}
    group by tenant_id, evidence_id, left(code, {{ digits }})
    {% if not loop.last %}
    union all
    {% endif %}
    {% endfor %}

),

-- A code that was split between versions counts at the levels where at least half of it went one way, and once.
landed as (

    select distinct on (tenant_id, evidence_id, signal_key)
        tenant_id,
        evidence_id,
        signal_key,
        value_key,
        version
    from codes_per_level
    where round(weight::numeric, 6) >= 0.5
    order by tenant_id, evidence_id, signal_key, weight desc, value_key

),

signals as (

    select
        tenant_id,
        evidence_id,
        company_id,
        signal_key,
        value_key,
        label,
        null as version,
        is_answer,
        is_best,
        is_lost
    from told
    where signal_key <> 'ssic'
    union all
    select
        industries.tenant_id,
        industries.evidence_id,
        industries.company_id,
        landed.signal_key,
        landed.value_key,
        industries.label,
        landed.version,
        industries.is_answer,
        industries.is_best,
        industries.is_lost
    from industries
    inner join landed
        on industries.tenant_id = landed.tenant_id and industries.evidence_id = landed.evidence_id

),

-- Out of how many: customers with a code at that level, and for all else customers of whom anything was found
-- on the web, since the base rate is a share of companies of whom anything was found.
denominators as (

    select
        tenant_id,
        signal_key,
        count(distinct company_id) filter (where is_best) as n_companies,
        count(distinct company_id) filter (where is_lost) as lost_n
    from signals
    where signal_key like 'ssic%'
    group by tenant_id, signal_key
    union all
    select
        tenant_id,
        'any other' as signal_key,
        count(distinct company_id) filter (where is_best) as n_companies,
        count(distinct company_id) filter (where is_lost) as lost_n
    from told
    where signal_key <> 'ssic' or source <> 'registry'
    group by tenant_id

),

counted as (

    select
        tenant_id,
        signal_key,
        value_key,
        mode() within group (order by label) as label,
        max(version) as version,
        count(distinct company_id) filter (where is_best) as companies,
        count(distinct company_id) filter (where is_lost) as lost_companies,
        count(*) filter (where is_best) as evidence_items,
        coalesce(
            array_agg(evidence_id order by evidence_id) filter (where is_best),
            array_agg(evidence_id order by evidence_id) filter (where is_answer),
            array_agg(evidence_id order by evidence_id) filter (where is_lost)
        ) as evidence_ids,
        bool_or(is_answer) as from_answers,
        case when signal_key like 'ssic%' then signal_key else 'any other' end as denominator
    from signals
    group by tenant_id, signal_key, value_key

),

background_companies as (

    select
        background.signal_key,
        background.value_key,
        count(distinct background.company_id) as companies
    from background
    inner join (
        select distinct
            signal_key,
            value_key
        from counted
        where denominator = 'any other'
    ) as asked on background.signal_key = asked.signal_key and background.value_key = asked.value_key
    group by background.signal_key, background.value_key

),

background_sample as (

    select count(distinct company_id) as companies
    from background

),

based as (

    select
        counted.*,
        segments.title,
        denominators.n_companies,
        denominators.lost_n,
        case
            when counted.denominator = 'any other' then (select background_sample.companies from background_sample)
            else (select registry_version.version_live_entities from registry_version)
        end as base_n,
        case
            when counted.denominator = 'any other' then coalesce(background_companies.companies, 0)
            else coalesce(segments.live_entities, 0)
        end as base_companies
    from counted
    inner join denominators
        on counted.tenant_id = denominators.tenant_id and counted.denominator = denominators.signal_key
    left join background_companies
        on counted.signal_key = background_companies.signal_key and counted.value_key = background_companies.value_key
    left join segments on counted.version = segments.version and counted.value_key = segments.code

),

final as (

    select
        tenant_id::integer as tenant_id,
        signal_key::text as signal_key,
        value_key::text as value_key,
        version::text as version,
        coalesce(title, label)::text as label_text,
        companies::integer as companies,
        n_companies::integer as n_companies,
        evidence_items::integer as evidence_items,
        evidence_ids[1:50]::bigint[] as evidence_ids,
        (companies::double precision / nullif(n_companies, 0))::double precision as support,
        (case when base_n > 0 then base_companies end)::integer as base_companies,
        nullif(base_n, 0)::integer as base_n,
        (base_companies::double precision / nullif(base_n, 0))::double precision as base_rate,
        (
            companies::double precision / nullif(n_companies, 0) * base_n / nullif(base_companies, 0)
        )::double precision as lift,
        lost_companies::integer as lost_companies,
        lost_n::integer as lost_n,
        from_answers::boolean as from_answers
    from based

)

select * from final
