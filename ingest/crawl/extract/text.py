"""Words of a line, and look-up of many phrases in one pass.

Belongs here: what the extractors share about plain text. Not here: HTML (``document``), personal data (``privacy``).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

_WORD = re.compile(r"[^\W_][\w&+]*(?:[.'’-][\w&+]+)*")
_ENDINGS = ("ation", "ator", "ating", "ate", "ment", "ing", "ion", "er", "or", "ed", "e")
_POSSESSIVE = ("'s", "’s")

T = TypeVar("T")


class Word(NamedTuple):
    """One word of a text: in lower case, without a possessive ending, and where it stands."""

    key: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """The words of a text in order; dots, hyphens and apostrophes inside a word belong to it."""
    found = [Word(match[0], *match.span()) for match in _WORD.finditer(text.lower())]
    if "'s" in text or "’s" in text:
        found = [Word(w.key[:-2], w.start, w.end - 2) if w.key.endswith(_POSSESSIVE) else w for w in found]
    return found


def singular(word: str) -> str:
    """The word without the ending of an English plural; enough to compare nouns."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@functools.lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """What ``translation``, ``translators`` and ``translating`` share: the word without one usual ending. Coarse: for
    words that stand beside others of the same title, never for a word by itself."""
    base = singular(word)
    for ending in _ENDINGS:
        if base.endswith(ending) and len(base) - len(ending) >= 4:
            return base.removesuffix(ending)
    return base


class Lexicon(Generic[T]):
    """Phrases with what they stand for, found by their first word: the cost is per word of the text, not per phrase."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        self._by_first: dict[str, list[tuple[tuple[str, ...], T]]] = {}
        for phrase, meaning in entries:
            keys = tuple(word.key for word in words(phrase))
            if keys:
                self._by_first.setdefault(keys[0], []).append((keys, meaning))
        for phrases in self._by_first.values():
            phrases.sort(key=lambda entry: -len(entry[0]))

    def find(self, line: list[Word]) -> Iterator[tuple[T, int, int]]:
        """Yield what was found with the positions of its first and last character; the longest phrase wins."""
        after = 0
        for index, word in enumerate(line):
            phrases = self._by_first.get(word[0])
            if phrases is None or index < after:
                continue
            for keys, meaning in phrases:
                if len(keys) <= len(line) - index and all(
                    line[index + offset].key == key for offset, key in enumerate(keys)
                ):
                    yield meaning, line[index].start, line[index + len(keys) - 1].end
                    after = index + len(keys)
                    break


def excerpt(text: str, start: int, end: int, limit: int = 280) -> str:
    """At most ``limit`` characters of the text around a match, cut between words."""
    if len(text) <= limit:
        return text.strip()
    room = max(0, limit - (end - start)) // 2
    left, right = max(0, start - room), min(len(text), start + limit, end + room)
    if left and (space := text.find(" ", left, start)) >= 0:
        left = space + 1
    if right < len(text) and (space := text.rfind(" ", end, right)) > end:
        right = space
    return text[left:right].strip()
