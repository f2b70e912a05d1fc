"""Facts of many pages → one item per fact, free of personal data."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ingest.crawl.extract.privacy import Redactor
from ingest.evidence import LONGEST_SNIPPET, EvidenceItem

SIGNALS = frozenset(
    {"ssic", "integration", "buyer_title", "headcount", "location", "customer", "pricing", "hiring", "trigger"}
)
# A fact that more pages state is surer, never certain.
PER_PAGE, SUREST = 0.03, 0.98
LONGEST_KEY = 200


def merge(items: Iterable[EvidenceItem], redactor: Redactor) -> list[EvidenceItem]:
    """One item per signal and value: the surest, with the number of pages that state it in ``value["pages"]``.

    Values with personal data are dropped, snippets and addresses are cleaned. A company has one size: of several bands
    the surest stays. The order is by signal, confidence and value: the same input gives the same output.
    """
    groups: dict[tuple[str, str], list[EvidenceItem]] = {}
    for item in items:
        key = " ".join(item.value_key.split())[:LONGEST_KEY]
        if key and item.signal_key in SIGNALS and all(redactor.is_clean(text) for text in _texts(item.value)):
            groups.setdefault((item.signal_key, key), []).append(item)
    merged = [_best(key, group, redactor) for (_, key), group in groups.items()]
    sizes = [item for item in merged if item.signal_key == "headcount"]
    if len(sizes) > 1:
        best = max(sizes, key=lambda item: (item.confidence, item.value["low"]))
        merged = [item for item in merged if item.signal_key != "headcount" or item is best]
    return sorted(merged, key=lambda item: (item.signal_key, -item.confidence, item.value_key))


def _best(key: str, group: list[EvidenceItem], redactor: Redactor) -> EvidenceItem:
    best = max(group, key=lambda item: (item.confidence, item.value.get("how") == "detected", -len(item.url or "")))
    pages = len({item.url for item in group})
    return replace(
        best,
        value_key=key,
        value={**best.value, "pages": pages},
        url=clean_address(best.url),
        snippet=clean_snippet(best.snippet, redactor),
        confidence=round(min(SUREST, best.confidence + PER_PAGE * (pages - 1)), 3),
    )


def clean_snippet(snippet: str | None, redactor: Redactor) -> str | None:
    """A snippet without personal data, at most as long as the store takes."""
    if not snippet:
        return None
    return redactor.clean(" ".join(snippet.split()))[:LONGEST_SNIPPET].strip() or None


def clean_address(url: str | None) -> str | None:
    """An address without a query that may carry somebody's mail address."""
    if url is None or not re.search(r"@|%40", url):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    path = "/" if re.search(r"@|%40", parts.path) else parts.path
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))


def _texts(value: dict[str, Any]) -> Iterable[str]:
    # A price may look like a number to call, a code like nothing else.
    return (
        text
        for name, text in value.items()
        if isinstance(text, str) and name not in ("pricing_hint", "headcount_band", "ssic", "version")
    )
