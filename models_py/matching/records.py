"""One name and what is known with it, prepared for comparing; and the comparisons of two that take a loop."""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz import fuzz

from models_py.matching.index import domain_stem
from models_py.matching.names import acronyms_of, compact, core_name, fold, legal_forms, skeleton

_WORDS_ALIKE, _LONG_NAME = 0.85, 8


@dataclass(frozen=True)
class Record:
    """One name and what is known with it, prepared for comparing."""

    key: str
    plain: str
    words: frozenset[str]
    core: str
    dense: str
    forms: frozenset[str]
    acronyms: frozenset[str]
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
    addresses, plain = frozenset((domains or "").split()), skeleton(key)
    return Record(
        key=key,
        plain=plain,
        words=frozenset(plain.split()),
        core=core_name(key),
        dense=compact(key),
        forms=legal_forms(name),
        acronyms=acronyms_of(key),
        domains=addresses,
        stems=frozenset(domain_stem(address) for address in addresses),
        city=place_of(city),
        place_words=frozenset(skeleton(fold(city or "")).split()),
        country=(country or "").casefold(),
        year=year or 0,
    )


def place_of(city: str | None) -> str:
    """``Frankfurt am Main`` and ``Frankfurt`` are one place: the first word of four letters or more, else all."""
    words = skeleton(fold(city or "")).split()
    return next((word for word in words if len(word) > 3), " ".join(words))


def misspelled(a: Record, b: Record) -> bool:
    """Whether two long names have the same words, each spelled alike."""
    pairs = list(zip(a.key.split(), b.key.split(), strict=False))
    if len(a.dense) < _LONG_NAME or len(a.key.split()) != len(b.key.split()):
        return False
    return all(fuzz.ratio(*words) >= 100 * _WORDS_ALIKE for words in pairs)


def likeness(record: Record, stems: frozenset[str]) -> float:
    """How much of a name is in one of these domains, or the other way round; 0-1."""
    best = 0.0
    for stem in stems:
        if stem in (record.dense, record.core.replace(" ", "")) or stem in record.acronyms:
            return 1.0
        short, long = sorted((stem, record.dense), key=len)
        inside = len(short) / len(long) if len(short) > 2 and short in long else 0.0
        best = max(best, 0.5 + 0.5 * inside if inside else 0.0, fuzz.ratio(stem, record.dense) / 100)
    return best
