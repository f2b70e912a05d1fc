with seeds as (

    select * from {{ ref('stg_evidence__seeds') }} as seeds
    where {{ is_changed('seeds') }}

),

matches as (

    select * from {{ source('learned', 'company_matches') }} as matches
    where {{ is_changed('matches') }}

),

companies as (

    select * from {{ ref('stg_evidence__companies') }}

),

entities as (

    select * from {{ ref('stg_registry__entities') }}

),

final as (

    select
        seeds.tenant_id::integer as tenant_id,
        seeds.seed_id::bigint as seed_id,
        seeds.seed_name::text as seed_name,
        seeds.kind::text as kind,
        seeds.company_id::bigint as company_id,
        coalesce(seeds.domain, companies.website_domain)::text as domain,
        entities.entity_id::bigint as entity_id,
        entities.registry::text as registry,
        entities.registration_number::text as registration_number,
        entities.name::text as entity_name,
        entities.industry_code::text as industry_code,
        matches.path::text as path,
        matches.probability::double precision as probability,
        matches.runner_up_margin::double precision as runner_up_margin
    from seeds
    inner join companies on seeds.company_id = companies.company_id
    left join matches on seeds.tenant_id = matches.tenant_id and seeds.seed_id = matches.seed_id
    left join entities on matches.entity_id = entities.entity_id

)

select * from final
