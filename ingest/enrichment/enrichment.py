"""Filling in companies for a tenant: ten at once, the rest of them from the queue at night.

One company: its website, the crawl of it, what the pages say of the company, its contacts, one transaction that
writes it all. Whatever does not work is a degraded reason; nothing of a vendor or a site stops the batch.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
import traceback
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from ingest.enrichment import queue
from ingest.enrichment.budget import VendorUse, together
from ingest.enrichment.companies import FIELDS, Company, CompanyFacts, load_companies, store_profile
from ingest.enrichment.contacts import ContactSearch, find_contacts, store_contacts
from ingest.enrichment.domains import NamedCompany, Resolution, resolve_domains
from ingest.enrichment.progress import Note, Progress
from ingest.enrichment.tools import OpenTools, Tools
from ingest.evidence import EvidenceItem, store_evidence

log = logging.getLogger(__name__)

AT_ONCE = 4  # companies of one tenant


@dataclass(frozen=True)
class CompanyEnrichment:
    """What came of one company.

    Attributes:
        state: done, or failed (no website, a site that cannot be read, or a defect); running ones are not reported.
        filled: which of the eight fields are filled now.
        contacts: people found in this run.
        pages: pages of its site that were read.
        retry_at: when a site that could not be read is tried again by itself.
    """

    company_id: int
    name: str
    domain: str | None
    state: str
    filled: tuple[str, ...]
    degraded_reasons: tuple[str, ...]
    contacts: int
    pages: int
    seconds: float
    retry_at: dt.datetime | None = None


@dataclass(frozen=True)
class EnrichmentReport:
    """What came of a batch.

    Attributes:
        companies: those that were worked on now.
        already_done: companies asked for that an earlier run had enriched.
        queued: how many of the tenant's companies wait for the night.
        notes: every daily cap that bit.
        skipped: vendors that are not used for want of a key, in sentences.
        used: what the tenants worked on asked of each vendor today, earlier runs included.
        recovered: rows of killed runs that went back to the queue.
    """

    companies: tuple[CompanyEnrichment, ...] = ()
    already_done: int = 0
    queued: int = 0
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    used: tuple[VendorUse, ...] = ()
    recovered: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class _Run:
    """What all companies of a batch share."""

    connection: psycopg.Connection
    run_id: str
    now: dt.datetime
    supplied: Mapping[str, str]
    progress: Progress | None
    done: list[CompanyEnrichment] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    skipped: dict[str, None] = field(default_factory=dict)
    used: list[VendorUse] = field(default_factory=list)

    def say(self, event: str, message: str, **context: Any) -> None:
        if self.progress is not None:
            self.progress(Note(event, message, context))


def enrich_batch(
    connection: psycopg.Connection,
    *,
    tenant_id: int,
    company_ids: Sequence[int],
    open_tools: OpenTools,
    now: dt.datetime,
    limit: int = 10,
    reason: str = "asked for",
    supplied: Mapping[str, str] | None = None,
    again: bool = False,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> EnrichmentReport:
    """Enrich the first ``limit`` of these companies now and leave the rest in the queue for the night.

    The same call again finds them done and changes nothing; one that failed is tried again.

    Args:
        connection: in autocommit mode; used by this call alone while it runs.
        company_ids: the most wanted first.
        supplied: websites by name key, believed as they stand.
        again: also those that are done.
    """
    started = time.monotonic()
    wanted = list(dict.fromkeys(company_ids))
    first, rest = wanted[:limit], wanted[limit:]
    recovered = queue.recover(connection)
    for part, when in ((first, "now"), (rest, "for the night")):
        queue.enqueue(
            connection, tenant_id=tenant_id, company_ids=part, reason=f"{reason}; {when}", now=now, again=again
        )
    run = _Run(connection, run_id or uuid.uuid4().hex, now, supplied or {}, progress)
    run.say("enrich:start", f"Enriching {len(first)} companies now, {len(rest)} wait for the night.", now=len(first))
    asyncio.run(_work_off(run, {tenant_id: (len(first), first)}, open_tools))
    report = EnrichmentReport(
        companies=_in_order(run.done, first),
        already_done=len(first) - len(run.done),
        queued=queue.waiting(connection).get(tenant_id, 0),
        notes=tuple(run.notes),
        skipped=tuple(run.skipped),
        used=together(run.used),
        recovered=recovered,
        seconds=time.monotonic() - started,
    )
    _summarise(run, report)
    return report


def drain_queue(
    connection: psycopg.Connection,
    *,
    open_tools: OpenTools,
    now: dt.datetime,
    tenant_ids: Sequence[int] | None = None,
    limit: int | None = None,
    supplied: Mapping[str, str] | None = None,
    run_id: str | None = None,
    progress: Progress | None = None,
) -> EnrichmentReport:
    """Work off the queue of all tenants (or of these), at most ``limit`` companies of each.

    Companies whose site could not be read are in it again when their time has come. Several processes may do it at
    once: each company is taken by one of them.
    """
    started = time.monotonic()
    recovered = queue.recover(connection)
    queue.retry(connection, now=now)
    waiting = queue.waiting(connection)
    asked = [tenant_id for tenant_id in waiting if tenant_ids is None or tenant_id in tenant_ids]
    shares = {tenant_id: (limit or waiting[tenant_id], None) for tenant_id in asked}
    run = _Run(connection, run_id or uuid.uuid4().hex, now, supplied or {}, progress)
    run.say("enrich:start", f"{sum(waiting[tenant] for tenant in asked)} companies wait in the queue.")
    asyncio.run(_work_off(run, shares, open_tools))
    left = queue.waiting(connection)
    report = EnrichmentReport(
        companies=tuple(run.done),
        queued=sum(count for tenant_id, count in left.items() if tenant_ids is None or tenant_id in tenant_ids),
        notes=tuple(run.notes),
        skipped=tuple(run.skipped),
        used=together(run.used),
        recovered=recovered,
        seconds=time.monotonic() - started,
    )
    _summarise(run, report)
    return report


def resolve_companies(
    connection: psycopg.Connection,
    *,
    tenant_id: int,
    company_ids: Sequence[int],
    open_tools: OpenTools,
    now: dt.datetime,
    supplied: Mapping[str, str] | None = None,
) -> list[Resolution]:
    """Find the websites of a tenant's companies that have none (its seeds, for instance), without enriching them."""

    async def resolve() -> list[Resolution]:
        known = load_companies(connection, tenant_id=tenant_id, company_ids=company_ids)
        named = [_named(known[company_id]) for company_id in dict.fromkeys(company_ids) if company_id in known]
        async with open_tools(tenant_id) as tools:
            return await resolve_domains(
                connection, named, fetch=tools.fetch_home, search=tools.search, supplied=supplied, now=now
            )

    return asyncio.run(resolve())


async def _work_off(run: _Run, shares: Mapping[int, tuple[int, Sequence[int] | None]], open_tools: OpenTools) -> None:
    """Enrich, tenant after tenant, at most so many companies of each (of these companies, where given)."""
    with queue.run_lock(run.connection, run.run_id):
        try:
            for tenant_id, (most, company_ids) in shares.items():
                async with open_tools(tenant_id) as tools:
                    await _tenant(run, tools, tenant_id, most, company_ids)
                    run.notes.update(dict.fromkeys(tools.budget.notes))
                    run.skipped.update(dict.fromkeys(tools.skipped))
                    run.used.extend(tools.budget.used())
        finally:
            if not run.connection.closed:
                queue.give_back(run.connection, run.run_id)


async def _tenant(run: _Run, tools: Tools, tenant_id: int, most: int, company_ids: Sequence[int] | None) -> None:
    left = most

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            job = queue.claim(run.connection, run_id=run.run_id, tenant_id=tenant_id, company_ids=company_ids)
            if job is None:
                return
            await _company(run, tools, job)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, most)):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors


async def _company(run: _Run, tools: Tools, job: queue.Job) -> None:
    """Enrich one company and write what came of it, whatever that is."""
    started = time.monotonic()
    company = load_companies(run.connection, tenant_id=job.tenant_id, company_ids=[job.company_id])[job.company_id]
    try:
        found = await _find(run, tools, company, job)
    except psycopg.Error:
        raise
    except Exception as error:  # a defect of ours on one odd site must not keep the others waiting
        # Where, not what: the message of an error may quote a page, and a page may name people.
        places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-3:]]
        log.error("enrichment of company %s: %s at %s", job.company_id, type(error).__name__, ", ".join(places))
        found = _Found(domain=company.domain, degraded=(f"stopped by a defect ({type(error).__name__}); see the log",))
    done = _write(run, job, company, found, time.monotonic() - started)
    run.done.append(done)
    run.say(
        "enrich:company_tick",
        f"{done.name}: "
        + (
            f"{done.pages} pages, {len(done.filled)} of {len(FIELDS)} fields"
            if done.state == "done"
            else "not enriched"
        )
        + (f", {done.contacts} contacts" if done.contacts else "")
        + (f" ({done.degraded_reasons[0]})" if done.degraded_reasons else ""),
        company_id=done.company_id,
        state=done.state,
        pages=done.pages,
        filled=len(done.filled),
        contacts=done.contacts,
    )


@dataclass(frozen=True)
class _Found:
    """What was found about a company, not written yet.

    Attributes:
        profile: None: nothing was looked at.
        attempts: how often in a row its site could not be read; 0: it was, or there is none.
    """

    domain: str | None
    degraded: tuple[str, ...]
    profile: CompanyFacts | None = None
    items: Sequence[EvidenceItem] = ()
    pages: int = 0
    attempts: int = 0
    retry_at: dt.datetime | None = None
    contacts: ContactSearch | None = None


async def _find(run: _Run, tools: Tools, company: Company, job: queue.Job) -> _Found:
    domain = company.domain
    if domain is None:
        (resolution,) = await resolve_domains(
            run.connection,
            [_named(company)],
            fetch=tools.fetch_home,
            search=tools.search,
            supplied=run.supplied,
            now=run.now,
        )
        if resolution.domain is None:
            return _Found(domain=None, degraded=(resolution.reason,))
        domain = resolution.domain
    site = await tools.crawl(domain)
    read = [page for page in site.pages if page.outcome == "ok"]
    degraded = list(site.degraded_reasons)
    attempts = 0 if read else job.attempts + 1
    retry_at = None
    if not read:
        retry_at = queue.next_attempt(attempts, run.now)
        again = f"it is tried again after {retry_at:%Y-%m-%d}" if retry_at else "it is tried again only when asked"
        degraded.append(f"{domain} could not be read ({site.outcome}); place and name are the registry's; {again}")
    profile = tools.profile(read)
    contacts = None
    if not company.has_contacts and attempts <= 1:  # a site that stays down does not pay for contacts every time
        contacts = await find_contacts(
            name=company.name,
            domain=domain,
            linkedin_url=profile.linkedin_url or company.linkedin_url,
            apify=tools.apify,
            verifier=tools.verifier,
            settings=tools.settings,
        )
        degraded.extend(contacts.degraded)
    return _Found(
        domain=domain,
        degraded=tuple(dict.fromkeys(degraded)),
        profile=profile,
        items=tools.evidence(read, company.name),
        pages=len(read),
        attempts=attempts,
        retry_at=retry_at,
        contacts=contacts,
    )


def _write(run: _Run, job: queue.Job, company: Company, found: _Found, seconds: float) -> CompanyEnrichment:
    """One transaction: the company's fields, the tenant's evidence and contacts, and what is said of the run."""
    people = found.contacts.contacts if found.contacts is not None else ()
    filled: tuple[str, ...] = ()
    with run.connection.transaction():
        if found.profile is not None and found.domain is not None:
            filled = store_profile(
                run.connection,
                company=company,
                domain=found.domain,
                profile=found.profile,
                linkedin_page=found.contacts.linkedin_url if found.contacts is not None else None,
                personal={contact.person.work_email for contact in people if contact.person.work_email},
                enriched_at=run.now if found.pages else None,
            )
            store_contacts(
                run.connection, tenant_id=job.tenant_id, company_id=job.company_id, contacts=people, now=run.now
            )
        if found.pages:  # a site that is down today said nothing against what it said before
            store_evidence(
                run.connection,
                tenant_id=job.tenant_id,
                company_id=job.company_id,
                source="crawl",
                items=found.items,
                now=run.now,
                replace=True,
            )
        outcome = queue.Outcome(
            state="done" if found.pages else "failed",
            filled=filled,
            degraded=found.degraded,
            contacts=len(people),
            seconds=seconds,
            attempts=found.attempts,
            retry_at=found.retry_at,
        )
        queue.finish(run.connection, job, outcome, now=run.now)
    return CompanyEnrichment(
        company_id=job.company_id,
        name=company.name,
        domain=found.domain,
        state=outcome.state,
        filled=filled,
        degraded_reasons=found.degraded,
        contacts=len(people),
        pages=found.pages,
        seconds=seconds,
        retry_at=found.retry_at,
    )


def _named(company: Company) -> NamedCompany:
    return NamedCompany(company.company_id, company.name, company.country)


def _in_order(done: Sequence[CompanyEnrichment], wanted: Sequence[int]) -> tuple[CompanyEnrichment, ...]:
    place = {company_id: number for number, company_id in enumerate(wanted)}
    return tuple(sorted(done, key=lambda company: place[company.company_id]))


def _summarise(run: _Run, report: EnrichmentReport) -> None:
    complete = sum(company.state == "done" for company in report.companies)
    message = f"Enriched {complete} of {len(report.companies)} companies; {report.queued} wait in the queue."
    run.say("enrich:summary", message, done=complete, worked_on=len(report.companies), queued=report.queued)
