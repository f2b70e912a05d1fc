with tenants as (

    select * from {{ ref('stg_outcomes__tenants') }} as tenants
    where {{ is_changed('tenants') }}

),

outcomes as (

    select * from {{ ref('lead_outcomes') }} as outcomes
    where {{ is_changed('outcomes') }}

),

rejected_rows as (

    select * from {{ ref('stg_outcomes__rejected_rows') }} as rejected
    where {{ is_changed('rejected') }}

),

bands as (

    select * from {{ ref('score_band_performance') }} as bands
    where {{ is_changed('bands') }}

),

events as (

    select
        activities.tenant_id,
        activities.occurred_at
    from {{ ref('stg_outcomes__activities') }} as activities
    where {{ is_changed('activities') }}
    union all
    select
        status_events.tenant_id,
        status_events.occurred_at
    from {{ ref('stg_outcomes__status_events') }} as status_events
    where {{ is_changed('status_events') }}
    union all
    select
        leads.tenant_id,
        least(leads.created_at, leads.first_contact_at) as occurred_at
    from {{ ref('stg_outcomes__leads') }} as leads
    where {{ is_changed('leads') }}

),

last_events as (

    select
        events.tenant_id,
        max(events.occurred_at) as last_event_at
    from events
    inner join tenants on events.tenant_id = tenants.tenant_id and events.occurred_at < tenants.known_until
    group by events.tenant_id

),

rejects_per_tenant as (

    select
        tenant_id,
        count(*) as rejected
    from rejected_rows
    group by tenant_id

),

counts as (

    select
        tenant_id,
        count(*) as leads,
        count(*) filter (where contacted_at is not null) as contacted,
        count(*) filter (where is_matured) as matured,
        count(*) filter (where is_matured and is_booked_in_window) as booked,
        count(*) filter (
            where is_matured and num_nonnulls(data_quality, authority, company_fit, timing) > 0
        ) as with_components,
        count(*) filter (where is_matured and is_scored_too_late) as scored_too_late,
        count(*) filter (where has_negative_lag) as negative_lags,
        sum(touches) as touches
    from outcomes
    group by tenant_id

),

band_spread as (

    select
        tenant_id,
        max(booking_rate) filter (where leads >= 20) as best,
        min(booking_rate) filter (where leads >= 20) as worst
    from bands
    group by tenant_id

),

base as (

    select
        tenants.tenant_id,
        coalesce(counts.leads, 0) as leads,
        coalesce(counts.contacted, 0) as contacted,
        coalesce(counts.matured, 0) as matured,
        coalesce(counts.booked, 0) as booked,
        coalesce(counts.with_components, 0) as with_components,
        coalesce(counts.scored_too_late, 0) as scored_too_late,
        coalesce(counts.negative_lags, 0) as negative_lags,
        coalesce(rejects.rejected, 0) as rejected,
        coalesce(counts.touches, 0) as touches,
        tenants.as_of - (last_events.last_event_at at time zone tenants.timezone)::date as days_since_event,
        band_spread.best,
        band_spread.worst
    from tenants
    left join counts on tenants.tenant_id = counts.tenant_id
    left join rejects_per_tenant as rejects on tenants.tenant_id = rejects.tenant_id
    left join last_events on tenants.tenant_id = last_events.tenant_id
    left join band_spread on tenants.tenant_id = band_spread.tenant_id

),

measured as (

    select
        tenant_id,
        'matured_leads' as measure,
        matured::double precision as value,
        'at least' as direction,
        30.0 as target,
        format(
            '%s of %s contacted leads are past the maturity window; weights of one''s own need 30.', matured, contacted
        ) as note
    from base
    union all
    select
        tenant_id,
        'bookings',
        booked,
        'at least',
        10.0,
        format('%s bookings among matured leads; weights of one''s own need 10, labelled findings about 50.', booked)
    from base
    union all
    select
        tenant_id,
        'share_with_components',
        with_components::double precision / nullif(matured, 0),
        'at least',
        0.5,
        case
            when with_components = 0
                then
                    'No lead has score components from before its first outreach, so no weights can be learned: load '
                    || 'score snapshots (als_components with scored_at). Until then pooled or default weights score.'
            else
                format(
                    '%s of %s matured leads have score components from before first outreach.', with_components, matured
                )
        end
    from base
    union all
    select
        tenant_id,
        'share_scored_too_late',
        scored_too_late::double precision / nullif(matured, 0),
        'at most',
        0.1,
        format(
            '%s matured leads were scored only after first outreach; those scores are not learned from.',
            scored_too_late
        )
    from base
    union all
    select
        tenant_id,
        'share_rejected',
        rejected::double precision / nullif(leads + touches + rejected, 0),
        'at most',
        0.05,
        format(
            '%s rows wait in raw.rejected_rows with their reasons, beside %s leads and %s touches.',
            rejected, leads, touches
        )
    from base
    union all
    select
        tenant_id,
        'negative_lags',
        negative_lags,
        'at most',
        greatest(1, 0.01 * contacted),
        format('%s bookings lie before the first outreach; they count, but not in time statistics.', negative_lags)
    from base
    union all
    select
        tenant_id,
        'days_since_last_event',
        days_since_event,
        'at most',
        30.0,
        case
            when days_since_event is null then 'There are no events yet.'
            else format('The last event is %s days before the as-of date.', days_since_event)
        end
    from base
    union all
    select
        tenant_id,
        'best_band_against_worst',
        best / nullif(worst, 0),
        'at least',
        1.0,
        'Booking rate of the best score band over that of the worst, among bands of 20 matured leads or more.'
    from base
    where best is not null and worst > 0

),

final as (

    select
        tenant_id::integer as tenant_id,
        measure::text as measure,
        value::double precision as value,
        direction::text as direction,
        target::double precision as target,
        coalesce(case direction when 'at least' then value >= target else value <= target end, false)::boolean as holds,
        note::text as note
    from measured

)

select * from final
