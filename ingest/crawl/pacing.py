"""How often one site is asked: so many requests at a time, a pause between the starts of two, and longer ones that it
asks for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Pace:
    """Of one site. ``delay`` (seconds) may be raised while the crawl runs."""

    def __init__(self, concurrency: int, delay: float) -> None:
        self.delay = delay
        self._slots = asyncio.Semaphore(concurrency)
        self._next = 0.0
        self._held_until = 0.0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one of the site's connections."""
        async with self._slots:
            yield

    def hold(self, seconds: float) -> None:
        """No turn comes within the next seconds, not even for those who are waiting for theirs."""
        self._held_until = max(self._held_until, time.monotonic() + seconds)
        self._next = max(self._next, self._held_until)

    async def turn(self, deadline: float) -> bool:
        """Wait for this site's next turn; False, at once, where it would come after the deadline (monotonic)."""
        while True:
            now = time.monotonic()
            start = max(now, self._next)
            if start > deadline:
                return False
            self._next = start + self.delay
            if start > now:
                await asyncio.sleep(start - now)
            if start >= self._held_until:  # else the site asked for a pause meanwhile
                return True
