"""Reader services: who is asked when, for how many sites, and what one that hangs costs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ingest.crawl.cache import MemoryCache, PageCache
from ingest.crawl.fetching import Fetcher
from ingest.crawl.many import Crawler
from ingest.crawl.page import Via
from ingest.crawl.readers import ReadFailure, Reading
from ingest.crawl.settings import CrawlSettings, ProfileName
from ingest.crawl.site import SiteCrawl
from tests.ingest.crawl.conftest import NOW
from tests.ingest.crawl.local_web import LocalWeb, Request, hang, status
from tests.ingest.crawl.test_site import text_page


class Service:
    """A reader service that knows some pages."""

    def __init__(self, via: Via, pages: dict[str, str], *, is_last_resort: bool = False, waits: bool = False) -> None:
        self.via: Via = via
        self.is_last_resort = is_last_resort
        self.pages = pages
        self.asked: list[str] = []
        self.waits = waits

    async def read(self, url: str) -> Reading | ReadFailure:
        self.asked.append(url)
        if self.waits:
            await asyncio.Event().wait()
        if url in self.pages:
            return Reading(url, self.pages[url], title="Read")
        return ReadFailure(url, "there is nothing")


def read_all(
    settings: CrawlSettings,
    domains: Sequence[str],
    readers: Sequence[Service],
    profile: ProfileName = "interactive",
    cache: PageCache | None = None,
) -> list[SiteCrawl]:
    async def run() -> list[SiteCrawl]:
        async with Fetcher(settings) as fetcher:
            chosen = settings.profile(profile)
            crawler = Crawler(fetcher, cache=cache, profile=chosen, now=NOW, readers=readers)
            return [await crawler.crawl(domain) for domain in domains]

    return asyncio.run(run())


def test_interactively_the_reader_comes_first_then_the_site_then_the_last_resort(
    web: LocalWeb, settings: CrawlSettings
) -> None:
    web.add("read.com", {"/contact-us": text_page("Contact by http"), "/about": hang, "/": text_page("unused")})
    web.add("read.com", {"/clients": text_page("Clients")})
    markdown = "# Acme\n[Our clients](https://read.com/clients) and [others](https://other.com/clients)"
    first = Service("jina", {"https://read.com/": markdown})
    last = Service("tavily", {"https://read.com/about": "All about us, read elsewhere."}, is_last_resort=True)
    found = read_all(settings, ["read.com"], [last, first])[0]
    by_url = {each.url: (each.fetched_via, each.page_type) for each in found.pages}
    assert by_url == {
        "https://read.com/": ("jina", "home"),
        "https://read.com/contact-us": ("http", "contact"),
        "https://read.com/about": ("tavily", "about"),
        "https://read.com/clients": ("http", "customers"),
    }
    assert last.asked == ["https://read.com/about"]
    assert "/" not in web.paths("read.com")


def test_a_page_that_the_site_refused_before_is_asked_of_a_reader(web: LocalWeb, settings: CrawlSettings) -> None:
    web.add("shut.com", {"/": status(403)})
    cache = MemoryCache()
    assert read_all(settings, ["shut.com"], [], "nightly", cache)[0].pages == ()
    (found,) = read_all(settings, ["shut.com"], [Service("jina", {"https://shut.com/": "# Shut"})], cache=cache)
    assert [page.fetched_via for page in found.pages] == ["jina"]


def test_a_reader_that_hangs_costs_its_time_only(web: LocalWeb, settings: CrawlSettings) -> None:
    web.add("direct.com", {"/": text_page("Home")})
    found = read_all(settings, ["direct.com"], [Service("jina", {}, waits=True)])[0]
    assert found.pages[0].fetched_via == "http" and found.seconds < 3
    assert [reason for reason in found.degraded_reasons if reason.startswith("jina: no answer")]


@pytest.mark.parametrize("profile", ["interactive", "nightly"])
@pytest.mark.parametrize("services", [("jina",), ("tavily",), ("jina", "tavily"), ("tavily", "jina")])
def test_a_last_resort_comes_after_the_site_and_after_all_others(
    web: LocalWeb, settings: CrawlSettings, services: tuple[Via, ...], profile: ProfileName
) -> None:
    asked: list[str] = []

    async def shut(request: Request, writer: asyncio.StreamWriter) -> None:
        asked.append("http")
        await status(403)(request, writer)

    class Noting(Service):
        async def read(self, url: str) -> Reading | ReadFailure:
            if url == "https://shut.com/":
                asked.append(self.via)
            return await super().read(url)

    web.add("shut.com", {"/": shut, "/robots.txt": status(404)})
    readers = [Noting(via, {}, is_last_resort=via == "tavily") for via in services]
    (found,) = read_all(settings, ["shut.com"], readers, profile)
    assert found.outcome == "blocked"
    order = ["jina", "http", "tavily"] if profile == "interactive" else ["http", "jina", "tavily"]
    assert asked == [each for each in order if each in ("http", *services)]


def test_a_last_resort_gives_the_page_that_the_site_refuses_and_no_other(
    web: LocalWeb, settings: CrawlSettings
) -> None:
    web.add("half.com", {"/": text_page("Home"), "/about": status(403), "/contact-us": text_page("Contact")})
    last = Service("tavily", {"https://half.com/about": "All about us."}, is_last_resort=True)
    (found,) = read_all(settings, ["half.com"], [last])
    assert last.asked == ["https://half.com/about"]
    assert {each.fetched_via for each in found.pages if each.page_type == "about"} == {"tavily"}


def test_readers_are_asked_for_the_first_sites_only(web: LocalWeb, settings: CrawlSettings) -> None:
    domains = [f"head{number}.com" for number in range(4)]
    for domain in domains:
        web.add(domain, {"/": text_page(domain)})
    service = Service("jina", {})
    found = read_all(replace(settings, interactive_head=2), domains, [service])
    assert {url.split("/")[2] for url in service.asked} == {"head0.com", "head1.com"}
    said = [any("INTERACTIVE_HEAD" in reason for reason in each.degraded_reasons) for each in found]
    assert said == [False, False, True, True]
    service.asked.clear()
    found = read_all(replace(settings, interactive_head=0), domains, [service], "nightly")
    assert not any("INTERACTIVE_HEAD" in reason for each in found for reason in each.degraded_reasons)
