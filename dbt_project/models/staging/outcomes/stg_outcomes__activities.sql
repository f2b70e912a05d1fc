with activities as (

    select * from {{ source('raw', 'activities') }}

),

kinds as (

    select * from {{ source('raw', 'activity_kinds') }}

),

final as (

    select
        activities.tenant_id,
        activities.activity_id,
        activities.lead_id,
        activities.occurred_at,
        kinds.action,
        kinds.channel,
        kinds.is_touch,
        kinds.action = 'meeting_booked' as is_booking
    from activities
    inner join kinds on activities.kind = kinds.kind

)

select * from final
