"""Learning score weights: training cells in, decided and published versions out."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg
import numpy as np
import psycopg

from dagster_defs.metadata import figure_metadata, markdown_table, table_metadata
from dagster_defs.plots import lift_figure, weights_figure
from dagster_defs.resources import WarehouseResource
from models_py import weights as learner
from models_py.evaluation import information_share
from models_py.holdout import HoldOut, hold_out
from models_py.scoring import TIERS
from warehouse import tenants
from warehouse.publication import LiveWeights, WeightDecision, live_weights, publish_weights
from warehouse.versions import due_tenants, mark_built, run_scope

RELATION = "learned.weight_versions"
READS = ["marts.weight_training_cells", "raw.tenants"]
PUBLISHED = {
    "weight_versions": "One row per tenant and version of score weights, with evidence and the gate's decision.",
    "weight_decisions": "One row per tenant: what the last run decided about its weights and why.",
    "current_weights": "One row per tenant, always: the live weights, as scorers read them.",
}
_UNKNOWN = -1


@dataclass(frozen=True)
class _Training:
    """The training cells of all tenants, and the quarters they span per tenant."""

    cells: learner.Cells
    spans: dict[int, tuple[dt.date, dt.date]]


@dg.multi_asset(
    name="learn_weights",
    specs=[
        dg.AssetSpec(
            ["learned", table],
            deps=[["marts", "weight_training_cells"], ["marts", "lead_outcomes"]],
            group_name="learning",
            description=text,
            kinds={"python", "postgres"},
        )
        for table, text in PUBLISHED.items()
    ],
)
def learn_weights(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:
    """Fit all tenants, pool what they share, decide for those whose evidence changed, publish in one transaction."""
    with warehouse.connect(autocommit=True) as connection:
        as_of, scope = run_scope(connection)
        due = due_tenants(connection, RELATION, READS)
        live = live_weights(connection)
        training = _read_training(connection)
        everybody = tenants.list_tenants(connection)
        decisions: list[WeightDecision] = []
        # Simulated tenants never lend weights to real ones, nor the other way round.
        for group in ([t for t in everybody if not t.simulated], [t for t in everybody if t.simulated]):
            if group:
                decisions += _decide(group, training, live)
        kept = [d for d in decisions if d.tenant_id in due or _pool_moved(d, live, scope)]
        with connection.transaction():
            done = publish_weights(connection, kept, as_of=as_of, run_id=context.run.run_id)
            mark_built(connection, RELATION, due)
        names = {tenant.tenant_id: tenant.slug for tenant in everybody}
        for table in PUBLISHED:
            metadata = table_metadata(connection, "learned", table)
            if table == "weight_versions":
                metadata |= _describe(kept, done, names, len(everybody))
            yield dg.MaterializeResult(asset_key=["learned", table], metadata=metadata)


def _read_training(connection: psycopg.Connection) -> _Training:
    """The cells; a tenant none of whose leads has components is one cell without any, so that its reason can say so."""
    rows = connection.execute(
        "select tenant_id, extract(year from contact_quarter)::int * 4 + extract(quarter from contact_quarter)::int,"
        " tier_at_contact, data_quality, authority, company_fit, timing, leads, booked from marts.weight_training_cells"
        " union all"
        " select tenant_id, -1, 'unknown', null, null, null, null, count(*),"
        " count(*) filter (where is_booked_in_window)"
        " from marts.lead_outcomes where is_matured and tenant_id not in ("
        " select tenant_id from marts.weight_training_cells) group by tenant_id"
    ).fetchall()
    codes = {name: code for code, name in enumerate(TIERS)}
    components = np.array([row[3:7] for row in rows], dtype=np.float64).reshape(-1, 4)  # None becomes NaN
    cells = learner.Cells(
        tenant=np.array([row[0] for row in rows], dtype=np.int64),
        components=components,
        quarter=np.array([row[1] for row in rows], dtype=np.int64),
        tier=np.array([codes.get(row[2], _UNKNOWN) for row in rows], dtype=np.int64),
        leads=np.array([row[7] for row in rows], dtype=np.int64),
        booked=np.array([row[8] for row in rows], dtype=np.int64),
    )
    spans = connection.execute(
        "select tenant_id, min(contact_quarter), (max(contact_quarter) + interval '3 months - 1 day')::date"
        " from marts.weight_training_cells group by tenant_id"
    ).fetchall()
    return _Training(cells, {row[0]: (row[1], row[2]) for row in spans})


def _decide(group: Sequence[tenants.Tenant], training: _Training, live: dict[int, LiveWeights]) -> list[WeightDecision]:
    """Fit, pool and decide for tenants that may share; ascending by tenant id, as the learner wants them."""
    ids = np.array([tenant.tenant_id for tenant in group])
    may_pool = np.array([bool(tenant.settings["pooling"]) for tenant in group])
    now = np.array([live[tenant_id].weights for tenant_id in ids])
    cells = training.cells.where(np.isin(training.cells.tenant, ids))
    fits, pool = learner.fit_pooled(cells, tenants=ids, may_pool=may_pool)
    decided = learner.decide(
        fits,
        live_weights=now,
        live_source=[live[tenant_id].source for tenant_id in ids],
        pooled=pool.reference,
        may_pool=may_pool,
    )
    held_out = hold_out(cells, tenants=ids, live_weights=now)  # around the defaults: the pool has seen these leads
    means = [tuple(None if np.isnan(mean) else float(mean) for mean in row) for row in fits.component_means]
    return [
        WeightDecision(
            tenant_id=decision.tenant,
            action=decision.action,
            live=decision.live_weights,
            live_source=decision.live_source,
            proposal=decision.proposal,
            reason=decision.reason,
            leads=decision.leads,
            bookings=decision.booked,
            means=means[row],  # type: ignore[arg-type]  # four of them
            probability_better=decision.probability_better,
            signal_p=decision.signal_p,
            trained_from=training.spans.get(decision.tenant, (None, None))[0],
            trained_to=training.spans.get(decision.tenant, (None, None))[1],
            evidence=_evidence(fits, row, decision, live[decision.tenant], pool, held_out[row]),
        )
        for row, decision in enumerate(decided)
    ]


def _evidence(
    fits: learner.Fits, row: int, decision: learner.Decision, live: LiveWeights, pool: learner.Pool, held: HoldOut
) -> dict[str, Any]:
    """Everything measured about a version, as plain JSON (no NaN)."""

    def plain(values: Any) -> list[float | None]:
        return [None if np.isnan(value) else round(float(value), 6) for value in np.asarray(values)]

    return {
        "own_weights": plain(fits.weights[row]) if fits.fitted[row] else None,
        "weight_errors": plain(fits.weight_errors[row]),
        "effects": plain(fits.effects[row]),
        "reference": plain(fits.reference[row]),
        "change": [round(after - before, 3) for after, before in zip(decision.weights, live.weights, strict=True)],
        "signal_statistic": plain([fits.signal_statistic[row]])[0],
        "signal_df": int(fits.signal_df[row]),
        "information_share": round(float(information_share(fits.leads[row], fits.booked[row])), 4),
        "pool": {"tenants": pool.tenants, "signal_p": pool.signal_p, "reason": pool.reason},
        "hold_out": asdict(held),
    }


def _pool_moved(decision: WeightDecision, live: dict[int, LiveWeights], scope: list[int] | None) -> bool:
    """The tenant's own evidence is as it was, but what it shares with others is not."""
    in_scope = scope is None or decision.tenant_id in scope
    shared = decision.live_source != "learned" and live[decision.tenant_id].source != "learned"
    return in_scope and shared and decision.action in ("publish", "withdraw")


def _describe(
    decisions: list[WeightDecision], done: dict[str, int], names: dict[int, str], everybody: int
) -> dict[str, Any]:
    """Summary, table and plots for the UI."""
    pooled = sum(d.action == "publish" and d.live_source == "pooled" for d in decisions)
    counts = {"published": done["publish"] - pooled, "moved to the pooled weights": pooled}
    counts |= {"proposed only": done["propose"], "kept": done["keep"], "withdrawn": done["withdraw"]}
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    metadata: dict[str, Any] = {
        "summary": f"{said} ({len(decisions)} of {everybody} tenants had new evidence)."
        if decisions
        else "no tenant has new evidence; nothing decided.",
        "decided": len(decisions),
    }
    if decisions:
        rows = [
            (names[d.tenant_id], d.action, d.live_source, *d.live, d.leads, d.bookings, d.probability_better)
            + (d.signal_p, d.reason)
            for d in decisions
        ]
        metadata["decisions"] = markdown_table(
            ["tenant", "action", "source", "data_quality", "authority", "company_fit", "timing", "leads", "bookings"]
            + ["P(better)", "signal p", "reason"],
            rows,
        )
        metadata["weights"] = figure_metadata(weights_figure(decisions, names))
        lifts = lift_figure(decisions, names)
        if lifts is not None:
            metadata["lift_of_top_fifth"] = figure_metadata(lifts)
    return metadata
