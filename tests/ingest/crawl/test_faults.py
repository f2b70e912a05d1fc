"""What a hostile or broken site costs: its cap of time and bytes, and a reason, never an exception."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import time
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from ingest.crawl.addresses import is_public
from ingest.crawl.fetching import Answer, Fetcher, FetchFailure, Limits
from ingest.crawl.settings import CrawlSettings, Target
from ingest.crawl.site import SiteCrawl
from tests.ingest.crawl import local_web
from tests.ingest.crawl.conftest import TINY
from tests.ingest.crawl.local_web import Handler, LocalWeb, page, redirect, status

Crawl = Callable[..., SiteCrawl]
OPEN = {"/robots.txt": status(404)}
BOMB = gzip.compress(b"<p>" + b"\x00" * 50_000_000)
#: What may arrive beyond a cap before connections are dropped: a read buffer of each of the two requests under way.
SPILL = 2 * 150_000
#: One request's time, with what a busy machine adds.
REQUEST = TINY.connect_seconds + TINY.read_seconds + 0.7


def endless(request: local_web.Request) -> str:
    return f"https://{request.host}/r{int(request.path[2:] or 0) + 1}"


async def redirect_on(request: local_web.Request, writer: asyncio.StreamWriter) -> None:
    await redirect(endless(request))(request, writer)


@pytest.mark.parametrize(
    ("front", "outcome", "words", "most_seconds", "most_bytes"),
    [
        pytest.param(local_web.hang, "failed", "no answer within", 2 * REQUEST, 0, id="hangs"),
        pytest.param(local_web.drip, "failed", "did not end within", 2 * REQUEST, 1_000, id="drips"),
        pytest.param(local_web.flood, "degraded", "first 300,000 bytes", 1, 2_000_000, id="2 GB"),
        pytest.param(page(BOMB, Content_Encoding="gzip"), "failed", "decompresses to more", 1, 60_000, id="gzip bomb"),
        pytest.param(
            page(zlib.compress(b"\x00" * 50_000_000), Content_Encoding="deflate"),
            *("failed", "decompresses to more", 1, 60_000),
            id="deflate bomb",
        ),
        pytest.param(
            page(gzip.compress(b"") * 10_000 + gzip.compress(b"<p>x"), Content_Encoding="gzip"),
            *("failed", "the page is empty", 1, 300_000),
            id="ten thousand empty gzips",
        ),
        pytest.param(page("<p>x", Content_Encoding="br"), "failed", "encoded as 'br'", 1, 100, id="other encoding"),
        pytest.param(
            page("no gzip", Content_Encoding="gzip"), "failed", "cannot be decompressed", 2, 100, id="no gzip"
        ),
        pytest.param(local_web.header_flood, "failed", "broke off", 2, 0, id="header flood"),
        pytest.param(local_web.gibberish, "failed", "broke off", 2, 0, id="no HTTP"),
        pytest.param(local_web.hang_up, "failed", "broke off", 2, 0, id="hangs up"),
        pytest.param(redirect_on, "failed", "more than 5 redirects", 1, 0, id="redirects for ever"),
        pytest.param(redirect("/"), "failed", "in a circle", 1, 0, id="redirects in a circle"),
        pytest.param(redirect("javascript:alert(1)"), "failed", "to nowhere", 1, 0, id="redirects nowhere"),
        pytest.param(redirect("file:///etc/passwd"), "failed", "to nowhere", 1, 0, id="redirects to a file"),
        pytest.param(redirect("http://127.0.0.1/x"), "failed", "not a public address", 1, 0, id="redirects inside"),
        pytest.param(redirect("http://[::ffff:10.0.0.1]/"), "failed", "not a public address", 1, 0, id="mapped"),
        pytest.param(redirect("https://evil.com:22/"), "failed", "port 22", 1, 0, id="another port"),
        pytest.param(redirect("https://www.facebook.com/x"), "failed", "not the company's own", 1, 0, id="platform"),
        pytest.param(page("x", kind="application/pdf"), "failed", "is application/pdf", 1, 0, id="no page"),
        pytest.param(status(403), "blocked", "status 403", 1, 100, id="403"),
        pytest.param(status(429, Retry_After="3600"), "blocked", "pause of 3600 s", 1, 100, id="429 for long"),
        pytest.param(status(503), "blocked", "status 503", 1, 100, id="503"),
        pytest.param(
            page("<title>Just a moment...</title><script src=/cdn-cgi/challenge-platform/x>", code="200 OK"),
            *("blocked", "human", 1, 200),
            id="captcha",
        ),
        pytest.param(status(500), "failed", "status 500", 2, 100, id="500"),
        pytest.param(status(404), "failed", "no such page", 1, 100, id="404"),
    ],
)
def test_a_front_page_costs_its_cap(
    web: LocalWeb,
    crawl: Crawl,
    request: pytest.FixtureRequest,
    front: Handler,
    outcome: str,
    words: str,
    most_seconds: float,
    most_bytes: int,
) -> None:
    name = request.node.callspec.id.replace(" ", "-").lower()
    host = f"{name}-fault.com"
    web.add(host, {"*": front, **OPEN})
    started = time.monotonic()
    found = crawl(host)
    assert time.monotonic() - started < most_seconds + 0.8
    assert found.outcome == outcome, found
    assert any(words in reason for reason in found.degraded_reasons), found.degraded_reasons
    assert found.bytes <= most_bytes + SPILL
    assert len(web.paths(host)) <= 10
    assert web.sent[host] < 60_000_000  # the rest stays in the server and in the system's buffers


def test_a_pause_that_is_asked_for_is_kept(web: LocalWeb, crawl: Crawl) -> None:
    times: list[float] = []

    async def busy(request: local_web.Request, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        answer = status(429, Retry_After="0") if len(times) == 1 else page("<p>Welcome back")
        await answer(request, writer)

    web.add("busy.com", {"/": busy, **OPEN})
    assert crawl("busy.com").outcome == "ok" and len(times) == 2


def test_a_pause_that_one_page_asks_for_holds_for_all(web: LocalWeb, crawl: Crawl, settings: CrawlSettings) -> None:
    """Those that wait for their turn already, too."""
    times: list[float] = []

    async def inner(request: local_web.Request, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        answer = status(429, Retry_After="1") if len(times) == 1 else page(f"<p>{request.path}")
        await answer(request, writer)

    paths = ("about", "clients", "jobs")
    links = "".join(f'<a href="/{path}">x</a>' for path in paths)
    web.add("hurried.com", {"/": f"<p>Welcome{links}", **{f"/{path}": inner for path in paths}, **OPEN})
    profile = replace(TINY, concurrency=3, delay=0.2, max_pages=4)
    found = crawl("hurried.com", settings=replace(settings, max_retry_after=1.5), profile=profile)
    assert found.outcome == "ok" and len(found.pages) == 4
    assert len(times) == 4 and times[1] - times[0] > 0.95


def test_a_pause_over_the_cap_ends_the_visit(web: LocalWeb, crawl: Crawl) -> None:
    paths = ("about", "clients", "jobs", "partners", "contact")
    links = "".join(f'<a href="/{path}">x</a>' for path in paths)
    web.add("weary.com", {"/": f"<p>Welcome{links}", "*": status(429, Retry_After="60"), **OPEN})
    found = crawl("weary.com", profile=replace(TINY, concurrency=1))
    assert web.paths("weary.com") == ["/", "/about"]
    assert found.outcome == "degraded" and len(found.pages) == 1
    assert "the site asks for a pause of 60 s, over the cap of 0.2 s: the visit ended there" in found.degraded_reasons


def test_a_calendar_without_end_costs_the_cap_of_pages(web: LocalWeb, crawl: Crawl) -> None:
    numbers = itertools.count()

    async def more(request: local_web.Request, writer: asyncio.StreamWriter) -> None:
        new = [next(numbers) for _ in range(30)]
        links = "".join(f'<a href="/about/{n}/about/{n}">x</a><a href="/jobs?day={n}">j</a>' for n in new)
        await page(f"<p>{new}{links}<a href='/calendar/2026/01'>c</a><a href='{'/clients' * 90}'>l</a>")(
            request, writer
        )

    web.add("trap.com", {"*": more, **OPEN})
    found = crawl("trap.com")
    asked = web.paths("trap.com")
    assert len(found.pages) <= TINY.max_pages and len(asked) <= TINY.max_pages + 1
    assert sum(path.startswith("/jobs") for path in asked) <= 3
    assert not [path for path in asked if "calendar" in path or len(path) > 500]


def test_a_site_that_answers_anything_gives_its_page_once(web: LocalWeb, crawl: Crawl) -> None:
    links = "".join(f'<a href="/{path}">x</a>' for path in ("about", "clients", "jobs", "partners", "contact"))
    web.add("same.com", {"*": f"<p>Welcome{links}", **OPEN})
    assert [each.page_type for each in crawl("same.com").pages] == ["home"]


def test_a_site_that_turns_us_away_is_left_alone(web: LocalWeb, crawl: Crawl) -> None:
    links = "".join(f'<a href="/{path}">x</a>' for path in ("about", "clients", "jobs", "partners", "plans", "contact"))
    web.add("wall.com", {"/": f"<p>Welcome{links}", "*": status(403), **OPEN})
    found = crawl("wall.com")
    assert found.outcome == "degraded" and len(web.paths("wall.com")) <= 5
    assert "stopped after three refusals in a row" in found.degraded_reasons


def test_caps_on_bytes_and_time_of_a_site_are_kept(web: LocalWeb, crawl: Crawl) -> None:
    links = "".join(f'<a href="/{path}">x</a>' for path in ("about", "clients", "jobs", "partners", "contact"))
    web.add("fat.com", {"*": lambda r, w: page(f"<p>{r.path}{links}" + "x" * 200_000)(r, w), **OPEN})
    found = crawl("fat.com", profile=replace(TINY, max_bytes=500_000))
    assert found.bytes <= 500_000 + SPILL and any("cap of 500,000 bytes" in reason for reason in found.degraded_reasons)

    async def slow(request: local_web.Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.15)
        await page(f"<p>{request.path}{links}")(request, writer)

    web.add("slow.com", {"*": slow, **OPEN})
    found = crawl("slow.com", profile=replace(TINY, max_seconds=0.4))
    assert found.seconds < 1 and any("cap of 0.4 s" in reason for reason in found.degraded_reasons)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<title>Zürich</title>".encode("cp1252"), "text/html"),
        ("<title>Zürich</title>".encode("utf-16"), "text/html; charset=iso-8859-1"),
        ('<meta charset="latin-1"><title>Zürich</title>'.encode("latin-1"), "text/html; charset=utf-8"),
        (b"\xef\xbb\xbf" + "<title>Zürich</title>".encode(), "text/html; charset=big5"),
        ("<title>Zürich</title>".encode(), "text/html; charset=no-such-set"),
        ("<meta charset=utf-16><title>Zürich</title>".encode(), "text/html"),
        ("<title>Zürich</title>".encode(), "text/html; charset=unicode_escape"),
        ("<title>Zürich</title>".encode(), ""),
    ],
)
def test_character_sets_are_found_out(web: LocalWeb, crawl: Crawl, body: bytes, kind: str) -> None:
    web.add("words.com", {"/": page(body, kind=kind), **OPEN})
    assert crawl("words.com").pages[0].title == "Zürich"


def fetch(settings: CrawlSettings, url: str, answers: dict[str, list[list[str]]]) -> Answer | FetchFailure:
    """Fetch with a name server of our own: host → its answers, one after the other."""

    async def lookup(host: str) -> list[str]:
        if host not in answers:
            raise OSError("Name or service not known")
        return answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]

    async def run() -> Answer | FetchFailure:
        async with Fetcher(settings, lookup=lookup) as fetcher:
            return await fetcher.get(url, limits=Limits(0.4, 0.4, 100_000))

    return asyncio.run(run())


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "0.0.0.0", "::ffff:192.168.0.1"],  # noqa: S104
)
def test_a_name_that_leads_inside_is_not_connected_to(web: LocalWeb, address: str) -> None:
    before = len(web.requests)
    for host, found in (("evil.com", [[address]]), ("half.com", [["93.184.216.34", address]])):
        result = fetch(CrawlSettings(), f"http://{host}/", {host: found})
        assert isinstance(result, FetchFailure) and result.kind == "address", result
        assert address in result.reason
    assert len(web.requests) == before


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "2130706433", "127.1", "0x7f.0.0.1", "localhost", "[fe80::1]"])
def test_a_machine_is_not_fetched_by_its_address(web: LocalWeb, host: str) -> None:
    # Even where every name is sent to the local server: an address is not a name.
    settings = CrawlSettings(connect_to={"other.com": Target("127.0.0.1", web.port)})

    async def run() -> Answer | FetchFailure:
        async with Fetcher(settings) as fetcher:
            return await fetcher.get(f"http://{host}/", limits=Limits(0.4, 0.4, 1000))

    result = asyncio.run(run())
    assert isinstance(result, FetchFailure) and result.kind in ("address", "url"), result


def test_a_name_that_changes_its_answer_gains_nothing(web: LocalWeb) -> None:
    """The address that is connected to is the one that was checked, not that of a second look-up."""
    asked: list[list[str]] = [["192.0.2.1"], ["127.0.0.1"]]
    result = fetch(CrawlSettings(), "http://rebind.com/", {"rebind.com": asked})
    assert isinstance(result, FetchFailure) and result.kind in ("address", "connect", "timeout")
    assert "127.0.0.1" not in result.reason


def test_names_that_do_not_exist_fail_with_the_reason(crawl: Crawl, web: LocalWeb) -> None:
    async def lookup(host: str) -> list[str]:
        raise OSError("Name or service not known")

    found = crawl("gone.com", settings=CrawlSettings(nightly=TINY), lookup=lookup)
    assert found.outcome == "failed" and found.seconds < 0.5
    assert found.degraded_reasons == (
        "front page: robots.txt could not be read: gone.com has no address (Name or service not known)",
    )


def test_without_tls_the_failure_says_so() -> None:
    """A server that speaks plain http on the port of https."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def run() -> Answer | FetchFailure:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        target = Target("127.0.0.1", server.sockets[0].getsockname()[1])
        async with server, Fetcher(CrawlSettings(connect_to={"plain.com": target})) as fetcher:
            fetcher._local = lambda url: url  # type: ignore[method-assign]
            return await fetcher.get("https://plain.com/", limits=Limits(0.5, 0.5, 1000))

    result = asyncio.run(run())
    assert isinstance(result, FetchFailure) and result.kind == "tls"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *[(text, True) for text in ("93.184.216.34", "8.8.8.8", "2606:4700::1111")],
        *[(text, False) for text in ("10.0.0.1", "172.16.9.9", "192.168.1.1", "127.8.8.8", "0.0.0.0", "0.1.2.3")],  # noqa: S104
        *[(text, False) for text in ("100.64.0.1", "169.254.1.1", "192.0.0.8", "192.0.2.7", "198.18.0.1", "224.0.0.1")],
        *[
            (text, False)
            for text in ("240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1%eth0", "fc00::1", "ff02::1")
        ],
        *[(text, False) for text in ("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:db8::1", "fec0::1")],
        *[(text, False) for text in ("::ffff:0:127.0.0.1", "2001:0:1::1", "x", "", "1.2.3")],
    ],
)
def test_what_counts_as_public(address: str, public: bool) -> None:
    assert is_public(address) is public
