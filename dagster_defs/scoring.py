"""Keeping what was scored: the components and weights as they were, beside the source's own snapshots."""

import dagster as dg

from dagster_defs.metadata import table_metadata
from dagster_defs.resources import WarehouseResource

# Only leads that somebody may still write to: what they were worth then is what later learning asks for.
_APPEND = """
insert into raw.lead_score_snapshots (
    tenant_id, lead_id, scored_at, origin, data_quality, authority, company_fit, timing, risk,
    weight_data_quality, weight_authority, weight_company_fit, weight_timing, weights_version, score
)
select
    scores.tenant_id, scores.lead_id, clock_timestamp(), 'warehouse', scores.data_quality, scores.authority,
    scores.company_fit, scores.timing, scores.risk, weights.data_quality, weights.authority, weights.company_fit,
    weights.timing, scores.weights_version, scores.score
from marts.lead_scores as scores
inner join marts.lead_outcomes as outcomes
    on scores.tenant_id = outcomes.tenant_id and scores.lead_id = outcomes.lead_id
inner join learned.current_weights as weights on scores.tenant_id = weights.tenant_id
left join lateral (
    select before.weights_version, before.score
    from raw.lead_score_snapshots as before
    where
        before.tenant_id = scores.tenant_id and before.lead_id = scores.lead_id and before.origin = 'warehouse'
    order by before.scored_at desc
    limit 1
) as last_time on true
where
    outcomes.outcome in ('open', 'not_contacted')
    and scores.components_from is not null
    and row(last_time.weights_version, last_time.score) is distinct from row(scores.weights_version, scores.score)
"""


@dg.asset(
    # Rows of raw.lead_score_snapshots, as the assets that are loaded; its own key, since an asset has one producer.
    key=["raw", "warehouse_score_snapshots"],
    deps=[["marts", "lead_scores"], ["marts", "lead_outcomes"], ["learned", "current_weights"]],
    group_name="scoring",
    kinds={"python", "postgres"},
)
def warehouse_score_snapshots(warehouse: WarehouseResource) -> dg.MaterializeResult:
    """One row per scoring of an open lead by this warehouse: appended where score or weights are not what they were."""
    with warehouse.connect() as connection:
        appended = connection.execute(_APPEND).rowcount
        metadata = table_metadata(connection, "raw", "lead_score_snapshots")
    return dg.MaterializeResult(metadata={"appended": appended, **metadata})
