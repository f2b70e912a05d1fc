"""One fetched page, as the crawler hands it to the extractors and the cache keeps it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

PageType = Literal["home", "about", "customers", "industries", "integrations", "pricing", "careers", "contact", "other"]
Via = Literal["http", "jina", "tavily", "browser"]
Outcome = Literal["ok", "not_found", "blocked", "failed", "skipped"]


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        domain: registrable domain of the site it belongs to.
        html: as decoded; empty where a reader service gave text only.
        text: visible text, one line per block.
        status: HTTP status; None where no answer came.
        reason: why it is not ok, in a sentence.
        content_hash: SHA-256 of the body, hexadecimal.
        bytes: size of the body as it was transferred and decompressed.
    """

    url: str
    domain: str
    page_type: PageType
    html: str
    text: str
    title: str | None
    fetched_via: Via
    status: int | None
    outcome: Outcome
    reason: str | None
    etag: str | None
    last_modified: str | None
    content_hash: str
    fetched_at: dt.datetime
    bytes: int
