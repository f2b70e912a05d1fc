"""Learning WHO books: rates in, shrunk and labelled estimates and the WHO pattern out."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import numpy as np
import psycopg
from numpy.typing import NDArray

from dagster_defs.metadata import markdown_table, table_metadata
from dagster_defs.resources import WarehouseResource
from models_py.patterns import Ranking, WhoPattern, build_who
from models_py.rates import RateEstimates, estimate, label
from models_py.timing import SIGNALS, TimingSignals, timing_signals
from warehouse.patterns import PatternChange, publish_patterns, publish_rates
from warehouse.publication import live_weights
from warehouse.versions import due_tenants, mark_built, run_scope

RELATION = "learned.conversion_patterns"
READS = ["marts.lead_conversion_rates", "learned.weight_versions", "learned.current_weights"]
TIMING = "timing_signals"  # joint cells of the three signals; not an attribute to rank
RENEW_BEFORE = dt.timedelta(days=7)
PUBLISHED = {
    "rate_estimates": "One row per tenant, attribute and value: booking rate, shrunk, with interval and label.",
    "conversion_patterns": "One row per tenant and pattern type: the pattern that holds now.",
    "conversion_pattern_history": "One row per pattern that ever held.",
}


@dataclass(frozen=True)
class _Rates:
    """Rows of ``lead_conversion_rates``, estimated: all of one length."""

    tenant: NDArray[np.int64]
    attribute: NDArray[np.object_]
    value: NDArray[np.object_]
    is_missing: NDArray[np.bool_]
    estimates: RateEstimates
    labels: NDArray[np.str_]


@dg.multi_asset(
    name="learn_who",
    specs=[
        dg.AssetSpec(
            ["learned", table],
            deps=[["marts", "lead_conversion_rates"], ["marts", "lead_outcomes"], ["learned", "weight_versions"]],
            group_name="learning",
            description=text,
            kinds={"python", "postgres"},
        )
        for table, text in PUBLISHED.items()
    ],
)
def learn_who(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:
    """Estimate, label and publish for the tenants whose rates or weights changed, in one transaction."""
    now = dt.datetime.now(dt.UTC)
    with warehouse.connect(autocommit=True) as connection:
        as_of, _ = run_scope(connection)
        due = due_tenants(connection, RELATION, READS) | _soon_invalid(connection, now)
        ids = sorted(due)
        totals = _totals(connection, ids)
        rates = _estimate_rates(connection, ids, totals)
        patterns = _patterns(connection, ids, totals, rates, now)
        with connection.transaction():
            if ids:
                publish_rates(connection, ids, _rate_rows(rates, as_of, context.run.run_id))
                publish_patterns(connection, patterns, computed_at=now, run_id=context.run.run_id)
            mark_built(connection, RELATION, due)
        found = int((rates.labels != "no_evidence").sum())
        for table in PUBLISHED:
            metadata = table_metadata(connection, "learned", table)
            if table == "rate_estimates":
                metadata["summary"] = (
                    f"{len(ids)} tenants estimated, {found} labelled findings." if ids else "nothing to estimate anew."
                )
                metadata["findings"] = _findings(connection)
            yield dg.MaterializeResult(asset_key=["learned", table], metadata=metadata)


def _soon_invalid(connection: psycopg.Connection, now: dt.datetime) -> dict[int, str]:
    """Patterns are valid for fourteen days: one that still holds is confirmed before it runs out."""
    rows = connection.execute(
        "select patterns.tenant_id, built.built_from from learned.conversion_patterns as patterns"
        " join intermediate.tenant_versions as built on built.tenant_id = patterns.tenant_id"
        " and built.relation = %s cross join intermediate.run_settings as run"
        " where patterns.pattern_type = 'who' and patterns.valid_until < %s and built.built_from is not null"
        " and (run.tenant_ids is null or patterns.tenant_id = any(run.tenant_ids))",
        (RELATION, now + RENEW_BEFORE),
    ).fetchall()
    return dict(rows)


def _totals(connection: psycopg.Connection, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Matured leads and bookings within the window, by tenant."""
    rows = connection.execute(
        "select tenant_id, count(*) filter (where is_matured),"
        " count(*) filter (where is_matured and is_booked_in_window)"
        " from marts.lead_outcomes where tenant_id = any(%s) group by tenant_id",
        (list(ids),),
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def _estimate_rates(connection: psycopg.Connection, ids: Sequence[int], totals: dict[int, tuple[int, int]]) -> _Rates:
    rows = connection.execute(
        "select tenant_id, attribute, value, is_missing, matured, booked_in_window from marts.lead_conversion_rates"
        " where tenant_id = any(%s) and attribute <> %s and matured > 0"
        " order by tenant_id, attribute, is_missing, value",
        (list(ids), TIMING),
    ).fetchall()
    tenant = np.array([row[0] for row in rows], dtype=np.int64)
    groups: dict[tuple[int, str], int] = {}
    group = np.array([groups.setdefault((row[0], row[1]), len(groups)) for row in rows], dtype=np.int64)
    estimates = estimate(
        group,
        np.array([row[4] for row in rows], dtype=np.int64),
        np.array([row[5] for row in rows], dtype=np.int64),
    )
    booked = np.array([totals.get(row[0], (0, 0))[1] for row in rows], dtype=np.int64)
    return _Rates(
        tenant=tenant,
        attribute=np.array([row[1] for row in rows], dtype=object),
        value=np.array([row[2] for row in rows], dtype=object),
        is_missing=np.array([row[3] for row in rows], dtype=np.bool_),
        estimates=estimates,
        labels=label(tenant, estimates, tenant_booked=booked),
    )


def _patterns(
    connection: psycopg.Connection,
    ids: Sequence[int],
    totals: dict[int, tuple[int, int]],
    rates: _Rates,
    now: dt.datetime,
) -> list[PatternChange]:
    live = live_weights(connection)
    proposals = _proposals(connection, ids)
    timing = _timing(connection, ids)
    changes = []
    for tenant_id in ids:
        leads, booked = totals.get(tenant_id, (0, 0))
        pattern = build_who(
            computed_at=now,
            leads=leads,
            booked=booked,
            rankings=_rankings(rates, tenant_id),
            timing=timing,
            tenant=tenant_id,
            live_weights=live[tenant_id].weights,
            proposed_weights=proposals.get(tenant_id),
        )
        changes.append(_change(tenant_id, pattern))
    return changes


def _change(tenant_id: int, pattern: WhoPattern) -> PatternChange:
    return PatternChange(
        tenant_id=tenant_id,
        pattern_type="who",
        pattern=pattern.model_dump(mode="json"),
        sample_size=pattern.sample_size,
        confidence=pattern.confidence,
    )


def _rankings(rates: _Rates, tenant_id: int) -> dict[str, Ranking]:
    """By attribute; leads without a value take part in the estimate, but are no value to rank."""
    mine = np.flatnonzero((rates.tenant == tenant_id) & ~rates.is_missing)
    rankings = {}
    for attribute in dict.fromkeys(rates.attribute[mine]):
        rows = mine[rates.attribute[mine] == attribute]
        rankings[str(attribute)] = Ranking(
            list(rates.value[rows]), rates.estimates.take(rows), list(rates.labels[rows])
        )
    return rankings


def _proposals(connection: psycopg.Connection, ids: Sequence[int]) -> dict[int, tuple[float, ...]]:
    rows = connection.execute(
        "select tenant_id, data_quality::float8, authority::float8, company_fit::float8, timing::float8"
        " from learned.weight_versions where status = 'proposed' and tenant_id = any(%s)",
        (list(ids),),
    ).fetchall()
    return {row[0]: row[1:] for row in rows}


def _timing(connection: psycopg.Connection, ids: Sequence[int]) -> TimingSignals | None:
    rows = connection.execute(
        "select tenant_id, value, matured, booked_in_window from marts.lead_conversion_rates"
        " where tenant_id = any(%s) and attribute = %s and not is_missing and matured > 0",
        (list(ids), TIMING),
    ).fetchall()
    if not rows:
        return None
    flags = np.array([[signal in row[1].split("+") for signal in SIGNALS] for row in rows], dtype=np.bool_)
    return timing_signals(
        np.array([row[0] for row in rows], dtype=np.int64),
        flags,
        np.array([row[2] for row in rows], dtype=np.int64),
        np.array([row[3] for row in rows], dtype=np.int64),
    )


def _rate_rows(rates: _Rates, as_of: dt.date, run_id: str) -> Iterator[tuple[Any, ...]]:
    """In the order of ``patterns.RATE_COLUMNS``."""
    e = rates.estimates
    for row in np.flatnonzero(e.listed):
        yield (
            int(rates.tenant[row]),
            rates.attribute[row],
            rates.value[row],
            bool(rates.is_missing[row]),
            int(e.leads[row]),
            int(e.booked[row]),
            float(e.raw_rate[row]),
            float(e.shrunk_rate[row]),
            float(e.interval_low[row]),
            float(e.interval_high[row]),
            float(e.shrunk_lift[row]),
            float(e.probability_better[row]),
            float(e.probability_strong[row]),
            str(rates.labels[row]),
            float(e.prior_mean[row]),
            float(e.prior_strength[row]),
            as_of,
            run_id,
        )


def _findings(connection: psycopg.Connection) -> dg.MarkdownMetadataValue:
    """The strongest labelled findings of all tenants."""
    rows = connection.execute(
        "select tenants.slug, rates.attribute, rates.value, rates.label, rates.n, rates.booked, rates.raw_rate,"
        " rates.shrunk_rate, rates.interval_low, rates.interval_high, rates.shrunk_lift"
        " from learned.rate_estimates as rates join learned.tenants as tenants using (tenant_id)"
        " where rates.label <> 'no_evidence' order by abs(ln(greatest(rates.shrunk_lift, 0.01))) desc limit 20"
    ).fetchall()
    names = ["tenant", "attribute", "value", "label", "n", "booked", "raw", "shrunk", "low", "high", "lift"]
    return markdown_table(names, rows)
