"""Reader services as the crawler asks for them: Jina Reader first, Tavily last."""

from __future__ import annotations

from ingest.crawl.page import Via
from ingest.crawl.readers import ReadFailure, Reading
from ingest.enrichment.jina import JinaClient, ReadPage
from ingest.enrichment.tavily import TavilyClient
from ingest.enrichment.vendor import VendorFailure


class JinaReader:
    """One page by Jina Reader, within its time limit and one retry."""

    def __init__(self, client: JinaClient) -> None:
        self._client = client

    @property
    def via(self) -> Via:
        """How pages that came this way are marked."""
        return "jina"

    @property
    def is_last_resort(self) -> bool:
        """It may be asked before the site."""
        return False

    async def read(self, url: str) -> Reading | ReadFailure:
        """Read one page."""
        return _as_reading(url, await self._client.read(url))


class TavilyReader:
    """One page by Tavily's extraction, at most three at a time."""

    def __init__(self, client: TavilyClient) -> None:
        self._client = client

    @property
    def via(self) -> Via:
        """How pages that came this way are marked."""
        return "tavily"

    @property
    def is_last_resort(self) -> bool:
        """A page costs a fifth of a credit."""
        return True

    async def read(self, url: str) -> Reading | ReadFailure:
        """Read one page."""
        return _as_reading(url, (await self._client.extract([url]))[url])


def _as_reading(url: str, page: ReadPage | VendorFailure) -> Reading | ReadFailure:
    if isinstance(page, VendorFailure):
        return ReadFailure(url, page.reason)
    return Reading(url=page.url, text=page.text, title=page.title, status=200)
