"""What the crawler asks of reader services and of a browser; who offers them (other rooms, a local program) is not
known here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ingest.crawl.page import Via


@dataclass(frozen=True)
class Reading:
    """What a reader service made of one page.

    Attributes:
        text: the page's text; Markdown is welcome, its links are followed.
        status: HTTP status of the page where the service tells it.
    """

    url: str
    text: str
    title: str | None = None
    status: int | None = None


@dataclass(frozen=True)
class ReadFailure:
    """Why there is no text, in a sentence."""

    url: str
    reason: str


@runtime_checkable
class Reader(Protocol):
    """A service that fetches a page and hands back its text. It answers with a failure, it does not raise."""

    @property
    def via(self) -> Via:
        """How pages that came this way are marked."""
        ...

    @property
    def is_last_resort(self) -> bool:
        """Whether it is asked only where nothing else gave the page, whatever the profile, and few at a time."""
        ...

    async def read(self, url: str) -> Reading | ReadFailure:
        """Read one page, within the service's own time limit and number of attempts."""
        ...


@runtime_checkable
class Renderer(Protocol):
    """Runs a page's scripts and hands back the document they made."""

    async def render(self, url: str, addresses: tuple[str, ...]) -> str | ReadFailure:
        """HTML after the scripts ran. ``addresses``: checked ones of the page's host, the only ones to connect to."""
        ...
