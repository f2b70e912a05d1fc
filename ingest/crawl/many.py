"""Crawling many sites at once, under one limit, with one cache and one set of connections."""

from __future__ import annotations

import asyncio
import datetime as dt
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


async def crawl_sites(
    domains: Sequence[str],
    *,
    settings: CrawlSettings,
    cache: PageCache | None,
    profile: ProfileName | Profile,
    now: dt.datetime,
    keep_going_for: KeepGoingFor | None = None,
    readers: Sequence[Reader] = (),
    lookup: Lookup = system_lookup,
) -> AsyncIterator[SiteCrawl]:
    """Crawl sites, ``settings.concurrency`` at a time; each is handed out when its pages are kept, none twice.

    Under a profile that asks readers first, they are asked for the first ``settings.interactive_head`` sites only.
    """
    chosen = settings.profile(profile) if isinstance(profile, str) else profile
    renderer = ChromiumRenderer(settings.browser, settings) if settings.browser else None
    slots = asyncio.Semaphore(settings.concurrency)
    async with Fetcher(settings, lookup=lookup) as fetcher:
        last_resort = asyncio.Semaphore(settings.readers_parallel)
        unread = f"reader services are asked for {settings.interactive_head} sites at a time (INTERACTIVE_HEAD)"
        with_them = Kit(fetcher, tuple(readers), renderer, last_resort=last_resort)
        without = Kit(fetcher, (), renderer, (unread,) if readers else (), last_resort)

        async def one(place: int, domain: str) -> SiteCrawl:
            is_head = not chosen.readers_first or place < settings.interactive_head
            async with slots:
                return await visit_site(
                    domain,
                    kit=with_them if is_head else without,
                    cache=cache,
                    profile=chosen,
                    now=now,
                    keep_going=keep_going_for(domain) if keep_going_for is not None else None,
                )

        tasks = [asyncio.create_task(one(place, domain)) for place, domain in enumerate(dict.fromkeys(domains))]
        try:
            for task in asyncio.as_completed(tasks):
                crawl = await task
                if cache is not None:  # who is handed the site says that it was read; its pages are kept by then
                    await cache.flush()
                yield crawl
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
    readers: Sequence[Reader] = (),
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
            readers=readers,
            lookup=lookup,
        ):
            if on_site is not None:
                on_site(crawl)
                crawl = replace(crawl, pages=())
            done[crawl.domain] = crawl
        return done

    done = asyncio.run(run())
    return [done[domain] for domain in dict.fromkeys(domains)]
