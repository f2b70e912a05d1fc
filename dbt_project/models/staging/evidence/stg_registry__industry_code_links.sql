with links as (

    select * from {{ source('raw', 'industry_code_links') }}

),

final as (

    select
        from_version,
        from_code,
        to_version,
        to_code,
        weight
    from links

)

select * from final
