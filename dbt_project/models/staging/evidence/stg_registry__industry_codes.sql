with codes as (

    select * from {{ source('raw', 'industry_codes') }}

),

final as (

    select
        version,
        code,
        level,
        parent_code,
        title
    from codes

)

select * from final
