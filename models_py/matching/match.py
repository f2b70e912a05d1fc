"""Queries against an index: which entity each is, on which path, how probable, and why.

Belongs here: putting candidates, features and ranker together and deciding what counts as an answer. Does not belong
here: decisions of people, which the warehouse keeps.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models_py.matching.competition import best_other, ranks
from models_py.matching.features import Comparison, stack
from models_py.matching.index import MatchIndex, Queries
from models_py.matching.names import name_key
from models_py.matching.ranker import Known, Ranker, default_ranker

FloatArray = NDArray[np.float64]
Path = Literal["domain", "exact_name", "fuzzy", "review", "none"]

#: Of two candidates closer than this neither is the answer: a person is asked.
LEAST_MARGIN = 0.02
CANDIDATES_KEPT = 10
NONE = -1
_BATCH = 500
#: What a feature says in words, where it holds; the first that fits of those on a line.
_SAYINGS: tuple[tuple[tuple[str, float, str], ...], ...] = (
    (
        ("domain_equal", 0.5, "same domain"),
        ("stem_equal", 0.5, "domains differ in their ending only"),
        ("domain_in_name", 0.9, "its name is in the domain"),
        ("name_in_domain", 0.9, "the name is in its domain"),
        ("domain_differs", 0.5, "domains differ"),
    ),
    (
        ("key_equal", 0.5, "equal name"),
        ("core_equal", 0.5, "equal name but for general words"),
        ("acronym", 0.5, "one is the other's initials"),
        ("contained", 0.5, "one name is within the other"),
        ("query_covered", 0.99, "all words of the name are in its name"),
        ("cosine", 0.7, "names are spelled alike"),
        ("query_covered", 0.3, "names share words"),
        ("cosine", -1.0, "names are little alike"),
    ),
    (("former_name", 0.5, "by a former name"),),
    (("form_agrees", 0.5, "same legal form"), ("form_differs", 0.5, "legal forms differ")),
    (("city_equal", 0.5, "same place"), ("city_differs", 0.5, "places differ")),
    (("year_equal", 0.5, "founded in the same year"), ("year_distance", 0.5, "founded in other years")),
    (("not_live", 0.5, "it is struck off"),),
)
#: Features worth keeping with a match.
KEPT = (
    "cosine", "jaro_winkler", "token_set", "query_covered", "entity_covered", "key_equal", "core_equal", "acronym",
    "form_agrees", "form_differs", "former_name", "not_live", "domain_equal", "domain_differs", "stem_equal",
    "name_in_domain", "domain_in_name", "city_equal", "city_differs", "year_equal", "year_distance",
)  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """An entity that a query may be; ``features`` are those of ``KEPT`` that are not 0."""

    entity: int
    probability: float
    features: Mapping[str, float]
    why: str


@dataclass(frozen=True, eq=False)
class Matches:
    """The answer for each of q queries.

    Attributes:
        entity: row of the best candidate, -1 where there is none worth naming; (q,).
        path: how it was found; ``review``: a guess for a person to judge; (q,).
        probability: of the best candidate, as of names half of which are in no registry; 0 where there is none; (q,).
        margin: its lead over the next; (q,).
        why: a sentence for each.
        candidates: the best ten of each query, best first.
    """

    entity: NDArray[np.int64]
    path: list[Path]
    probability: FloatArray
    margin: FloatArray
    why: list[str]
    candidates: list[list[Candidate]]


def match(queries: Queries, index: MatchIndex, *, model: Ranker | None = None, threads: int | None = None) -> Matches:
    """Match each query to an entity of the index, or to none.

    Args:
        model: default: the ranker that comes with the package.
        threads: for the product with the 3-gram matrix, the most of the work; default: all cores.

    Raises:
        InputError: the ranker has no variant for names alone.
    """
    ranker = model or default_ranker()
    parts: list[Matches] = []
    for start in range(0, len(queries), _BATCH):
        batch = queries[start : start + _BATCH]
        keys = [name_key(name) for name in batch.names]
        pairs = index.candidates(batch, keys, threads=threads or os.cpu_count())
        parts.append(_decide(batch, index, ranker, Comparison(batch, keys, index, pairs)))
    empty = np.empty(0)
    return Matches(
        entity=np.concatenate([part.entity for part in parts]) if parts else empty.astype(np.int64),
        path=[path for part in parts for path in part.path],
        probability=np.concatenate([part.probability for part in parts]) if parts else empty,
        margin=np.concatenate([part.margin for part in parts]) if parts else empty,
        why=[why for part in parts for why in part.why],
        candidates=[found for part in parts for found in part.candidates],
    )


def known_of(queries: Queries, row: int, index: MatchIndex) -> tuple[Known, ...]:
    """What the index knows, where the query has any of it; else the name and domain of the query."""
    asked = {
        "domain": bool(queries.domains and queries.domains[row]),
        "place": bool((queries.cities and queries.cities[row]) or (queries.countries and queries.countries[row])),
        "year": bool(queries.years and queries.years[row]),
    }
    held: dict[Known, bool] = {
        "domain": index.domains is not None,
        "place": index.cities is not None,
        "year": index.years is not None,
    }
    shared = any(asked[name] and has for name, has in held.items())
    return ("name", "address", *(name for name, has in held.items() if has and shared))


def _decide(queries: Queries, index: MatchIndex, ranker: Ranker, comparison: Comparison) -> Matches:
    query, count = comparison.pairs.query, len(queries)
    variant_for = functools.cache(ranker.variant_for)
    variants = [variant_for(known_of(queries, row, index)) for row in range(count)]
    probability, accepted_from = np.zeros(len(query)), np.ones(len(query))
    for variant in {id(variant): variant for variant in variants}.values():
        mine = np.array([each is variant for each in variants], dtype=np.bool_)[query]
        probability[mine] = variant.cautious(comparison, variant.probabilities(comparison))[mine]
        accepted_from[mine] = variant.accepted_from(comparison)[mine]
    other, rank = best_other(query, probability), ranks(query, probability)
    answers = Matches(
        entity=np.full(count, NONE, dtype=np.int64),
        path=["none"] * count,
        probability=np.zeros(count),
        margin=np.zeros(count),
        why=["No entity has a name, domain or initials like it."] * count,
        candidates=[[] for _ in variants],
    )
    for row, candidate in _candidates(comparison, probability, rank):
        answers.candidates[row].append(candidate)
    for best in np.flatnonzero(rank == 1).tolist():
        row = int(query[best])
        candidate, rival = answers.candidates[row][0], float(other[best])
        answers.probability[row] = candidate.probability
        answers.margin[row] = margin = candidate.probability - rival
        path = _path(comparison, best, variants[row].review, float(accepted_from[best]), candidate.probability, margin)
        answers.path[row] = path
        if path != "none":
            answers.entity[row] = candidate.entity
        answers.why[row] = _sentence(index, candidate, path, rival)
    return answers


def _candidates(comparison: Comparison, probability: FloatArray, rank: FloatArray) -> Iterator[tuple[int, Candidate]]:
    """The best of each query, best first, each with the row of its query."""
    query, entity = comparison.pairs.query, comparison.pairs.entity
    order = np.lexsort((rank, query))
    rows = order[rank[order] <= CANDIDATES_KEPT]
    table = stack(comparison.columns, KEPT)[rows].tolist()
    for of, who, chance, values, why in zip(
        query[rows].tolist(),
        entity[rows].tolist(),
        probability[rows].tolist(),
        table,
        explain(comparison, rows),
        strict=True,
    ):
        said = {name: kept for name, value in zip(KEPT, values, strict=True) if value and (kept := round(value, 4))}
        yield of, Candidate(entity=who, probability=chance, features=said, why=why)


def _path(
    comparison: Comparison, row: int, review_from: float, accepted_from: float, probability: float, margin: float
) -> Path:
    if probability < review_from:
        return "none"
    if probability < accepted_from or margin < LEAST_MARGIN or _has_twin(comparison, row):
        return "review"
    if comparison.columns["domain_equal"][row]:
        return "domain"
    return "exact_name" if comparison.columns["key_equal"][row] else "fuzzy"


def _has_twin(comparison: Comparison, row: int) -> bool:
    """Whether another candidate has the same name and nothing that is known tells the two apart."""
    query = comparison.pairs.query
    mine = slice(*np.searchsorted(query, (query[row], query[row] + 1)))
    key = comparison.right[row].key
    same = np.array([each.key == key for each in comparison.right[mine]], dtype=np.bool_)
    for name in ("key_equal", "domain_equal", "city_equal", "year_equal", "not_live", "former_name"):
        same &= comparison.columns[name][mine] == comparison.columns[name][row]
    return bool(same.sum() > 1)


def explain(comparison: Comparison, rows: NDArray[np.int64]) -> list[str]:
    """What each of these pairs has in common and what speaks against it, in words."""
    said: list[list[str]] = []
    for group in _SAYINGS:
        holds = [comparison.columns[name][rows] > above for name, above, _ in group]
        texts = np.array([text for _, _, text in group] + [""], dtype=object)
        first = np.select(holds, range(len(group)), default=len(group))
        said.append(texts[first].tolist())
    return [", ".join(filter(None, each)) for each in zip(*said, strict=True)]


def _sentence(index: MatchIndex, candidate: Candidate, path: Path, other: float) -> str:
    name = index.names[candidate.entity]
    rival = f"; the next best has {_floor(other)}" if other >= 0.005 else "; no other comes near"
    facts = f"{candidate.why}; {_floor(candidate.probability)} probable{rival}"
    if path == "none":
        return f"Nothing probable enough: the closest is {name} ({facts})."
    return f"{name}: {facts}."


def _floor(probability: float) -> str:
    return f"{int(100 * probability)} %"
