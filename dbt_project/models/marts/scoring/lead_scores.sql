with weights as (

    select * from {{ source('learned', 'current_weights') }} as weights
    where {{ is_changed('weights') }}

),

tenants as (

    select * from {{ ref('stg_outcomes__tenants') }} as tenants
    where {{ is_changed('tenants') }}

),

leads as (

    select * from {{ ref('stg_outcomes__leads') }} as leads
    where {{ is_changed('leads') }}

),

latest_components as (

    select distinct on (snapshots.tenant_id, snapshots.lead_id) snapshots.*
    from {{ ref('stg_outcomes__score_snapshots') }} as snapshots
    inner join tenants on snapshots.tenant_id = tenants.tenant_id and snapshots.scored_at < tenants.known_until
    order by snapshots.tenant_id, snapshots.lead_id, snapshots.scored_at desc

),

-- A missing component counts as the tenant's mean, or half of its points where none was ever seen.
completed as (

    select
        leads.tenant_id,
        leads.lead_id,
        leads.source_id,
        components.scored_at,
        components.data_quality,
        components.authority,
        components.company_fit,
        components.timing,
        components.risk,
        {% for component, points in [('data_quality', 20), ('authority', 25), ('company_fit', 25), ('timing', 15)] %}
        coalesce(weights.mean_{{ component }}, {{ points / 2 }}) as mean_{{ component }},
        coalesce(
            components.{{ component }}::double precision, weights.mean_{{ component }}, {{ points / 2 }}
        ) as full_{{ component }},
        weights.{{ component }}::double precision as weight_{{ component }},
        {% endfor %}
        weights.version,
        weights.source,
        weights.risk_credit,
        weights.tier_hot,
        weights.tier_warm,
        weights.tier_cool,
        weights.tier_cold
    from leads
    inner join tenants on leads.tenant_id = tenants.tenant_id
    inner join weights on leads.tenant_id = weights.tenant_id
    left join latest_components as components
        on leads.tenant_id = components.tenant_id and leads.lead_id = components.lead_id
    where coalesce(least(leads.created_at, leads.first_contact_at) < tenants.known_until, true)

),

scored as (

    select
        completed.*,
        learned.lead_score(
            full_data_quality,
            full_authority,
            full_company_fit,
            full_timing,
            coalesce(risk, 0)::double precision,
            weight_data_quality,
            weight_authority,
            weight_company_fit,
            weight_timing,
            risk_credit
        ) as score
    from completed

),

final as (

    select
        tenant_id::integer as tenant_id,
        lead_id::bigint as lead_id,
        source_id::text as lead_source_id,
        scored_at::timestamptz as components_from,
        data_quality::smallint as data_quality,
        authority::smallint as authority,
        company_fit::smallint as company_fit,
        timing::smallint as timing,
        risk::smallint as risk,
        version::integer as weights_version,
        source::text as weights_source,
        score::double precision as score,
        learned.lead_tier(score, tier_hot, tier_warm, tier_cool, tier_cold)::text as tier,
        {% for component, points in [('data_quality', 20), ('authority', 25), ('company_fit', 25), ('timing', 15)] %}
        (
            100.0 * weight_{{ component }} * (full_{{ component }} - mean_{{ component }}) / {{ points }}.0
        )::double precision as contribution_{{ component }},
        {% endfor %}
        (-coalesce(risk, 0))::double precision as contribution_risk
    from scored

)

select * from final
