with companies as (

    select * from {{ source('raw', 'companies') }}

),

final as (

    select
        company_id,
        name,
        website_domain
    from companies

)

select * from final
