with status_events as (

    select * from {{ source('raw', 'lead_status_events') }}

),

final as (

    select
        tenant_id,
        lead_id,
        occurred_at,
        status,
        status = 'converted' as is_booking,
        status in ('unsubscribed', 'bounced', 'not_interested', 'dead') as is_exit
    from status_events

)

select * from final
