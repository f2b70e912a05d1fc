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
from ingest.crawl.extract.text import Lexicon, Word, excerpt, stem, words
from ingest.errors import IngestError
from ingest.evidence import EvidenceItem

MOST_CODES = 3
# Tuned on the labelled pages of tests/ingest/extract: lower lets neighbouring trades in.
LEAST_SCORE = 0.62
NEAR_BEST = 0.9
# How many other words may stand among those of a title.
ROOM = 3
# Weight of a title, a description, a main heading.
HEADLINE = 2.0
_STOP_WORDS = """
of and or the a an for in on to by with without from not nec n.e.c other others except excluding including related
activities activity services service operations operation general specialised various own account fee contract basis
mainly mixed e.g i.e as at be is are that their such who which all any than via etc
"""
_STOP = frozenset(_STOP_WORDS.split())
_BRACKET = re.compile(r"\([^()]*\)")
# After these words a sentence talks about customers, not about the company.
_AUDIENCE_WORDS = """
for help helps helping let lets allow allows give gives giving serve serves serving across enables enabling empower
empowers between among customers clients importers exporters companies businesses industries sectors against like
backed funded raised investors previously formerly prior worked former ex
"""
_AUDIENCE = frozenset(_AUDIENCE_WORDS.split())
# Stems that people say for a word of titles.
_SAME = {
    **dict.fromkeys(("distribut", "suppli", "import", "trader", "stockist"), "wholesal"),
    **dict.fromkeys(("maker", "produc"), "manufactur"),
    **dict.fromkeys(("shop", "stor", "boutiqu"), "retail"),
    **dict.fromkeys(("consult", "consultant", "advisory", "advis"), "consultancy"),
    **dict.fromkeys(("rental", "hire", "leas"), "rent"),
    **dict.fromkeys(("overhaul", "refurbish"), "repair"),
    **dict.fromkeys(("lorry", "truck"), "road"),
}
# Right before the name of a trade these say that somebody else is in it.
_OTHERS = frozenset(
    {"at", "by", "your", "their", "every", "each", "average", "any", "find", "hire", "between", "near", "rather"}
)
_REST = re.compile(r"\bn\.?e\.?c\b|^other\b", re.I)
# "Bakery supplies", "restaurant software": not the trade itself but somebody who sells to it.
_SELLS_TO_WORDS = """
supply supplies supplier suppliers equipment ingredients software platform platforms app apps industry industries
sector sectors menu menus data technology tech technologies automation marketplace marketplaces network directory
workflow workflows infrastructure startup startups professionals experience teams tools jobs systems solutions owners
operators chains groups managers consultancy association owner
"""
_SELLS_TO = frozenset(_SELLS_TO_WORDS.split())
# How titles end whose beginning names the trade, and how people say the same.
_BY_ANYBODY = ("services", "service", "agency", "company", "firm", "provider")
_OFFERED = {
    **dict.fromkeys(("services", "service", "activities"), _BY_ANYBODY),
    **dict.fromkeys(("agency", "agencies"), ("agency", "agencies")),
    **dict.fromkeys(("company", "companies"), ("company",)),
    **dict.fromkeys(("firm", "firms"), ("firm", "firms")),
}
_JOINS = frozenset({"and", "or", "other", "of", "for", "general", "related", "various"})
# "We are a family of …", "Acme provides full-service …", "Our …": the trade follows within a few words, and none of
# those that turn to something else stands between.
_INTRODUCING_WORDS = """
is are am as our we're we’re offer offers offering provide provides providing specialise specialises specialize
specializes specialising specializing expert experts leader leading run runs do does
"""
_TURNING_WORDS = "that which who to with by at from helping used using"
_INTRODUCING, _TURNING = frozenset(_INTRODUCING_WORDS.split()), frozenset(_TURNING_WORDS.split())
REACH = 6
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
        # What is done comes first in a title: "Wholesale of personal care products" is said by nobody who makes them.
        self._first: dict[str, str] = {}
        for entry in codes:
            self.titles[entry.code] = " ".join(entry.title.split())
            content = _content(_BRACKET.sub(" ", entry.title))
            bags[entry.code] = frozenset(content)
            self._first[entry.code] = content[0] if content else ""
            self._details[entry.code] = frozenset(_content(f"{entry.definition} {entry.examples}"[:4_000]))
        frequency: dict[str, int] = defaultdict(int)
        for bag in bags.values():
            for word in bag:
                frequency[word] += 1
        total = max(len(bags), 1)
        self._idf = {word: math.log(1 + total / count) for word, count in frequency.items()}
        self._bags = {code: bag for code, bag in bags.items() if bag}
        self._mass = {code: sum(self._idf[word] for word in bag) for code, bag in self._bags.items()}
        # A title of one word ("Hotels") is looked for as such; of others whose rest says nothing, only as a phrase.
        self._one_word = {code for code, title in self.titles.items() if len(words(_BRACKET.sub(" ", title))) == 1}
        self._postings: dict[str, list[str]] = defaultdict(list)
        for code, bag in self._bags.items():
            # "Other …, not elsewhere classified": its words are those of its neighbours.
            if (len(bag) > 1 or code in self._one_word) and not _REST.search(self.titles[code]):
                for word in bag:
                    self._postings[word].append(code)
        self._terms = Lexicon((term.say, term) for term in (*self._resolve(), *self._said_in_titles()))

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

    def _said_in_titles(self) -> Iterator[_Term]:
        """ "Translation services", "Interior design services": a title is a name of the trade, and so is the same with
        another word for who offers it."""
        said: dict[tuple[str, tuple[str, ...]], set[str]] = defaultdict(set)
        for code, title in self.titles.items():
            named = words(_BRACKET.sub(" ", title))
            offered = _OFFERED.get(named[-1].key) if 2 <= len(named) <= 4 else None
            if offered and not {word.key for word in named} & _JOINS:
                said[" ".join(word.key for word in named[:-1]), offered].add(code)
        for (trade, offered), codes in said.items():
            if len(codes) == 1 and _content(trade):
                for by in offered:
                    yield _Term(f"{trade} {by}", tuple(codes), True)

    def best_code(self, description: str) -> str | None:
        """The code of a few words such as "freight forwarding"; None where none fits."""
        place = _Place(description, words(description), HEADLINE, True, "")
        scored = self.score([place])
        best = max(scored, key=lambda code: (scored[code][0], code), default=None)
        return best if best is not None and scored[best][0] >= LEAST_SCORE else None

    def score(self, places: Sequence[_Place]) -> dict[str, tuple[float, str, _Place, int, int]]:
        """Score per code (0-1), with the term and the place that speak for it most."""
        said: dict[str, list[tuple[_Term, _Place, int, int]]] = defaultdict(list)
        for place in places:
            for term, start, end in self._terms.find(place.words):
                if not _is_of_others(place, start, end):
                    for code in term.codes:
                        said[code].append((term, place, start, end))
        results = {code: hit for code, hits in said.items() if (hit := _everyday_score(hits))}
        for code, score, place, start, end in self._title_scores(places):
            if code not in results or score > results[code][0]:
                results[code] = (score, self.titles[code].lower(), place, start, end)
        return results

    def _title_scores(self, places: Sequence[_Place]) -> Iterator[tuple[str, float, _Place, int, int]]:
        """Codes whose title the page says, its words near one another, where a company says what it is."""
        heard: dict[str, list[tuple[float, _Place, int, int]]] = defaultdict(list)
        keys: set[str] = set()
        for place in places:
            stems = [_said(word.key) for word in place.words]
            keys.update(stems)
            if place.strong:
                for code, share, start, end in self._near(place, stems):
                    heard[code].append((share * min(1.0, place.weight / HEADLINE), place, start, end))
        for code, hits in heard.items():
            best = max(hits, key=lambda hit: hit[0])
            # Single common words ("hotels", "restaurants") must be said twice; two only outside of a headline.
            said = sum(hit[1].weight for hit in hits)
            if said < {1: 3.0, 2: HEADLINE}.get(len(self._bags[code]), 0.0):
                continue
            detail = self._details[code]
            support = sum(1 for key in keys if key in detail) / 20 if detail else 0.0
            coverage = min(1.0, best[0] * (1.0 if len(hits) == 1 else 1.2))
            if coverage >= LEAST_SCORE:
                yield code, min(0.95, 0.85 * coverage + min(0.1, support)), *best[1:]

    def _near(self, place: _Place, stems: Sequence[str]) -> Iterator[tuple[str, float, int, int]]:
        """Codes with the share of their title that stands together in a place, and from where to where."""
        at: dict[str, list[int]] = defaultdict(list)
        for index, key in enumerate(stems):
            if key in self._postings and len(at[key]) < 5:
                at[key].append(index)
        candidates: dict[str, int] = defaultdict(int)
        for key in at:
            for code in self._postings[key]:
                candidates[code] += 1
        for code, count in candidates.items():
            bag = self._bags[code]
            if count < min(2, len(bag)):
                continue
            held = sorted((index, key) for key in bag if key in at for index in at[key])
            best, span = 0.0, (0, 0)
            for first in range(len(held)):
                mass, seen, last = 0.0, set(), first
                for index, key in held[first:]:
                    if index - held[first][0] > len(bag) + ROOM:
                        break
                    if key not in seen:
                        seen.add(key)
                        mass, last = mass + self._idf[key], index
                if mass > best and len(seen) >= min(2, len(bag)) and self._first[code] in seen:
                    start, end = place.words[held[first][0]].start, place.words[last].end
                    if not _is_of_others(place, start, end) and not _SENTENCE_END.search(place.text, start, end):
                        best, span = mass, (start, end)
            share = best / self._mass[code]
            # "Real estate" is not yet its developers: only of long titles may a word be missing.
            if share >= (LEAST_SCORE if len(bag) > 3 else 0.99):
                yield code, share, *span


def find_industries(documents: Sequence[Document], vocabulary: IndustryVocabulary) -> list[EvidenceItem]:
    """At most three codes of what the company itself does."""
    if not len(vocabulary):
        return []
    scored = vocabulary.score(list(_places(documents)))
    ranked = sorted(scored.items(), key=lambda entry: (-entry[1][0], entry[0]))
    items: list[EvidenceItem] = []
    named: set[str] = set()
    for code, (score, term, place, start, end) in ranked:
        if score < LEAST_SCORE or score < NEAR_BEST * ranked[0][1][0] or len(items) == MOST_CODES:
            break
        # Titles that only a bracket tells apart ("clinics (Western)") are one trade.
        name = " ".join(_BRACKET.sub(" ", vocabulary.titles[code]).split()).lower()
        if name in named:
            continue
        named.add(name)
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
        _said(word.key) for word in words(text.replace("/", " ")) if word.key not in _STOP and not word.key.isdigit()
    ]


def _said(word: str) -> str:
    """The stem of a word, the same for words of the same meaning."""
    key = stem(word)
    return _SAME.get(key, key)


def _places(documents: Sequence[Document]) -> Iterator[_Place]:
    for document in documents:
        url = document.page.url
        if document.is_legal or document.is_article or document.is_comparison:
            continue
        if document.page.page_type not in ("home", "about", "other", "contact", "pricing"):
            continue
        lead = document.page.page_type in ("home", "about")
        if lead and document.title:
            yield _Place(document.title, words(document.title), HEADLINE, True, url)
        if lead and document.description:
            yield _Place(document.description, words(document.description), HEADLINE, True, url)
        if not lead:
            continue
        seen = 0
        for line in document.main:
            if line.quoted or line.kind == "image" or len(line.words) < 2 or seen > 8_000:
                continue
            strong = (line.kind == "heading" and seen < 100) or (line.kind == "text" and seen < 300)
            weight = (HEADLINE if line.kind == "heading" else 1.5) if strong else 0.5
            yield _Place(line.text, line.words, weight, strong, url)
            seen += len(line.text)


def _is_of_others(place: _Place, start: int, end: int) -> bool:
    """Whether somebody else is meant: the sentence has turned to those the company works for, or goes on to say that it
    sells to them, or the word before says so."""
    audience, last, before = False, 0, ""
    for word in place.words:
        if word.start >= start:
            break
        if audience and _SENTENCE_END.search(place.text, last, word.start):
            audience = False
        last, before = word.end, word.key
        audience = audience or word.key in _AUDIENCE
    parted = bool(_SENTENCE_END.search(place.text, last, start))
    if not parted and (audience or before in _OTHERS):
        return True
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
    term, place, start, end = best
    if strong and (term.strong or " " in term.say or len(hits) > 1):
        if len(hits) == 1 and place.weight < HEADLINE and not _introduces(place, start):
            return None
        score = 0.86 if len(hits) > 1 else 0.8
    elif place.weight >= HEADLINE:
        score = 0.72
    elif len(hits) >= 3 or len(names) >= 2:
        score = 0.66
    else:
        return None
    return score, term.say, place, start, end


def _introduces(place: _Place, start: int) -> bool:
    """Whether a position opens a sentence, or follows within a few words on what says who somebody is or does."""
    before = [word for word in place.words if word.start < start]
    for back, word in enumerate(reversed(before)):
        after = before[len(before) - back].start if back else start
        if _SENTENCE_END.search(place.text, word.end, after):
            return True
        if back == REACH or word.key in _TURNING:
            return False
        if word.key in _INTRODUCING:
            return True
    return True
