"""How long rows are kept that nothing is learned from: settings, and deleting in small batches what is older.

Belongs here: which rows of which table may go by age, and which must stay. Does not belong here: deleting a person
(``forget``), or what is learned, which is kept for good.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from warehouse.errors import WarehouseError

BATCH = 5_000  # rows per transaction: no reader waits for a delete, and vacuum comes in between


@dataclass(frozen=True)
class Rule:
    """Rows of one table that go when they are old enough.

    Attributes:
        kind: as in the name of the setting ``ICP_RETAIN_<KIND>_DAYS``.
        days: default; None: for ever.
        old: which rows are old: a condition on the alias ``old``, with the parameter ``days``.
        needed: which of those stay all the same, because weights are learned from them.
    """

    kind: str
    table: str
    days: int | None
    help: str
    old: str
    needed: str = "false"

    @property
    def setting(self) -> str:
        """Name of the environment variable."""
        return f"ICP_RETAIN_{self.kind.upper()}_DAYS"


_BEFORE = "(clock_timestamp() - interval '1 day' * %(days)s)"
# Weights are learned from a lead's score as it was at first outreach, up to a day after it, and the lead is scored by
# the last one. Where outreach is still to come, any of them may become the one.
_AT_OUTREACH = """
not exists (
    select from raw.leads as leads
    where
        leads.tenant_id = old.tenant_id and leads.lead_id = old.lead_id
        and old.scored_at > interval '1 day' + least(leads.first_contact_at, (
            select min(touches.occurred_at)
            from raw.activities as touches inner join raw.activity_kinds as kinds using (kind)
            where touches.tenant_id = old.tenant_id and touches.lead_id = old.lead_id and kinds.is_touch
        ))
)
"""
RULES = (
    Rule(
        "rejected",
        "raw.rejected_rows",
        180,
        "rejected rows, since they were resolved or last seen in a file",
        "coalesce(old.resolved_at, (select loads.finished_at from raw.loads as loads"
        f" where loads.load_id = old.last_load_id), old.rejected_at) < {_BEFORE}",
    ),
    Rule(
        "pages",
        "raw.crawl_pages",
        90,
        "cached pages, since they were fetched; what was read in them stays",
        f"old.fetched_at < {_BEFORE} and old.expires_at < clock_timestamp()",
    ),
    Rule(
        "snapshots",
        "raw.lead_score_snapshots",
        None,
        "scores of leads from after the outreach, except each lead's last",
        f"old.scored_at < {_BEFORE} and exists (select from raw.lead_score_snapshots as later"
        " where later.tenant_id = old.tenant_id and later.lead_id = old.lead_id and later.origin = old.origin"
        " and later.scored_at > old.scored_at)",
        needed=_AT_OUTREACH,
    ),
    Rule(
        "inbox",
        "raw.icp_intake_inbox",
        365,
        "intakes as applications handed them in, since they were processed",
        f"old.processed_at < {_BEFORE}",
    ),
    Rule("model_calls", "raw.model_calls", 365, "the log of language model calls", f"old.called_at < {_BEFORE}"),
)


@dataclass(frozen=True)
class Applied:
    """What a rule came to.

    Attributes:
        days: None: for ever, nothing was looked at.
        deleted: rows that went, or in a dry run would go.
        needed: rows as old that stay, because weights are learned from them.
    """

    kind: str
    setting: str
    days: int | None
    deleted: int
    needed: int


def days_from_environment(environ: Mapping[str, str] | None = None) -> dict[str, int | None]:
    """Kind → days, or None for ever; raises WarehouseError for a value that is neither a number nor ``forever``."""
    env = os.environ if environ is None else environ
    found: dict[str, int | None] = {}
    for rule in RULES:
        given = env.get(rule.setting, "").strip()
        if not given:
            found[rule.kind] = rule.days
        elif given == "forever":
            found[rule.kind] = None
        elif given.isascii() and given.isdigit() and 1 <= int(given) <= 36_500:
            found[rule.kind] = int(given)
        else:
            raise WarehouseError(f"{rule.setting} is {given!r}; it takes days from 1 to 36500, or 'forever'.")
    return found


def apply(
    connection: psycopg.Connection, days: Mapping[str, int | None], *, dry_run: bool = False, run_id: str | None = None
) -> list[Applied]:
    """Delete what is older, in batches that are committed one by one. A killed run has deleted less, and that is all.

    Args:
        connection: in autocommit mode; the caller holds the pipeline's lock.
        days: kind → days, as :func:`days_from_environment` gives it.
    """
    done = []
    for rule in RULES:
        limit = days[rule.kind]
        if limit is None:
            done.append(Applied(rule.kind, rule.setting, None, 0, 0))
            continue
        values = {"days": limit}
        deleted = (
            _count(connection, rule, f"not ({rule.needed})", values) if dry_run else _delete(connection, rule, values)
        )
        needed = 0 if rule.needed == "false" else _count(connection, rule, rule.needed, values)
        done.append(Applied(rule.kind, rule.setting, limit, deleted, needed))
    if not dry_run:
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into raw.retention_runs (kind, retained_days, deleted, kept_for_learning, run_id)"
                " values (%s, %s, %s, %s, %s)",
                [(one.kind, one.days, one.deleted, one.needed, run_id) for one in done],
            )
    return done


def _count(connection: psycopg.Connection, rule: Rule, also: str, values: Mapping[str, int]) -> int:
    statement = f"select count(*) from {rule.table} as old where {rule.old} and {also}"
    row = connection.execute(statement.encode(), values).fetchone()
    assert row is not None
    return int(row[0])


def _delete(connection: psycopg.Connection, rule: Rule, values: Mapping[str, int]) -> int:
    """One scan finds the rows; each batch looks again whether its rows are still old."""
    old = f"{rule.old} and not ({rule.needed})"
    deleted = 0
    with connection.cursor("old_rows", withhold=True) as found:
        found.execute(f"select old.ctid::text from {rule.table} as old where {old}".encode(), values)
        while batch := [place for (place,) in found.fetchmany(BATCH)]:
            deleted += connection.execute(
                f"delete from {rule.table} as old where old.ctid = any(%(places)s::tid[]) and {old}".encode(),
                {**values, "places": batch},
            ).rowcount
    return deleted
