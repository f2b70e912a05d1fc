with seeds as (

    select * from {{ ref('stg_evidence__seeds') }} as seeds
    where {{ is_changed('seeds') }}

),

responses as (

    select * from {{ ref('stg_evidence__intake_responses') }} as responses
    where {{ is_changed('responses') }}

),

items as (

    select * from {{ ref('stg_evidence__items') }} as items
    where {{ is_changed('items') }}

),

signals as (

    select * from {{ ref('icp_pattern_signals') }} as signals
    where {{ is_changed('signals') }}

),

latest_responses as (

    select distinct on (tenant_id)
        tenant_id,
        version,
        is_low_confidence
    from responses
    order by tenant_id, version desc

),

best_companies as (

    select distinct
        tenant_id,
        company_id
    from seeds
    where kind = 'best'

),

found as (

    select items.*
    from items
    inner join best_companies
        on items.tenant_id = best_companies.tenant_id and items.company_id = best_companies.company_id
    where items.source in ('seed_site', 'registry', 'crawl')

),

companies_per_tenant as (

    select
        best_companies.tenant_id,
        count(*) as best_companies,
        count(found.company_id) as companies_with_evidence
    from best_companies
    left join (
        select distinct
            tenant_id,
            company_id
        from found
    ) as found on best_companies.tenant_id = found.tenant_id and best_companies.company_id = found.company_id
    group by best_companies.tenant_id

),

placed as (

    select
        signals.*,
        row_number() over (
            partition by tenant_id, signal_key order by companies desc, lift desc nulls last, value_key
        ) as place
    from signals
    where companies > 0 and signal_key in ('ssic', 'integration', 'buyer_title')

),

lists as (

    select
        tenant_id,
        jsonb_agg(
            jsonb_build_object('code', value_key, 'title', label_text, 'version', version, 'cnt', companies)
            order by place
        ) filter (where signal_key = 'ssic') as top_ssics,
        jsonb_agg(jsonb_build_object('name', label_text, 'cnt', companies) order by place)
        filter (where signal_key = 'integration') as common_integrations,
        jsonb_agg(jsonb_build_object('title', label_text, 'cnt', companies) order by place)
        filter (where signal_key = 'buyer_title') as frequent_buyer_titles
    from placed
    where place <= 20
    group by tenant_id

),

-- Several pages may say several sizes: the surest one is the company's.
company_bands as (

    select distinct on (tenant_id, company_id)
        tenant_id,
        company_id,
        value_key as band,
        substring(value_key from '^\d{1,8}')::integer as low,
        coalesce(substring(value_key from '-(\d{1,8})$')::integer, 2147483647) as high
    from found
    where signal_key = 'headcount' and value_key ~ '^\d{1,8}(-\d{1,8}|\+)$'
    order by tenant_id, company_id, confidence desc, evidence_id desc

),

bands as (

    select
        tenant_id,
        band,
        low,
        count(*) as companies
    from company_bands
    group by tenant_id, band, low

),

band_lists as (

    select
        tenant_id,
        jsonb_agg(jsonb_build_object('band', band, 'cnt', companies) order by low, band) as bands
    from bands
    group by tenant_id

),

medians as (

    select
        tenant_id,
        percentile_disc(0.5) within group (order by low) as median_low,
        nullif(percentile_disc(0.5) within group (order by high), 2147483647) as median_high
    from company_bands
    group by tenant_id

),

own_site as (

    select
        tenant_id,
        signal_key,
        value_key,
        mode() within group (order by label) as label
    from items
    where
        source = 'user_site'
        and signal_key in ('theme', 'trigger', 'hiring', 'pricing', 'integration', 'buyer_title', 'ssic')
    group by tenant_id, signal_key, value_key

),

customers_themes as (

    select
        tenant_id,
        signal_key,
        value_key,
        label_text,
        companies
    from signals
    where
        companies > 0
        and signal_key in ('theme', 'trigger', 'hiring', 'pricing', 'integration', 'buyer_title', 'ssic')

),

-- Half a customer for what the tenant's own site says: it joins the list, and any customer weighs more.
themes as (

    select
        coalesce(customers_themes.tenant_id, own_site.tenant_id) as tenant_id,
        coalesce(customers_themes.signal_key, own_site.signal_key) as kind,
        coalesce(customers_themes.label_text, own_site.label) as theme,
        coalesce(customers_themes.companies, 0) as companies,
        own_site.tenant_id is not null as is_on_own_site,
        coalesce(customers_themes.companies, 0) + case when own_site.tenant_id is null then 0 else 0.5 end as weight
    from customers_themes
    full outer join own_site
        on
            customers_themes.tenant_id = own_site.tenant_id
            and customers_themes.signal_key = own_site.signal_key
            and customers_themes.value_key = own_site.value_key
    where
        own_site.tenant_id is not null
        or customers_themes.signal_key in ('theme', 'trigger', 'hiring', 'pricing')

),

theme_lists as (

    select
        tenant_id,
        jsonb_agg(
            jsonb_build_object(
                'theme', theme, 'kind', kind, 'cnt', companies, 'on_own_site', is_on_own_site, 'weight', weight
            )
            order by place
        ) as themes
    from (
        select
            themes.*,
            row_number() over (partition by tenant_id order by weight desc, kind, theme) as place
        from themes
    ) as placed
    where place <= 30
    group by tenant_id

),

known_tenants as (

    select tenant_id from companies_per_tenant
    union
    select tenant_id from latest_responses
    union
    select tenant_id from theme_lists

),

final as (

    select
        known_tenants.tenant_id::integer as tenant_id,
        latest_responses.version::integer as intake_version,
        coalesce(latest_responses.is_low_confidence, true)::boolean as is_low_confidence,
        coalesce(companies_per_tenant.best_companies, 0)::integer as best_companies,
        coalesce(companies_per_tenant.companies_with_evidence, 0)::integer as companies_with_evidence,
        coalesce(lists.top_ssics, '[]')::jsonb as top_ssics,
        coalesce(lists.common_integrations, '[]')::jsonb as common_integrations,
        coalesce(lists.frequent_buyer_titles, '[]')::jsonb as frequent_buyer_titles,
        jsonb_build_object(
            'median_low', medians.median_low,
            'median_high', medians.median_high,
            'bands', coalesce(band_lists.bands, '[]')
        )::jsonb as headcount,
        coalesce(theme_lists.themes, '[]')::jsonb as themes
    from known_tenants
    left join latest_responses on known_tenants.tenant_id = latest_responses.tenant_id
    left join companies_per_tenant on known_tenants.tenant_id = companies_per_tenant.tenant_id
    left join lists on known_tenants.tenant_id = lists.tenant_id
    left join medians on known_tenants.tenant_id = medians.tenant_id
    left join band_lists on known_tenants.tenant_id = band_lists.tenant_id
    left join theme_lists on known_tenants.tenant_id = theme_lists.tenant_id

)

select * from final
