"""Reading the sites that are due and keeping what they say, site by site: a killed run loses the site it was at."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import psycopg

from ingest.crawl.cache import PostgresCache
from ingest.crawl.extract import IndustryVocabulary, extract, model_extract
from ingest.crawl.many import crawl_all
from ingest.crawl.page import Page
from ingest.crawl.settings import CrawlSettings, ProfileName
from ingest.crawl.site import SiteCrawl
from ingest.enrichment.enrichment import resolve_companies
from ingest.enrichment.tools import OpenTools
from ingest.evidence import EvidenceItem, store_company_signals, store_evidence
from ingest.gathering.due import DueSite, due_background, due_sites
from warehouse.connection import Warehouse

if TYPE_CHECKING:
    from ingest.models.client import ModelClient

SITES_AT_ONCE = 200  # whose pages are in memory
PATIENCE = 2  # batches of pages without a new fact, then a site is left

ModelFor = Callable[[int], "ModelClient"]
ToolsOn = Callable[[psycopg.Connection], OpenTools]
"""The vendors, counting on this connection what they are asked."""
Progress = Callable[[int, int, str], None]
"""Called with sites done, sites in all, the last one's domain."""


@dataclass
class GatherReport:
    """What a round of crawling came to.

    Attributes:
        outcomes: sites by outcome.
        items: facts that the sites gave.
        changed: rows of evidence written or deleted.
        notes: reasons and caps, by how many sites had them.
    """

    sites: int = 0
    background: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    pages_fetched: int = 0
    pages_cached: int = 0
    items: int = 0
    changed: int = 0
    notes: Counter[str] = field(default_factory=Counter)
    tenant_ids: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Gatherer:
    """What all sites of a round share.

    Attributes:
        now: what is due and what pages are dated with.
        tools_on: vendors, for websites that are to be found and for the interactive profile; None: none are asked.
        model_for: the language model that may read along for a tenant; None: rules only.
    """

    warehouse: Warehouse
    settings: CrawlSettings
    now: dt.datetime
    profile: ProfileName = "nightly"
    tools_on: ToolsOn | None = None
    model_for: ModelFor | None = None
    run_id: str | None = None
    progress: Progress | None = None

    def gather(self, tenant_ids: Collection[int] | None = None) -> GatherReport:
        """Read the sites that are due for these tenants (None: all), their own and their customers'."""
        report = GatherReport()
        with self.warehouse.connect(autocommit=True, application="icp crawl") as connection:
            due = due_sites(connection, tenant_ids=tenant_ids, now=self.now, cache_days=self.settings.cache_days)
            due = self._with_domains(connection, due, report)
            by_domain: dict[str, list[DueSite]] = defaultdict(list)
            for site in due:
                if site.domain is not None:
                    by_domain[site.domain].append(site)
            vocabulary = IndustryVocabulary.load(connection) if due else IndustryVocabulary("", ())

            def keep(crawl: SiteCrawl) -> None:
                for site in by_domain[crawl.domain]:
                    self._keep(connection, site, crawl, vocabulary, report)

            if self.profile == "interactive" and self.tools_on is not None:
                self._crawl_with_readers(self.tools_on(connection), by_domain, keep)
            else:
                self._crawl(list(by_domain), vocabulary, keep)
            report.sites = len(due)
            report.tenant_ids = {site.tenant_id for site in due}
        return report

    def gather_background(self, companies: Sequence[tuple[int, str]] | None = None) -> GatherReport:
        """Read the sites of the background sample: these (company, domain), or those whose time has come again."""
        report = GatherReport()
        with self.warehouse.connect(autocommit=True, application="icp crawl") as connection:
            if companies is None:
                companies = due_background(connection, now=self.now, cache_days=self.settings.cache_days)
            by_domain = {domain: company_id for company_id, domain in companies}
            vocabulary = IndustryVocabulary.load(connection) if by_domain else IndustryVocabulary("", ())

            def keep(crawl: SiteCrawl) -> None:
                report.outcomes[crawl.outcome] += 1
                report.pages_fetched += crawl.pages_fetched
                report.pages_cached += crawl.pages_cached
                if crawl.pages:
                    items = extract(crawl.pages, vocabulary=vocabulary)
                    report.items += len(items)
                    report.changed += store_company_signals(
                        connection, company_id=by_domain[crawl.domain], items=items, now=self.now
                    )

            self._crawl(list(by_domain), vocabulary, keep)
            report.background = len(by_domain)
        return report

    def _crawl(self, domains: list[str], vocabulary: IndustryVocabulary, keep: Callable[[SiteCrawl], None]) -> None:
        """All sites, a part at a time so that memory does not grow with their number."""
        done = 0

        def on_site(crawl: SiteCrawl) -> None:
            nonlocal done
            keep(crawl)
            done += 1
            if self.progress is not None:
                self.progress(done, len(domains), crawl.domain)

        with self.warehouse.connect(autocommit=True, application="icp crawl cache") as connection:
            for start in range(0, len(domains), SITES_AT_ONCE):
                crawl_all(
                    domains[start : start + SITES_AT_ONCE],
                    settings=self.settings,
                    cache=PostgresCache(connection),
                    profile=self.profile,
                    now=self.now,
                    keep_going_for=lambda _: _Saturation(vocabulary).goes_on,
                    on_site=on_site,
                )

    def _crawl_with_readers(
        self, open_tools: OpenTools, by_domain: Mapping[str, Sequence[DueSite]], keep: Callable[[SiteCrawl], None]
    ) -> None:
        """Sites that somebody waits for: reader services first, on the account of the tenant that asked first."""
        of_tenant: dict[int, list[str]] = defaultdict(list)
        for domain, sites in by_domain.items():
            of_tenant[sites[0].tenant_id].append(domain)
        slots = asyncio.Semaphore(self.settings.concurrency)
        done = 0

        async def tenant(tenant_id: int, domains: Sequence[str]) -> None:
            nonlocal done
            async with open_tools(tenant_id) as tools:

                async def one(domain: str) -> SiteCrawl:
                    async with slots:
                        return await tools.crawl(domain)

                for finished in asyncio.as_completed([one(domain) for domain in domains]):
                    crawl = await finished
                    keep(crawl)
                    done += 1
                    if self.progress is not None:
                        self.progress(done, len(by_domain), crawl.domain)

        async def run() -> None:
            for tenant_id, domains in of_tenant.items():
                await tenant(tenant_id, domains)

        asyncio.run(run())

    def _with_domains(self, connection: psycopg.Connection, due: list[DueSite], report: GatherReport) -> list[DueSite]:
        """The sites with their domains; companies for which none is found are noted as unresolved."""
        without: dict[int, list[int]] = defaultdict(list)
        for site in due:
            if site.domain is None:
                without[site.tenant_id].append(site.company_id)
        found: dict[tuple[int, int], tuple[str | None, str]] = {}
        if self.tools_on is not None:
            open_tools = self.tools_on(connection)
            for tenant_id, company_ids in without.items():
                for answer in resolve_companies(
                    connection, tenant_id=tenant_id, company_ids=company_ids, open_tools=open_tools, now=self.now
                ):
                    found[tenant_id, answer.company_id] = (answer.domain, answer.reason)
        known = []
        for site in due:
            domain, reason = site.domain, ""
            if domain is None:
                domain, reason = found.get((site.tenant_id, site.company_id), (None, "no website is known"))
            known.append(replace(site, domain=domain))
            if domain is None:
                self._note(connection, site, report, reason=reason)
        return known

    def _keep(
        self,
        connection: psycopg.Connection,
        site: DueSite,
        crawl: SiteCrawl,
        vocabulary: IndustryVocabulary,
        report: GatherReport,
    ) -> None:
        """One transaction per site and tenant: its evidence and what is said of the crawl."""
        items: list[EvidenceItem] = []
        notes = list(crawl.degraded_reasons)
        if crawl.pages:
            items = extract(crawl.pages, vocabulary=vocabulary, company_name=site.name)
            client = self.model_for(site.tenant_id) if self.model_for is not None else None
            if client is not None and client.is_on:
                read = model_extract(
                    crawl.pages,
                    client,
                    vocabulary=vocabulary,
                    company_name=site.name,
                    rule_items=items,
                    now=self.now,
                )
                items = read.items
                notes.extend(read.notes)
        with connection.transaction():
            if crawl.pages:  # a site that was down today said nothing against what it said before
                report.changed += store_evidence(
                    connection,
                    tenant_id=site.tenant_id,
                    company_id=site.company_id,
                    source="user_site" if site.role == "own" else "seed_site",
                    items=items,
                    now=self.now,
                    replace=True,
                )
                # It may have been read before as a look-alike, and each fact counts once.
                report.changed += store_evidence(
                    connection,
                    tenant_id=site.tenant_id,
                    company_id=site.company_id,
                    source="crawl",
                    items=[],
                    now=self.now,
                    replace=True,
                )
            self._write_run(connection, site, crawl, items=len(items), notes=notes)
        report.items += len(items)
        report.outcomes[crawl.outcome] += 1
        report.pages_fetched += crawl.pages_fetched
        report.pages_cached += crawl.pages_cached
        report.notes.update(dict.fromkeys(notes, 1))

    def _note(self, connection: psycopg.Connection, site: DueSite, report: GatherReport, *, reason: str) -> None:
        nothing = SiteCrawl("", (), "failed", (reason,), 0, 0, 0, 0.0)
        with connection.transaction():
            self._write_run(connection, site, nothing, items=0, notes=[reason], unresolved=True)
        report.outcomes["unresolved"] += 1
        report.notes[reason] += 1

    def _write_run(
        self,
        connection: psycopg.Connection,
        site: DueSite,
        crawl: SiteCrawl,
        *,
        items: int,
        notes: Sequence[str],
        unresolved: bool = False,
    ) -> None:
        connection.execute(
            "insert into raw.crawl_runs (tenant_id, company_id, domain, profile, outcome, pages_fetched, pages_cached,"
            " bytes, evidence_items, degraded_reasons, crawled_at, seconds, run_id)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict (tenant_id, company_id) do update set domain = excluded.domain, profile = excluded.profile,"
            " outcome = excluded.outcome, pages_fetched = excluded.pages_fetched,"
            " pages_cached = excluded.pages_cached, bytes = excluded.bytes, evidence_items = excluded.evidence_items,"
            " degraded_reasons = excluded.degraded_reasons, crawled_at = excluded.crawled_at,"
            " seconds = excluded.seconds, run_id = excluded.run_id",
            (site.tenant_id, site.company_id, site.domain, self.profile)
            + ("unresolved" if unresolved else crawl.outcome, crawl.pages_fetched, crawl.pages_cached, crawl.bytes)
            + (items, list(notes), self.now, crawl.seconds, self.run_id),
        )
        connection.execute("select intermediate.touch('raw.crawl_runs', array[%s]::int[])", (site.tenant_id,))


class _Saturation:
    """Ends a visit when its pages say nothing new any more."""

    def __init__(self, vocabulary: IndustryVocabulary) -> None:
        self._vocabulary = vocabulary
        self._seen: set[tuple[str, str]] = set()
        self._idle = 0

    def goes_on(self, pages: list[Page]) -> bool:
        found = {(item.signal_key, item.value_key) for item in extract(pages, vocabulary=self._vocabulary)}
        self._idle = 0 if found - self._seen else self._idle + 1
        self._seen |= found
        return self._idle < PATIENCE
