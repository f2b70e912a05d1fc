with rejected_rows as (

    select * from {{ source('raw', 'rejected_rows') }}

),

final as (

    select
        tenant_id,
        source,
        entity,
        reason,
        rejected_at
    from rejected_rows
    where resolved_at is null

)

select * from final
