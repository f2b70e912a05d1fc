"""One payload → one version of a tenant's answers, its seeds, evidence and flow state, in one transaction.

Belongs here: what is written where. Not here: what a payload means (payload.py).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from ingest.companies import company_key, ensure_companies
from ingest.evidence import store_evidence
from ingest.intake.answers import Answers, Customer
from ingest.intake.evidence import evidence_of
from ingest.intake.payload import Understood, answers_hash, conclude, merged, understand
from ingest.intake.reading import check
from models_py.matching.names import name_key
from warehouse.tenants import Tenant

_LOCK: Final = 4_927_004
"""Of advisory locks: one intake of a tenant at a time."""


@dataclass(frozen=True)
class IntakeReport:
    """What became of a payload.

    Attributes:
        status: stored (a new version), or unchanged (the latest version says the same; nothing was written).
        answers: normalised, as stored.
    """

    tenant: str
    status: str
    response_id: int
    version: int
    answers: dict[str, Any]
    notes: tuple[str, ...]
    is_low_confidence: bool
    best: int
    lost: int
    evidence_items: int


def store_intake(
    connection: psycopg.Connection,
    *,
    tenant: Tenant,
    payload: Any,
    submitted_by: str,
    now: dt.datetime,
    merge: bool = False,
    load_id: int | None = None,
) -> IntakeReport:
    """Check a payload and store it as the tenant's next version, with seeds, evidence and flow state.

    Args:
        payload: of either shape, parsed.
        merge: add to the latest version instead of replacing it; the payload may ask for it too.
        load_id: the row of ``raw.loads`` that it came with; None: through the inbox.

    Raises:
        IntakeError: the payload cannot be used; nothing was written.
    """
    payload = check(payload)
    understood = understand({**payload, "merge": True} if merge else payload)
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s, %s)", (_LOCK, tenant.tenant_id))
        latest = _latest(connection, tenant.tenant_id)
        if understood.merge:
            answers = merged(latest.answers, understood.answers) if latest else understood.answers
            understood = conclude(answers, understood.notes)
        named = _with_known_domains(connection, tenant.tenant_id, understood)
        digest = answers_hash(named.answers)
        # Also as it came: a version may itself have told the domain of a name that it has twice.
        if latest is not None and latest.digest in (digest, answers_hash(understood.answers)):
            return _report(tenant, "unchanged", latest.response_id, latest.version, named, 0)
        understood = named
        version = latest.version + 1 if latest else 1
        response_id = _insert(
            connection,
            tenant.tenant_id,
            version=version,
            submitted_by=submitted_by,
            now=now,
            payload=payload,
            understood=understood,
            digest=digest,
            load_id=load_id,
        )
        # All at once, in one order: tenants that name one another at the same moment would wait for one another.
        answers = understood.answers
        own = (answers.advanced.your_business.company_name or tenant.name, answers.website)
        seeds = [(customer.name, customer.domain) for customer in (*answers.best_customers, *answers.lost_or_churned)]
        own_company, *companies = ensure_companies(connection, [own, *seeds])
        _store_seeds(connection, tenant.tenant_id, version, answers, companies)
        items = _store_evidence(connection, tenant, answers, own_company, now)
        connection.execute(
            "insert into raw.icp_flow (tenant_id, state, response_id, since, intake_saved_at)"
            " values (%s, 'intake_saved', %s, %s, %s) on conflict (tenant_id) do update set state = excluded.state,"
            " response_id = excluded.response_id, since = excluded.since, intake_saved_at = excluded.intake_saved_at,"
            " mapping_seconds = null, message = null",
            (tenant.tenant_id, response_id, now, now),
        )
        _touch(connection, "raw.icp_intake_responses", tenant.tenant_id)
        return _report(tenant, "stored", response_id, version, understood, items)


@dataclass(frozen=True)
class _Latest:
    response_id: int
    version: int
    digest: str
    answers: Answers


def _latest(connection: psycopg.Connection, tenant_id: int) -> _Latest | None:
    row = connection.execute(
        "select response_id, version, answers_hash, answers from raw.icp_intake_responses where tenant_id = %s"
        " order by version desc limit 1",
        (tenant_id,),
    ).fetchone()
    return _Latest(row[0], row[1], row[2], Answers.model_validate(row[3])) if row else None


def _with_known_domains(connection: psycopg.Connection, tenant_id: int, understood: Understood) -> Understood:
    """Customers without a website get the one that the tenant named with them before."""
    known: dict[str, set[str]] = {}
    rows = connection.execute(
        "select seed_name, domain from raw.customer_seeds where tenant_id = %s and domain is not null", (tenant_id,)
    ).fetchall()
    for name, domain in rows:
        known.setdefault(name_key(name), set()).add(domain)
    notes = list(understood.notes)

    def filled(customer: Customer) -> Customer:
        domains = known.get(name_key(customer.name), set())
        if customer.domain is not None or len(domains) != 1:
            return customer
        domain = next(iter(domains))
        notes.append(f"{customer.name} was taken as {domain}, as in an earlier version.")
        return customer.model_copy(update={"domain": domain})

    answers = understood.answers
    best, lost = (tuple(map(filled, customers)) for customers in (answers.best_customers, answers.lost_or_churned))
    if len(notes) == len(understood.notes):
        return understood
    return conclude(answers.model_copy(update={"best_customers": best, "lost_or_churned": lost}), notes)


def _insert(
    connection: psycopg.Connection,
    tenant_id: int,
    *,
    version: int,
    submitted_by: str,
    now: dt.datetime,
    payload: dict[str, Any],
    understood: Understood,
    digest: str,
    load_id: int | None,
) -> int:
    row = connection.execute(
        "insert into raw.icp_intake_responses (tenant_id, version, submitted_by, submitted_at, payload, answers,"
        " answers_hash, is_low_confidence, notes, load_id)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) returning response_id",
        (
            tenant_id,
            version,
            submitted_by,
            now,
            Jsonb(payload),
            Jsonb(understood.answers.model_dump(mode="json")),
            digest,
            understood.is_low_confidence,
            list(understood.notes),
            load_id,
        ),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _store_seeds(
    connection: psycopg.Connection, tenant_id: int, version: int, answers: Answers, companies: list[int]
) -> None:
    """Seeds of this version, one row per kind and company over all versions; the others are no longer active.

    Args:
        companies: of the best and then the lost customers, in their order.
    """
    named = [("best", customer) for customer in answers.best_customers]
    named += [("lost", customer) for customer in answers.lost_or_churned]
    columns: list[list[Any]] = [
        [kind for kind, _ in named],
        [company_key(customer.name, customer.domain) for _, customer in named],
        [customer.name for _, customer in named],
        [customer.domain for _, customer in named],
        [customer.reason for _, customer in named],
        companies,
    ]
    # One that was known by name only and has a domain now keeps its row, and what a person decided about it.
    changed = 0
    given = "unnest(%s::text[], %s::text[], %s::text[]) as given (kind, key, by_name)"
    by_name = [company_key(customer.name, None) for _, customer in named]
    renamed = (columns[0], columns[1], by_name)
    decided = connection.execute(
        f"update raw.match_decisions as known set seed_key = given.key from (select distinct key, by_name from {given})"
        " as given where known.tenant_id = %s and known.seed_key = given.by_name and given.key <> given.by_name"
        " and not exists (select from raw.match_decisions as other where other.tenant_id = known.tenant_id"
        " and other.seed_key = given.key)"
        " and exists (select from raw.customer_seeds as seed where seed.tenant_id = known.tenant_id"
        " and seed.seed_key = given.by_name and seed.domain is null)",
        (*renamed, tenant_id),
    ).rowcount
    changed += connection.execute(
        f"update raw.customer_seeds as known set seed_key = given.key from {given} where known.tenant_id = %s"
        " and known.kind = given.kind and known.seed_key = given.by_name and known.domain is null"
        " and given.key <> given.by_name and not exists (select from raw.customer_seeds as other"
        " where other.tenant_id = known.tenant_id and other.kind = given.kind and other.seed_key = given.key)",
        (*renamed, tenant_id),
    ).rowcount
    changed += connection.execute(
        "update raw.customer_seeds as known set is_active = false where tenant_id = %s and is_active"
        " and not exists (select from unnest(%s::text[], %s::text[]) as given (kind, key)"
        " where given.kind = known.kind and given.key = known.seed_key)",
        (tenant_id, columns[0], columns[1]),
    ).rowcount
    # last_version moves with every version; only the rest is news to those who read the seeds.
    changed += connection.execute(
        "with written as (insert into raw.customer_seeds as known (tenant_id, kind, seed_key, seed_name, domain,"
        " reason, company_id, first_version, last_version, is_active)"
        " select %(tenant)s, kind, key, name, domain, reason, company_id, %(version)s, %(version)s, true"
        " from unnest(%(kinds)s::text[], %(keys)s::text[], %(names)s::text[], %(domains)s::text[], %(reasons)s::text[],"
        " %(companies)s::bigint[]) as given (kind, key, name, domain, reason, company_id)"
        " on conflict (tenant_id, kind, seed_key) do update set seed_name = excluded.seed_name,"
        " domain = excluded.domain, reason = excluded.reason, company_id = excluded.company_id, is_active = true"
        " where row(known.seed_name, known.domain, known.reason, known.company_id, known.is_active)"
        " is distinct from row(excluded.seed_name, excluded.domain, excluded.reason, excluded.company_id, true)"
        " returning 1) select count(*) from written",
        dict(
            zip(("kinds", "keys", "names", "domains", "reasons", "companies"), columns, strict=True),
            tenant=tenant_id,
            version=version,
        ),
    ).fetchone()[0]  # type: ignore[index]
    connection.execute(
        "update raw.customer_seeds set last_version = %s where tenant_id = %s and is_active and last_version < %s",
        (version, tenant_id, version),
    )
    if changed:
        _touch(connection, "raw.customer_seeds", tenant_id)
    if decided:
        _touch(connection, "raw.match_decisions", tenant_id)


def _store_evidence(
    connection: psycopg.Connection, tenant: Tenant, answers: Answers, company_id: int, now: dt.datetime
) -> int:
    """What the answers say, on the tenant's own company; what earlier versions said goes."""
    moved = connection.execute(
        "delete from raw.icp_evidence where tenant_id = %s and source = 'intake' and company_id <> %s",
        (tenant.tenant_id, company_id),
    ).rowcount
    items = evidence_of(answers)
    store_evidence(
        connection,
        tenant_id=tenant.tenant_id,
        company_id=company_id,
        source="intake",
        items=items,
        now=now,
        replace=True,
    )
    if moved:
        _touch(connection, "raw.icp_evidence", tenant.tenant_id)
    return len(items)


def _touch(connection: psycopg.Connection, relation: str, tenant_id: int) -> None:
    connection.execute("select intermediate.touch(%s, %s)", (relation, [tenant_id]))


def _report(
    tenant: Tenant, status: str, response_id: int, version: int, understood: Understood, items: int
) -> IntakeReport:
    answers = understood.answers
    return IntakeReport(
        tenant=tenant.slug,
        status=status,
        response_id=response_id,
        version=version,
        answers=answers.model_dump(mode="json"),
        notes=understood.notes,
        is_low_confidence=understood.is_low_confidence,
        best=len(answers.best_customers),
        lost=len(answers.lost_or_churned),
        evidence_items=items,
    )
