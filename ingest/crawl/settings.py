"""How the crawler behaves, read once from the environment.

Every variable of this room is listed here with its reason and its valid values. Does not belong here: addresses and
keys of reader services (``ingest.enrichment``), which companies are due.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from ingest.errors import IngestError

ProfileName = Literal["nightly", "interactive"]

DEFAULT_AGENT = "icp-warehouse/0.1"


@dataclass(frozen=True)
class Profile:
    """How one site is fetched.

    Attributes:
        readers_first: reader services are asked for the head pages before we fetch anything ourselves.
        head: paths that are always tried, in this order.
        max_pages: pages per site that are fetched or taken from the cache.
        max_seconds: of one site, from its first request to its last.
        max_bytes: transferred from one site.
        connect_seconds, read_seconds: of one request: until connected, and from there to the end of its body.
        page_bytes: of one body, after decompression; the rest is not read.
        concurrency: requests to one site at a time.
        delay: seconds between the starts of two requests to one site.
        max_crawl_delay: robots.txt may ask for a longer delay, up to this.
    """

    name: ProfileName
    readers_first: bool = False
    head: tuple[str, ...] = ("/",)
    max_pages: int = 20
    max_seconds: float = 120.0
    max_bytes: int = 30_000_000
    connect_seconds: float = 5.0
    read_seconds: float = 15.0
    page_bytes: int = 3_000_000
    concurrency: int = 2
    delay: float = 0.5
    max_crawl_delay: float = 5.0


@dataclass(frozen=True)
class Target:
    """Where the connect-to setting sends a host name."""

    host: str
    port: int


@dataclass(frozen=True)
class CrawlSettings:
    """The environment, parsed and validated.

    Attributes:
        agent: what sites see and robots.txt is asked for: ``ICP_CRAWL_USER_AGENT`` (default ``icp-warehouse/0.1``), and
            behind it in brackets ``ICP_CRAWL_CONTACT``, a URL or e-mail address, so that a site's owner can reach
            whoever crawls. Both ASCII, up to 200 characters.
        connect_to: ``ICP_CONNECT_TO``: ``host = 127.0.0.1:8080`` or ``* = …``, separated by commas: these host names
            are sent there, https:// as plain http. For demo and tests; only these hosts may be private.
        browser: ``ICP_BROWSER``: a Chromium binary that renders sites made by scripts only; default none.
        concurrency: ``ICP_CRAWL_CONCURRENCY``: sites at a time, 1-500; default 32.
        interactive_head: ``INTERACTIVE_HEAD``: sites per call that reader services are asked for, 0-100; default 12.
        jina_timeout: ``JINA_TIMEOUT_S``: seconds a reader service has for one page, with one retry; default 6.
        max_retry_after: ``ICP_CRAWL_RETRY_AFTER_S``: a site that asks (Retry-After) to be left alone for longer is left
            alone for this visit, 0-600; default 10.
        nightly: ``ICP_CRAWL_NIGHTLY_PAGES`` (1-500; default 20), ``ICP_CRAWL_SITE_SECONDS`` (1-3600; default 120),
            ``ICP_CRAWL_SITE_BYTES`` (10,000-1,000,000,000; default 30,000,000), ``ICP_CRAWL_PAGE_BYTES`` (10,000-
            50,000,000; default 3,000,000), ``ICP_CRAWL_CONNECTIONS`` (1-16; default 2), ``ICP_CRAWL_DELAY_S`` (0-60;
            default 0.5), ``ICP_CRAWL_ROBOTS_DELAY_S`` (0-60; default 5).
        interactive: ``CRAWL_MAX_PAGES`` (1-100; default 6), ``CRAWL_MAX_SECONDS`` (1-600; default 40).
        cache_days: ``ICP_CRAWL_CACHE_DAYS``: a page is not fetched again before, 0-365; default 30.
        failure_hours: pages that could not be read are tried again after this.
        readers_parallel: requests to the last reader service at a time, over all sites.
    """

    agent: str = DEFAULT_AGENT
    connect_to: Mapping[str, Target] = field(default_factory=dict)
    browser: str | None = None
    concurrency: int = 32
    interactive_head: int = 12
    jina_timeout: float = 6.0
    cache_days: float = 30.0
    failure_hours: float = 24.0
    readers_parallel: int = 3
    max_redirects: int = 5
    max_retry_after: float = 10.0
    nightly: Profile = Profile("nightly")
    interactive: Profile = Profile(
        "interactive",
        readers_first=True,
        head=("/", "/contact-us", "/about"),
        max_pages=6,
        max_seconds=40.0,
        max_bytes=10_000_000,
        connect_seconds=2.5,
        read_seconds=7.0,
        concurrency=3,
        delay=0.0,
        max_crawl_delay=1.0,
    )

    def profile(self, name: ProfileName) -> Profile:
        """The profile of that name."""
        return self.nightly if name == "nightly" else self.interactive

    def target(self, host: str) -> Target | None:
        """Where the connect-to setting sends this host; addresses of machines are only sent if named themselves."""
        host = host.lower().rstrip(".")
        if host in self.connect_to:
            return self.connect_to[host]
        return None if _is_address(host) else self.connect_to.get("*")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> CrawlSettings:
        """Read the variables above; raises :class:`IngestError` naming the one that is not valid."""
        env = os.environ if environ is None else environ
        agent, contact = env.get("ICP_CRAWL_USER_AGENT") or DEFAULT_AGENT, env.get("ICP_CRAWL_CONTACT") or ""
        for name, text in (("ICP_CRAWL_USER_AGENT", agent), ("ICP_CRAWL_CONTACT", contact)):
            if not text.isascii() or not text.isprintable() or len(text) > 200:
                raise IngestError(f"{name} is {text[:200]!r}; it takes up to 200 printable ASCII characters.")
        defaults = cls()
        nightly, interactive = defaults.nightly, defaults.interactive
        return cls(
            agent=f"{agent} (+{contact})" if contact else agent,
            connect_to=parse_connect_to(env.get("ICP_CONNECT_TO", "")),
            browser=env.get("ICP_BROWSER") or None,
            concurrency=int(_number(env, "ICP_CRAWL_CONCURRENCY", 32, 1, 500, whole=True)),
            interactive_head=int(_number(env, "INTERACTIVE_HEAD", 12, 0, 100, whole=True)),
            jina_timeout=_number(env, "JINA_TIMEOUT_S", 6, 0.1, 120),
            cache_days=_number(env, "ICP_CRAWL_CACHE_DAYS", 30, 0, 365),
            max_retry_after=_number(env, "ICP_CRAWL_RETRY_AFTER_S", defaults.max_retry_after, 0, 600),
            nightly=replace(
                nightly,
                max_pages=int(_number(env, "ICP_CRAWL_NIGHTLY_PAGES", nightly.max_pages, 1, 500, whole=True)),
                max_seconds=_number(env, "ICP_CRAWL_SITE_SECONDS", nightly.max_seconds, 1, 3600),
                max_bytes=int(
                    _number(env, "ICP_CRAWL_SITE_BYTES", nightly.max_bytes, 10_000, 1_000_000_000, whole=True)
                ),
                page_bytes=int(
                    _number(env, "ICP_CRAWL_PAGE_BYTES", nightly.page_bytes, 10_000, 50_000_000, whole=True)
                ),
                concurrency=int(_number(env, "ICP_CRAWL_CONNECTIONS", nightly.concurrency, 1, 16, whole=True)),
                delay=_number(env, "ICP_CRAWL_DELAY_S", nightly.delay, 0, 60),
                max_crawl_delay=_number(env, "ICP_CRAWL_ROBOTS_DELAY_S", nightly.max_crawl_delay, 0, 60),
            ),
            interactive=replace(
                interactive,
                max_pages=int(_number(env, "CRAWL_MAX_PAGES", interactive.max_pages, 1, 100, whole=True)),
                max_seconds=_number(env, "CRAWL_MAX_SECONDS", interactive.max_seconds, 1, 600),
            ),
        )


def parse_connect_to(text: str) -> dict[str, Target]:
    """``shop.example = 127.0.0.1:8080, * = 127.0.0.1:8081`` → host → target."""
    found: dict[str, Target] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.fullmatch(r"(\*|[A-Za-z0-9._-]+)\s*=\s*(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})", part)
        if not match or not 1 <= int(match[3]) <= 65535:
            raise IngestError(f"ICP_CONNECT_TO has {part!r}; it takes 'host = 127.0.0.1:8080' or '* = 127.0.0.1:8080'.")
        found[match[1].lower()] = Target(match[2].strip("[]"), int(match[3]))
    return found


def _number(
    env: Mapping[str, str], name: str, default: float, low: float, high: float, *, whole: bool = False
) -> float:
    text = env.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise IngestError(f"{name} is {text!r}; it takes {kind} between {low} and {high}.")
    return value


def _is_address(host: str) -> bool:
    return ":" in host or bool(re.fullmatch(r"[0-9.]+|0x[0-9a-f.x]+", host))
