"""Which page of a site is next: one of each wanted type before the second of any, and no page twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ingest.crawl.classify import classify
from ingest.crawl.document import Link
from ingest.crawl.page import PageType
from ingest.crawl.urls import belongs, is_worth_fetching, key_of

#: How many pages of a type are worth their fetch, in the order in which types are taken.
WANTED: dict[PageType, int] = {
    "about": 2,
    "customers": 4,
    "integrations": 3,
    "industries": 3,
    "careers": 4,
    "pricing": 1,
    "contact": 2,
    "other": 3,
}
_ORDER = {kind: place for place, kind in enumerate(WANTED)}
_MOST_KNOWN = 3_000
#: Addresses that differ in their query only: beyond this it is a list that sorts and filters itself.
_MOST_VARIANTS = 3


@dataclass(frozen=True)
class Candidate:
    """A page that is known and not read."""

    url: str
    page_type: PageType
    score: float
    depth: int


class Frontier:
    """Known pages of one site. ``domains``: what counts as the site; grows when the site says it lives elsewhere."""

    def __init__(self, domains: tuple[str, ...]) -> None:
        self.domains = domains
        self._known: dict[str, Candidate] = {}
        self._taken: set[str] = set()
        self._seen: set[Link] = set()
        self._variants: Counter[str] = Counter()
        self._count: Counter[PageType] = Counter()

    def add(self, links: Iterable[Link], depth: int) -> None:
        """Learn of pages, ``depth`` clicks from the front page. A better description of a known one replaces it."""
        for link in links:
            # Menus are on every page: what was looked at once is not looked at again.
            if link in self._seen or len(self._seen) >= _MOST_KNOWN:
                continue
            self._seen.add(link)
            key = key_of(link.url)
            if key in self._taken or not belongs(link.url, self.domains) or not is_worth_fetching(link.url):
                continue
            kind, score = classify(link.url, link.words)
            if kind == "home":
                continue
            known = self._known.get(key)
            if known is not None:
                if score > known.score:
                    self._known[key] = Candidate(known.url, kind, score, min(depth, known.depth))
                continue
            path = key.split("?")[0]
            if urlsplit(link.url).query:
                self._variants[path] += 1
                if self._variants[path] > _MOST_VARIANTS:
                    continue
            self._known[key] = Candidate(link.url, kind, score, depth)

    def mark(self, url: str) -> bool:
        """Note that an address is being read; False where it was before."""
        key = key_of(url)
        if key in self._taken:
            return False
        self._taken.add(key)
        self._known.pop(key, None)
        return True

    def count(self, page_type: PageType) -> None:
        """A page of this type was read."""
        self._count[page_type] += 1

    def take(self, number: int) -> list[Candidate]:
        """The next pages to read; they are marked."""
        chosen: list[Candidate] = []
        coming = Counter(self._count)
        while len(chosen) < number:
            open_ones = [(key, one) for key, one in self._known.items() if self._is_open(one, coming)]
            if not open_ones:
                break
            key, best = min(open_ones, key=lambda pair: self._rank(pair[1], coming))
            del self._known[key]
            self._taken.add(key)
            coming[best.page_type] += 1
            chosen.append(best)
        return chosen

    @property
    def left(self) -> int:
        """How many known pages are still worth reading."""
        return sum(self._is_open(one, self._count) for one in self._known.values())

    @property
    def outnumbered(self) -> list[PageType]:
        """Types of which as many pages were read as are read of one, and more are known."""
        left = {one.page_type for one in self._known.values() if self._is_open(one, Counter())}
        return [kind for kind, most in WANTED.items() if kind in left and self._count[kind] >= most]

    @property
    def missing(self) -> list[PageType]:
        """Types of which no page is known or read."""
        here = {one.page_type for one in self._known.values()}
        return [kind for kind in WANTED if kind != "other" and not self._count[kind] and kind not in here]

    @staticmethod
    def _is_open(one: Candidate, count: Counter[PageType]) -> bool:
        # Of pages without a type only those that say what the company offers.
        return count[one.page_type] < WANTED.get(one.page_type, 0) and (one.page_type != "other" or one.score > 0)

    @staticmethod
    def _rank(one: Candidate, count: Counter[PageType]) -> tuple[float, ...]:
        return (count[one.page_type], _ORDER[one.page_type], -one.score, one.depth, len(one.url))
