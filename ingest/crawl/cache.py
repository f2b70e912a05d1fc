"""``raw.crawl_pages``: what was fetched, for all tenants, so that a page is asked for once a month.

Kept beside pages, as rows with outcome ``skipped``: robots.txt, the addresses found in sitemaps, and where a redirect
leads. A crawl within the time costs no request at all.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import psycopg

from ingest.crawl.page import Page
from warehouse import bulk
from warehouse.suppression import Suppressions

_COLUMNS = {
    "url": "text",
    "domain": "text",
    "page_type": "text",
    "fetched_via": "text",
    "status": "int4",
    "outcome": "text",
    "reason": "text",
    "title": "text",
    "text": "text",
    "html": "text",
    "etag": "text",
    "last_modified": "text",
    "content_hash": "text",
    "bytes": "int4",
    "fetched_at": "timestamptz",
    "expires_at": "timestamptz",
}
_BATCH = 200


@dataclass(frozen=True)
class CachedPage:
    """A page and until when it is good. Afterwards its ETag and date still serve for asking whether it changed."""

    page: Page
    expires_at: dt.datetime


class PageCache(Protocol):
    """Pages by address; what a crawl needs of it."""

    async def load(self, domain: str) -> Mapping[str, CachedPage]:
        """All that is known of a domain, by address, expired or not."""
        ...

    async def save(self, pages: Sequence[CachedPage]) -> None:
        """Keep these; the same addresses are replaced."""
        ...

    async def flush(self) -> None:
        """See to it that everything saved is kept."""
        ...


class MemoryCache:
    """A cache that ends with the process."""

    def __init__(self) -> None:
        self.pages: dict[str, CachedPage] = {}

    async def load(self, domain: str) -> Mapping[str, CachedPage]:
        """All that is known of a domain."""
        return {url: kept for url, kept in self.pages.items() if kept.page.domain == domain}

    async def save(self, pages: Sequence[CachedPage]) -> None:
        """Keep these."""
        self.pages.update((kept.page.url, kept) for kept in pages)

    async def flush(self) -> None:
        """Nothing waits."""


class PostgresCache:
    """The cache in the warehouse, over one connection: a query per site, writes by COPY in batches of pages.

    Args:
        connection: open, in autocommit mode, used by nobody else meanwhile.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self._waiting: dict[str, CachedPage] = {}
        self._lock = asyncio.Lock()

    async def load(self, domain: str) -> Mapping[str, CachedPage]:
        """All that is known of a domain."""
        async with self._lock:
            found = await asyncio.to_thread(load_pages, self._connection, domain)
        found.update((url, kept) for url, kept in self._waiting.items() if kept.page.domain == domain)
        return found

    async def save(self, pages: Sequence[CachedPage]) -> None:
        """Keep these; they are written with the next full batch."""
        self._waiting.update((kept.page.url, kept) for kept in pages)
        if len(self._waiting) >= _BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Write what waits."""
        async with self._lock:
            waiting = list(self._waiting.values())
            await asyncio.to_thread(save_pages, self._connection, waiting)
            for kept in waiting:
                if self._waiting.get(kept.page.url) is kept:
                    del self._waiting[kept.page.url]


def load_pages(connection: psycopg.Connection, domain: str) -> dict[str, CachedPage]:
    """The kept pages of a domain, by address."""
    rows = connection.execute(
        f"select {', '.join(_COLUMNS)} from raw.crawl_pages where domain = %s".encode(), (domain,)
    ).fetchall()
    found = {}
    for row in rows:
        values = dict(zip(_COLUMNS, row, strict=True))
        expires_at = values.pop("expires_at")
        for name in ("html", "text", "content_hash"):
            values[name] = values[name] or ""
        found[values["url"]] = CachedPage(Page(**values), expires_at)
    return found


def save_pages(connection: psycopg.Connection, pages: Sequence[CachedPage]) -> None:
    """Write pages in one transaction; a newer one at the same address replaces the older.

    Addresses and profiles of people who asked to be forgotten are replaced in their texts.
    """
    if not pages:
        return
    pages = _without_forgotten(pages, Suppressions.of_environment(connection))
    columns = ", ".join(_COLUMNS)
    changed = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name != "url")
    with connection.transaction(), connection.cursor() as cursor:
        bulk.create_staging(cursor, "fetched_pages", _COLUMNS)
        # In a fixed order, so that two crawls at once wait for one another instead of dead-locking.
        ordered = sorted({kept.page.url: kept for kept in pages}.values(), key=lambda kept: kept.page.url)
        bulk.copy_rows(cursor, "fetched_pages", _COLUMNS, map(_row, ordered))
        cursor.execute(
            f"insert into raw.crawl_pages as known ({columns}) select {columns} from fetched_pages order by url"
            f" on conflict (url) do update set {changed} where known.fetched_at <= excluded.fetched_at".encode()
        )
        cursor.execute("drop table fetched_pages")


def _without_forgotten(pages: Sequence[CachedPage], listed: Suppressions) -> Sequence[CachedPage]:
    if not listed:
        return pages
    return [
        replace(
            kept,
            page=replace(
                kept.page,
                title=listed.redact(kept.page.title, None),
                text=listed.redact(kept.page.text, None),
                html=listed.redact(kept.page.html, None),
            ),
        )
        for kept in pages
    ]


def _row(kept: CachedPage) -> tuple[object, ...]:
    page = kept.page
    return (
        _clean(page.url),
        page.domain,
        page.page_type,
        page.fetched_via,
        page.status,
        page.outcome,
        _clean(page.reason),
        _clean(page.title),
        _clean(page.text),
        _clean(page.html),
        _clean(page.etag),
        _clean(page.last_modified),
        page.content_hash,
        min(page.bytes, 2**31 - 1),
        page.fetched_at,
        kept.expires_at,
    )


def _clean(text: str | None) -> str | None:
    """Postgres' text holds no NUL, and UTF-8 no half of a pair."""
    return None if text is None else text.replace("\x00", " ").encode("utf-8", "replace").decode()
