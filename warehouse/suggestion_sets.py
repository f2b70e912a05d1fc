"""Publishing suggestions: a tenant's generation, its signal estimates and look-alikes, in one transaction.

Belongs here: writing what was made, and not making a generation anew that is there. Does not belong here: reading and
deciding (``suggestions``), how suggestions come about (``models_py.suggestions``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from warehouse import bulk

SUGGESTIONS = "learned.icp_suggestions"

#: Columns of ``learned.signal_estimates`` in the order in which :func:`publish_estimates` takes rows.
ESTIMATE_COLUMNS = {
    "tenant_id": "int4",
    "signal_key": "text",
    "value_key": "text",
    "label_text": "text",
    "companies": "int4",
    "n": "int4",
    "support": "float8",
    "interval_low": "float8",
    "interval_high": "float8",
    "base_rate": "float8",
    "base_n": "int4",
    "lift": "float8",
    "lost_companies": "int4",
    "lost_n": "int4",
    "p_value": "float8",
    "label": "text",
    "as_of": "date",
    "run_id": "text",
}
_LOOKALIKE_COLUMNS = {
    "tenant_id": "int4",
    "suggestion_id": "text",
    "rank": "int4",
    "entity_id": "int8",
    "company_id": "int8",
    "name": "text",
    "registration_number": "text",
    "website_domain": "text",
    "score": "float8",
    "why": "text",
    "snippet": "text",
}


@dataclass(frozen=True)
class NewSuggestion:
    """A micro-ICP to publish; the three JSON values are of the schemas under docs/schemas."""

    suggestion_id: str
    title: str
    score: float
    evidence_ids: Sequence[int]
    reduced_evidence: bool
    card: Mapping[str, Any]
    targeting_pack: Mapping[str, Any]
    rule_payload: Mapping[str, Any]


@dataclass(frozen=True)
class NewLookalike:
    """A company like a tenant's customers, of the registry (``entity_id``), crawled (``company_id``), or both."""

    suggestion_id: str
    rank: int
    entity_id: int | None
    company_id: int | None
    name: str
    registration_number: str | None
    website_domain: str | None
    score: float
    why: str
    snippet: str | None


@dataclass(frozen=True)
class NewSet:
    """All that is suggested to one tenant now, best suggestion first."""

    tenant_id: int
    intake_version: int | None
    inputs_hash: str
    best_seeds: int
    seeds_with_evidence: int
    reduced_evidence: bool
    negative_icp: Mapping[str, Any]
    advice: Sequence[str]
    suggestions: Sequence[NewSuggestion]
    lookalikes: Sequence[NewLookalike] = ()


def publish_estimates(connection: psycopg.Connection, tenant_ids: Sequence[int], rows: Iterable[Sequence[Any]]) -> int:
    """Replace the signal estimates of these tenants. Rows in the order of ``ESTIMATE_COLUMNS``; returns how many."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("delete from learned.signal_estimates where tenant_id = any(%s)", (list(tenant_ids),))
        count = _insert(cursor, "learned.signal_estimates", ESTIMATE_COLUMNS, rows)
        cursor.execute("select intermediate.touch('learned.signal_estimates', %s)", (list(tenant_ids),))
    return count


def publish_sets(connection: psycopg.Connection, sets: Sequence[NewSet], *, run_id: str | None) -> dict[int, int]:
    """Publish what is new of these tenants' sets, all in one transaction.

    A set with the inputs of the tenant's newest generation makes no new one. Look-alikes always become those of now:
    of the suggestions given, and, as they were, of accepted suggestions that are no longer made.

    Returns:
        Tenant id → generation, of those that got a new one.
    """
    made: dict[int, int] = {}
    with connection.transaction(), connection.cursor() as cursor:
        newest = _newest(cursor, [new.tenant_id for new in sets])
        for new in sets:
            generation, known_hash = newest.get(new.tenant_id, (0, ""))
            if known_hash != new.inputs_hash:
                made[new.tenant_id] = generation + 1
                _insert_set(cursor, new, generation + 1, run_id)
        moved = _replace_lookalikes(cursor, sets)
        if changed := sorted({*made, *moved}):
            cursor.execute("select intermediate.touch(%s, %s)", (SUGGESTIONS, changed))
    return made


def _newest(cursor: psycopg.Cursor, tenant_ids: Sequence[int]) -> dict[int, tuple[int, str]]:
    rows = cursor.execute(
        "select distinct on (tenant_id) tenant_id, generation, inputs_hash from learned.icp_suggestion_sets"
        " where tenant_id = any(%s) order by tenant_id, generation desc",
        (list(tenant_ids),),
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def _insert_set(cursor: psycopg.Cursor, new: NewSet, generation: int, run_id: str | None) -> None:
    cursor.execute(
        "insert into learned.icp_suggestion_sets (tenant_id, generation, intake_version, inputs_hash, best_seeds,"
        " seeds_with_evidence, reduced_evidence, negative_icp, advice, run_id)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (new.tenant_id, generation, new.intake_version, new.inputs_hash, new.best_seeds, new.seeds_with_evidence)
        + (new.reduced_evidence, Jsonb(dict(new.negative_icp)), list(new.advice), run_id),
    )
    cursor.executemany(
        "insert into learned.icp_suggestions (tenant_id, generation, suggestion_id, rank, title, score,"
        " evidence_count, evidence_ids, reduced_evidence, card, targeting_pack, rule_payload)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            (new.tenant_id, generation, made.suggestion_id, rank, made.title, made.score, len(made.evidence_ids))
            + (list(made.evidence_ids), made.reduced_evidence, Jsonb(dict(made.card)))
            + (Jsonb(dict(made.targeting_pack)), Jsonb(dict(made.rule_payload)))
            for rank, made in enumerate(new.suggestions, start=1)
        ],
    )


def _replace_lookalikes(cursor: psycopg.Cursor, sets: Sequence[NewSet]) -> set[int]:
    """Write those that differ; returns the tenants whose look-alikes changed."""
    names = ", ".join(_LOOKALIKE_COLUMNS)
    values = ", ".join(name for name in _LOOKALIKE_COLUMNS if name not in ("tenant_id", "suggestion_id", "rank"))
    bulk.create_staging(cursor, "new_lookalikes", _LOOKALIKE_COLUMNS)
    bulk.copy_rows(cursor, "new_lookalikes", _LOOKALIKE_COLUMNS, _lookalike_rows(sets))
    moved = cursor.execute(
        "delete from learned.lookalikes as known where known.tenant_id = any(%(tenants)s)"
        " and not exists (select from new_lookalikes as new where new.tenant_id = known.tenant_id"
        " and new.suggestion_id = known.suggestion_id and new.rank = known.rank)"
        " and not (known.suggestion_id <> all(%(made)s) and exists ("
        " select from learned.suggestion_decisions as decided where decided.tenant_id = known.tenant_id"
        " and decided.suggestion_id = known.suggestion_id and decided.decision = 'accepted'))"
        " returning known.tenant_id",
        {
            "tenants": [new.tenant_id for new in sets],
            "made": [made.suggestion_id for new in sets for made in new.suggestions],
        },
    ).fetchall()
    own = [name.strip() for name in values.split(",")]
    moved += cursor.execute(
        f"insert into learned.lookalikes as known ({names}) select {names} from new_lookalikes"
        " on conflict (tenant_id, suggestion_id, rank) do update set"
        f" {', '.join(f'{name} = excluded.{name}' for name in own)}, computed_at = clock_timestamp()"
        f" where row({', '.join(f'known.{name}' for name in own)})"
        f" is distinct from row({', '.join(f'excluded.{name}' for name in own)}) returning known.tenant_id".encode()
    ).fetchall()
    cursor.execute("drop table new_lookalikes")
    return {row[0] for row in moved}


def _lookalike_rows(sets: Sequence[NewSet]) -> Iterator[tuple[Any, ...]]:
    for new in sets:
        for like in new.lookalikes:
            yield (
                new.tenant_id,
                like.suggestion_id,
                like.rank,
                like.entity_id,
                like.company_id,
                like.name,
                like.registration_number,
                like.website_domain,
                like.score,
                like.why,
                like.snippet,
            )


def _insert(cursor: psycopg.Cursor, table: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> int:
    names = ", ".join(columns)
    bulk.create_staging(cursor, "new_rows", columns)
    count = bulk.copy_rows(cursor, "new_rows", columns, rows)
    cursor.execute(f"insert into {table} ({names}) select {names} from new_rows".encode())
    cursor.execute("drop table new_rows")
    return count
