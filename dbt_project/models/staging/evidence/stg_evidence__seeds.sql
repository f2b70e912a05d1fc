with seeds as (

    select * from {{ source('raw', 'customer_seeds') }}

),

final as (

    select
        tenant_id,
        seed_id,
        kind,
        seed_name,
        domain,
        company_id
    from seeds
    where is_active

)

select * from final
