"""Sitemaps in all the shapes they come in: XML, an index of others, a list of lines, gzipped. No XML parser reads
them: entities that expand without end stay what they are, and a broken file still gives its addresses."""

from __future__ import annotations

import html
import re

from ingest.crawl.bodies import Inflater, decode

MOST_ADDRESSES = 5_000
_LOCATION = re.compile(r"<(?:\w{1,20}:)?loc\b[^>]{0,200}>([^<]{1,2000}|<!\[CDATA\[[^\]]{1,2000}\]\]>)", re.IGNORECASE)


def parse_sitemap(body: bytes, content_type: str | None, *, limit: int) -> tuple[list[str], bool]:
    """Addresses in a sitemap, and whether they are of further sitemaps.

    Args:
        limit: bytes after decompression (some servers send .xml.gz files as they are).
    """
    if body.startswith(b"\x1f\x8b"):
        inflater = Inflater("gzip", limit)
        inflater.feed(body)
        body = inflater.body()
    text = decode(body, content_type)
    found = []
    for match in _LOCATION.finditer(text):
        written = match[1].removeprefix("<![CDATA[").removesuffix("]]>")
        found.append(html.unescape(written).strip())
        if len(found) >= MOST_ADDRESSES:
            break
    if not found and "<" not in text[:1000]:
        found = [line.strip() for line in text.splitlines()[:MOST_ADDRESSES] if line.strip().startswith("http")]
    return found, "<sitemapindex" in text[:5_000].lower()
