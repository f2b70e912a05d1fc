"""Forgetting a person on request: everywhere in the warehouse, in one transaction, and remembered without a name.

Belongs here: the order of things, what is remembered, the audit entry, and doing it again after a restore. Does not
belong here: who is meant (``person``), what is done in which table (``removal``).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from warehouse import person as people
from warehouse import suppression, tenants
from warehouse.connection import Warehouse
from warehouse.person import Asked, Person
from warehouse.removal import Action, Removed, delete_rows, remove, text_columns
from warehouse.settings import Settings
from warehouse.suppression import EMAIL_PATTERN, LINKEDIN_PATTERN, Kind, Suppressions, Treatment, row_key


@dataclass(frozen=True)
class Report:
    """What was removed, or with ``is_dry_run`` would be.

    Attributes:
        request_id: under which it stands in the audit log; None where nothing was left to do.
        remembered: how many keyed hashes are new on the list.
        tenants: slugs of the tenants that knew the person.
    """

    request_id: str | None
    treatment: Treatment
    removed: tuple[Removed, ...]
    remembered: int
    tenants: tuple[str, ...]
    is_dry_run: bool = False

    @property
    def rows(self) -> int:
        """Rows in all tables."""
        return sum(one.rows for one in self.removed)


def forget(
    warehouse: Warehouse,
    texts: Sequence[str],
    *,
    actor: str,
    tenant: str | None = None,
    erase: bool = False,
    dry_run: bool = False,
) -> Report:
    """Remove a person from the warehouse and remember not to load them again. Twice is the same as once.

    Args:
        texts: what the person is known by: e-mail address, LinkedIn profile, the source's lead id, full name.
        actor: who does it, for the audit log.
        tenant: slug of the only tenant that is asked; ids and names need it.
        erase: leads go as a whole; else an anonymous lead keeps outcome, components and days.
        dry_run: everything is done, counted, and rolled back.

    Raises:
        NotOnePerson: the texts name nobody, or more than one person.
        KeyMissing: people were forgotten before, with a key that is not here.
        Busy: a run is at work. In all cases nothing was done.
    """
    wanted = people.asked(texts, one_tenant=tenant is not None)
    with warehouse.pipeline_lock("forget"), warehouse.connect(application="icp forget") as connection:
        Suppressions.read(connection, warehouse.settings)  # raises where the list is there and its key is not
        key = suppression.find_key(warehouse.settings) if dry_run else suppression.make_key(warehouse.settings)
        with connection.transaction(force_rollback=dry_run):
            tenant_id = tenants.get(connection, tenant).tenant_id if tenant is not None else None
            who = people.find(connection, wanted, tenant_id)
            treatment: Treatment = "erased" if erase else "anonymised"
            report = _forget(
                connection, who, key or bytes(32), request_id=uuid.uuid4(), treatment=treatment, actor=actor
            )
    if dry_run:
        return replace(report, is_dry_run=True)
    sweep(warehouse, [report])
    return report


def again(warehouse: Warehouse, *, actor: str) -> list[Report]:
    """Remove everybody on the list once more, for a warehouse that came back from a backup.

    Returns:
        A report per request of which anything was found.

    Raises:
        KeyMissing, Busy: as :func:`forget`.
    """
    with warehouse.pipeline_lock("forget --again"), warehouse.connect(application="icp forget") as connection:
        reports = replay(connection, warehouse.settings, actor=actor)
    sweep(warehouse, reports)
    return reports


def replay(connection: psycopg.Connection, settings: Settings, *, actor: str) -> list[Report]:
    """As :func:`again`, within the caller's transaction and lock."""
    listed = Suppressions.read(connection, settings)
    if not listed:
        return []
    found: dict[uuid.UUID, _Found] = {}

    def note(kind: Kind, value: str, tenant_id: int | None, key: int | str | None = None) -> None:
        """Keep a value that is listed, with what the list says, for each request that lists it."""
        for entry in listed.entries(kind, value):
            if tenant_id is None or entry.tenant_id in (None, tenant_id):
                known = found.setdefault(entry.request_id, _Found(entry.treatment))
                known.values.setdefault(kind, set()).add((value if key is None else key, entry.tenant_id))

    for text in _texts(connection, EMAIL_PATTERN, "%@%"):
        note("email", text.lower(), None)
    for text in _texts(connection, LINKEDIN_PATTERN, "%linkedin.com/%"):
        note("linkedin", suppression.handle(text), None)
    leads = "select tenant_id, source_id from raw.leads union select tenant_id, record_key from raw.rejected_rows"
    for tenant_id, source_id in connection.execute(
        f"{leads} where entity = 'leads' and tenant_id is not null and record_key is not null".encode()
    ):
        note("lead", source_id, tenant_id)
    for (url,) in connection.execute("select url from raw.crawl_pages"):
        note("row", row_key("raw.crawl_pages", url), None, url)
    for contact_id, *parts in connection.execute(
        "select contact_id, tenant_id, company_id, contact_key from raw.contacts"
    ):
        note("row", row_key("raw.contacts", *parts), parts[0], contact_id)
    key = suppression.make_key(settings)
    reports = [_forget_known(connection, request_id, known, key, actor) for request_id, known in found.items()]
    return [report for report in reports if report.removed]


@dataclass
class _Found:
    """What the database holds of one request. ``values``: kind → (value or key of a row, tenant it is listed for)."""

    treatment: Treatment
    values: dict[Kind, set[tuple[Any, int | None]]] = field(default_factory=dict)

    def listed(self, kind: Kind) -> frozenset[Any]:
        return frozenset(value for value, _ in self.values.get(kind, ()))


def _forget_known(
    connection: psycopg.Connection, request_id: uuid.UUID, known: _Found, key: bytes, actor: str
) -> Report:
    scopes = {tenant for _, tenant in known.values.get("email", set()) | known.values.get("linkedin", set())}
    tenant_id = next(iter(scopes)) if len(scopes) == 1 else None
    who = Person(tenant_id)
    if scopes:
        who = people.find(connection, Asked(emails=known.listed("email"), handles=known.listed("linkedin")), tenant_id)
    ids = {(tenant, value) for value, tenant in known.values.get("lead", ()) if tenant is not None}
    who = replace(who, leads=tuple({*who.leads, *people.leads_of(connection, ids)}), gone=who.gone | ids)
    rows = known.listed("row")
    more = [
        delete_rows(connection, "raw.crawl_pages", "url", [one for one in rows if isinstance(one, str)]),
        delete_rows(connection, "raw.contacts", "contact_id", [one for one in rows if isinstance(one, int)]),
    ]
    return _forget(
        connection, who, key, request_id=request_id, treatment=known.treatment, actor=actor, more=more, repeated=True
    )


def _forget(
    connection: psycopg.Connection,
    who: Person,
    key: bytes,
    *,
    request_id: uuid.UUID,
    treatment: Treatment,
    actor: str,
    more: Sequence[Removed] = (),
    repeated: bool = False,
) -> Report:
    removal = remove(connection, who, erase=treatment == "erased")
    identifiers: list[tuple[Kind, str, int | None]] = [("email", text, who.tenant_id) for text in who.emails]
    identifiers += [("linkedin", text, who.tenant_id) for text in who.handles]
    identifiers += [("lead", source_id, tenant) for tenant, source_id in who.lead_ids]
    identifiers += [("row", text, tenant) for text, tenant in removal.row_keys]
    remembered = suppression.add(connection, key, identifiers, treatment=treatment, request_id=request_id)
    removed = _summed([*removal.removed, *(one for one in more if one.rows)])
    concerned = sorted(who.tenant_ids | frozenset().union(*(one.tenant_ids for one in removed)))
    if removed or remembered:
        for tenant_id in concerned or (None,):
            _note(connection, tenant_id, actor, request_id, treatment, removed, repeated=repeated)
    slugs = connection.execute("select slug from raw.tenants where tenant_id = any(%s) order by 1", (concerned,))
    return Report(
        request_id=str(request_id) if removed or remembered else None,
        treatment=treatment,
        removed=removed,
        remembered=remembered,
        tenants=tuple(slug for (slug,) in slugs),
    )


def _summed(removed: Iterable[Removed]) -> tuple[Removed, ...]:
    """One entry per table and action."""
    found: dict[tuple[str, Action], Removed] = {}
    for one in removed:
        before = found.get((one.table, one.action), Removed(one.table, one.action, 0))
        found[one.table, one.action] = replace(
            before, rows=before.rows + one.rows, tenant_ids=before.tenant_ids | one.tenant_ids
        )
    return tuple(found.values())


def _note(
    connection: psycopg.Connection,
    tenant_id: int | None,
    actor: str,
    request_id: uuid.UUID,
    treatment: Treatment,
    removed: Iterable[Removed],
    *,
    repeated: bool,
) -> None:
    """The audit entry: that somebody was forgotten, when, by whom, from where; not who."""
    tables = sorted({one.table for one in removed if not one.tenant_ids or tenant_id in one.tenant_ids})
    connection.execute(
        "insert into learned.audit_log (tenant_id, actor, action, object, detail) values (%s, %s, %s, %s, %s)",
        (
            tenant_id,
            actor,
            "forget_person_again" if repeated else "forget_person",
            str(request_id),
            Jsonb({"leads": treatment, "tables": tables}),
        ),
    )


def _texts(connection: psycopg.Connection, pattern: str, like: str) -> Iterator[str]:
    """Every distinct match of a pattern in any text of any table; of a pattern with a group, the group."""
    for table, column in text_columns(connection):
        rows = connection.execute(
            f"select distinct found[1] from {table}, regexp_matches(regexp_replace({column}::text,"
            f" '\\[nrtbf]', ' ', 'g'), %s, 'gi') as found where {column}::text ilike %s".encode(),
            (pattern if "(" in pattern.replace("(?:", "") else f"({pattern})", like),
        )
        yield from (text for (text,) in rows)


def sweep(warehouse: Warehouse, reports: Iterable[Report]) -> None:
    """Deleted rows stay in their files, and samples of them in the planner's statistics, until both are renewed."""
    with warehouse.connect(autocommit=True, application="icp forget") as connection:
        for table in sorted({one.table for report in reports for one in report.removed}):
            connection.execute(f"vacuum (analyze) {table}".encode())
