"""Crawling many sites at once, under one limit, with one cache and one set of connections."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import math
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from ingest.crawl.addresses import Lookup, system_lookup
from ingest.crawl.browser import ChromiumRenderer
from ingest.crawl.cache import PageCache
from ingest.crawl.fetching import Fetcher
from ingest.crawl.kit import Kit
from ingest.crawl.readers import Reader
from ingest.crawl.settings import CrawlSettings, Profile, ProfileName
from ingest.crawl.site import KeepGoing, SiteCrawl, visit_site

#: domain → what decides after each batch of its pages whether to go on.
KeepGoingFor = Callable[[str], KeepGoing]


class Crawler:
    """Visits sites with the same connections, cache, browser and reader services.

    Args:
        cache: asked before every request; gets every page. None: nothing is kept.
        now: what pages are dated with, and what the cache's times are compared with.
        readers: reader services for the head pages. Under a profile that says so they are asked before the sites, the
            last resorts among them after, and all of them for the first ``settings.interactive_head`` sites only;
            else they are asked where a site itself gave nothing.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        *,
        cache: PageCache | None,
        profile: Profile,
        now: dt.datetime,
        readers: Sequence[Reader] = (),
        keep_going_for: KeepGoingFor | None = None,
    ) -> None:
        settings = fetcher.settings
        renderer = ChromiumRenderer(settings.browser, settings) if settings.browser else None
        last_resort = asyncio.Semaphore(settings.readers_parallel)
        self._kit = Kit(fetcher, tuple(readers), renderer, last_resort=last_resort)
        unread = f"reader services are asked for {settings.interactive_head} sites at a time (INTERACTIVE_HEAD)"
        self._alone = replace(self._kit, readers=(), notes=(unread,) if readers else ())
        self._cache = cache
        self._visit = functools.partial(visit_site, cache=cache, profile=profile, now=now)
        self._keep_going_for = keep_going_for
        self._left = settings.interactive_head if profile.readers_first else math.inf

    async def crawl(self, domain: str) -> SiteCrawl:
        """The site of a registrable domain. Who is handed it says that it was read: its pages are kept by then."""
        self._left -= 1
        crawl = await self._visit(
            domain,
            kit=self._kit if self._left >= 0 else self._alone,
            keep_going=self._keep_going_for(domain) if self._keep_going_for is not None else None,
        )
        if self._cache is not None:
            await self._cache.flush()
        return crawl


async def crawl_sites(
    domains: Sequence[str],
    *,
    settings: CrawlSettings,
    cache: PageCache | None,
    profile: ProfileName | Profile,
    now: dt.datetime,
    keep_going_for: KeepGoingFor | None = None,
    lookup: Lookup = system_lookup,
) -> AsyncIterator[SiteCrawl]:
    """Crawl sites, ``settings.concurrency`` at a time; each is handed out when its pages are kept, none twice."""
    chosen = settings.profile(profile) if isinstance(profile, str) else profile
    slots = asyncio.Semaphore(settings.concurrency)
    async with Fetcher(settings, lookup=lookup) as fetcher:
        crawler = Crawler(fetcher, cache=cache, profile=chosen, now=now, keep_going_for=keep_going_for)

        async def one(domain: str) -> SiteCrawl:
            async with slots:
                return await crawler.crawl(domain)

        tasks = [asyncio.create_task(one(domain)) for domain in dict.fromkeys(domains)]
        try:
            for task in asyncio.as_completed(tasks):
                yield await task
        finally:
            for unfinished in tasks:
                unfinished.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if cache is not None:
                await cache.flush()


def crawl_all(
    domains: Sequence[str],
    *,
    settings: CrawlSettings,
    cache: PageCache | None,
    profile: ProfileName | Profile,
    now: dt.datetime,
    keep_going_for: KeepGoingFor | None = None,
    on_site: Callable[[SiteCrawl], None] | None = None,
    lookup: Lookup = system_lookup,
) -> list[SiteCrawl]:
    """:func:`crawl_sites` for callers without an event loop; in the order of ``domains``.

    Args:
        on_site: is given each site when it is done (progress, storing what was found). Where it is, the crawls that
            are returned have no pages: of thousands of sites they would fill the memory.
    """

    async def run() -> dict[str, SiteCrawl]:
        done: dict[str, SiteCrawl] = {}
        async for crawl in crawl_sites(
            domains,
            settings=settings,
            cache=cache,
            profile=profile,
            now=now,
            keep_going_for=keep_going_for,
            lookup=lookup,
        ):
            if on_site is not None:
                on_site(crawl)
                crawl = replace(crawl, pages=())
            done[crawl.domain] = crawl
        return done

    done = asyncio.run(run())
    return [done[domain] for domain in dict.fromkeys(domains)]
