"""Reading the sites that are due, site by site: a killed run loses the sites it was at.

Not here: what is kept of a site, and how (``keeping``).
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg

from ingest.crawl.cache import PostgresCache
from ingest.crawl.extract import IndustryVocabulary, extract
from ingest.crawl.many import crawl_all
from ingest.crawl.saturation import Saturation
from ingest.crawl.settings import CrawlSettings, ProfileName
from ingest.crawl.site import SiteCrawl
from ingest.enrichment.enrichment import resolve_companies
from ingest.enrichment.tools import OpenTools
from ingest.gathering.due import DueSite, due_background, due_sites
from ingest.gathering.keeping import GatherReport, Keeper, ModelFor, keep_background
from warehouse.connection import Warehouse

SITES_AT_ONCE = 200  # whose pages may be in memory, and whose texts may wait for a model

ToolsOn = Callable[[psycopg.Connection], OpenTools]
"""The vendors, counting on this connection what they are asked."""
Progress = Callable[[int, int, str], None]
"""Called with sites done, sites in all, the last one's domain."""


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
        with (
            self.warehouse.connect(autocommit=True, application="icp crawl") as connection,
            self.warehouse.connect(autocommit=True, application="icp crawl: evidence") as kept_on,
        ):
            due = due_sites(connection, tenant_ids=tenant_ids, now=self.now, cache_days=self.settings.cache_days)
            with Keeper(
                kept_on,
                report=report,
                vocabulary=IndustryVocabulary.load(connection) if due else IndustryVocabulary("", ()),
                now=self.now,
                profile=self.profile,
                model_for=self.model_for,
                run_id=self.run_id,
            ) as keeper:
                by_domain = self._by_domain(connection, due, keeper)

                def keep(crawl: SiteCrawl) -> None:
                    for site in by_domain[crawl.domain]:
                        keeper.keep(site, crawl)

                if self.profile == "interactive" and self.tools_on is not None:
                    self._crawl_with_readers(self.tools_on(connection), by_domain, keep, keeper.settle)
                else:
                    self._crawl(list(by_domain), keeper.vocabulary, keep, keeper.settle)
            report.sites = len(due)
            report.tenant_ids = {site.tenant_id for site in due}
        return report

    def gather_background(self, companies: Sequence[tuple[int, str]] | None = None) -> GatherReport:
        """Read the sites of the background sample: these (company, domain), or those whose time has come again."""
        report = GatherReport()
        with self.warehouse.connect(autocommit=True, application="icp crawl") as connection:
            if companies is None:
                companies = due_background(connection, now=self.now, cache_days=self.settings.cache_days)
            by_domain: dict[str, list[int]] = defaultdict(list)
            for company_id, domain in companies:
                by_domain[domain].append(company_id)
            vocabulary = IndustryVocabulary.load(connection) if by_domain else IndustryVocabulary("", ())
            names: dict[int, str] = dict(  # told to the rules, as customers' names are: both are measured alike
                connection.execute(
                    "select company_id, name from raw.companies where company_id = any(%s)",
                    ([company_id for company_id, _ in companies],),
                ).fetchall()
            )

            def keep(crawl: SiteCrawl) -> None:
                for company_id in by_domain[crawl.domain]:
                    items = extract(crawl.pages, vocabulary=vocabulary, company_name=names.get(company_id))
                    changed = keep_background(
                        connection, company_id=company_id, crawl=crawl, items=items, now=self.now, run_id=self.run_id
                    )
                    report.count(crawl, items=len(items), changed=changed, notes=crawl.degraded_reasons)

            self._crawl(list(by_domain), vocabulary, keep)
            report.background = report.outcomes.total()
        return report

    def _crawl(
        self,
        domains: list[str],
        vocabulary: IndustryVocabulary,
        keep: Callable[[SiteCrawl], None],
        settle: Callable[[], None] = lambda: None,
    ) -> None:
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
                    keep_going_for=lambda _: Saturation(vocabulary).goes_on,
                    on_site=on_site,
                )
                settle()

    def _crawl_with_readers(
        self,
        open_tools: OpenTools,
        by_domain: Mapping[str, Sequence[DueSite]],
        keep: Callable[[SiteCrawl], None],
        settle: Callable[[], None],
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
                settle()  # no site is in flight now

        asyncio.run(run())

    def _by_domain(
        self, connection: psycopg.Connection, due: list[DueSite], keeper: Keeper
    ) -> dict[str, list[DueSite]]:
        """The sites by domain; companies for which none is found are noted as unresolved."""
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
        known: dict[str, list[DueSite]] = defaultdict(list)
        for site in due:
            domain, reason = site.domain, ""
            if domain is None:
                domain, reason = found.get((site.tenant_id, site.company_id), (None, "no website is known"))
            if domain is None:
                keeper.note_unresolved(site, reason)
            else:
                known[domain].append(replace(site, domain=domain))
        return known
