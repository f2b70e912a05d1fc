"""Tavily: pages as text where nothing else gets them, and the search for a company's website."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from ingest.enrichment.budget import Budget
from ingest.enrichment.jina import LONGEST_TEXT, ReadPage
from ingest.enrichment.settings import VendorSettings
from ingest.enrichment.vendor import FailureKind, Manners, Pause, VendorClient, VendorFailure

MOST_URLS = 20  # of one call of /extract, by its documentation
_CREDITS_PER_PAGE = 0.2  # likewise, at its basic depth; a basic search is one
IN_PARALLEL = 3
_LIMITS = frozenset({429, 432, 433})  # rate, plan, pay-as-you-go
_EXTRACT = Manners(seconds=30.0, most_bytes=20_000_000, limits=_LIMITS)
_SEARCH = Manners(seconds=10.0, most_bytes=2_000_000, limits=_LIMITS)


@dataclass(frozen=True)
class SearchHit:
    """One result of a search."""

    url: str
    title: str


class TavilyClient(VendorClient):
    """``POST /extract`` and ``POST /search``; at most three calls at a time."""

    vendor = "tavily"

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        settings: VendorSettings,
        budget: Budget,
        pause: Pause = asyncio.sleep,
    ) -> None:
        super().__init__(http, settings=settings, budget=budget, pause=pause)
        self._gate = asyncio.Semaphore(IN_PARALLEL)

    async def extract(self, urls: Sequence[str]) -> dict[str, ReadPage | VendorFailure]:
        """Pages by the address that was asked for, every one with its text or the reason why not."""
        wanted = list(dict.fromkeys(urls))
        batches = [wanted[start : start + MOST_URLS] for start in range(0, len(wanted), MOST_URLS)]
        answered = await asyncio.gather(*(self._extract(batch) for batch in batches))
        return {url: page for pages in answered for url, page in pages.items()}

    async def _extract(self, urls: list[str]) -> dict[str, ReadPage | VendorFailure]:
        async with self._gate:
            answer = await self._call(
                "POST", "/extract", manners=_EXTRACT, body={"urls": urls}, units=_CREDITS_PER_PAGE * len(urls)
            )
        if isinstance(answer, VendorFailure):
            return dict.fromkeys(urls, answer)
        try:
            body = answer.json()
        except ValueError:
            return dict.fromkeys(urls, self._not_json(answer.body))
        results = body.get("results") if isinstance(body, dict) else None
        if not isinstance(results, list):
            return dict.fromkeys(urls, self._failure("wrong_schema", "the answer has no list of results"))
        failed = body.get("failed_results")
        pages: dict[str, ReadPage | VendorFailure] = {}
        for result in results:
            if isinstance(result, dict) and isinstance(result.get("url"), str):
                pages[_bare(result["url"])] = self._page(result["url"], result.get("raw_content"))
        for result in failed if isinstance(failed, list) else []:
            if isinstance(result, dict) and isinstance(result.get("url"), str):
                why = result.get("error") if isinstance(result.get("error"), str) else "no reason given"
                pages.setdefault(_bare(result["url"]), self._failure("unavailable", f"the page was not got: {why}"))
        missing = self._failure("empty", "the answer says nothing of the page")
        return {url: pages.get(_bare(url), missing) for url in urls}

    async def search(self, query: str, *, most: int = 5) -> list[SearchHit] | VendorFailure:
        """What the web has for a query, the best first."""
        async with self._gate:
            answer = await self._call(
                "POST",
                "/search",
                manners=_SEARCH,
                body={"query": query, "max_results": most, "search_depth": "basic", "include_answer": False},
            )
        if isinstance(answer, VendorFailure):
            return answer
        try:
            body = answer.json()
        except ValueError:
            return self._not_json(answer.body)
        results = body.get("results") if isinstance(body, dict) else None
        if not isinstance(results, list):
            return self._failure("wrong_schema", "the answer has no list of results")
        return [
            SearchHit(result["url"], title if isinstance(title := result.get("title"), str) else "")
            for result in results
            if isinstance(result, dict) and isinstance(result.get("url"), str)
        ][:most]

    def _page(self, url: str, content: object) -> ReadPage | VendorFailure:
        if not isinstance(content, str):
            return self._failure("wrong_schema", "a result without raw_content")
        if not content.strip():
            return self._failure("empty", "the page has no text")
        return ReadPage(url=url, title=None, text=content[:LONGEST_TEXT])

    def _not_json(self, body: bytes) -> VendorFailure:
        kind: FailureKind = "wrong_schema" if body.strip() else "empty"
        return self._failure(kind, "the answer is no JSON" if body.strip() else "an empty answer")


def _bare(url: str) -> str:
    """The vendor gives addresses back with or without the slash at the end."""
    return url.rstrip("/").lower()
