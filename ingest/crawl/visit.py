"""One visit to one site: its budget, its rules, what went wrong, and how a page is got (cache, reader, site, browser).

Does not belong here: which page is next (``frontier``), when the visit ends (``site``).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ingest.crawl.blocking import is_challenge, is_gone, refusal_of, waiting_time
from ingest.crawl.bodies import decode, is_page
from ingest.crawl.cache import CachedPage
from ingest.crawl.classify import retype
from ingest.crawl.document import Document, Link, markdown_links, read_document
from ingest.crawl.fetching import Answer, FetchFailure, Limits
from ingest.crawl.frontier import Candidate
from ingest.crawl.kit import Got, Kit
from ingest.crawl.pacing import Pace
from ingest.crawl.page import Outcome, Page, PageType, Via
from ingest.crawl.readers import Reader, ReadFailure
from ingest.crawl.robots import LONGEST, Robots
from ingest.crawl.settings import Profile
from ingest.crawl.urls import PLATFORMS, belongs, host_of, origin_of

_AWAY = "leads away"
_SPENT = "the visit's budget is used up"
_SENT_AWAY = "the site asked for a longer pause than is waited"
_WAIT = (429, 503)
_FAILED = ("failed", "blocked")
_ROBOTS_HOURS = 24
_PAUSE_BEFORE_RETRY = 0.5


class Visit:
    """The state of one visit. Times of the budget are monotonic; ``now`` is what pages are dated with."""

    def __init__(
        self, domain: str, *, kit: Kit, cached: Mapping[str, CachedPage], profile: Profile, now: dt.datetime
    ) -> None:
        self.domain = domain
        self.domains: tuple[str, ...] = (domain,)
        self.kit = kit
        self.profile = profile
        self.settings = kit.fetcher.settings
        self.now = now
        self.started = time.monotonic()
        self.deadline = self.started + profile.max_seconds
        self.bytes = 0
        self._promised = 0  # to requests under way
        self.kept: dict[str, CachedPage] = {}
        self.notes: dict[str, bool] = dict.fromkeys(kit.notes, False)
        self.strikes = 0
        self.is_sent_away = False
        self._cached = cached
        self._pace = Pace(profile.concurrency, profile.delay)
        self._robots: dict[str, asyncio.Task[Robots]] = {}
        self._hashes: dict[str, str] = {}

    def note(self, text: str, *, degrades: bool = True) -> None:
        """Record a reason, once. Some only say that a cap was reached on a site that gave what was asked for."""
        self.notes[text] = self.notes.get(text, False) or degrades

    @property
    def is_over(self) -> bool:
        """Whether nothing more may be asked of the site."""
        return self.is_sent_away or self.is_spent

    @property
    def is_spent(self) -> bool:
        """Whether time or bytes are used up; notes it."""
        if time.monotonic() >= self.deadline:
            self.note(f"stopped at the cap of {self.profile.max_seconds:g} s for one site")
            return True
        return self._has_read(self.bytes)

    def _has_read(self, so_much: int) -> bool:
        """Whether that is all that may be read; notes it."""
        if so_much < self.profile.max_bytes:
            return False
        self.note(f"stopped at the cap of {self.profile.max_bytes:,} bytes for one site")
        return True

    def limits(self, most: int) -> Limits:
        """For one request: the profile's, less where the visit's budget ends sooner."""
        left = max(0.01, self.deadline - time.monotonic())
        most = max(1, min(most, self.profile.max_bytes - self.bytes - self._promised))
        return Limits(self.profile.connect_seconds, self.profile.read_seconds, most, left)

    async def _fetch(self, url: str, most: int, **how: Any) -> Answer | FetchFailure:
        """A request at the visit's expense."""
        limits = self.limits(most)
        self._promised += limits.max_bytes
        try:
            result = await self.kit.fetcher.get(url, limits=limits, **how)
        finally:
            self._promised -= limits.max_bytes
        self.bytes += result.wire_bytes
        if isinstance(result, Answer) and result.status in _WAIT:
            self._heed(result)
        return result

    def _heed(self, answer: Answer) -> None:
        """A pause that the site asks for holds for all its pages; one over the cap ends the visit."""
        asked, most = waiting_time(answer.retry_after, self.now), self.settings.max_retry_after
        if asked is not None and asked > most:
            self.note(f"the site asks for a pause of {asked:g} s, over the cap of {most:g} s: the visit ended there")
            self.is_sent_away = True
        elif asked is not None:
            self._pace.hold(asked)

    async def permit(self, url: str, *, is_home: bool = False) -> str | None:
        """Why an address may not be asked for now; waits for the site's turn."""
        if not belongs(url, self.domains):
            host = host_of(url)
            if not is_home:
                return f"{_AWAY} to {host}"
            if belongs(url, PLATFORMS):
                return f"{_AWAY} to {host}, which is not the company's own site"
            self.note(f"the site of {self.domain} is at {host.removeprefix('www.')}", degrades=False)
            self.domains += (host.removeprefix("www."),)
        refusal = (await self.robots(url)).refuses(url)
        if refusal is not None:
            return refusal
        if not self.is_over and not await self._pace.turn(self.deadline):
            self.note(f"stopped at the cap of {self.profile.max_seconds:g} s for one site")
            return _SPENT
        return _SENT_AWAY if self.is_sent_away else _SPENT if self.is_spent else None

    async def robots(self, url: str) -> Robots:
        """The rules of an address's origin, read once."""
        origin = origin_of(url)
        if origin not in self._robots:
            self._robots[origin] = asyncio.create_task(self._read_robots(origin))
        return await self._robots[origin]

    async def _read_robots(self, origin: str) -> Robots:
        url, agent = f"{origin}/robots.txt", self.settings.agent
        known = self._cached.get(url)
        if known is not None and known.expires_at > self.now:
            return self._obey(Robots.parse(known.page.text, agent))
        # Without a slot: whoever waits for these rules holds one.
        result = await self._fetch(url, LONGEST + 1)
        robots = Robots.judge(result, agent)
        if isinstance(result, Answer) and robots.refusal is None:
            aside = self._page(url, "other", "skipped", "robots.txt", text=robots.text, status=result.status)
            self.keep(aside, hours=_ROBOTS_HOURS)
        return self._obey(robots)

    def _obey(self, robots: Robots) -> Robots:
        if robots.delay is not None and robots.delay > self._pace.delay:
            self._pace.delay = min(robots.delay, max(self.profile.max_crawl_delay, self._pace.delay))
            if robots.delay > self._pace.delay:
                asked, kept = robots.delay, self._pace.delay
                note = f"robots.txt asks for {asked:g} s between requests; the cap of {kept:g} s is kept"
                self.note(note, degrades=False)
        return robots

    async def get(self, candidate: Candidate, *, words: str = "") -> Got:
        """One page, in whatever way it can be had."""
        is_head = candidate.depth == 0
        readers = sorted(self.kit.readers, key=lambda reader: reader.is_last_resort) if is_head else []
        known = self._known(candidate.url)
        # That the site refused us in the night is no reason not to ask a reader in the morning.
        if known is not None and known.expires_at > self.now and not (readers and known.page.outcome in _FAILED):
            return self._from_cache(known.page)
        got: Got | None = None
        if self.profile.readers_first and readers and not readers[0].is_last_resort:
            got = await self._ask_reader(readers.pop(0), candidate)
        if got is None:
            got = await self._ask_site(candidate)
            if got.page.outcome in _FAILED and not self.is_spent:
                for reader in readers:
                    read = await self._ask_reader(reader, candidate)
                    if read is not None:
                        got = read
                        break
        return self._without_twins(got)

    def keep(self, page: Page, *, hours: float | None = None) -> None:
        """Put a page into what the cache will get."""
        if hours is None:
            hours = self.settings.failure_hours if page.outcome in _FAILED else self.settings.cache_days * 24
        self.kept[page.url] = CachedPage(page, self.now + dt.timedelta(hours=hours))

    def cached_text(self, url: str) -> str | None:
        """The text kept beside pages (sitemaps), if it is still good."""
        known = self._cached.get(url)
        return known.page.text if known is not None and known.expires_at > self.now else None

    def aside(self, url: str, reason: str, text: str) -> None:
        """Keep a text beside the pages."""
        self.keep(self._page(url, "other", "skipped", reason, text=text, status=200))

    async def fetch_aside(self, url: str, most: int) -> Answer | None:
        """Something that is no page (a sitemap), under the same rules; None where it cannot be had."""
        async with self._pace.slot():
            result = await self._fetch(url, most, permit=self.permit)
        return result if isinstance(result, Answer) and result.status == 200 else None

    def _known(self, url: str) -> CachedPage | None:
        """What the cache has of an address, redirects followed."""
        for _ in range(3):
            known = self._cached.get(url)
            if known is None or known.expires_at <= self.now or known.page.outcome != "skipped":
                return known
            reason = known.page.reason or ""
            if not reason.startswith("redirects to "):
                return known
            url = reason.removeprefix("redirects to ")
            if not belongs(url, self.domains):
                self.domains += (host_of(url).removeprefix("www."),)
        return None

    def _from_cache(self, page: Page) -> Got:
        links: tuple[Link, ...] = ()
        if page.outcome == "ok":
            self._hashes.setdefault(page.content_hash, page.url)
            links = read_document(page.html, page.url).links if page.html else markdown_links(page.text, page.url)
        return Got(page, links, is_fresh=False, was_asked=False)

    async def _ask_site(self, candidate: Candidate) -> Got:
        """The page from the site itself; one more attempt where the connection broke or the site asks to wait."""
        is_home = candidate.page_type == "home"

        async def permit(url: str) -> str | None:
            return await self.permit(url, is_home=is_home)

        for attempt in (1, 2):
            async with self._pace.slot():
                # What is cut off lets some more arrive: none is begun on what those under way may still use up.
                if self._has_read(self.bytes + self._promised):
                    return self._failed(candidate, FetchFailure(candidate.url, "refused", _SPENT))
                result = await self._fetch(
                    candidate.url,
                    self.profile.page_bytes,
                    permit=permit,
                    wanted=is_page,
                    validators=self._validators,
                )
            pause = self._pause_before_retry(result)
            if attempt == 2 or pause is None or time.monotonic() + pause > self.deadline:
                break
            await asyncio.sleep(pause)
        if isinstance(result, FetchFailure):
            return self._failed(candidate, result)
        if result.url != candidate.url:
            self.keep(
                self._page(candidate.url, candidate.page_type, "skipped", f"redirects to {result.url}", status=301)
            )
        old = self._cached.get(result.url)
        if result.status == 304 and old is not None:
            return Got(replace(old.page, fetched_at=self.now), self._from_cache(old.page).links)
        return await self._judge(candidate, result)

    def _validators(self, url: str) -> tuple[str | None, str | None]:
        """ETag and date of the page that is at hand, if it is one."""
        known = self._cached.get(url)
        return (known.page.etag, known.page.last_modified) if known and known.page.outcome == "ok" else (None, None)

    def _pause_before_retry(self, result: Answer | FetchFailure) -> float | None:
        """Seconds after which one more attempt may help; None where it would not."""
        if isinstance(result, FetchFailure):
            return _PAUSE_BEFORE_RETRY if result.kind == "broken" else None
        if result.status in _WAIT:
            return None if self.is_sent_away else waiting_time(result.retry_after, self.now)
        return _PAUSE_BEFORE_RETRY if result.status in (500, 502, 504) else None

    def _failed(self, candidate: Candidate, failure: FetchFailure) -> Got:
        outcome: Outcome = "failed"
        reason, was_asked = failure.reason, failure.kind != "refused"
        rules = self._robots.get(origin_of(failure.url))
        if failure.kind in ("content", "url") or reason.startswith(_AWAY):
            outcome = "skipped"
        elif not was_asked and rules is not None and rules.done() and rules.result().failure is not None:
            failure = rules.result().failure or failure  # the same would have kept us from the page
        elif not was_asked:
            outcome = "blocked"
        page = self._page(candidate.url, candidate.page_type, outcome, reason)
        # What was cut short, by our own budget or by the site's pause, says nothing about the page.
        is_fresh = reason not in (_SPENT, _SENT_AWAY) and time.monotonic() < self.deadline
        return Got(page, is_fresh=is_fresh, was_asked=was_asked, failure=failure)

    async def _judge(self, candidate: Candidate, answer: Answer) -> Got:
        """What an answer amounts to."""
        kind, url = candidate.page_type, answer.url
        html = decode(answer.body, answer.content_type)
        document = (
            await asyncio.to_thread(read_document, html, url) if len(html) > 500_000 else read_document(html, url)
        )
        refusal = refusal_of(answer.status)
        if refusal is None and is_challenge(html, document.text):
            refusal = "the site asks visitors to prove that they are human"
        if refusal is not None:
            self.strikes += 1
            return Got(self._page(url, kind, "blocked", refusal, answer=answer))
        if answer.status in (404, 410) or (answer.status == 200 and is_gone(document.title, document.text)):
            return Got(self._page(url, kind, "not_found", "there is no such page", answer=answer))
        if answer.status != 200:
            reason = f"the site answers with status {answer.status}"
            return Got(self._page(url, kind, "failed", reason, answer=answer))
        if not document.text and not document.title and not document.is_script_only:
            return Got(self._page(url, kind, "failed", "the page is empty", answer=answer))
        if answer.is_cut:
            self.note(f"only the first {len(answer.body):,} bytes of {url} were read (cap)")
        via: Via = "http"
        if document.is_script_only:
            rendered = await self._render(url)
            if rendered is not None:
                document, via = rendered, "browser"
        self.strikes = 0
        page = self._page(
            url, retype(candidate.page_type, url, document.title), "ok", None, answer=answer, document=document
        )
        return Got(replace(page, fetched_via=via), document.links)

    async def _render(self, url: str) -> Document | None:
        if self.kit.renderer is None:
            self.note("pages are made by scripts only, and no browser is set up (ICP_BROWSER)")
            return None
        html = await self.kit.renderer.render(url, await self.kit.fetcher.addresses(url))
        if isinstance(html, ReadFailure):
            self.note(f"a page made by scripts could not be rendered: {html.reason}")
            return None
        return read_document(html, url)

    async def _ask_reader(self, reader: Reader, candidate: Candidate) -> Got | None:
        """The page from a reader service; None where that gave nothing (noted) or the site's rules forbid it."""
        if self.is_spent:
            return None
        robots = await self.robots(candidate.url)
        # A robots.txt that could not be reached forbids our own requests; that the site answers the service is why
        # there is one.
        if robots.refuses(candidate.url) is not None and robots.failure is None:
            return None
        slots = self.kit.last_resort if reader.is_last_resort else contextlib.nullcontext()
        patience = min(self.deadline - time.monotonic(), 2 * self.settings.jina_timeout + 1)
        try:
            async with slots, asyncio.timeout(patience):
                reading = await reader.read(candidate.url)
        except TimeoutError:
            reading = ReadFailure(candidate.url, f"no answer within {patience:.0f} s")
        if isinstance(reading, ReadFailure):
            self.note(f"{reader.via}: {reading.reason}", degrades=False)
            return None
        text = reading.text.replace("\x00", " ").strip()
        if not text or (reading.status or 200) >= 400 or is_challenge(text, text) or is_gone(reading.title, text):
            return None
        self.bytes += len(text)
        page = self._page(candidate.url, candidate.page_type, "ok", None, text=text, status=reading.status)
        page = replace(page, title=reading.title, fetched_via=reader.via, bytes=len(text.encode("utf-8", "replace")))
        return Got(page, markdown_links(text, candidate.url))

    def _without_twins(self, got: Got) -> Got:
        """A page that is another one's double word for word is not a page (traps, and sites that answer anything)."""
        page = got.page
        if page.outcome != "ok":
            return got
        first = self._hashes.setdefault(page.content_hash, page.url)
        if first == page.url:
            return got
        twin = replace(page, outcome="skipped", reason=f"the same as {first}", html="", text="", title=None)
        return Got(twin, is_fresh=got.is_fresh, was_asked=got.was_asked)

    def _page(
        self,
        url: str,
        page_type: PageType,
        outcome: Outcome,
        reason: str | None,
        *,
        text: str = "",
        status: int | None = None,
        answer: Answer | None = None,
        document: Document | None = None,
    ) -> Page:
        body = answer.body if answer else text.encode("utf-8", "replace")
        return Page(
            url=url,
            domain=self.domain,
            page_type=page_type,
            html=document.html if document else "",
            text=document.text if document else text,
            title=document.title if document else None,
            fetched_via="http",
            status=answer.status if answer else status,
            outcome=outcome,
            reason=reason,
            etag=answer.etag if answer else None,
            last_modified=answer.last_modified if answer else None,
            content_hash=hashlib.sha256(body).hexdigest(),
            fetched_at=self.now,
            bytes=len(body),
        )
