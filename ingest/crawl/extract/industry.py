"""What a company says it does → codes of an industry classification.

A vocabulary is built from the titles, definitions and examples of one version. Words of a title count by how rare they
are among titles; the trade's everyday names (``industry_terms.yaml``) lead to titles. Precision comes first: nothing is
better than a wrong code.
"""

from __future__ import annotations

import functools
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import yaml

from ingest.crawl.extract.document import Document
from ingest.crawl.extract.text import Lexicon, Word, excerpt, singular, words
from ingest.errors import IngestError
from ingest.evidence import EvidenceItem

MOST_CODES = 3
# Tuned on the labelled pages of tests/ingest/extract: lower lets neighbouring trades in.
LEAST_SCORE = 0.62
NEAR_BEST = 0.8
# "Other …, not elsewhere classified": its words are those of its neighbours.
CATCH_ALL = 0.8
_STOP_WORDS = """
of and or the a an for in on to by with without from not nec n.e.c other others except excluding including related
activities activity services service operations operation general specialised various own account fee contract basis
mainly mixed e.g i.e as at be is are that their such who which all any than via etc
"""
_STOP = frozenset(_STOP_WORDS.split())
_BRACKET = re.compile(r"\([^()]*\)")
# After these words a sentence talks about customers, not about the company.
_AUDIENCE_WORDS = """
for help helps helping serve serves serving across enables enabling empower empowers between among customers clients
importers exporters companies businesses industries sectors against like
"""
_AUDIENCE = frozenset(_AUDIENCE_WORDS.split())
_REST = re.compile(r"\bn\.?e\.?c\b|\bother\b", re.I)
# "Bakery supplies", "restaurant software": not the trade itself but somebody who sells to it.
_SELLS_TO_WORDS = """
supply supplies supplier suppliers equipment ingredients software platform platforms app apps industry industries sector
sectors teams tools jobs systems solutions owners operators chains groups managers consultancy association owner
"""
_SELLS_TO = frozenset(_SELLS_TO_WORDS.split())
_SENTENCE_END = re.compile(r"[.!?;:|–—]")


@dataclass(frozen=True)
class IndustryCode:
    """One five-digit code as the classification describes it."""

    code: str
    title: str
    definition: str = ""
    examples: str = ""


@dataclass(frozen=True)
class _Term:
    """An everyday name of a trade and the codes it means."""

    say: str
    codes: tuple[str, ...]
    strong: bool


@dataclass(frozen=True)
class _Place:
    """A piece of text that tells what the company does. Strong: title, description, main heading, first sentences."""

    text: str
    words: list[Word]
    weight: float
    strong: bool
    url: str


class IndustryVocabulary:
    """The words of one version of a classification, ready to score pages with."""

    def __init__(self, version: str, codes: Iterable[IndustryCode]) -> None:
        self.version = version
        self.titles: dict[str, str] = {}
        bags: dict[str, frozenset[str]] = {}
        self._details: dict[str, frozenset[str]] = {}
        for entry in codes:
            self.titles[entry.code] = " ".join(entry.title.split())
            bags[entry.code] = frozenset(_content(_BRACKET.sub(" ", entry.title)))
            self._details[entry.code] = frozenset(_content(f"{entry.definition} {entry.examples}"[:4_000]))
        frequency: dict[str, int] = defaultdict(int)
        for bag in bags.values():
            for word in bag:
                frequency[word] += 1
        self._one_word = {code for code, title in self.titles.items() if len(words(_BRACKET.sub(" ", title))) == 1}
        self._catch_all = {code for code, title in self.titles.items() if _REST.search(title)}
        total = max(len(bags), 1)
        self._idf = {word: math.log(1 + total / count) for word, count in frequency.items()}
        self._bags = {code: bag for code, bag in bags.items() if bag}
        self._mass = {code: sum(self._idf[word] for word in bag) for code, bag in self._bags.items()}
        self._postings: dict[str, list[str]] = defaultdict(list)
        for code, bag in self._bags.items():
            for word in bag:
                self._postings[word].append(code)
        self._terms = Lexicon((term.say, term) for term in self._resolve())

    @classmethod
    def load(cls, connection: psycopg.Connection, version: str | None = None) -> IndustryVocabulary:
        """Read one version from ``raw.industry_codes``.

        Args:
            version: None takes the one that most live registry entities use, so that what pages say and what the
                registry says are comparable; without a registry the newest.

        Raises:
            IngestError: the version asked for is not loaded. With no version loaded at all the vocabulary is empty.
        """
        if version is None:
            version = _preferred_version(connection)
            if version is None:
                return cls("", ())
        rows = connection.execute(
            "select code, title, coalesce(definition, ''), coalesce(examples, '') from raw.industry_codes"
            " where version = %s and level = 'subclass' order by code",
            (version,),
        ).fetchall()
        if not rows:
            raise IngestError(
                f"There are no five-digit industry codes of version {version!r}; load them with"
                " `icp load industry-codes`, or name a version that is loaded."
            )
        return cls(version, (IndustryCode(*row) for row in rows))

    def __len__(self) -> int:
        return len(self.titles)

    def _resolve(self) -> Iterator[_Term]:
        """Everyday names with the codes that their first matching title words lead to."""
        everything = {code: frozenset(_content(title)) for code, title in self.titles.items()}
        for entry in _everyday_terms():
            codes: tuple[str, ...] = ()
            for meaning in entry["means"]:
                wanted = frozenset(_content(meaning))
                holding = [code for code, bag in self._bags.items() if wanted and wanted <= bag]
                if not holding:
                    holding = [code for code, bag in everything.items() if wanted and wanted <= bag]
                if holding:
                    # The title with the fewest other words says it best.
                    codes = tuple(sorted(holding, key=lambda code: (len(self._bags[code]), code))[:1])
                    break
            if codes:
                for say in entry["say"]:
                    yield _Term(str(say), codes, bool(entry.get("strong", False)))

    def best_code(self, description: str) -> str | None:
        """The code of a few words such as "freight forwarding"; None where none fits."""
        place = _Place(description, words(description), 2.0, True, "")
        scored = self.score([place])
        best = max(scored, key=lambda code: (scored[code][0], code), default=None)
        return best if best is not None and scored[best][0] >= LEAST_SCORE else None

    def score(self, places: Sequence[_Place]) -> dict[str, tuple[float, str, _Place, int, int]]:
        """Score per code (0-1), with the term and the place that speak for it most."""
        weights: dict[str, float] = defaultdict(float)
        best_place: dict[str, _Place] = {}
        said: dict[str, list[tuple[_Term, _Place, int, int]]] = defaultdict(list)
        for place in places:
            for word, weight in _weighted(place):
                if word in self._idf:
                    weights[word] += weight
                    if word not in best_place or place.weight > best_place[word].weight:
                        best_place[word] = place
            for term, start, end in self._terms.find(place.words):
                if not _is_audience(place, start) and not _sells_to(place, end):
                    for code in term.codes:
                        said[code].append((term, place, start, end))
        results = {code: hit for code, hits in said.items() if (hit := _everyday_score(hits))}
        for code, score, word in self._title_scores(weights):
            place = best_place[word]
            start, end = _find(place, word)
            phrase = self._bags[code] & {singular(w.key) for w in place.words}
            # Single common words ("hotels", "restaurants") must be said where a company says what it is.
            if (
                not place.strong
                or (len(self._bags[code]) == 1 and weights[word] < 3)
                or (len(self._bags[code]) > 1 and len(phrase) < min(2, len(self._bags[code])))
            ):
                continue
            if code not in results or score > results[code][0]:
                results[code] = (score, self.titles[code].lower(), place, start, end)
        return results

    def _title_scores(self, weights: dict[str, float]) -> Iterator[tuple[str, float, str]]:
        """Codes whose title the page says: code, score and the title's rarest word on the page."""
        reached: dict[str, float] = defaultdict(float)
        for word, weight in weights.items():
            share = min(1.0, weight / 2.0)
            for code in self._postings[word]:
                reached[code] += self._idf[word] * share
        for code, mass in reached.items():
            coverage = mass / self._mass[code]
            bag = self._bags[code]
            if coverage < LEAST_SCORE or (len(bag) == 1 and (coverage < 1 or code not in self._one_word)):
                continue
            coverage *= CATCH_ALL if code in self._catch_all else 1.0
            detail = self._details[code]
            support = sum(1 for word in weights if word in detail) / 20 if detail else 0.0
            rarest = max((word for word in bag if word in weights), key=lambda word: (self._idf[word], word))
            yield code, min(0.95, 0.8 * coverage + min(0.15, support)), rarest


def find_industries(documents: Sequence[Document], vocabulary: IndustryVocabulary) -> list[EvidenceItem]:
    """At most three codes of what the company itself does."""
    if not len(vocabulary):
        return []
    scored = vocabulary.score(list(_places(documents)))
    ranked = sorted(scored.items(), key=lambda entry: (-entry[1][0], entry[0]))
    items = []
    for code, (score, term, place, start, end) in ranked[:MOST_CODES]:
        if score < LEAST_SCORE or score < NEAR_BEST * ranked[0][1][0]:
            break
        items.append(
            EvidenceItem(
                signal_key="ssic",
                value_key=code,
                value={"ssic": code, "version": vocabulary.version, "title": vocabulary.titles[code], "term": term},
                url=place.url,
                snippet=excerpt(place.text, start, end),
                confidence=round(min(0.9, score), 3),
            )
        )
    return items


@functools.cache
def _everyday_terms() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((Path(__file__).parent / "industry_terms.yaml").read_text(encoding="utf-8"))
    assert isinstance(loaded, list)
    return loaded


def _preferred_version(connection: psycopg.Connection) -> str | None:
    row = connection.execute(
        "select version from (select distinct version from raw.industry_codes where level = 'subclass') as loaded"
        " left join (select industry_code_version, count(*) as entities from raw.registry_entities"
        " where is_live group by industry_code_version) as used on used.industry_code_version = loaded.version"
        " order by entities desc nulls last, version desc limit 1"
    ).fetchone()
    return None if row is None else str(row[0])


def _content(text: str) -> list[str]:
    return [
        singular(word.key) for word in words(text.replace("/", " ")) if word.key not in _STOP and not word.key.isdigit()
    ]


def _places(documents: Sequence[Document]) -> Iterator[_Place]:
    for document in documents:
        url = document.page.url
        if document.is_legal or document.is_article or document.is_comparison:
            continue
        if document.page.page_type not in ("home", "about", "other", "contact", "pricing"):
            continue
        lead = document.page.page_type in ("home", "about")
        if lead and document.title:
            yield _Place(document.title, words(document.title), 2.0, True, url)
        if lead and document.description:
            yield _Place(document.description, words(document.description), 2.0, True, url)
        if not lead:
            continue
        seen = 0
        for line in document.main:
            if line.quoted or line.kind == "image" or len(line.words) < 2 or seen > 8_000:
                continue
            strong = (line.kind == "heading" and seen < 100) or (line.kind == "text" and seen < 300)
            weight = (2.0 if line.kind == "heading" else 1.5) if strong else 0.5
            yield _Place(line.text, line.words, weight, strong, url)
            seen += len(line.text)


def _weighted(place: _Place) -> Iterator[tuple[str, float]]:
    """Words with their weight: a word counts once per place, little after the sentence turned to its audience."""
    seen: set[str] = set()
    audience, last = False, 0
    for word in place.words:
        if audience and _SENTENCE_END.search(place.text, last, word.start):
            audience = False
        last = word.end
        if word.key in _AUDIENCE:
            audience = True
            continue
        key = singular(word.key)
        if key not in seen and not audience:
            seen.add(key)
            yield key, place.weight


def _is_audience(place: _Place, start: int) -> bool:
    """Whether the sentence before this position has turned to those the company works for."""
    audience, last = False, 0
    for word in place.words:
        if word.start >= start:
            break
        if audience and _SENTENCE_END.search(place.text, last, word.start):
            audience = False
        last = word.end
        audience = audience or word.key in _AUDIENCE
    return audience and not _SENTENCE_END.search(place.text, last, start)


def _sells_to(place: _Place, end: int) -> bool:
    following = next((word for word in place.words if word.start >= end), None)
    return (
        following is not None
        and following.key in _SELLS_TO
        and not _SENTENCE_END.search(place.text, end, following.start)
    )


def _everyday_score(hits: list[tuple[_Term, _Place, int, int]]) -> tuple[float, str, _Place, int, int] | None:
    strong = [hit for hit in hits if hit[1].strong]
    names = {hit[0].say for hit in hits}
    best = max(hits, key=lambda hit: (hit[1].strong, hit[1].weight, len(hit[0].say), -hit[2]))
    if strong and (best[0].strong or " " in best[0].say or len(hits) > 1):
        score = 0.86 if len(hits) > 1 else 0.8
    elif best[1].weight >= 2:
        score = 0.72
    elif len(hits) >= 3 or len(names) >= 2:
        score = 0.66
    else:
        return None
    term, place, start, end = best
    return score, term.say, place, start, end


def _find(place: _Place, key: str) -> tuple[int, int]:
    for word in place.words:
        if singular(word.key) == key:
            return word.start, word.end
    return 0, 0
