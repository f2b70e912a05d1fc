"""Publishing weights: versions, one of them live, each change in one transaction.

A reader sees the old state or the new one, never a mixture. Every change of what is live is in
``learned.audit_log``. Does not belong here: deciding what may go live (``models_py``), rates and patterns
(``patterns``).
"""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from warehouse import bulk
from warehouse.errors import VersionError
from warehouse.tenants import Tenant

Weights = tuple[float, float, float, float]  # data_quality, authority, company_fit, timing
CURRENT_WEIGHTS = "learned.current_weights"


@dataclass(frozen=True)
class LiveWeights:
    """What a tenant is scored with now. ``version`` 0: the defaults."""

    tenant_id: int
    weights: Weights
    source: Literal["learned", "pooled", "default"]
    version: int
    held: bool


@dataclass(frozen=True)
class WeightDecision:
    """What was decided about one tenant's weights (``models_py.gate``), with all that is stored about it.

    Attributes:
        action: ``publish`` makes ``live`` live; ``withdraw`` ends the live version, and ``live`` takes its place;
            ``propose`` and ``keep`` leave what is live.
        live, live_source: what is live once the decision is carried out.
        proposal: the tenant's own weights where there are any and they do not go live.
        means: mean of the observed components at first outreach, None where none was observed.
        evidence: everything measured, as JSON.
    """

    tenant_id: int
    action: Literal["publish", "propose", "keep", "withdraw"]
    live: Weights
    live_source: Literal["learned", "pooled", "default"]
    proposal: Weights | None
    reason: str
    leads: int
    bookings: int
    means: tuple[float | None, float | None, float | None, float | None]
    probability_better: float | None = None
    signal_p: float | None = None
    trained_from: dt.date | None = None
    trained_to: dt.date | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


def live_weights(connection: psycopg.Connection) -> dict[int, LiveWeights]:
    """By tenant id, for every tenant."""
    rows = connection.execute(
        "select live.tenant_id, live.data_quality::float8, live.authority::float8, live.company_fit::float8,"
        " live.timing::float8, live.source, live.version, holds.tenant_id is not null"
        " from learned.current_weights as live left join learned.weight_holds as holds using (tenant_id)"
    ).fetchall()
    return {row[0]: LiveWeights(row[0], row[1:5], row[5], row[6], row[7]) for row in rows}


def publish_weights(
    connection: psycopg.Connection, decisions: Sequence[WeightDecision], *, as_of: dt.date, run_id: str | None
) -> dict[str, int]:
    """Carry out the decisions about all tenants in one transaction; returns how many of each action were done.

    A tenant whose weights are held (see :func:`rollback`) gets proposals only.
    """
    done = {"publish": 0, "propose": 0, "keep": 0, "withdraw": 0}
    with connection.transaction():
        before = live_weights(connection)
        decisions = [_held(decision) if before[decision.tenant_id].held else decision for decision in decisions]
        for decision in decisions:
            done[decision.action] += 1
            if decision.proposal is not None or decision.action == "publish":
                _end_version(connection, decision.tenant_id, "proposed", "rejected", "overtaken by a later one")
            if decision.action in ("publish", "withdraw"):
                _change_live(connection, before[decision.tenant_id], decision, as_of, run_id)
            if decision.proposal is not None:
                _insert_version(connection, decision, "proposed", as_of, run_id)
        changed = {d.tenant_id for d in decisions if d.action in ("publish", "withdraw")}
        changed |= _store_decisions(connection, decisions, as_of, run_id)
        _touch(connection, sorted(changed))
    return done


def _held(decision: WeightDecision) -> WeightDecision:
    """The same decision for a tenant whose live weights are pinned."""
    if decision.action not in ("publish", "withdraw"):
        return decision
    own = decision.live if decision.live_source == "learned" else decision.proposal
    return replace(
        decision,
        action="propose" if own else "keep",
        proposal=own,
        reason=f"{decision.reason} Not done: the live weights are held.",
    )


def _change_live(
    connection: psycopg.Connection, before: LiveWeights, decision: WeightDecision, as_of: dt.date, run_id: str | None
) -> None:
    if before.version:
        _end_version(connection, decision.tenant_id, "champion", "retired", decision.reason)
    version = 0
    if decision.live_source != "default":
        version = _insert_version(connection, decision, "champion", as_of, run_id)
    _audit(
        connection,
        decision.tenant_id,
        actor=f"run {run_id}" if run_id else "icp",
        action=f"weights {decision.action}",
        object=f"version {version}",
        detail={"before": before.version, "weights": decision.live, "reason": decision.reason},
    )


def _end_version(connection: psycopg.Connection, tenant_id: int, status: str, becomes: str, because: str) -> None:
    connection.execute(
        "update learned.weight_versions set status = %s, ended_at = clock_timestamp(), ended_because = %s"
        " where tenant_id = %s and status = %s",
        (becomes, because, tenant_id, status),
    )


def _insert_version(
    connection: psycopg.Connection,
    decision: WeightDecision,
    status: Literal["champion", "proposed"],
    as_of: dt.date,
    run_id: str | None,
) -> int:
    weights = decision.live if status == "champion" else decision.proposal
    assert weights is not None
    row = connection.execute(
        "insert into learned.weight_versions (tenant_id, version, source, status, data_quality, authority,"
        " company_fit, timing, leads, bookings, probability_better, signal_p, reason, evidence, trained_from,"
        " trained_to, as_of, run_id, published_at) select %(tenant_id)s, coalesce(max(version), 0) + 1, %(source)s,"
        " %(status)s, %(w0)s, %(w1)s, %(w2)s, %(w3)s, %(leads)s, %(bookings)s, %(probability_better)s, %(signal_p)s,"
        " %(reason)s, %(evidence)s, %(trained_from)s, %(trained_to)s, %(as_of)s, %(run_id)s,"
        " case when %(status)s = 'champion' then clock_timestamp() end"
        " from learned.weight_versions where tenant_id = %(tenant_id)s returning version",
        {
            "tenant_id": decision.tenant_id,
            "source": decision.live_source if status == "champion" else "learned",
            "status": status,
            **{f"w{i}": f"{weight:.3f}" for i, weight in enumerate(weights)},
            "leads": decision.leads,
            "bookings": decision.bookings,
            "probability_better": decision.probability_better,
            "signal_p": decision.signal_p,
            "reason": decision.reason,
            "evidence": Jsonb(dict(decision.evidence)),
            "trained_from": decision.trained_from,
            "trained_to": decision.trained_to,
            "as_of": as_of,
            "run_id": run_id,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


_DECISION_COLUMNS = {
    "tenant_id": "int4",
    "action": "text",
    "reason": "text",
    "leads": "int4",
    "bookings": "int4",
    "probability_better": "float8",
    "signal_p": "float8",
    "mean_data_quality": "float8",
    "mean_authority": "float8",
    "mean_company_fit": "float8",
    "mean_timing": "float8",
    "as_of": "date",
    "run_id": "text",
}
_MEANS = [name for name in _DECISION_COLUMNS if name.startswith("mean_")]


def _store_decisions(
    connection: psycopg.Connection, decisions: Sequence[WeightDecision], as_of: dt.date, run_id: str | None
) -> set[int]:
    """Replace the tenants' last decisions; returns the tenants whose component means changed."""
    rows = [
        (
            d.tenant_id,
            d.action,
            d.reason,
            d.leads,
            d.bookings,
            d.probability_better,
            d.signal_p,
            *d.means,
            as_of,
            run_id,
        )
        for d in decisions
    ]
    names = list(_DECISION_COLUMNS)
    with connection.cursor() as cursor:
        bulk.create_staging(cursor, "decided", _DECISION_COLUMNS)
        bulk.copy_rows(cursor, "decided", _DECISION_COLUMNS, rows)
        changed = cursor.execute(
            (
                "select decided.tenant_id from decided left join learned.weight_decisions as old using (tenant_id)"
                f" where row({', '.join(f'old.{name}' for name in _MEANS)}) is distinct from"
                f" row({', '.join(f'decided.{name}' for name in _MEANS)})"
            ).encode()
        ).fetchall()
        cursor.execute(
            (
                f"insert into learned.weight_decisions ({', '.join(names)}) select {', '.join(names)} from decided"
                " on conflict (tenant_id) do update set decided_at = clock_timestamp(), "
                + ", ".join(f"{name} = excluded.{name}" for name in names[1:])
            ).encode()
        )
        cursor.execute("drop table decided")
    return {row[0] for row in changed}


# -- versions, by hand ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WeightVersion:
    """One row of ``learned.weight_versions``, without its evidence."""

    version: int
    source: str
    status: str
    data_quality: float
    authority: float
    company_fit: float
    timing: float
    leads: int
    bookings: int
    probability_better: float | None
    signal_p: float | None
    reason: str
    created_at: dt.datetime
    published_at: dt.datetime | None
    ended_at: dt.datetime | None
    ended_because: str | None


def weight_history(connection: psycopg.Connection, tenant: Tenant) -> list[WeightVersion]:
    """A tenant's versions, the newest first."""
    with connection.cursor(row_factory=class_row(WeightVersion)) as cursor:
        return cursor.execute(
            "select version, source, status, data_quality::float8, authority::float8, company_fit::float8,"
            " timing::float8, leads, bookings, probability_better, signal_p, reason, created_at, published_at,"
            " ended_at, ended_because from learned.weight_versions where tenant_id = %s order by version desc",
            (tenant.tenant_id,),
        ).fetchall()


def rollback(
    connection: psycopg.Connection,
    tenant: Tenant,
    *,
    to_version: int | None = None,
    reason: str,
    actor: str | None = None,
) -> int:
    """Make an earlier version live again and hold it; returns its number (0: the defaults).

    Without the hold the next run would find the same evidence and publish the same weights again. Learning
    goes on proposing; :func:`release` lets it publish.

    Args:
        to_version: default: the newest older version that was ever live; 0 for the defaults.

    Raises:
        VersionError: no such version, it never was live, or it is live already.
    """
    with connection.transaction():
        live = live_weights(connection)[tenant.tenant_id]
        once_live = [
            row[0]
            for row in connection.execute(
                "select version from learned.weight_versions where tenant_id = %s and published_at is not null"
                " and status in ('retired', 'rejected') for update",
                (tenant.tenant_id,),
            )
        ]
        if to_version is None:
            to_version = max((version for version in once_live if version < live.version), default=0)
        if to_version == live.version:
            raise VersionError(f"Version {to_version} of {tenant.slug} is live already.")
        if to_version != 0 and to_version not in once_live:
            known = ", ".join(map(str, sorted([*once_live, 0])))
            raise VersionError(
                f"{tenant.slug} cannot go back to version {to_version}; it can to: {known} (0: defaults)."
            )
        _end_version(connection, tenant.tenant_id, "champion", "rejected", f"rolled back: {reason}")
        if to_version:
            connection.execute(
                "update learned.weight_versions set status = 'champion', published_at = clock_timestamp(),"
                " ended_at = null, ended_because = null where tenant_id = %s and version = %s",
                (tenant.tenant_id, to_version),
            )
        who = actor or getpass.getuser()
        connection.execute(
            "insert into learned.weight_holds (tenant_id, reason, held_by) values (%s, %s, %s)"
            " on conflict (tenant_id) do update set reason = excluded.reason, held_by = excluded.held_by,"
            " held_at = clock_timestamp()",
            (tenant.tenant_id, reason, who),
        )
        after = live_weights(connection)[tenant.tenant_id]
        _replace_recommended_weights(connection, tenant.tenant_id, after)
        _audit(
            connection,
            tenant.tenant_id,
            actor=who,
            action="weights rollback",
            object=f"version {to_version}",
            detail={"before": live.version, "after": to_version, "reason": reason},
        )
        _touch(connection, [tenant.tenant_id])
    return to_version


def release(connection: psycopg.Connection, tenant: Tenant, *, actor: str | None = None) -> bool:
    """Let learning publish again after a rollback; False if nothing was held."""
    with connection.transaction():
        held = connection.execute(
            "delete from learned.weight_holds where tenant_id = %s returning reason", (tenant.tenant_id,)
        ).fetchone()
        if held:
            _audit(
                connection,
                tenant.tenant_id,
                actor=actor or getpass.getuser(),
                action="weights release",
                object="hold",
                detail={"was": held[0]},
            )
            # so that the next run decides anew on the same evidence
            connection.execute(
                "update intermediate.tenant_versions set built_from = null"
                " where relation = 'learned.weight_versions' and tenant_id = %s",
                (tenant.tenant_id,),
            )
    return held is not None


def _replace_recommended_weights(connection: psycopg.Connection, tenant_id: int, live: LiveWeights) -> None:
    """The WHO pattern names the live weights; it changes with them, and the change is history too."""
    recommended = dict(zip(("data_quality", "authority", "company_fit", "timing"), live.weights, strict=True))
    connection.execute(
        "with changed as (update learned.conversion_patterns set"
        " patterns = patterns || jsonb_build_object('recommended_weights', %s::jsonb), computed_at = clock_timestamp()"
        " where tenant_id = %s and pattern_type = 'who' returning *)"
        " insert into learned.conversion_pattern_history"
        " (tenant_id, pattern_type, computed_at, patterns, sample_size, run_id)"
        " select tenant_id, pattern_type, computed_at, patterns, sample_size, run_id from changed",
        (Jsonb(recommended), tenant_id),
    )


def _audit(
    connection: psycopg.Connection,
    tenant_id: int | None,
    *,
    actor: str,
    action: str,
    object: str,
    detail: Mapping[str, Any],
) -> None:
    connection.execute(
        "insert into learned.audit_log (tenant_id, actor, action, object, detail) values (%s, %s, %s, %s, %s)",
        (tenant_id, actor, action, object, Jsonb(dict(detail))),
    )


def _touch(connection: psycopg.Connection, tenant_ids: Sequence[int]) -> None:
    """Live weights or means changed: what is scored with them is due again."""
    if tenant_ids:
        connection.execute("select intermediate.touch(%s, %s)", (CURRENT_WEIGHTS, list(tenant_ids)))
