with responses as (

    select * from {{ source('raw', 'icp_intake_responses') }}

),

final as (

    select
        tenant_id,
        version,
        is_low_confidence
    from responses

)

select * from final
