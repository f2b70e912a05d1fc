"""People at a company: domain → LinkedIn page → employees, one attempt and one fallback; kept in ``raw.contacts``.

Personal data: what is found here goes to that table and nowhere else, neither into logs nor into reasons.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from ingest.enrichment import linkedin
from ingest.enrichment.apify import ApifyClient
from ingest.enrichment.linkedin import Person
from ingest.enrichment.settings import VendorSettings
from ingest.enrichment.vendor import VendorFailure
from ingest.enrichment.verifier import VerifierClient
from warehouse import suppression
from warehouse.suppression import Suppressions

SOURCE = "apify"
_VERIFIED_AT_ONCE = 5


@dataclass(frozen=True)
class Contact:
    """A person with what is known of the address: none, unverified, verified or invalid."""

    person: Person
    email_status: str


@dataclass(frozen=True)
class ContactSearch:
    """What a search for contacts came to.

    Attributes:
        linkedin_url: the company's page, where one was known or found.
        degraded: sentences about what did not work; no personal data.
    """

    linkedin_url: str | None
    contacts: tuple[Contact, ...]
    degraded: tuple[str, ...]


async def find_contacts(
    *,
    name: str,
    domain: str,
    linkedin_url: str | None,
    apify: ApifyClient,
    verifier: VerifierClient,
    settings: VendorSettings,
) -> ContactSearch:
    """Employees of a company with verified work addresses, by at most three actor runs.

    Args:
        linkedin_url: the company's page where its own site names it; then no run is spent on finding it.
    """
    missing = apify.unusable()
    if missing is not None:
        return ContactSearch(linkedin_url, (), (f"no contacts: {missing.reason}",))
    degraded: list[str] = []
    page = linkedin.linkedin_url(linkedin_url, "company")
    if page is None:
        found = await apify.run(settings.company_actor, {"searches": [domain, name]}, most_items=10)
        if isinstance(found, VendorFailure):
            return ContactSearch(None, (), (f"no contacts: {found.reason}",))
        page = linkedin.company_page(found, domain=domain)
        if page is None:
            return ContactSearch(None, (), (f"no contacts: no LinkedIn page names {domain} as its website",))
    people: list[Person] = []
    attempts: tuple[tuple[str, dict[str, Any]], ...] = (
        (settings.employees_actor, {"companies": [page]}),
        (settings.search_actor, {"currentCompanies": [page]}),
    )
    for number, (actor, asked) in enumerate(attempts, start=1):
        # Without maxItems the actors return nothing, or everything at the customer's cost.
        body = {**asked, "maxItems": settings.employees, "profileScraperMode": settings.profile_mode}
        items = await apify.run(actor, body, most_items=settings.employees)
        if isinstance(items, VendorFailure):
            # The other actor is for a company without listed employees, not for a vendor that is down.
            degraded.append(f"no contacts: {items.reason}")
            break
        people = linkedin.people(items, company_page=page, name=name, domain=domain)
        if people:
            break
        degraded.append(
            "contacts: no employees listed, the search for profiles was tried"
            if number == 1
            else "no contacts: the search for profiles gave nobody either"
        )
    contacts, unverified = await _verify(people, verifier)
    return ContactSearch(page, tuple(contacts), (*degraded, *unverified))


async def _verify(people: Sequence[Person], verifier: VerifierClient) -> tuple[list[Contact], list[str]]:
    """Contacts, and why addresses stayed unverified, once per reason."""
    missing = verifier.unusable()
    reasons: dict[str, None] = {}
    gate = asyncio.Semaphore(_VERIFIED_AT_ONCE)
    if missing is not None and any(person.work_email for person in people):
        reasons[f"addresses unverified: {missing.reason}"] = None

    async def one(person: Person) -> Contact:
        nonlocal missing
        if person.work_email is None:
            return Contact(person, "none")
        async with gate:
            if missing is not None:
                return Contact(person, "unverified")
            verdict = await verifier.verify(person.work_email)
        if isinstance(verdict, VendorFailure):
            reasons[f"addresses unverified: {verdict.reason}"] = None
            missing = missing or (verdict if verdict.is_lasting else None)
            return Contact(person, "unverified")
        return Contact(person, verdict)

    return list(await asyncio.gather(*(one(person) for person in people))), list(reasons)


def store_contacts(
    connection: psycopg.Connection,
    *,
    tenant_id: int,
    company_id: int,
    contacts: Sequence[Contact],
    now: dt.datetime,
) -> int:
    """Write contacts by their key, within the caller's transaction; returns how many rows changed.

    Who asked to be forgotten is left out. Nothing known is replaced by nothing, and an address once verified stays so
    while it is the same.
    """
    listed = Suppressions.of_environment(connection)
    rows = {
        contact.person.key: contact for contact in contacts if not _is_forgotten(listed, contact, tenant_id, company_id)
    }
    if not rows:
        return 0
    people = [contact.person for contact in rows.values()]
    changed = connection.execute(
        "insert into raw.contacts as known (tenant_id, company_id, contact_key, full_name, title, linkedin_url,"
        " work_email, email_status, source, observed_at)"
        " select %(tenant)s, %(company)s, contact_key, full_name, title, linkedin_url, work_email, email_status,"
        " %(source)s, %(now)s"
        " from unnest(%(keys)s::text[], %(names)s::text[], %(titles)s::text[], %(links)s::text[], %(mails)s::text[],"
        " %(statuses)s::text[])"
        " as found (contact_key, full_name, title, linkedin_url, work_email, email_status)"
        " on conflict (tenant_id, company_id, contact_key) do update set"
        " full_name = coalesce(excluded.full_name, known.full_name), title = coalesce(excluded.title, known.title),"
        " linkedin_url = coalesce(excluded.linkedin_url, known.linkedin_url),"
        " work_email = coalesce(excluded.work_email, known.work_email),"
        " email_status = case when excluded.work_email is null"
        " or (excluded.work_email = known.work_email and excluded.email_status = 'unverified')"
        " then known.email_status else excluded.email_status end,"
        " source = excluded.source, observed_at = excluded.observed_at"
        " where row(known.full_name, known.title, known.linkedin_url, known.work_email, known.email_status)"
        " is distinct from row(coalesce(excluded.full_name, known.full_name), coalesce(excluded.title, known.title),"
        " coalesce(excluded.linkedin_url, known.linkedin_url), coalesce(excluded.work_email, known.work_email),"
        " case when excluded.work_email is null"
        " or (excluded.work_email = known.work_email and excluded.email_status = 'unverified')"
        " then known.email_status else excluded.email_status end)",
        {
            "tenant": tenant_id,
            "company": company_id,
            "source": SOURCE,
            "now": now,
            "keys": list(rows),
            "names": [person.full_name for person in people],
            "titles": [person.title for person in people],
            "links": [person.linkedin_url for person in people],
            "mails": [person.work_email for person in people],
            "statuses": [contact.email_status for contact in rows.values()],
        },
    ).rowcount
    if changed:
        connection.execute("select intermediate.touch('raw.contacts', array[%s]::int[])", (tenant_id,))
    return changed


def _is_forgotten(listed: Suppressions, contact: Contact, tenant_id: int, company_id: int) -> bool:
    person = contact.person
    row = suppression.row_key("raw.contacts", tenant_id, company_id, person.key)
    known = (person.work_email, person.linkedin_url)
    return listed.covers("row", row, tenant_id) or any(listed.text(text, tenant_id) for text in known)
