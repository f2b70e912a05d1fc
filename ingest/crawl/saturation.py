"""When the pages of a site say nothing new any more."""

from __future__ import annotations

from ingest.crawl.extract import IndustryVocabulary, extract
from ingest.crawl.page import Page

PATIENCE = 3  # pages in a row without a new fact, then a site is left


class Saturation:
    """Of one visit: decides after each batch of pages whether to go on."""

    def __init__(self, vocabulary: IndustryVocabulary) -> None:
        self._vocabulary = vocabulary
        self._seen: set[tuple[str, str]] = set()
        self._idle = 0

    def goes_on(self, pages: list[Page]) -> bool:
        """Whether the last pages of the site, these included, still said something new."""
        found = {(item.signal_key, item.value_key) for item in extract(pages, vocabulary=self._vocabulary)}
        self._idle = 0 if found - self._seen else self._idle + len(pages)
        self._seen |= found
        return self._idle < PATIENCE
