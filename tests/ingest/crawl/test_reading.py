"""Robots rules, page types, text, links and sitemaps: agreement with the reference, and no input that breaks them."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego

from ingest.crawl.blocking import is_challenge, is_gone, waiting_time
from ingest.crawl.bodies import Inflater, decode
from ingest.crawl.classify import classify
from ingest.crawl.document import LONGEST_HTML, markdown_links, read_document
from ingest.crawl.fetching import Answer, FetchFailure
from ingest.crawl.frontier import Frontier
from ingest.crawl.robots import LONGEST, Robots
from ingest.crawl.settings import CrawlSettings, Target
from ingest.crawl.sitemaps import parse_sitemap
from ingest.crawl.urls import absolute, is_worth_fetching, key_of, normalise
from ingest.errors import IngestError
from tests.ingest.crawl.conftest import NOW

PATHS = (
    "/",
    "/about",
    "/search?q=x",
    "/a/b/c.html",
    "/wp-admin/",
    "/cgi-bin/x",
    "/user/1?sort=a&page=2",
    "/x.pdf",
    "/%7Ejoe/",
)


def test_rules_agree_with_protego_on_every_real_file(shared_data: Path) -> None:
    """Every path that a file names, with a tail, and some others, for three agents."""
    files = sorted((shared_data / "robots").iterdir())
    assert len(files) > 150
    asked = disallowed = 0
    for path in files:
        body = path.read_bytes()
        reference = Protego.parse(body.decode("utf-8-sig", "replace"))
        named = [
            line.split(":", 1)[1].split("#")[0].strip() for line in body.decode("latin-1").splitlines() if ":" in line
        ]
        own = {name.replace("*", "any").rstrip("$") for name in named if name.startswith("/")}
        picked = random.Random(path.name).sample(sorted(own), min(60, len(own)))
        urls = [f"https://{path.name}{each}" for each in (*PATHS, *picked, *(f"{one}tail" for one in picked))]
        for agent in ("icp-warehouse/0.1", "Googlebot", "Mozilla/5.0 (compatible; SemrushBot/7)"):
            robots = Robots.parse(body, agent)
            assert robots.delay is None or robots.delay >= (reference.crawl_delay(agent) or 0)
            for url in urls:
                assert (robots.refuses(url) is None) == reference.can_fetch(url, agent), (path.name, agent, url)
                asked += 1
                disallowed += not reference.can_fetch(url, agent)
        assert robots.sitemaps == list(reference.sitemaps)
    assert asked > 20_000 and disallowed > 5_000


def test_a_contact_in_the_agent_is_no_name() -> None:
    text = "User-agent: *\nDisallow:\n\nUser-agent: bot\nDisallow: /\n"
    assert Robots.parse(text, "icp-warehouse/0.1 (+https://bot/)").refuses("https://x.com/") is None
    assert Robots.parse(text, "bot/1.0 (+https://x.com/)").refuses("https://x.com/")


def test_odd_robots_files_are_read() -> None:
    rule = b"User-agent: *\nDisallow: /no\n"
    for body in (b"\xef\xbb\xbf" + rule, rule.decode().encode("utf-16"), rule.replace(b"\n", b"\r"), b"\x00" + rule):
        assert Robots.parse(body, "icp-warehouse").refuses("https://x.com/no"), body
    assert Robots.parse(b"<html>" + rule, "icp-warehouse").refuses("https://x.com/no") is None
    late = rule + b"# " + b"x" * LONGEST + b"\nDisallow: /late\n"
    assert Robots.parse(late, "icp-warehouse").refuses("https://x.com/late") is None
    assert Robots.parse(late, "icp-warehouse").refuses("https://x.com/no")


@pytest.mark.parametrize(("status", "allowed"), [(200, True), (404, True), (401, True), (429, False), (500, False)])
def test_a_status_for_robots_means_what_the_standard_says(status: int, allowed: bool) -> None:
    robots = Robots.judge(Answer("https://x.com/robots.txt", status, None, b""), "icp-warehouse")
    assert (robots.refuses("https://x.com/") is None) == allowed
    failed = Robots.judge(FetchFailure("https://x.com/robots.txt", "timeout", "no answer"), "icp-warehouse")
    assert failed.refuses("https://x.com/") == "robots.txt could not be read: no answer"


@pytest.mark.parametrize(
    ("url", "words", "kind"),
    [
        ("https://x.com/", "", "home"),
        ("https://x.com/en/", "Home", "home"),
        ("https://x.com/about-us", "", "about"),
        ("https://x.com/en-gb/company/leadership.html", "", "about"),
        ("https://x.com/aboutus.html", "", "about"),
        ("https://x.com/p/17", "Who we are", "about"),
        ("https://x.com/case-studies/globex", "Read more", "customers"),
        ("https://x.com/kunden", "", "customers"),
        ("https://x.com/solutions/industries/logistics", "Logistics", "industries"),
        ("https://x.com/partners/", "", "integrations"),
        ("https://x.com/integrations/hubspot", "HubSpot", "integrations"),
        ("https://x.com/pricing", "", "pricing"),
        ("https://x.com/precios", "", "pricing"),
        ("https://careers.x.com/openings/17-head-of-sales", "", "careers"),
        ("https://x.com/join-us", "", "careers"),
        ("https://x.com/contact_us.php", "", "contact"),
        ("https://x.com/%E8%81%94%E7%B3%BB%E6%88%91%E4%BB%AC", "", "contact"),
        ("https://x.com/blog/customers", "Our customers say", "other"),
        ("https://x.com/products/anvil", "Anvil", "other"),
        ("https://x.com/privacy", "Privacy", "other"),
    ],
)
def test_types_of_pages(url: str, words: str, kind: str) -> None:
    assert classify(url, words)[0] == kind


def test_a_title_tells_the_type_where_the_address_does_not() -> None:
    assert classify("https://x.com/?p=3", title="Pricing | Acme")[0] == "pricing"
    assert classify("https://x.com/p3", title="What customers say about pricing at Acme")[0] == "other"


def test_addresses_are_compared_in_one_form() -> None:
    assert normalise("HTTPS://Www.Ex.com:443/a/./b/../c?utm_source=x&b=2&a=1#top") == "https://www.ex.com/a/c?a=1&b=2"
    assert normalise("http://müller.de") == "http://xn--mller-kva.de/"
    assert key_of("http://www.x.com/about/index.html") == key_of("https://x.com/about/")
    for link in (
        "javascript:alert(1)",
        "mailto:a@b.c",
        "tel:1",
        "*",
        "#top",
        "data:text/html,x",
        " JavaScript:x",
        "ftp://x.com/",
    ):
        assert absolute("https://x.com/", link) is None, link
    assert absolute("https://x.com/a/b", "../c d") == "https://x.com/c%20d"
    assert absolute("https://x.com/a/b", "//y.com/z") == "https://y.com/z"
    for path in ("/calendar/2026", "/2026/03", "/cart", "/a.pdf", "/wp-login.php", "/a/a/a/", "/search"):
        assert not is_worth_fetching(f"https://x.com{path}"), path
    assert is_worth_fetching("https://x.com/careers/head-of-sales")


def test_text_is_what_a_visitor_sees_block_by_block() -> None:
    html = """<title> Acme
      Pte </title><style>p{}</style><nav><a href=/a>Home</a><a href=/b>About</a></nav>
      <p>We <b>make</b>&nbsp;an<i>vils</i>
      for all.</p><ul><li>One<li>Two</ul>left<br>right<p hidden>no</p><p style="display:none">no</p><script>no</script>
      <select><option>Afghanistan</select><noscript>no</noscript><table><tr><td>a<td>b</table>"""
    found = read_document(html, "https://x.com/")
    assert found.title == "Acme Pte"
    assert found.text.split("\n") == ["Home About", "We make anvils for all.", "One", "Two", "left", "right", "a", "b"]
    assert [(each.url, each.words) for each in found.links] == [
        ("https://x.com/a", "Home"),
        ("https://x.com/b", "About"),
    ]


def test_a_very_long_page_keeps_what_tells_about_the_company() -> None:
    data = '{"@type":"Organization","name":"Acme"}'
    html = f'<script type="application/ld+json">{data}</script><script src="https://cdn.hubspot.com/x.js"></script>'
    html += "<style>" + "p{}" * 200_000 + "</style><script>gtag('config');" + "x" * 400_000 + "</script><p>Seen</p>"
    kept = read_document(html, "https://x.com/").html
    assert len(kept) < 5_000 < LONGEST_HTML
    assert data in kept and "cdn.hubspot.com" in kept and "gtag('config')" in kept and "<p>Seen</p>" in kept


def test_sitemaps_of_all_shapes_are_read_and_entities_are_not() -> None:
    bomb = '<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><loc>https://x.com/&b;</loc>'
    assert parse_sitemap(bomb.encode(), None, limit=10_000) == (["https://x.com/&b;"], False)
    assert parse_sitemap(b"<sitemapindex><loc> https://x.com/?a=1&amp;b=2 </loc>", None, limit=100)[1]
    assert parse_sitemap(b"https://x.com/a\nhttps://x.com/b\n", "text/plain", limit=100)[0][1] == "https://x.com/b"
    listed = b"<urlset><ns:loc><![CDATA[https://x.com/c]]></ns:loc>"
    assert parse_sitemap(gzip.compress(listed), None, limit=1000)[0] == ["https://x.com/c"]
    assert parse_sitemap(gzip.compress(listed + b" " * 10_000_000), None, limit=1000)[0] == ["https://x.com/c"]
    assert parse_sitemap(b"<loc>https://x.com/</loc>" * 100_000, None, limit=1000)[0].__len__() == 5_000


def test_challenges_are_told_from_pages_with_a_form() -> None:
    form = (
        "<p>"
        + "Write to us about anvils. " * 20
        + "</p><script src='https://www.google.com/recaptcha/api.js'></script>"
    )
    assert not is_challenge(form, read_document(form, "https://x.com/").text)
    assert is_challenge("<title>Just a moment...</title>", "Just a moment...")
    assert is_gone("Page not found - Acme", "Sorry") and not is_gone("How we found customers", "x")


def test_pauses_are_read_in_both_forms() -> None:
    assert waiting_time("7", NOW) == 7
    assert waiting_time("Sun, 01 Mar 2026 12:00:30 GMT", NOW) == 30
    assert waiting_time("soon", NOW) is None and waiting_time(None, NOW) is None


def test_real_pages_are_read(shared_data: Path) -> None:
    files = sorted((shared_data / "html_pages").glob("*.html"))
    assert len(files) == 60
    texts = [read_document(decode(path.read_bytes(), None), f"https://{path.stem}.com/").text for path in files]
    assert sum(len(text) > 500 for text in texts) > 30
    for path in files:
        for cut in (100, 1_000, 20_000):
            read_document(decode(path.read_bytes()[:cut], "text/html; charset=utf-16"), "https://x.com/")


_PIECES = st.sampled_from(
    [
        "<",
        ">",
        "<a href=",
        "<div>",
        "</div>",
        "<script>",
        "<!--",
        "]]>",
        "<title>",
        "&#xD800;",
        "&amp",
        "\x00",
        "\ud800",
    ]
    + [
        "<svg>",
        "<template>",
        "<table><tr>",
        "<base href='http://[",
        "'",
        '"',
        "http://",
        "//",
        "://",
        "?a=b",
        "é",
        "＠",
    ]
    + [
        "<select>",
        "<style>",
        "<noscript>",
        "href=//[::1",
        "<meta charset=utf-7>",
        "<frameset>",
        "<html hidden>",
        "\u202e",
    ]
)


@given(st.lists(_PIECES | st.text(max_size=8), max_size=60).map("".join))
def test_no_markup_breaks_reading(html: str) -> None:
    found = read_document(html, "https://x.com/a")
    frontier = Frontier(("x.com",))
    frontier.add((*found.links, *markdown_links(html, "https://x.com/")), 1)
    for link in found.links:
        assert normalise(link.url) is not None
        classify(link.url, link.words, found.title or "")
    frontier.take(5)
    is_challenge(html, found.text)
    assert "\n\n" not in found.text


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-16", "surrogatepass")))
def test_no_bytes_break_reading(body: bytes) -> None:
    for kind in (None, "text/html; charset=utf-16", "text/html; charset=hz", "charset=" + body.decode("latin-1")):
        text = decode(body, kind)
        assert "\x00" not in text
        read_document(text, "https://x.com/")
    for encoding in ("gzip", "deflate", ""):
        inflater = Inflater(encoding, 100)
        inflater.feed(body)
        assert len(inflater.body()) <= 100
    parse_sitemap(body, None, limit=100)
    Robots.parse(body, "icp-warehouse").refuses("https://x.com/")


@given(st.text(max_size=80) | st.from_regex(r"https?://[^ ]{0,30}[/?#:@\[\]%]{0,5}.{0,30}"))
def test_no_address_breaks_its_reading(url: str) -> None:
    once = normalise(url)
    assert once is None or normalise(once) == once
    found = absolute("https://x.com/", url)
    if found is not None:
        assert found.startswith(("http://", "https://")) and classify(found, url)


@given(st.binary(max_size=5_000), st.integers(1, 6_000), st.integers(1, 700))
def test_decompression_gives_the_beginning_and_no_more(body: bytes, limit: int, step: int) -> None:
    packed = gzip.compress(body)
    inflater = Inflater("gzip", limit)
    for start in range(0, len(packed), step):
        inflater.feed(packed[start : start + step])
    assert inflater.body() == body[:limit]
    assert inflater.full == (len(body) > limit) or len(body) == limit


def test_settings_come_from_the_environment() -> None:
    env = {"CRAWL_MAX_PAGES": "9", "INTERACTIVE_HEAD": "3", "JINA_TIMEOUT_S": "4.5", "ICP_CRAWL_DELAY_S": "0"}
    env["ICP_CONNECT_TO"] = "Shop.com = 127.0.0.1:81, *=[::1]:82"
    found = CrawlSettings.from_environment(env)
    assert (found.interactive.max_pages, found.interactive_head, found.jina_timeout, found.nightly.delay) == (
        9,
        3,
        4.5,
        0,
    )
    caps = ("SITE_BYTES", "PAGE_BYTES", "CONNECTIONS", "ROBOTS_DELAY_S", "RETRY_AFTER_S")
    capped = CrawlSettings.from_environment(
        {f"ICP_CRAWL_{name}": value for name, value in zip(caps, ("20000", "10000", "1", "7", "60"), strict=True)}
        | {"CRAWL_MAX_SECONDS": "20"}
    )
    nightly = capped.nightly
    assert (nightly.max_bytes, nightly.page_bytes, nightly.concurrency, nightly.max_crawl_delay) == (
        20_000,
        10_000,
        1,
        7,
    )
    assert (capped.max_retry_after, capped.interactive.max_seconds) == (60, 20)
    assert found.target("shop.com") == Target("127.0.0.1", 81) and found.target("other.com") == Target("::1", 82)
    assert found.target("10.0.0.1") is None and found.target("::1") is None
    assert CrawlSettings.from_environment({}).target("shop.com") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ICP_CONNECT_TO", "shop.com"),
        ("ICP_CONNECT_TO", "shop.com=127.0.0.1:99999"),
        ("CRAWL_MAX_PAGES", "0"),
        ("INTERACTIVE_HEAD", "1.5"),
        ("JINA_TIMEOUT_S", "nan"),
        ("ICP_CRAWL_CONTACT", "a\nb"),
    ],
)
def test_a_setting_that_is_not_valid_is_named(name: str, value: str) -> None:
    with pytest.raises(IngestError, match=name):
        CrawlSettings.from_environment({name: value})
