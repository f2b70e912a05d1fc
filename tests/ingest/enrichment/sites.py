"""Home pages as the crawler hands them over, made from HTML."""

from __future__ import annotations

import hashlib

from selectolax.lexbor import LexborHTMLParser

from ingest.crawl.page import Outcome, Page
from tests.ingest.enrichment.conftest import NOW


def page(
    domain: str,
    html: str = "",
    *,
    url: str | None = None,
    outcome: Outcome = "ok",
    reason: str | None = None,
    as_text: bool = False,
) -> Page:
    """The home page of a domain. ``as_text``: as a reader service gives it, without HTML."""
    tree = LexborHTMLParser(html)
    title = node.text(strip=True) if (node := tree.css_first("title")) is not None else None
    for hidden in tree.css("script, style, title"):
        hidden.decompose()
    text = tree.body.text(separator="\n", strip=True) if tree.body is not None else ""
    return Page(
        url=url or f"https://{domain}/",
        domain=domain,
        page_type="home",
        html="" if as_text else html,
        text=text,
        title=title,
        fetched_via="jina" if as_text else "http",
        status=200 if outcome == "ok" else None,
        outcome=outcome,
        reason=reason,
        etag=None,
        last_modified=None,
        content_hash=hashlib.sha256(html.encode()).hexdigest(),
        fetched_at=NOW,
        bytes=len(html),
    )
