"""Publishing rates and patterns: replaced for the tenants they are of, each in one transaction.

Patterns are kept in a history too. Does not belong here: learning them (``models_py``), versions of weights
(``publication``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from warehouse import bulk

PATTERN_DAYS = 14  # that a pattern is valid

RATE_COLUMNS: dict[str, str] = {
    "tenant_id": "int4",
    "attribute": "text",
    "value": "text",
    "is_missing": "bool",
    "n": "int4",
    "booked": "int4",
    "raw_rate": "float8",
    "shrunk_rate": "float8",
    "interval_low": "float8",
    "interval_high": "float8",
    "shrunk_lift": "float8",
    "probability_better": "float8",
    "probability_strong": "float8",
    "label": "text",
    "prior_mean": "float8",
    "prior_strength": "float8",
    "as_of": "date",
    "run_id": "text",
}


def publish_rates(connection: psycopg.Connection, tenant_ids: Sequence[int], rows: Iterable[Sequence[Any]]) -> int:
    """Replace the rate estimates of these tenants. Rows in the order of ``RATE_COLUMNS``; returns how many."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("delete from learned.rate_estimates where tenant_id = any(%s)", (list(tenant_ids),))
        bulk.create_staging(cursor, "new_rates", RATE_COLUMNS)
        count = bulk.copy_rows(cursor, "new_rates", RATE_COLUMNS, rows)
        names = ", ".join(RATE_COLUMNS)
        cursor.execute(f"insert into learned.rate_estimates ({names}) select {names} from new_rates".encode())
        cursor.execute("drop table new_rates")
        cursor.execute("select intermediate.touch('learned.rate_estimates', %s)", (list(tenant_ids),))
    return count


@dataclass(frozen=True)
class PatternChange:
    """A tenant's pattern of one type, as JSON of its published schema."""

    tenant_id: int
    pattern_type: Literal["who", "what", "when", "how"]
    pattern: Mapping[str, Any]
    sample_size: int
    confidence: float


def publish_patterns(
    connection: psycopg.Connection,
    changes: Sequence[PatternChange],
    *,
    computed_at: dt.datetime,
    run_id: str | None,
) -> int:
    """Replace these patterns and append them to the history, in one transaction. Valid for 14 days."""
    rows = [
        {
            "tenant_id": change.tenant_id,
            "pattern_type": change.pattern_type,
            "patterns": Jsonb(dict(change.pattern)),
            "sample_size": change.sample_size,
            "confidence": change.confidence,
            "computed_at": computed_at,
            "valid_until": computed_at + dt.timedelta(days=PATTERN_DAYS),
            "run_id": run_id,
        }
        for change in changes
    ]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            "insert into learned.conversion_patterns (tenant_id, pattern_type, patterns, sample_size, confidence,"
            " computed_at, valid_until, run_id) values (%(tenant_id)s, %(pattern_type)s, %(patterns)s,"
            " %(sample_size)s, %(confidence)s, %(computed_at)s, %(valid_until)s, %(run_id)s)"
            " on conflict (tenant_id, pattern_type) do update set patterns = excluded.patterns,"
            " sample_size = excluded.sample_size, confidence = excluded.confidence,"
            " computed_at = excluded.computed_at, valid_until = excluded.valid_until, run_id = excluded.run_id",
            rows,
        )
        cursor.executemany(
            "insert into learned.conversion_pattern_history (tenant_id, pattern_type, computed_at, patterns,"
            " sample_size, run_id) values (%(tenant_id)s, %(pattern_type)s, %(computed_at)s, %(patterns)s,"
            " %(sample_size)s, %(run_id)s)",
            rows,
        )
        cursor.execute(
            "select intermediate.touch('learned.conversion_patterns', %s)",
            (sorted({change.tenant_id for change in changes}),),
        )
    return len(rows)


def read_pattern(connection: psycopg.Connection, tenant_id: int, pattern_type: str) -> dict[str, Any] | None:
    """The pattern that holds now, or None."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "select patterns from learned.conversion_patterns where tenant_id = %s and pattern_type = %s",
            (tenant_id, pattern_type),
        ).fetchone()
    return row["patterns"] if row else None
