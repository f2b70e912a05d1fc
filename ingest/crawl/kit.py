"""What the sites of one crawl share, and what the attempt to get one page comes to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingest.crawl.document import Link
from ingest.crawl.fetching import Fetcher, FetchFailure
from ingest.crawl.page import Page
from ingest.crawl.readers import Reader, Renderer


@dataclass(frozen=True)
class Kit:
    """What a crawl works with; one for all its sites. ``notes``: what every one of them is told as a reason."""

    fetcher: Fetcher
    readers: Sequence[Reader] = ()
    renderer: Renderer | None = None
    notes: tuple[str, ...] = ()
    last_resort: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(3))


@dataclass
class Got:
    """A page and what it leads to. ``is_fresh``: it is news for the cache; ``was_asked``: the site was asked for it."""

    page: Page
    links: tuple[Link, ...] = ()
    is_fresh: bool = True
    was_asked: bool = True
    failure: FetchFailure | None = None
