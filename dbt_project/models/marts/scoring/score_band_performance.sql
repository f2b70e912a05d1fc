with outcomes as (

    select * from {{ ref('lead_outcomes') }} as outcomes
    where {{ is_changed('outcomes') }}

),

weights as (

    select * from {{ source('learned', 'current_weights') }} as weights
    where {{ is_changed('weights') }}

),

-- Components and risk as at first outreach: later risk (unsubscribed, bounced) is the outcome itself.
scored as (

    select
        outcomes.tenant_id,
        outcomes.is_booked_in_window,
        weights.version,
        weights.tier_hot,
        weights.tier_warm,
        weights.tier_cool,
        weights.tier_cold,
        learned.lead_score(
            coalesce(outcomes.data_quality, weights.mean_data_quality, 10),
            coalesce(outcomes.authority, weights.mean_authority, 12.5),
            coalesce(outcomes.company_fit, weights.mean_company_fit, 12.5),
            coalesce(outcomes.timing, weights.mean_timing, 7.5),
            coalesce(outcomes.risk, 0)::double precision,
            weights.data_quality::double precision,
            weights.authority::double precision,
            weights.company_fit::double precision,
            weights.timing::double precision,
            weights.risk_credit
        ) as score
    from outcomes
    inner join weights on outcomes.tenant_id = weights.tenant_id
    where
        outcomes.is_matured
        and num_nonnulls(outcomes.data_quality, outcomes.authority, outcomes.company_fit, outcomes.timing) > 0

),

banded as (

    select
        tenant_id,
        version,
        learned.lead_tier(score, tier_hot, tier_warm, tier_cool, tier_cold) as band,
        is_booked_in_window
    from scored

),

counted as (

    select
        tenant_id,
        version,
        band,
        count(*) as leads,
        count(*) filter (where is_booked_in_window) as booked
    from banded
    group by tenant_id, version, band

),

final as (

    select
        tenant_id::integer as tenant_id,
        version::integer as weights_version,
        band::text as band,
        leads::integer as leads,
        booked::integer as booked,
        (booked::double precision / leads)::double precision as booking_rate,
        ({{ wilson('booked', 'leads', '-') }})::double precision as interval_low,
        ({{ wilson('booked', 'leads', '+') }})::double precision as interval_high
    from counted

)

select * from final
