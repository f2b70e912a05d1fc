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

from ingest.crawl.cache import PostgresCache
from ingest.crawl.extract import IndustryVocabulary, extract
from ingest.crawl.extract import profile as extract_profile
from ingest.crawl.fetching import Fetcher
from ingest.crawl.many import Crawler
from ingest.crawl.page import Page
from ingest.crawl.readers import Reader
from ingest.crawl.saturation import Saturation
from ingest.crawl.settings import CrawlSettings, ProfileName
from ingest.crawl.site import SiteCrawl
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
    chosen = crawling.profile(profile)

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
                crawler = Crawler(
                    fetcher,
                    cache=cache,
                    profile=chosen,
                    now=now,
                    readers=usable,
                    keep_going_for=lambda _: Saturation(vocabulary()).goes_on,
                )
                # A guessed domain is not worth a vendor's call.
                homes = Crawler(fetcher, cache=cache, profile=replace(chosen, head=("/",), max_pages=1), now=now)
                try:
                    yield Tools(
                        crawl=crawler.crawl,
                        fetch_home=lambda domain: _home(homes, domain, now),
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


async def _home(crawler: Crawler, domain: str, now: dt.datetime) -> Page:
    """The front page of a domain, or one that says why there is none."""
    site = await crawler.crawl(domain)
    if site.pages:
        return site.pages[0]
    return Page(
        url=f"https://{domain}/",
        domain=domain,
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
        fetched_at=now,
        bytes=0,
    )
