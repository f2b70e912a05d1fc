"""The local web, settings that send every host to it, and short ways to crawl."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from ingest.crawl.many import crawl_all
from ingest.crawl.settings import CrawlSettings, Profile, Target
from ingest.crawl.site import SiteCrawl
from tests.ingest.crawl.local_web import LocalWeb

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
#: Caps that are reached at once.
TINY = Profile(
    "nightly",
    max_pages=8,
    max_seconds=3.0,
    max_bytes=2_000_000,
    connect_seconds=0.4,
    read_seconds=0.4,
    page_bytes=300_000,
    delay=0.0,
    max_crawl_delay=0.05,
)


@pytest.fixture(scope="module")
def web() -> Iterator[LocalWeb]:
    with LocalWeb().running() as web:
        yield web


@pytest.fixture
def settings(web: LocalWeb) -> CrawlSettings:
    tiny = replace(TINY, name="interactive", readers_first=True, head=("/", "/contact-us", "/about"))
    everywhere = {"*": Target("127.0.0.1", web.port)}
    return CrawlSettings(connect_to=everywhere, nightly=TINY, interactive=tiny, jina_timeout=0.2, max_retry_after=0.2)


@pytest.fixture
def crawl(settings: CrawlSettings) -> Callable[..., SiteCrawl]:
    """Crawl one site, nightly unless told otherwise."""

    def one(domain: str, **changes: Any) -> SiteCrawl:
        given = {"settings": settings, "cache": None, "profile": "nightly", "now": NOW} | changes
        return crawl_all([domain], **given)[0]

    return one
