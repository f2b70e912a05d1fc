"""What a company is enriched with: a crawler, vendors and their budget, put together for one tenant."""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

import httpx
import psycopg

from ingest.crawl.browser import ChromiumRenderer
from ingest.crawl.cache import PostgresCache
from ingest.crawl.extract import IndustryVocabulary, extract
from ingest.crawl.extract import profile as extract_profile
from ingest.crawl.fetching import Fetcher
from ingest.crawl.page import Page
from ingest.crawl.readers import Reader
from ingest.crawl.settings import CrawlSettings, ProfileName
from ingest.crawl.site import SiteCrawl, crawl_site
from ingest.enrichment.apify import ApifyClient
from ingest.enrichment.budget import Budget
from ingest.enrichment.companies import CompanyFacts
from ingest.enrichment.domains import FetchHome, Search
from ingest.enrichment.jina import JinaClient
from ingest.enrichment.progress import Progress
from ingest.enrichment.readers import JinaReader, TavilyReader
from ingest.enrichment.settings import VendorSettings
from ingest.enrichment.tavily import TavilyClient
from ingest.enrichment.verifier import VerifierClient
from ingest.evidence import EvidenceItem
from warehouse.connection import Warehouse


@dataclass(frozen=True)
class Tools:
    """For one tenant and one event loop.

    Attributes:
        crawl: the site of a registrable domain.
        fetch_home: its home page alone.
        profile: what pages say of the company itself.
        evidence: the facts that pages of a company of this name give, by rules alone.
        search: None: there is none to ask.
        skipped: which vendors are not used for want of a key, in sentences.
    """

    crawl: Callable[[str], Awaitable[SiteCrawl]]
    fetch_home: FetchHome
    profile: Callable[[Sequence[Page]], CompanyFacts]
    evidence: Callable[[Sequence[Page], str], list[EvidenceItem]]
    search: Search | None
    apify: ApifyClient
    verifier: VerifierClient
    budget: Budget
    settings: VendorSettings
    skipped: tuple[str, ...] = ()


OpenTools = Callable[[int], AbstractAsyncContextManager[Tools]]
"""Opens what a tenant's companies are enriched with."""


def standard_tools(
    warehouse: Warehouse,
    connection: psycopg.Connection,
    *,
    profile: ProfileName,
    now: dt.datetime,
    settings: VendorSettings | None = None,
    crawl_settings: CrawlSettings | None = None,
    progress: Progress | None = None,
) -> OpenTools:
    """The crawler and the vendors as the environment sets them up.

    Args:
        warehouse: gives the crawler's cache a connection of its own.
        connection: in autocommit mode; counts what vendors are asked.
        profile: interactive: reader services first, for as many sites as ``INTERACTIVE_HEAD`` says; nightly: the
            sites themselves first.
    """
    vendors = settings or VendorSettings.from_environment()
    crawling = crawl_settings or CrawlSettings.from_environment()

    @functools.cache
    def vocabulary() -> IndustryVocabulary:
        return IndustryVocabulary.load(connection)

    def evidence(pages: Sequence[Page], name: str) -> list[EvidenceItem]:
        return extract(pages, vocabulary=vocabulary(), company_name=name)

    @asynccontextmanager
    async def open_tools(tenant_id: int) -> AsyncIterator[Tools]:
        budget = Budget(connection, tenant_id=tenant_id, settings=vendors, now=now, progress=progress)
        with warehouse.connect(autocommit=True, application="icp enrich: page cache") as own:
            cache = PostgresCache(own)
            # No proxy or .netrc of the environment: the key goes to the configured host alone.
            async with httpx.AsyncClient(trust_env=False) as http, Fetcher(crawling) as fetcher:
                jina = JinaClient(http, settings=vendors, budget=budget)
                tavily = TavilyClient(http, settings=vendors, budget=budget)
                apify = ApifyClient(http, settings=vendors, budget=budget)
                verifier = VerifierClient(http, settings=vendors, budget=budget)
                usable: list[Reader] = []
                if jina.unusable() is None:
                    usable.append(JinaReader(jina))
                if tavily.unusable() is None:
                    usable.append(TavilyReader(tavily))
                crawler = _Crawler(fetcher, cache, profile, now, tuple(usable))
                try:
                    yield Tools(
                        crawl=crawler.crawl,
                        fetch_home=crawler.fetch_home,
                        profile=extract_profile,
                        evidence=evidence,
                        search=tavily.search if tavily.unusable() is None else None,
                        apify=apify,
                        verifier=verifier,
                        budget=budget,
                        settings=vendors,
                        skipped=tuple(
                            missing.reason
                            for client in (jina, tavily, apify, verifier)
                            if (missing := client.unusable()) is not None
                        ),
                    )
                finally:
                    await cache.flush()

    return open_tools


class _Crawler:
    """The crawl engine with everything but the domain put in."""

    def __init__(
        self,
        fetcher: Fetcher,
        cache: PostgresCache,
        profile: ProfileName,
        now: dt.datetime,
        readers: tuple[Reader, ...],
    ) -> None:
        self._fetcher = fetcher
        self._cache = cache
        self._profile = fetcher.settings.profile(profile)
        self._now = now
        self._readers = readers
        self._sites = 0
        browser = fetcher.settings.browser
        self._renderer = ChromiumRenderer(browser, fetcher.settings) if browser else None

    async def crawl(self, domain: str) -> SiteCrawl:
        """A site; reader services help with the first sites only, where somebody waits."""
        self._sites += 1
        helped = not self._profile.readers_first or self._sites <= self._fetcher.settings.interactive_head
        return await crawl_site(
            domain,
            fetcher=self._fetcher,
            cache=self._cache,
            profile=self._profile,
            now=self._now,
            readers=self._readers if helped else (),
            renderer=self._renderer,
        )

    async def fetch_home(self, domain: str) -> Page:
        """Its front page alone, by ourselves: a guessed domain is not worth a vendor's call."""
        site = await crawl_site(
            domain,
            fetcher=self._fetcher,
            cache=self._cache,
            profile=replace(self._profile, head=("/",), max_pages=1, readers_first=False),
            now=self._now,
        )
        return site.pages[0] if site.pages else self._no_page(site)

    def _no_page(self, site: SiteCrawl) -> Page:
        return Page(
            url=f"https://{site.domain}/",
            domain=site.domain,
            page_type="home",
            html="",
            text="",
            title=None,
            fetched_via="http",
            status=None,
            outcome="blocked" if site.outcome == "blocked" else "failed",
            reason=site.degraded_reasons[0] if site.degraded_reasons else "nothing came back",
            etag=None,
            last_modified=None,
            content_hash=hashlib.sha256(b"").hexdigest(),
            fetched_at=self._now,
            bytes=0,
        )
