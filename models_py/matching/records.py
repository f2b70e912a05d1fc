"""One name and what is known with it, prepared for comparing; and the comparisons of two that take a loop."""

from __future__ import annotations

from typing import NamedTuple

from rapidfuzz import fuzz

from models_py.matching.index import domain_stem
from models_py.matching.names import compact, core_name, fold, is_acronym, legal_forms, skeleton

_WORDS_ALIKE, _LONG_NAME = 0.85, 8
_NONE: frozenset[str] = frozenset()


class Record(NamedTuple):
    """One name and what is known with it, prepared for comparing; a tuple, as tens are made for every query."""

    key: str
    plain: str
    words: frozenset[str]
    core: str
    dense: str
    forms: frozenset[str]
    domains: frozenset[str]
    stems: frozenset[str]
    city: str
    place_words: frozenset[str]
    country: str
    year: int


def record_of(
    name: str, key: str, domains: str | None, city: str | None, country: str | None, year: int | None
) -> Record:
    """Prepare a name and what is known with it; ``key`` is its name key, several domains are separated by a space."""
    addresses, plain = frozenset(domains.split()) if domains else _NONE, skeleton(key)
    place = skeleton(fold(city)).split() if city else []
    return Record(
        key=key,
        plain=plain,
        words=frozenset(plain.split()),
        core=core_name(key),
        dense=compact(key),
        forms=legal_forms(name),
        domains=addresses,
        stems=frozenset(map(domain_stem, addresses)) if addresses else _NONE,
        city=_place_of(place),
        place_words=frozenset(place) if place else _NONE,
        country=country.casefold() if country else "",
        year=year or 0,
    )


def _place_of(words: list[str]) -> str:
    """``Frankfurt am Main`` and ``Frankfurt`` are one place: the first word of four letters or more, else all."""
    return next((word for word in words if len(word) > 3), " ".join(words))


def misspelled(a: Record, b: Record) -> bool:
    """Whether two long names have the same words, each spelled alike."""
    words, others = a.key.split(), b.key.split()
    if len(a.dense) < _LONG_NAME or len(words) != len(others):
        return False
    return all(fuzz.ratio(*pair) >= 100 * _WORDS_ALIKE for pair in zip(words, others, strict=True))


def likeness(record: Record, stems: frozenset[str]) -> float:
    """How much of a name is in one of these domains, or the other way round; 0-1."""
    best = 0.0
    for stem in stems:
        if stem in (record.dense, record.core.replace(" ", "")) or is_acronym(stem, record.key):
            return 1.0
        short, long = sorted((stem, record.dense), key=len)
        inside = len(short) / len(long) if len(short) > 2 and short in long else 0.0
        best = max(best, 0.5 + 0.5 * inside if inside else 0.0, fuzz.ratio(stem, record.dense) / 100)
    return best
