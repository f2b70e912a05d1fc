"""Any page, robots.txt and sitemap: read in bounded time and memory, no crash, and nobody's address kept."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.crawl.bodies import Inflater, decode
from ingest.crawl.classify import classify
from ingest.crawl.document import LONGEST_TEXT, read_document
from ingest.crawl.extract import extract, profile
from ingest.crawl.extract.merging import SIGNALS
from ingest.crawl.extract.privacy import is_company_mailbox
from ingest.crawl.many import crawl_all
from ingest.crawl.page import Page
from ingest.crawl.robots import Robots
from ingest.crawl.settings import CrawlSettings, Target
from ingest.crawl.sitemaps import MOST_ADDRESSES, parse_sitemap
from ingest.crawl.urls import absolute
from ingest.evidence import EvidenceItem
from tests.fuzz import junk, runner
from tests.ingest.crawl.conftest import NOW, TINY
from tests.ingest.crawl.local_web import LocalWeb, page
from tests.ingest.extract.labelled import FOLDER, make_page, official_vocabulary

TYPES = ("home", "about", "customers", "industries", "integrations", "pricing", "careers", "contact", "other")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[a-z]{2,}")
LIMIT = 3_000_000  # bytes of a page, as the crawler has it
CONTACT = (
    b"<h2>Contact</h2><p>Jane Tan, Head of Sales, <a href='mailto:jane.tan@acme.sg'>jane.tan@acme.sg</a>,"
    b" mobile 9123 4567. Office: info@acme.sg, tel +65 6123 4567</p>"
)
ORGANISATION = {
    "@context": "https://schema.org",
    "@graph": [
        {
            "@type": "Organization",
            "name": "Acme",
            "email": "jane.tan@acme.sg",
            "telephone": "+65 6123 4567",
            "numberOfEmployees": {"@type": "QuantitativeValue", "minValue": 11, "maxValue": 50},
            "address": {"@type": "PostalAddress", "addressLocality": "Singapore", "addressCountry": "SG"},
            "sameAs": ["https://www.linkedin.com/company/acme"],
            "employee": [{"@type": "Person", "name": "Jane Tan", "email": "jane.tan@acme.sg"}],
        },
        {"@type": "JobPosting", "title": "Sales Manager", "jobLocation": {"address": {"addressCountry": "SG"}}},
    ],
}
BOMB = zlib.compress(b"<p>" + b"\x00" * 30_000_000)


@pytest.fixture(scope="module")
def good_pages(shared_data: Path) -> list[bytes]:
    """Real pages, small ones first."""
    files = [*(shared_data / "html_pages").glob("*.html"), *(shared_data / "company_sites").glob("*/*.html")]
    return sorted((path.read_bytes() for path in [*sorted(files), *sorted((FOLDER / "pages").glob("*.html"))]), key=len)


def spite(chance: random.Random) -> bytes:
    """What no editor writes."""
    n = chance.choice((10, 1_000, 20_000, 100_000))
    big = 10_000_000 if chance.random() < 0.05 else 100_000
    return chance.choice(
        (
            lambda: b"<div>" * n,
            lambda: b"<b>" * n + b"x" + b"</b>" * n,
            lambda: b"<table><tr><td>" * n,
            lambda: b"<a href='" * n,
            lambda: b"<p>" + b"word " * (big // 5),
            lambda: b"<!--" * n,
            lambda: b"<![CDATA[" * n,
            lambda: b"&amp;" * n,
            lambda: b"&#x110000;&#0;&#55296;&#xD800;&nosuch;" * (n // 10),
            lambda: b"<p " + b" ".join(b"a%d=1" % i for i in range(n // 10)) + b">x",
            lambda: b"<p>" + b"\x00" * big,
            lambda: b"<p>" + bytes(chance.randrange(256) for _ in range(2_000)),
            lambda: b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>' * 10,
            lambda: b'<script type="application/ld+json">' + b"[" * n + b"</script>",
            lambda: b'<script type="application/ld+json">' + b'{"@graph":' * min(n, 2_000) + b"</script>",
            lambda: b"<script>" + b"x" * big,
            lambda: b"<base href='javascript:x'><a href='http://[::1'>x</a><a href='//\xff'>y</a>",
            lambda: b"<a href='/about'>about</a>" * n,
            lambda: b"<title>" * n,
            lambda: b"<svg><style><![CDATA[</style>" * (n // 20) + b"<p>x",
            lambda: b"<template>" * n,
            lambda: b"<select><option>" * (n // 20),
            lambda: b"<form><input><form>" * (n // 20),
            lambda: b"<frameset>" * (n // 20),
            lambda: b"a@" * n,
            lambda: b"Jane Tan, " * n,
            lambda: b"1 2 3 4 " * n,
            lambda: b"$1,111," * n,
            lambda: b"How " + b"a " * n,
            lambda: b"Trusted by " + b"A, " * n,
            lambda: b"Head of " * n,
        )
    )()


def answer(chance: random.Random, good: list[bytes]) -> tuple[bytes, str, str]:
    """A body, its content type and its content encoding."""
    kind = chance.random()
    body = good[chance.randrange(len(good) * 3 // 4)] if chance.random() < 0.9 else chance.choice(good)
    if kind < 0.12:
        body = spite(chance)
    elif kind < 0.3:
        block = json.dumps(junk.changed(chance, ORGANISATION)).encode("utf-8", "replace")
        block = junk.damaged(chance, block) if chance.random() < 0.5 else block
        body = b'<script type="application/ld+json">' + block + b"</script><h1>About us</h1>" + CONTACT
    elif kind < 0.95:
        at = chance.randrange(len(body) + 1)
        body = junk.damaged(chance, body[:at] + CONTACT + body[at:])
    charset = chance.choice(
        ("", "", "utf-8", "utf-16", "utf-7", "big5", "shift_jis", "no-such", "idna", "rot13", "hz", "iso-2022-kr",
         "cp037", "utf-32", "unicode_escape", "\x00", "utf-8-sig", "ibm424", "cp65001", "uu", "punycode")
    )  # fmt: skip
    if chance.random() < 0.2:
        body = f"<meta charset='{charset}'>".encode() + body
    content_type = chance.choice((f"text/html; charset={charset}", "text/html", "", "text/html; charset=", "\x00;="))
    if chance.random() < 0.02:
        return BOMB, content_type, "deflate"
    if chance.random() < 0.2:
        return junk.damaged(chance, gzip.compress(body, 1)), content_type, chance.choice(("gzip", "deflate", "x-gzip"))
    return body, content_type, chance.choice(("", "", "", "identity", "gzip"))


def assert_evidence(items: list[EvidenceItem]) -> None:
    keys = [(item.signal_key, item.value_key) for item in items]
    assert len(set(keys)) == len(keys)
    for item in items:
        assert item.signal_key in SIGNALS and 0 <= item.confidence <= 1 and item.url
        assert item.value_key.strip() == item.value_key and 0 < len(item.value_key) <= 200
        assert item.snippet is None or 0 < len(item.snippet) <= 300
        said = json.dumps(dataclasses.asdict(item), ensure_ascii=False, allow_nan=False)
        said.encode()  # it can be stored
        assert "\\u0000" not in said and "\x00" not in said
        assert not ADDRESS.search(said), said


def assert_profile(pages: list[Page]) -> None:
    found = profile(pages)
    said = json.dumps(dataclasses.asdict(found), ensure_ascii=False)
    said.encode()
    assert "\x00" not in said and len(said) < 10_000
    for address in ADDRESS.findall(said):
        assert address == found.email and is_company_mailbox(address, pages[0].domain), address
    assert found.phone_number is None or "9123" not in found.phone_number.replace(" ", "")[-8:], found.phone_number


def test_any_answer_of_a_site_is_a_page(good_pages: list[bytes], shared_data: Path) -> None:
    vocabulary = official_vocabulary(shared_data)

    def one(chance: random.Random, case: int) -> str:
        body, content_type, encoding = answer(chance, good_pages)
        inflater = Inflater(encoding, LIMIT)
        for start in range(0, len(body), 65_536):
            inflater.feed(body[start : start + 65_536])
            if inflater.full or inflater.broken:
                break
        unpacked = inflater.body()
        assert len(unpacked) <= LIMIT
        html = decode(unpacked, content_type)
        assert "\x00" not in html
        html.encode()
        document = read_document(html, "https://acme.sg/")
        assert len(document.text) <= LONGEST_TEXT and "\x00" not in document.text
        for link in document.links:
            assert link.url.startswith("http") and classify(link.url, link.words, document.title or "")[0] in TYPES
        made = make_page(document.html, url="https://acme.sg/", page_type=chance.choice(TYPES), text=document.text)
        items = extract([made], vocabulary=vocabulary, company_name="Acme")
        assert_evidence(items)
        assert_profile([made])
        return "evidence" if items else "text" if document.text else "empty"

    runner.run("pages", one, small=40, most_seconds=20)


ROBOTS = b"""User-agent: *
Disallow: /admin
Allow: /admin/public$
Crawl-delay: 2
Request-rate: 1/5s 0900-1700
User-agent: icp
Disallow: /*.pdf
Sitemap: https://acme.sg/sitemap.xml
"""
SITEMAP = b"""<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc>https://acme.sg/about</loc><lastmod>2026-01-01</lastmod></url>
<url><loc><![CDATA[https://acme.sg/contact?a=1&amp;b=2]]></loc></url>
</urlset>
"""
INDEX = b"<sitemapindex><sitemap><loc>https://acme.sg/a.xml.gz</loc></sitemap></sitemapindex>"
LAUGHS = (
    b'<!DOCTYPE l [<!ENTITY a "x">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9))
    + b"]><urlset><url><loc>https://acme.sg/&j;</loc></url></urlset>"
)


def test_any_robots_txt_and_sitemap_is_read(shared_data: Path) -> None:
    files = sorted(path for path in (shared_data / "robots").rglob("*") if path.is_file())
    real = [path.read_bytes()[:20_000] for path in files]
    addresses = [f"https://acme.sg/{path}" for path in ("", "admin/public", "a.pdf", "%FF", "ü?x=*$", "a" * 2_000)]
    spiteful = (
        b"Disallow: /" + b"*" * 200 + b"$", b"User-agent: *\nDisallow: /" + b"*a" * 60 + b"b\n",
        b"User-agent: *\n" * 5_000, b"Crawl-delay: 1e400\n", b"Crawl-delay: -5", b"Crawl-delay: nan",
        b"Request-rate: 1/0", b"Request-rate: 0/0s 9999-0000",
        b"Sitemap: " + b"x" * 100_000, b"Sitemap:\n" * 1_000, LAUGHS, b"<urlset>" * 10_000, b"<loc>" * 50_000,
        b"<loc>https://acme.sg/x</loc>" * 20_000, b"https://acme.sg/\n" * 20_000,
        gzip.compress(b"<loc>" + b"a" * 20_000_000),
    )  # fmt: skip

    def one(chance: random.Random, case: int) -> str:
        kind = chance.random()
        good = chance.choice((ROBOTS, SITEMAP, INDEX, chance.choice(real)))
        if kind < 0.1:
            body = chance.choice(spiteful)
        elif kind < 0.2:
            body = b"User-agent: *\n" + junk.text(chance).encode("utf-8", "replace") * 3 + chance.choice(spiteful[:8])
        else:
            body = junk.damaged(chance, good)
        robots = Robots.parse(body, "icp-warehouse (+https://example.com/bot)")
        for url in addresses:
            assert robots.refuses(url) is None or str(robots.refuses(url)).strip()
        assert robots.delay is None or robots.delay == robots.delay
        sitemaps = [absolute("https://acme.sg/", each) for each in robots.sitemaps]
        found, _ = parse_sitemap(
            body, chance.choice((None, "text/xml; charset=utf-7", "application/gzip")), limit=LIMIT
        )
        assert len(found) <= MOST_ADDRESSES and all(len(each) <= 2_100 for each in found)
        kept = [each for each in (absolute("https://acme.sg/", one) for one in found) if each]
        assert all(each.startswith("http") for each in kept)
        return "rules or addresses" if robots.text or kept or sitemaps else "empty"

    runner.run("robots.txt and sitemaps", one, small=60, most_seconds=5)


@pytest.fixture
def web() -> Iterator[LocalWeb]:
    with LocalWeb().running() as web:
        yield web


def test_any_site_costs_its_cap(good_pages: list[bytes], web: LocalWeb) -> None:
    at_once = 25
    settings = CrawlSettings(connect_to={"*": Target("127.0.0.1", web.port)}, nightly=TINY, max_retry_after=0.2)

    def one(chance: random.Random, case: int) -> Counter[str]:
        domains = [f"site{number}.com" for number in range(at_once)]
        web.pages.clear()
        web.requests.clear()
        for domain in domains:
            paths = ["/", "/robots.txt", "/sitemap.xml", "/about", "/contact"]
            for path in paths:
                body, content_type, encoding = answer(chance, good_pages)
                if path == "/" and chance.random() < 0.5:
                    body, encoding = b"<a href=/about>About us</a><a href=/contact>Contact</a>" + body[:50_000], ""
                if path == "/robots.txt":
                    body, content_type, encoding = (
                        (junk.damaged(chance, ROBOTS.replace(b"Crawl-delay: 2", b"")), "text/plain", "")
                        if chance.random() < 0.3
                        else (b"", "text/plain", "")
                    )
                headers = {"Content_Encoding": encoding} if encoding else {}
                printable = content_type.replace("\x00", "")
                code = chance.choice(("200 OK",) * 8 + ("404 No", "500 Oh", "999 What", "200"))
                web.pages[domain, path] = page(body, kind=printable, code=code, **headers)
        found = crawl_all(domains, settings=settings, cache=None, profile="nightly", now=NOW)
        assert [each.domain for each in found] == domains
        ends: Counter[str] = Counter()
        for each in found:
            assert each.seconds < 4 * TINY.max_seconds and each.bytes < 2 * TINY.max_bytes, each
            assert each.outcome == "ok" or all(len(reason) > 5 for reason in each.degraded_reasons), each
            ends[each.outcome] += 1
        return ends

    runner.run("sites over HTTP", one, small=25, at_once=at_once, most_seconds=120)
