"""``raw.company_enrichment_runs`` as a queue: what waits, what is at work, what came of it.

A row at work belongs to a run that holds an advisory lock; when its process dies, the lock goes with the
connection and the row goes back to the queue. Any number of processes may work the queue off together.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import psycopg

_LOCK_CLASS = 4_927_003
# After the first, second … attempt in a row at a site that could not be read; after the last, only when asked.
RETRY_AFTER = tuple(dt.timedelta(days=days) for days in (1, 3, 9, 27))
# The lock's second key, from the run's id: 28 bits, never negative, as pg_locks shows it.
_LOCK_KEY = "('x' || left(md5({}), 7))::bit(28)::integer"


@dataclass(frozen=True)
class Job:
    """One company to enrich for a tenant. ``attempts``: how often in a row its site could not be read."""

    tenant_id: int
    company_id: int
    attempts: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        degraded: sentences without personal data.
        attempts: how often in a row its site could not be read, this time included.
        retry_at: when it is tried again by itself.
    """

    state: Literal["done", "failed"]
    filled: tuple[str, ...]
    degraded: tuple[str, ...]
    contacts: int
    seconds: float
    attempts: int = 0
    retry_at: dt.datetime | None = None


def next_attempt(attempts: int, now: dt.datetime) -> dt.datetime | None:
    """When a site that could not be read so many times in a row is tried again; None: not by itself any more."""
    return now + RETRY_AFTER[attempts - 1] if attempts <= len(RETRY_AFTER) else None


@contextmanager
def run_lock(connection: psycopg.Connection, run_id: str) -> Iterator[None]:
    """Say that this run lives, for as long as the connection does. Connection in autocommit mode."""
    key = _LOCK_KEY.format("%s")
    connection.execute(f"select pg_advisory_lock({_LOCK_CLASS}, {key})".encode(), (run_id,))
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(f"select pg_advisory_unlock({_LOCK_CLASS}, {key})".encode(), (run_id,))


def enqueue(
    connection: psycopg.Connection,
    *,
    tenant_id: int,
    company_ids: Sequence[int],
    reason: str,
    now: dt.datetime,
    again: bool = False,
) -> int:
    """Put companies into the queue in their order; those that wait, are at work or done stay as they are.

    One that failed is tried again; with ``again`` also one that is done. Returns how many were put in.
    """
    with connection.transaction():
        count = connection.execute(
            "insert into raw.company_enrichment_runs as known (tenant_id, company_id, state, reason, queued_at)"
            " select %s, company_id, 'queued', %s, %s::timestamptz + position * interval '1 microsecond'"
            " from (select company_id, min(position) as position from unnest(%s::bigint[]) with ordinality"
            " as asked (company_id, position) group by company_id) as wanted"
            " on conflict (tenant_id, company_id) do update set state = 'queued', reason = excluded.reason,"
            " queued_at = excluded.queued_at, retry_at = null, finished_at = null, run_id = null"
            " where known.state = 'failed' or (%s and known.state = 'done')",
            (tenant_id, reason, now, list(company_ids), again),
        ).rowcount
        if count:
            _touch(connection, [tenant_id])
    return count


def recover(connection: psycopg.Connection) -> int:
    """Give the rows of dead runs back to the queue; returns how many."""
    with connection.transaction():
        tenants = connection.execute(
            "update raw.company_enrichment_runs as runs set state = 'queued', run_id = null"
            " where state = 'running' and not exists (select from pg_locks as locks"
            " where locks.locktype = 'advisory' and locks.granted and locks.objsubid = 2"
            " and locks.database = (select oid from pg_database where datname = current_database())"
            f" and locks.classid::bigint = {_LOCK_CLASS}"
            f" and locks.objid::bigint = {_LOCK_KEY.format('runs.run_id')})"
            " returning tenant_id".encode()
        ).fetchall()
        if tenants:
            _touch(connection, [tenant_id for (tenant_id,) in tenants])
    return len(tenants)


def retry(connection: psycopg.Connection, *, now: dt.datetime) -> int:
    """Put companies whose site could not be read back into the queue when their time has come; returns how many."""
    with connection.transaction():
        tenants = connection.execute(
            "update raw.company_enrichment_runs set state = 'queued', queued_at = retry_at, retry_at = null,"
            " run_id = null where state = 'failed' and retry_at <= %s returning tenant_id",
            (now,),
        ).fetchall()
        if tenants:
            _touch(connection, [tenant_id for (tenant_id,) in tenants])
    return len(tenants)


def claim(
    connection: psycopg.Connection,
    *,
    run_id: str,
    tenant_id: int,
    company_ids: Sequence[int] | None = None,
) -> Job | None:
    """Take the longest waiting company of a tenant (of these, where given); None when nothing waits."""
    row = connection.execute(
        "update raw.company_enrichment_runs as runs set state = 'running', run_id = %s"
        " from (select tenant_id, company_id from raw.company_enrichment_runs"
        " where state = 'queued' and tenant_id = %s and (%s::bigint[] is null or company_id = any(%s::bigint[]))"
        " order by queued_at, company_id limit 1 for update skip locked) as next"
        " where runs.tenant_id = next.tenant_id and runs.company_id = next.company_id"
        " returning runs.tenant_id, runs.company_id, runs.attempts",
        (run_id, tenant_id, *(2 * [None if company_ids is None else list(company_ids)])),
    ).fetchone()
    return None if row is None else Job(*row)


def finish(connection: psycopg.Connection, job: Job, outcome: Outcome, *, now: dt.datetime) -> None:
    """Write what came of a job, within the caller's transaction."""
    connection.execute(
        "update raw.company_enrichment_runs set state = %s, filled = %s, degraded_reasons = %s, contacts = %s,"
        " seconds = %s, attempts = %s, retry_at = %s, finished_at = %s where tenant_id = %s and company_id = %s",
        (
            outcome.state,
            list(outcome.filled),
            list(outcome.degraded),
            outcome.contacts,
            outcome.seconds,
            outcome.attempts,
            outcome.retry_at,
            now,
            job.tenant_id,
            job.company_id,
        ),
    )
    _touch(connection, [job.tenant_id])


def give_back(connection: psycopg.Connection, run_id: str) -> None:
    """Return what a run took and did not finish: it was interrupted."""
    connection.execute(
        "update raw.company_enrichment_runs set state = 'queued', run_id = null"
        " where state = 'running' and run_id = %s",
        (run_id,),
    )


def waiting(connection: psycopg.Connection) -> dict[int, int]:
    """How many companies wait, by tenant; the tenant that has waited longest first."""
    return dict(
        connection.execute(
            "select tenant_id, count(*) from raw.company_enrichment_runs where state = 'queued'"
            " group by tenant_id order by min(queued_at)"
        ).fetchall()
    )


def _touch(connection: psycopg.Connection, tenant_ids: Sequence[int]) -> None:
    connection.execute("select intermediate.touch('raw.company_enrichment_runs', %s::int[])", (list(tenant_ids),))
