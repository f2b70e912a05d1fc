"""A visit to a site: which pages are found, what they are, when it ends, and what the cache spares."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ingest.crawl.cache import MemoryCache, PostgresCache
from ingest.crawl.many import crawl_all
from ingest.crawl.page import Page
from ingest.crawl.settings import CrawlSettings
from ingest.crawl.site import SiteCrawl
from tests.ingest.crawl.conftest import NOW, TINY
from tests.ingest.crawl.local_web import LocalWeb, dated, hang, page, redirect, status
from tests.loop import Rows

Crawl = Callable[..., SiteCrawl]

HOME = """<html><head><title>Acme</title></head><body><nav>
<a href="/who-we-are">Who we are</a><a href="/case-studies/">Case studies</a><a href='/work-with-us.html'>Jobs</a>
<a href="/partners?utm_source=nav">Integrations</a><a href="/blog/what-is-new">News</a>
<a href="javascript:void(0)">x</a><a href="mailto:info@acme.com">Mail</a><a href="tel:+65123">Call</a><a href="*">*</a>
<a href="https://other.com/about">Their</a>
<a href="/brochure.pdf">Brochure</a></nav><p>We make anvils for every industry.</p></body></html>"""


def text_page(words: str) -> str:
    return f"<html><title>{words}</title><body><h1>{words}</h1><p>{words} of the company, at length.</p></body></html>"


def types(found: SiteCrawl) -> dict[str, str]:
    return {each.page_type: each.url for each in found.pages}


def test_pages_of_all_types_are_found_by_links_and_sitemaps(web: LocalWeb, crawl: Crawl) -> None:
    host = "https://acme.com"
    index = f"<sitemapindex><sitemap><loc>{host}/posts.xml</loc></sitemap><sitemap><loc>{host}/page-map.xml.gz</loc>"
    listed = "".join(f"<url><loc>{host}{path}</loc></url>" for path in ("/pricing", "/contact", "/industries", "/x"))
    web.add(
        "acme.com",
        {
            "/": HOME,
            "/robots.txt": page(f"User-agent: *\nAllow: /\nSitemap: {host}/maps.xml", kind="text/plain"),
            "/maps.xml": page(index, kind="text/xml"),
            "/page-map.xml.gz": page(gzip.compress(f"<urlset>{listed}".encode()), kind="application/gzip"),
            "/posts.xml": page("<urlset>", kind="text/xml"),
            "/who-we-are": text_page("Who we are"),
            "/case-studies/": '<a href="/case-studies/globex">Globex</a>' + text_page("Case studies"),
            "/case-studies/globex": text_page("How Globex saved a third"),
            "/work-with-us.html": text_page("Jobs"),
            "/partners": text_page("Integrations"),
            "/pricing": text_page("Pricing"),
            "/contact": text_page("Contact"),
            "/industries": text_page("Industries"),
        },
    )
    found = crawl("acme.com", profile=replace(TINY, max_pages=20))
    assert set(types(found)) == {
        *("home", "about", "customers", "industries", "integrations", "pricing", "careers", "contact")
    }
    assert f"{host}/case-studies/globex" in [each.url for each in found.pages]
    assert found.outcome == "ok" and found.degraded_reasons == ()
    assert found.pages[0].text.splitlines()[-1] == "We make anvils for every industry."
    assert found.pages[0].title == "Acme" and found.pages[0].html == HOME
    asked = web.paths("acme.com")
    assert len(asked) == len(set(asked)) and "/brochure.pdf" not in asked and "/x" not in asked
    assert not web.paths("other.com")


def test_sites_see_who_crawls_and_how_to_reach_them(web: LocalWeb, crawl: Crawl, settings: CrawlSettings) -> None:
    web.add("named.com", {"/": text_page("Home")})
    agent = CrawlSettings.from_environment({"ICP_CRAWL_CONTACT": "crawl@example.com"}).agent
    crawl("named.com", settings=replace(settings, agent=agent))
    seen = {each.headers["user-agent"] for each in web.requests if each.host == "named.com"}
    assert seen == {"icp-warehouse/0.1 (+crawl@example.com)"}


def test_a_cap_on_pages_is_kept_and_said(web: LocalWeb, crawl: Crawl) -> None:
    links = "".join(f'<a href="/{path}">x</a>' for path in ("about", "clients", "jobs", "partners", "plans", "contact"))
    web.add(
        "wide.com", {"/": f"<p>Home</p>{links}", **{f"/{p}": text_page(p) for p in ("about", "clients", "partners")}}
    )
    found = crawl("wide.com", profile=replace(TINY, max_pages=3))
    assert len(found.pages) == 3 and found.outcome == "ok"
    assert [reason for reason in found.degraded_reasons if "cap of 3 pages" in reason]


def test_a_visit_ends_when_nothing_new_is_learned(web: LocalWeb, crawl: Crawl) -> None:
    web.add("dull.com", {"/": HOME, "/who-we-are": text_page("a"), "/case-studies/": text_page("b")})
    seen: list[str] = []

    def keep_going_for(domain: str) -> Callable[[list[Page]], bool]:
        def keep_going(pages: list[Page]) -> bool:
            seen.extend(each.url for each in pages)
            return len(seen) < 2

        return keep_going

    found = crawl("dull.com", keep_going_for=keep_going_for)
    assert [each.url for each in found.pages] == seen and 2 <= len(seen) <= 3
    assert "/work-with-us.html" not in web.paths("dull.com")
    assert "left early: the last pages said nothing new" in found.degraded_reasons


def test_types_of_which_more_pages_are_known_than_are_read_are_said(web: LocalWeb, crawl: Crawl) -> None:
    stories = {f"/case-studies/{name}": text_page(name) for name in ("one", "two", "three", "four", "five")}
    links = "".join(f'<a href="{path}">Case study</a>' for path in stories)
    web.add("proud.com", {"/": f"<p>Home</p>{links}", "/about": text_page("About"), **stories})
    found = crawl("proud.com")
    assert found.outcome == "ok" and sum(each.page_type == "customers" for each in found.pages) == 4
    assert found.degraded_reasons == ("of customers more pages were known than are read of one type (cap)",)


def test_within_its_time_the_cache_spares_every_request(web: LocalWeb, crawl: Crawl, warehouse: object) -> None:
    web.add(
        "kept.com",
        {
            "/": HOME.replace("Acme", "Kept\x00"),
            "/who-we-are": redirect("/about"),
            "/about": text_page("About"),
            "/case-studies/": status(403),
        },
    )
    with warehouse.connect(autocommit=True) as connection:  # type: ignore[attr-defined]
        first = crawl("kept.com", cache=PostgresCache(connection))
        asked = len([each for each in web.requests if each.host == "kept.com"])
        again = crawl("kept.com", cache=PostgresCache(connection), now=NOW + dt.timedelta(hours=20))
    assert asked == len([each for each in web.requests if each.host == "kept.com"])
    assert again.pages == first.pages and len(first.pages) == 2
    assert (again.pages_fetched, again.pages_cached, again.bytes) == (0, 2, 0)
    assert first.pages_fetched > 0 and again.degraded_reasons == first.degraded_reasons


def test_after_thirty_days_a_304_renews_a_page(web: LocalWeb, crawl: Crawl, warehouse: object, rows: Rows) -> None:
    web.add(
        "slow.com",
        {
            "/": dated(HOME, etag='"v1"'),
            "/who-we-are": dated(text_page("We"), last_modified="Tue, 03 Feb 2026 10:00:00 GMT"),
            "/partners": text_page("Partners"),
        },
    )
    later = NOW + dt.timedelta(days=31)
    with warehouse.connect(autocommit=True) as connection:  # type: ignore[attr-defined]
        first = crawl("slow.com", cache=PostgresCache(connection))
        web.add("slow.com", {"/partners": text_page("New partners")})
        before_second = len(web.requests)
        second = crawl("slow.com", cache=PostgresCache(connection), now=later)
    changed = {each.url: each for each in second.pages}
    for before in first.pages:
        if before.page_type in ("home", "about"):
            assert changed[before.url] == replace(before, fetched_at=later)
        elif before.page_type == "integrations":
            assert changed[before.url].title == "New partners"
    conditions = ("if-none-match", "if-modified-since")
    asked = {
        each.path: [each.headers[name] for name in conditions if name in each.headers]
        for each in web.requests[before_second:]
        if each.host == "slow.com"
    }
    assert asked["/"] == ['"v1"'] and asked["/who-we-are"] == ["Tue, 03 Feb 2026 10:00:00 GMT"]
    kept = rows("select fetched_at, expires_at from raw.crawl_pages where domain = 'slow.com' and outcome = 'ok'")
    assert set(kept) == {(later, later + dt.timedelta(days=30))} and len(kept) == 3


def test_a_page_behind_a_redirect_is_confirmed_too(web: LocalWeb, crawl: Crawl) -> None:
    web.add("moved.com", {"/": redirect("https://www.moved.com/"), "/robots.txt": status(404)})
    web.add("www.moved.com", {"/": dated(text_page("Home"), etag='"v1"'), "/robots.txt": status(404)})
    cache = MemoryCache()
    first = crawl("moved.com", cache=cache)
    second = crawl("moved.com", cache=cache, now=NOW + dt.timedelta(days=31))
    assert second.pages == tuple(replace(each, fetched_at=NOW + dt.timedelta(days=31)) for each in first.pages)
    fronts = [each for each in web.requests if (each.host, each.path) == ("www.moved.com", "/")]
    assert [each.headers.get("if-none-match") for each in fronts] == [None, '"v1"']


def test_robots_rules_are_kept_and_said(web: LocalWeb, crawl: Crawl) -> None:
    web.add("shy.com", {"/": HOME, "/robots.txt": page("User-agent: *\nDisallow: /who-we-are\nCrawl-delay: 9")})
    found = crawl("shy.com")
    assert "/who-we-are" not in web.paths("shy.com")
    assert found.degraded_reasons[0] == "https://shy.com/who-we-are: robots.txt does not allow it"  # caps come last
    assert [reason for reason in found.degraded_reasons if "asks for 9 s" in reason and "0.05 s" in reason]


@pytest.mark.parametrize(
    ("robots", "outcome", "words"),
    [
        (page("User-agent: *\nDisallow: /"), "blocked", "robots.txt does not allow it"),
        (status(503), "blocked", "robots.txt answers with status 503"),
        (hang, "failed", "robots.txt could not be read"),
        (status(403), "ok", None),
        (page("<!doctype html><p>User-agent: *<p>Disallow: /"), "ok", None),
        (redirect("https://www.closed.com/r.txt"), "blocked", "robots.txt does not allow it"),
    ],
)
def test_what_robots_txt_may_answer(web: LocalWeb, crawl: Crawl, robots, outcome: str, words: str | None) -> None:  # type: ignore[no-untyped-def]
    web.add("closed.com", {"/robots.txt": robots, "/": text_page("Home")})
    web.add("www.closed.com", {"/r.txt": page("User-agent: *\nDisallow: /"), "/robots.txt": hang})
    before = len(web.paths("closed.com"))
    found = crawl("closed.com")
    assert found.outcome == outcome
    assert words is None or any(words in reason for reason in found.degraded_reasons)
    assert (len(web.paths("closed.com")) > before) == (outcome == "ok")


def test_delays_and_connections_per_site_are_kept(web: LocalWeb, settings: CrawlSettings) -> None:
    starts: dict[str, list[float]] = {"a-polite.com": [], "b-polite.com": []}
    open_now: dict[str, int] = {"a-polite.com": 0, "b-polite.com": 0}
    most: dict[str, int] = dict(open_now)

    def timed(content: str):  # type: ignore[no-untyped-def]
        async def send(request, writer) -> None:  # type: ignore[no-untyped-def]
            starts[request.host].append(time.monotonic())
            open_now[request.host] += 1
            most[request.host] = max(most[request.host], open_now[request.host])
            await asyncio.sleep(0.15)
            open_now[request.host] -= 1
            await page(content)(request, writer)

        return send

    for host in starts:
        web.add(host, {"/": timed(HOME), "*": timed(text_page("x"))})
        web.add(host, {"/robots.txt": status(404), "/sitemap.xml": status(404)})
    profile = replace(TINY, delay=0.1, concurrency=2, max_pages=4)
    crawl_all(list(starts), settings=settings, cache=None, profile=profile, now=NOW)
    for host, times in starts.items():
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert len(times) >= 4 and min(gaps) > 0.07
        assert most[host] == 2
    first, second = starts.values()
    assert abs(first[0] - second[0]) < 0.1  # sites do not wait for one another


def test_a_page_made_by_scripts_is_said_or_rendered(
    web: LocalWeb, crawl: Crawl, settings: CrawlSettings, tmp_path: Path
) -> None:
    web.add("spa.com", {"/": '<div id="root"></div><script src="/app.js"></script>'})
    found = crawl("spa.com")
    assert found.outcome == "degraded" and any("ICP_BROWSER" in reason for reason in found.degraded_reasons)
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "<h1>Rendered for $0</h1><p>$@</p>"\n')
    browser.chmod(0o755)
    found = crawl("spa.com", settings=replace(settings, browser=str(browser)))
    assert found.outcome == "ok" and found.pages[0].fetched_via == "browser"
    # The browser may reach the page's own host and nothing else.
    assert f"MAP spa.com 127.0.0.1:{web.port}, MAP * ~NOTFOUND" in found.pages[0].text


def test_real_company_sites_crawl(web: LocalWeb, settings: CrawlSettings, shared_data: Path) -> None:
    domains = {"1assist.com.sg": "1assist.com.sg", "asiatis": "asiatis.com", "otterpizza.com.sg": "otterpizza.com.sg"}
    for folder, domain in domains.items():
        files = sorted((shared_data / "company_sites" / folder).glob("*.html"))
        assert files
        for path in files:
            web.add(domain, {f"/{path.name}" if path.name != "index.html" else "/": path.read_bytes()})
    profile = replace(TINY, page_bytes=3_000_000, max_bytes=5_000_000, read_seconds=5)
    found = crawl_all(list(domains.values()), settings=settings, cache=MemoryCache(), profile=profile, now=NOW)
    assert [each.domain for each in found] == list(domains.values())
    for each in found:
        assert each.pages, each.degraded_reasons
        assert each.pages[0].page_type == "home" and each.pages[0].title and len(each.pages[0].text) > 50
    assert "about" in types(found[0])


def test_a_site_is_handed_out_when_its_pages_are_kept(
    web: LocalWeb, settings: CrawlSettings, warehouse: object, rows: Rows
) -> None:
    """Else a crawl that is killed leaves sites that count as read, without their pages."""
    web.add("one.com", {"/": HOME})
    web.add("two.com", {"/": HOME, "/robots.txt": status(500)})
    kept = {}

    def on_site(crawl: SiteCrawl) -> None:
        ((kept[crawl.domain],),) = rows("select count(*) > 0 from raw.crawl_pages where domain = %s", crawl.domain)

    with warehouse.connect(autocommit=True) as connection:  # type: ignore[attr-defined]
        cache = PostgresCache(connection)
        crawl_all(["one.com", "two.com"], settings=settings, cache=cache, profile=TINY, now=NOW, on_site=on_site)
    assert kept == {"one.com": True, "two.com": True}


def test_pages_are_written_in_batches_and_an_older_crawl_replaces_no_newer(
    connection: psycopg.Connection, rows: Rows, web: LocalWeb, crawl: Crawl
) -> None:
    web.add("again.com", {"/": text_page("Newer")})
    crawl("again.com", cache=PostgresCache(connection))
    web.add("again.com", {"/": text_page("Older")})
    crawl("again.com", cache=PostgresCache(connection), now=NOW - dt.timedelta(days=60))
    # The kept page is good for the older crawl too: it is not asked for again.
    assert rows("select title from raw.crawl_pages where domain = 'again.com' and outcome = 'ok'") == [("Newer",)]


def test_an_accident_at_one_site_does_not_end_the_others(
    web: LocalWeb, settings: CrawlSettings, caplog: pytest.LogCaptureFixture
) -> None:
    web.add("first.com", {"/": text_page("First")})
    web.add("second.com", {"/": text_page("Second")})

    def keep_going_for(domain: str) -> Callable[[list[Page]], bool]:
        def keep_going(pages: list[Page]) -> bool:
            if domain == "first.com":
                raise RuntimeError("an extractor's accident")
            return True

        return keep_going

    done: list[SiteCrawl] = []
    given = {"settings": settings, "cache": None, "profile": "nightly", "now": NOW, "on_site": done.append}
    first, second = crawl_all(["first.com", "second.com"], keep_going_for=keep_going_for, **given)
    assert second.outcome == "ok" and "an extractor's accident" in first.degraded_reasons[0]
    assert first.outcome == "degraded" and "first.com" in caplog.text
    assert sorted(each.domain for each in done if each.pages) == ["first.com", "second.com"] and second.pages == ()
