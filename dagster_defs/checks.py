"""Our own asset checks: each reports its value and the threshold. dbt's tests are checks too (``transform``).

An ERROR says that something promised does not hold; a WARN, that somebody should look.
"""

from collections.abc import Callable
from typing import Any

import dagster as dg
import numpy as np
import psycopg

from dagster_defs.resources import WarehouseResource
from models_py.scoring import score

SAMPLED_SCORES = 5_000
WARN = dg.AssetCheckSeverity.WARN


def check_number(
    asset: tuple[str, str],
    description: str,
    measure: Callable[[psycopg.Connection], float | None],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    name: str,
) -> dg.AssetChecksDefinition:
    """A check that one number is within its threshold; None (nothing to measure) passes."""

    @dg.asset_check(asset=list(asset), name=name, description=description)
    def check(warehouse: WarehouseResource) -> dg.AssetCheckResult:
        with warehouse.connect() as connection:
            value = measure(connection)
        return within(value, at_most=at_most, at_least=at_least, severity=severity)

    return check


def within(
    value: float | None,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    asset: tuple[str, str] | None = None,
    name: str | None = None,
) -> dg.AssetCheckResult:
    """The result of a check that a number is within its threshold; None (nothing to measure) passes.

    Args:
        asset, name: which check, where an asset yields it.
    """
    return dg.AssetCheckResult(
        passed=value is None or ((at_most is None or value <= at_most) and (at_least is None or value >= at_least)),
        asset_key=list(asset) if asset else None,
        check_name=name,
        severity=severity,
        metadata={
            "value": "nothing to measure" if value is None else float(value),
            "threshold": at_most if at_most is not None else at_least,
            "direction": "at most" if at_most is not None else "at least",
        },
    )


def number(statement: str, *parameters: Any) -> Callable[[psycopg.Connection], float | None]:
    """Measures the one number that a query gives; None where it is null."""

    def measure(connection: psycopg.Connection) -> float | None:
        row = connection.execute(statement.encode(), parameters or None).fetchone()
        return None if row is None or row[0] is None else float(row[0])

    return measure


def _score_difference(connection: psycopg.Connection) -> float | None:
    """The largest difference between the SQL score and the Python one on a sample of leads."""
    rows = connection.execute(
        "select scores.data_quality, scores.authority, scores.company_fit, scores.timing, scores.risk, scores.score,"
        " weights.data_quality::float8, weights.authority::float8, weights.company_fit::float8, weights.timing::float8,"
        " weights.mean_data_quality, weights.mean_authority, weights.mean_company_fit, weights.mean_timing,"
        " weights.risk_credit"
        " from marts.lead_scores as scores join learned.current_weights as weights using (tenant_id)"
        " order by md5(scores.lead_id::text) limit %s",
        (SAMPLED_SCORES,),
    ).fetchall()
    if not rows:
        return None
    table = np.array(rows, dtype=np.float64)
    ours = np.concatenate(
        [
            score(part[:, :4], part[:, 4], part[:, 6:10], part[:, 10:14], credit)
            for credit in np.unique(table[:, 14])
            for part in [table[table[:, 14] == credit]]
        ]
    )
    theirs = np.concatenate([table[table[:, 14] == credit][:, 5] for credit in np.unique(table[:, 14])])
    return float(np.abs(ours - theirs).max())


checks = [
    check_number(
        ("raw", "rejected_rows"),
        "Open rejects as a share of all rows loaded.",
        number(
            "select (select count(*) from raw.rejected_rows where resolved_at is null)::float8"
            " / nullif((select sum(rows_read) from raw.loads where status = 'done'), 0)"
        ),
        at_most=0.05,
        severity=WARN,
        name="few_rows_are_rejected",
    ),
    check_number(
        ("marts", "lead_outcomes"),
        "Days from the last booking to the as-of date.",
        number("select (select as_of from intermediate.run_settings) - max(booked_at)::date from marts.lead_outcomes"),
        at_most=30,
        severity=WARN,
        name="bookings_are_recent",
    ),
    check_number(
        ("learned", "current_weights"),
        "Tenants without a row of four weights that sum to 0.85.",
        number(
            "select count(*) from raw.tenants left join learned.current_weights as live using (tenant_id)"
            " where (live.data_quality + live.authority + live.company_fit + live.timing = 0.85) is not true"
        ),
        at_most=0,
        name="every_tenant_has_valid_weights",
    ),
    check_number(
        ("learned", "weight_versions"),
        "Largest change of a weight between a tenant's live learned version and the learned one before it.",
        number(
            "select max(greatest(abs(live.data_quality - before.data_quality), abs(live.authority - before.authority),"
            " abs(live.company_fit - before.company_fit), abs(live.timing - before.timing)))"
            " from learned.weight_versions as live cross join lateral ("
            " select * from learned.weight_versions as older where older.tenant_id = live.tenant_id"
            " and older.version < live.version and older.source = 'learned' and older.published_at is not null"
            " order by older.version desc limit 1) as before"
            " where live.status = 'champion' and live.source = 'learned'"
        ),
        at_most=0.10,
        severity=WARN,
        name="live_weights_move_in_small_steps",
    ),
    check_number(
        ("learned", "weight_versions"),
        "Mean gain in AUC of learned over default weights on held-out quarters, where learned ones are live.",
        number(
            "select avg((evidence #>> '{hold_out,learned,auc}')::float8"
            " - (evidence #>> '{hold_out,default,auc}')::float8)"
            " from learned.weight_versions where status = 'champion' and source = 'learned'"
        ),
        at_least=0.0,
        severity=WARN,
        name="learned_weights_did_better_on_later_leads",
    ),
    check_number(
        ("learned", "rate_estimates"),
        "Labelled findings in tenants with fewer than 50 bookings in the window.",
        number(
            "select count(*) from learned.rate_estimates where label <> 'no_evidence' and tenant_id in ("
            " select tenant_id from marts.lead_outcomes group by tenant_id"
            " having count(*) filter (where is_matured and is_booked_in_window) < 50)"
        ),
        at_most=0,
        name="no_findings_on_thin_evidence",
    ),
    check_number(
        ("learned", "conversion_patterns"),
        "Tenants whose WHO pattern is missing or no longer valid.",
        number(
            "select count(*) from raw.tenants left join learned.conversion_patterns as patterns"
            " on patterns.tenant_id = tenants.tenant_id and patterns.pattern_type = 'who'"
            " where (patterns.valid_until > now()) is not true"
        ),
        at_most=0,
        severity=WARN,
        name="every_tenant_has_a_valid_pattern",
    ),
    check_number(
        ("marts", "lead_scores"),
        f"Largest difference between the SQL and the Python score, on {SAMPLED_SCORES:,} leads.",
        _score_difference,
        at_most=1e-9,
        name="sql_and_python_scores_agree",
    ),
    check_number(
        ("marts", "pipeline_health"),
        "Share of tenants with the 30 matured leads and 10 bookings that weights of their own need.",
        number(
            "select avg(enough::int) from (select bool_and(holds) as enough from marts.pipeline_health"
            " where measure in ('matured_leads', 'bookings') group by tenant_id) as tenants"
        ),
        at_least=0.5,
        severity=WARN,
        name="most_tenants_have_enough_outcomes",
    ),
]
