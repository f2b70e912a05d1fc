with tenants as (

    select * from {{ ref('stg_outcomes__tenants') }} as tenants
    where {{ is_changed('tenants') }}

),

leads as (

    select * from {{ ref('stg_outcomes__leads') }} as leads
    where {{ is_changed('leads') }}

),

status_events as (

    select
        events.*,
        row_number() over (
            partition by events.tenant_id, events.lead_id order by events.occurred_at desc, events.status
        ) as from_last
    from {{ ref('stg_outcomes__status_events') }} as events
    inner join tenants on events.tenant_id = tenants.tenant_id and events.occurred_at < tenants.known_until

),

activities as (

    select activities.*
    from {{ ref('stg_outcomes__activities') }} as activities
    inner join tenants on activities.tenant_id = tenants.tenant_id and activities.occurred_at < tenants.known_until

),

snapshots as (

    select snapshots.*
    from {{ ref('stg_outcomes__score_snapshots') }} as snapshots
    inner join tenants on snapshots.tenant_id = tenants.tenant_id and snapshots.scored_at < tenants.known_until
    where snapshots.has_components

),

statuses_per_lead as (

    select
        tenant_id,
        lead_id,
        min(occurred_at) filter (where is_booking) as converted_at,
        -- a lead is gone if its last word was; one that was taken up again is not
        min(status) filter (where from_last = 1 and is_exit) as exit_status,
        min(occurred_at) filter (where from_last = 1 and is_exit) as exited_at
    from status_events
    group by tenant_id, lead_id

),

activities_per_lead as (

    select
        tenant_id,
        lead_id,
        min(occurred_at) filter (where is_touch) as first_touch_at,
        min(occurred_at) filter (where is_booking) as meeting_booked_at,
        count(*) filter (where is_touch) as touches
    from activities
    group by tenant_id, lead_id

),

tenants_with_touches as (

    select distinct tenant_id
    from activities_per_lead
    where touches > 0

),

contacted as (

    select
        leads.tenant_id,
        leads.lead_id,
        leads.source_id,
        tenants.timezone,
        tenants.known_until,
        tenants.maturity_days,
        statuses.exit_status,
        statuses.exited_at,
        coalesce(per_lead.touches, 0) as touches,
        -- first outreach: as the source says it or the first touch; the day the lead came in is a stand-in
        -- only where a tenant records no touches at all, or leads nobody wrote to would count as failed
        case
            when least(leads.first_contact_at, per_lead.first_touch_at) < tenants.known_until
                then least(leads.first_contact_at, per_lead.first_touch_at)
            when
                leads.first_contact_at is null
                and with_touches.tenant_id is null
                and leads.created_at < tenants.known_until
                then leads.created_at
        end as contacted_at,
        least(statuses.converted_at, per_lead.meeting_booked_at) as booked_at,
        case
            when per_lead.meeting_booked_at < coalesce(statuses.converted_at, 'infinity') then 'activity'
            when statuses.converted_at is not null then 'status'
        end as booked_by
    from leads
    inner join tenants on leads.tenant_id = tenants.tenant_id
    left join statuses_per_lead as statuses
        on leads.tenant_id = statuses.tenant_id and leads.lead_id = statuses.lead_id
    left join activities_per_lead as per_lead
        on leads.tenant_id = per_lead.tenant_id and leads.lead_id = per_lead.lead_id
    left join tenants_with_touches as with_touches on leads.tenant_id = with_touches.tenant_id
    -- a lead that came in after the as-of date is not known yet
    where coalesce(
        least(leads.created_at, leads.first_contact_at, per_lead.first_touch_at) < tenants.known_until, true
    )

),

dated as (

    select
        contacted.*,
        -- days are counted on the tenant's clock: ninety days later at the same time of day
        (contacted_at at time zone timezone + maturity_days * interval '1 day') at time zone timezone as matures_at,
        extract(
            epoch from (booked_at at time zone timezone) - (contacted_at at time zone timezone)
        ) / 86400.0 as lag_days
    from contacted

),

converting_touches as (

    select distinct on (dated.tenant_id, dated.lead_id)
        dated.tenant_id,
        dated.lead_id,
        activities.activity_id,
        activities.channel
    from dated
    inner join activities
        on
            dated.tenant_id = activities.tenant_id
            and dated.lead_id = activities.lead_id
            and dated.booked_at >= activities.occurred_at
    where activities.is_touch and dated.booked_at is not null
    order by dated.tenant_id, dated.lead_id, activities.occurred_at desc, activities.activity_id desc

),

-- A score from later than the outreach may know the outcome, for booked and lost leads alike. A day of grace
-- covers sources that score in the night after.
components_at_contact as (

    select distinct on (dated.tenant_id, dated.lead_id)
        dated.tenant_id,
        dated.lead_id,
        snapshots.scored_at,
        snapshots.data_quality,
        snapshots.authority,
        snapshots.company_fit,
        snapshots.timing,
        snapshots.risk,
        snapshots.score
    from dated
    inner join snapshots
        on
            dated.tenant_id = snapshots.tenant_id
            and dated.lead_id = snapshots.lead_id
            and dated.contacted_at + interval '1 day' >= snapshots.scored_at
            and coalesce(dated.booked_at, 'infinity') > snapshots.scored_at
    order by dated.tenant_id, dated.lead_id, snapshots.scored_at desc

),

leads_ever_scored as (

    select distinct
        tenant_id,
        lead_id
    from snapshots

),

final as (

    select
        dated.tenant_id::integer as tenant_id,
        dated.lead_id::bigint as lead_id,
        dated.source_id::text as lead_source_id,
        case
            when dated.booked_at is not null then 'booked'
            when dated.contacted_at is null then 'not_contacted'
            when dated.exit_status is not null then 'failed'
            when dated.matures_at <= dated.known_until then 'failed'
            else 'open'
        end::text as outcome,
        dated.contacted_at::timestamptz as contacted_at,
        date_trunc('quarter', dated.contacted_at at time zone dated.timezone)::date as contact_quarter,
        dated.matures_at::timestamptz as matures_at,
        coalesce(dated.matures_at <= dated.known_until, false)::boolean as is_matured,
        (dated.booked_at is not null)::boolean as is_booked,
        coalesce(dated.booked_at <= dated.matures_at, false)::boolean as is_booked_in_window,
        dated.booked_at::timestamptz as booked_at,
        dated.booked_by::text as booked_by,
        (case when dated.lag_days >= 0 then dated.lag_days end)::double precision as days_to_booking,
        coalesce(dated.lag_days < 0, false)::boolean as has_negative_lag,
        dated.exit_status::text as exit_status,
        dated.exited_at::timestamptz as exited_at,
        dated.touches::integer as touches,
        converting.activity_id::bigint as converting_touch_id,
        converting.channel::text as converting_channel,
        components.data_quality::smallint as data_quality,
        components.authority::smallint as authority,
        components.company_fit::smallint as company_fit,
        components.timing::smallint as timing,
        components.risk::smallint as risk,
        components.score::double precision as score_at_contact,
        (components.scored_at is null and ever_scored.lead_id is not null)::boolean as is_scored_too_late
    from dated
    left join converting_touches as converting
        on dated.tenant_id = converting.tenant_id and dated.lead_id = converting.lead_id
    left join components_at_contact as components
        on dated.tenant_id = components.tenant_id and dated.lead_id = components.lead_id
    left join leads_ever_scored as ever_scored
        on dated.tenant_id = ever_scored.tenant_id and dated.lead_id = ever_scored.lead_id

)

select * from final
