"""The ranker: logistic regressions, two for which candidate it is and one for whether it is any.

The first weighs what a pair has in common. The second weighs the same again beside how the pair stands among the
candidates of its query: a good match is less likely with a better one next to it, and more likely if it belongs to
the same group of companies. The third turns their probability, which holds for names that mostly are in the registry,
into one for a list of which half is not. They are fitted in ``fitting``; the coefficients are in ``ranker.json`` with
where they come from.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models_py.errors import InputError
from models_py.matching.competition import best_other, ranks
from models_py.matching.features import Comparison, stack

FloatArray = NDArray[np.float64]
Known = Literal["name", "address", "domain", "place", "year"]

#: Features of the second stage that come from the first stage's probabilities.
STANDING = (
    "chance", "lead", "best_other", "share", "standing", "rivals", "other_chances", "is_best", "beside_same_domain",
    "beside_same_core", "chance_beside_same_domain", "chance_beside_same_core",
)  # fmt: skip
#: Features of the third: the second stage's probability, and how little else speaks for the answer.
CAUTION = (
    "chance", "unequal", "loosely_named", "chance_if_unequal", "chance_if_loosely_named", "group_loosely_named",
)  # fmt: skip
_LEAST = 1e-6


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(_Model):
    """A logistic regression on standardised features: all lists of one length."""

    features: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float

    @model_validator(mode="after")
    def _one_length(self) -> Stage:
        if not len(self.features) == len(self.mean) == len(self.scale) == len(self.coefficients):
            raise ValueError("features, mean, scale and coefficients differ in length")
        return self

    def probability(self, matrix: FloatArray) -> FloatArray:
        """Probability of each row of features (m, features); (m,)."""
        weights = np.array(self.coefficients) / np.array(self.scale)
        odds = matrix @ weights + (self.intercept - float(np.array(self.mean) @ weights))
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(odds, -30, 30))))


class Variant(_Model):
    """The ranker for one set of things that are known of queries and registry.

    Attributes:
        known: groups of features it uses.
        accept: from this probability on an answer whose name and domain are other ones counts without a person looking.
        accept_equal: the same of an answer with an equal name or an equal domain.
        review: from this probability on a person is asked.
        pair_threshold, answer_threshold: where F1 of pairs and of one answer per query was best on the half it was
            fitted on.
    """

    known: tuple[Known, ...]
    first: Stage
    second: Stage
    caution: Stage
    accept: float = Field(ge=0, le=1)
    accept_equal: float = Field(ge=0, le=1)
    review: float = Field(ge=0, le=1)
    pair_threshold: float
    answer_threshold: float

    def probabilities(self, comparison: Comparison) -> FloatArray:
        """Probability that each pair is the same company, where most queries are in the registry (m,)."""
        first = self.first.probability(comparison.matrix(self.first.features))
        return self.second.probability(second_matrix(comparison, first, self.second.features))

    def accepted_from(self, comparison: Comparison) -> FloatArray:
        """The cautious probability from which on each pair's answer is accepted (m,)."""
        return np.where(_unequal(comparison) > 0, self.accept, self.accept_equal)

    def cautious(self, comparison: Comparison, probability: FloatArray) -> FloatArray:
        """The same where every other query is in no registry: what a person is told, and answers are accepted by."""
        return self.caution.probability(caution_matrix(comparison, probability))


class Provenance(_Model):
    """Where the coefficients come from and what they came to.

    Attributes:
        simulated: what was fitted on beside the labelled profiles.
        figures: by what is known; of the fitted half out of fold, and of the held-out half.
        splits: figures of the first variant, fitted and measured anew on other halves.
    """

    data: str
    split: str
    simulated: str
    seed: int
    fitted_on: str
    profiles_fitted: int
    profiles_held_out: int
    pairs_fitted: int
    recall_of_candidates: float
    figures: dict[str, dict[str, float]]
    splits: dict[str, tuple[float, ...]]


class Ranker(_Model):
    """Variants from the one that knows most to the one that knows names only."""

    version: str
    provenance: Provenance
    variants: tuple[Variant, ...]

    def variant_for(self, known: Sequence[str]) -> Variant:
        """The variant that uses most of what is known.

        Raises:
            InputError: no variant gets by with that.
        """
        able = [variant for variant in self.variants if set(variant.known) <= set(known)]
        if not able:
            raise InputError(f"ranker {self.version} has no variant that gets by with {', '.join(known) or 'nothing'}")
        return max(able, key=lambda variant: len(variant.known))


@functools.cache
def default_ranker() -> Ranker:
    """The ranker that comes with the package."""
    text = resources.files("models_py.matching").joinpath("ranker.json").read_text(encoding="utf-8")
    return Ranker.model_validate(json.loads(text))


def second_matrix(comparison: Comparison, first: FloatArray, features: Sequence[str]) -> FloatArray:
    """Features of the second stage (m, len(features)), from the first stage's probabilities (m,)."""
    return stack(comparison.columns | standing(comparison, first), features)


def standing(comparison: Comparison, first: FloatArray) -> dict[str, FloatArray]:
    """How each pair stands among the candidates of its query, by the first stage's probabilities (m,)."""
    query = comparison.pairs.query
    count = int(query.max()) + 1 if len(query) else 0
    other, rank, odds = best_other(query, first), ranks(query, first), _logit(first)
    total = np.bincount(query, weights=first, minlength=count)[query]
    place = _rows_by_rank(query, rank, count)
    beside = np.where(rank == 1, place[1][query], place[0][query])
    held = np.flatnonzero(beside >= 0)
    core = np.zeros(len(query))
    core[held] = first[beside[held]] * (comparison.core[held] == comparison.core[beside[held]])
    domain = np.zeros(len(query))
    for row in held[comparison.has_domain[held] & comparison.has_domain[beside[held]]]:
        domain[row] = first[beside[row]] * bool(comparison.right[row].domains & comparison.right[beside[row]].domains)
    return {
        "chance": odds,
        "lead": odds - _logit(other),
        "best_other": _logit(other),
        "share": first / np.maximum(total, 1e-9),
        "standing": 1.0 / rank,
        "rivals": np.log1p(np.bincount(query, weights=first > 0.5, minlength=count)[query]),
        "other_chances": np.log1p(total - first),
        "is_best": (rank == 1).astype(np.float64),
        "beside_same_domain": domain,
        "beside_same_core": core,
        "chance_beside_same_domain": domain * odds,
        "chance_beside_same_core": core * odds,
    }


def caution_matrix(comparison: Comparison, probability: FloatArray) -> FloatArray:
    """Features of the third regression (m, 6)."""
    columns, odds = comparison.columns, _logit(probability)
    unequal = _unequal(comparison)
    loose = columns["loosely_named"]
    return np.column_stack([odds, unequal, loose, odds * unequal, odds * loose, loose * columns["group_asked"]])


def _unequal(comparison: Comparison) -> FloatArray:
    columns = comparison.columns
    return np.asarray(1.0 - np.maximum(columns["key_equal"], columns["domain_equal"]))


def _rows_by_rank(query: NDArray[np.int64], rank: FloatArray, count: int) -> NDArray[np.int64]:
    """The rows of the best and of the second candidate of each query (2, count); -1 where there is none."""
    found = np.full((2, count), -1, dtype=np.int64)
    for at in (0, 1):
        rows = np.flatnonzero(rank == at + 1)
        found[at, query[rows]] = rows
    return found


def _logit(probability: FloatArray) -> FloatArray:
    clipped = np.clip(probability, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(clipped / (1 - clipped)))
