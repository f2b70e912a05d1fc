"""Which tenants are due: the Python side of ``intermediate.tenant_versions``.

dbt models find theirs in ``dbt_project/macros/changed_tenants.sql``, by the same rule: a tenant is due when
something that is read about it has another version than the last time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import psycopg


def run_scope(connection: psycopg.Connection) -> tuple[dt.date, list[int] | None]:
    """The run's as-of date, and the ids of the tenants it is about (None: all)."""
    row = connection.execute("select as_of, tenant_ids from intermediate.run_settings").fetchone()
    assert row is not None
    return row[0], row[1]


def due_tenants(connection: psycopg.Connection, relation: str, reads: Sequence[str]) -> dict[int, str]:
    """Tenants of the run's scope for which ``relation`` is not built from what it ``reads`` as it is now.

    Returns:
        Tenant id → what to hand to :func:`mark_built` once that is done.
    """
    rows = connection.execute(
        "select tenants.tenant_id, wanted.built_from"
        " from raw.tenants as tenants cross join intermediate.run_settings as run"
        " cross join lateral ("
        " select coalesce(string_agg(inputs.relation || ':' || inputs.version, '|' order by inputs.relation), '')"
        " as built_from from intermediate.tenant_versions as inputs"
        " where inputs.tenant_id = tenants.tenant_id and inputs.relation = any(%(reads)s)) as wanted"
        " left join intermediate.tenant_versions as built"
        " on built.relation = %(relation)s and built.tenant_id = tenants.tenant_id"
        " where (run.tenant_ids is null or tenants.tenant_id = any(run.tenant_ids))"
        " and built.built_from is distinct from wanted.built_from",
        {"relation": relation, "reads": list(reads)},
    ).fetchall()
    return dict(rows)


def mark_built(connection: psycopg.Connection, relation: str, built_from: Mapping[int, str]) -> None:
    """Say that these tenants' rows of ``relation`` are new, and what they were built from."""
    if built_from:
        connection.execute(
            "insert into intermediate.tenant_versions as known (relation, tenant_id, version, built_from)"
            " select %s, built.tenant_id, nextval('intermediate.versions'), built.built_from"
            " from unnest(%s::int[], %s::text[]) as built (tenant_id, built_from)"
            " on conflict (relation, tenant_id) do update set version = excluded.version,"
            " built_from = excluded.built_from, changed_at = clock_timestamp()",
            (relation, list(built_from), list(built_from.values())),
        )


def newest_version(connection: psycopg.Connection) -> int:
    """The newest version number given so far."""
    row = connection.execute("select coalesce(max(version), 0) from intermediate.tenant_versions").fetchone()
    return row[0] if row else 0


def changed_since(connection: psycopg.Connection, relation: str, version: int) -> int:
    """How many tenants' rows of a relation are newer than a version number."""
    row = connection.execute(
        "select count(*) from intermediate.tenant_versions where relation = %s and version > %s", (relation, version)
    ).fetchone()
    return row[0] if row else 0
