"""Crawling one company's site: the front page, then the pages that tell about customers, partners, jobs and so on."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ingest.crawl.cache import MemoryCache, PageCache
from ingest.crawl.classify import classify
from ingest.crawl.document import Link
from ingest.crawl.frontier import Candidate, Frontier
from ingest.crawl.kit import Got, Kit
from ingest.crawl.page import Page
from ingest.crawl.settings import Profile
from ingest.crawl.sitemaps import parse_sitemap
from ingest.crawl.urls import absolute, origin_of
from ingest.crawl.visit import Visit

SiteOutcome = Literal["ok", "degraded", "blocked", "failed"]
KeepGoing = Callable[[list[Page]], bool]

logger = logging.getLogger(__name__)

_MOST_SITEMAPS = 4
_SITEMAP_BYTES = 5_000_000
_MOST_FROM_SITEMAPS = 200
_MOST_STRIKES = 3
_DEEPEST = 3
_GRACE = 2.0
# Failures that another spelling of the address does not mend.
_FINAL = ("refused", "address", "redirects", "content", "bomb")


@dataclass(frozen=True)
class SiteCrawl:
    """What a visit to a site came to.

    Attributes:
        domain: as it was asked for.
        pages: those with content, the front page first.
        outcome: ok; degraded (pages, and something went wrong); blocked (no page, the site refuses); failed (no page).
        degraded_reasons: everything that went wrong, then every cap that was reached, in sentences. A site that is
            ``ok`` may have some: that it has more pages than were wanted, say.
        pages_fetched, pages_cached: asked for now (or confirmed unchanged), taken from the cache.
        bytes: transferred.
        seconds: from first to last.
    """

    domain: str
    pages: tuple[Page, ...]
    outcome: SiteOutcome
    degraded_reasons: tuple[str, ...]
    pages_fetched: int
    pages_cached: int
    bytes: int
    seconds: float


async def visit_site(
    domain: str,
    *,
    kit: Kit,
    cache: PageCache | None,
    profile: Profile,
    now: dt.datetime,
    keep_going: KeepGoing | None,
) -> SiteCrawl:
    """Visit one site, politely and within its caps. Whatever the site does, the answer is a :class:`SiteCrawl`.

    Args:
        domain: registrable domain.
        cache: asked before every request; gets every page. None: nothing is kept.
        now: what pages are dated with, and what the cache's times are compared with.
        keep_going: is given each batch of new pages; False ends the visit (nothing new is being learned).
    """
    cache = cache if cache is not None else MemoryCache()
    visit = Visit(domain, kit=kit, cached=await cache.load(domain), profile=profile, now=now)
    crawl = _Crawl(visit, keep_going)
    try:
        # The budget is looked at before every step; this ends a step that does not.
        async with asyncio.timeout(profile.max_seconds + _GRACE):
            await crawl.run()
    except TimeoutError:
        visit.note(f"stopped at the cap of {profile.max_seconds:g} s for one site")
    except Exception as error:
        # A page nobody thought of ends the visit to its site, not the crawl of all the others.
        logger.exception("the crawl of %s broke off", domain)
        visit.note(f"the crawl broke off ({type(error).__name__}: {str(error)[:200]})")
    await cache.save(list(visit.kept.values()))
    return crawl.result()


class _Crawl:
    """The course of one visit."""

    def __init__(self, visit: Visit, keep_going: KeepGoing | None) -> None:
        self.visit = visit
        self.keep_going = keep_going
        self.frontier = Frontier(visit.domains)
        self.pages: list[Page] = []
        self.fetched = 0
        self.cached = 0
        self.tried = 0
        self.home: Page | None = None
        self._reads_on = True

    async def run(self) -> None:
        """Front page and head, links, sitemaps."""
        most = self.visit.profile.max_pages
        if not await self._read_head():
            return
        has_sitemaps = not self.visit.profile.readers_first
        while self._reads_on and not self.visit.is_over:
            room = min(self.visit.profile.concurrency, most - len(self.pages), 2 * most - self.tried)
            if room <= 0:
                if self.frontier.left:
                    left = self.frontier.left
                    self.visit.note(f"stopped at the cap of {most} pages; {left} more were known", degrades=False)
                return
            if self.visit.strikes >= _MOST_STRIKES:
                self.visit.note("stopped after three refusals in a row")
                return
            batch = self.frontier.take(room)
            if not batch and has_sitemaps and self.frontier.missing:
                has_sitemaps = False
                await self._read_sitemaps()
                batch = self.frontier.take(room)
            if not batch:
                return
            await self._read(batch)

    def result(self) -> SiteCrawl:
        """What it came to."""
        if self.frontier.outnumbered:
            types = ", ".join(self.frontier.outnumbered)
            self.visit.note(f"of {types} more pages were known than are read of one type (cap)", degrades=False)
        outcome: SiteOutcome
        if self.pages:
            outcome = "degraded" if any(self.visit.notes.values()) else "ok"
        else:
            outcome = "blocked" if self.home is not None and self.home.outcome == "blocked" else "failed"
            if not self.visit.notes:
                self.visit.note("the site has no page that could be read")
        return SiteCrawl(
            domain=self.visit.domain,
            pages=tuple(self.pages),
            outcome=outcome,
            degraded_reasons=tuple(sorted(self.visit.notes, key=lambda text: not self.visit.notes[text])),
            pages_fetched=self.fetched,
            pages_cached=self.cached,
            bytes=self.visit.bytes,
            seconds=time.monotonic() - self.visit.started,
        )

    async def _read_head(self) -> bool:
        """The front page, and beside it the other paths that are always tried; whether there is anything to follow."""
        base = f"https://{self.visit.domain}"
        others = [path for path in self.visit.profile.head if path != "/"]
        guesses = [Candidate(base + path, classify(base + path)[0], 0.0, 0) for path in others]
        if self.visit.profile.readers_first:
            # Readers are slow and the caller waits: all at once. The rest is tried where the site answered.
            home, *rest = await asyncio.gather(self._home(), *(self._guess(guess) for guess in guesses))
            assert home is not None
            self._take_in([home, *filter(None, rest)])
        else:
            self._take_in([await self._home()])
        if not self.pages:
            return False
        if not self.frontier.left and self.home is not None and self.home.outcome == "ok":
            # Nothing to follow (scripts make the menu): the addresses that most sites have.
            origin = origin_of(self.home.url)
            self.frontier.add(
                [Link(f"{origin}/{path}", "") for path in ("about", "contact", "customers", "careers")], 1
            )
        return True

    async def _guess(self, candidate: Candidate) -> Got | None:
        self.frontier.mark(candidate.url)
        got = await self.visit.get(candidate)
        # A guess that failed says nothing about the site; that its front page failed does.
        return got if got.page.outcome in ("ok", "not_found") else None

    async def _home(self) -> Got:
        """The front page: with and without www, by https and http, as far as another attempt can help."""
        domain = self.visit.domain
        first: Got | None = None
        without_address: set[str] = set()
        silent = 0
        for scheme, host in ((scheme, prefix + domain) for scheme in ("https", "http") for prefix in ("", "www.")):
            if host in without_address or silent >= 2 or (first is not None and self.visit.is_over):
                continue
            got = await self.visit.get(Candidate(f"{scheme}://{host}/", "home", 6.0, 0))
            if got.page.outcome == "ok":
                break
            # Of several reasons the first says most: what comes after is a guess.
            first = first or got
            kind = got.failure.kind if got.failure is not None else None
            if (kind is None and got.page.outcome != "not_found") or kind in _FINAL:
                first = got
                break  # the site has answered
            if kind == "dns":
                without_address.add(host)
            silent += kind == "timeout"
        got = got if got.page.outcome == "ok" or first is None else first
        self.home = got.page
        self.frontier.mark(got.page.url)
        self.frontier.domains = self.visit.domains
        if got.page.outcome != "ok":
            self.visit.note(f"front page: {got.page.reason}")
        elif got.page.url.startswith("http://") and got.is_fresh:
            self.visit.note("the site has no working https", degrades=False)
        return replace_type(got)

    async def _read(self, batch: list[Candidate]) -> None:
        results = await asyncio.gather(*(self.visit.get(candidate) for candidate in batch))
        depths = {id(got): candidate.depth for got, candidate in zip(results, batch, strict=True)}
        self._take_in(list(results), depths)

    def _take_in(self, results: list[Got], depths: dict[int, int] | None = None) -> None:
        """Count, keep, follow the links, and ask whether there is use in going on."""
        new = []
        for got in results:
            page = got.page
            self.tried += 1
            self.fetched += got.was_asked
            self.cached += page.outcome == "ok" and not got.was_asked
            if got.is_fresh:
                self.visit.keep(page)
            self.frontier.mark(page.url)
            if page.outcome == "ok":
                new.append(page)
                self.frontier.count(page.page_type)
            elif page.outcome in ("blocked", "failed") and page.page_type != "home":
                self.visit.note(f"{page.url}: {page.reason}")
            depth = (depths or {}).get(id(got), 0)
            if depth < _DEEPEST:
                self.frontier.add(got.links, depth + 1)
        self.pages += new
        if new and self.keep_going is not None and not self.keep_going(new):
            self._reads_on = False
            if self.frontier.left:
                self.visit.note("left early: the last pages said nothing new", degrades=False)

    async def _read_sitemaps(self) -> None:
        """Pages of the types that no link led to."""
        assert self.home is not None
        origin = origin_of(self.home.url)
        kept = f"{origin}/sitemap.xml"
        text = self.visit.cached_text(kept)
        if text is None:
            robots = await self.visit.robots(self.home.url)
            named = [url for url in (absolute(origin, each) for each in robots.sitemaps) if url is not None]
            found = await self._fetch_sitemaps(named or [kept])
            if self.visit.is_over:
                return
            text = "\n".join(found)
            self.visit.aside(kept, "sitemap", text)
        self.frontier.add([Link(url, "") for url in text.splitlines()], 1)

    async def _fetch_sitemaps(self, queue: list[str]) -> list[str]:
        """Addresses in these sitemaps and those they name that are of a type we want."""
        wanted: list[str] = []
        seen: set[str] = set()
        while queue and not self.visit.is_over:
            url = queue.pop(0)
            if url in seen:
                continue
            if len(seen) >= _MOST_SITEMAPS:
                self.visit.note(f"only {_MOST_SITEMAPS} sitemaps were read (cap)", degrades=False)
                break
            seen.add(url)
            answer = await self.visit.fetch_aside(url, _SITEMAP_BYTES)
            if answer is None:
                continue
            written, is_index = parse_sitemap(answer.body, answer.content_type, limit=_SITEMAP_BYTES)
            addresses = [each for each in (absolute(url, one) for one in written) if each is not None]
            if is_index:
                # Pages first: sitemaps of posts and products are long, and say little of what is looked for.
                queue += sorted(addresses, key=lambda each: "page" not in each)
            else:
                wanted += [each for each in addresses if classify(each)[0] not in ("other", "home")]
        if len(wanted) > _MOST_FROM_SITEMAPS:
            self.visit.note(f"only {_MOST_FROM_SITEMAPS} addresses from sitemaps were looked at (cap)", degrades=False)
        return wanted[:_MOST_FROM_SITEMAPS]


def replace_type(got: Got) -> Got:
    """The front page is the front page wherever a redirect led."""
    got.page = replace(got.page, page_type="home")
    return got
