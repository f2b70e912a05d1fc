with entities as (

    select * from {{ source('raw', 'registry_entities') }}

),

final as (

    select
        entity_id,
        registry,
        registration_number,
        name,
        industry_code,
        secondary_industry_code,
        row_hash,
        coalesce(industry_code_version, 'unknown') as industry_code_version,
        gone_at is not null as is_gone,
        is_live and gone_at is null as is_live
    from entities

)

select * from final
