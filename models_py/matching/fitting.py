"""Fitting the ranker on labelled pairs.

Belongs here: what happens on the half of the queries that is there to fit on. Measuring on the other half is in
``evaluation``; reading labelled data is the caller's business.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from models_py.errors import InputError
from models_py.matching.competition import ranks
from models_py.matching.evaluation import Labelled, answer_curve, pair_curve
from models_py.matching.features import feature_names
from models_py.matching.ranker import CAUTION, STANDING, Known, Stage, Variant, caution_matrix, standing

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: Inverse strength of the ridge penalty on standardised coefficients, by stage.
FIRST_C, SECOND_C, CAUTION_C = 0.03, 0.03, 1.0
FOLDS = 4
#: Share of right answers, by weight, of those that are accepted: of equal names and domains, and of all others apart,
#: whose worth the many equal ones would hide.
ACCEPTED_PRECISION = 0.95
#: A person is asked where an answer is at least one in four to be right, as of names half of which are in no registry.
REVIEW_FROM = 0.25
#: Nothing less probable than this is accepted, however right the others above it were.
LEAST_ACCEPTED = 0.5
#: Of wrong candidates that nothing speaks for, one in so many is fitted on, for all of them.
_THINNED, _UNLIKE = 8, 0.4


@dataclass(frozen=True, eq=False)
class Further:
    """Pairs that are only fitted on: queries without their entities, and made-up ones.

    Attributes:
        copy_of: the labelled query that each query is another version of, -1 for one of its own; (q,). A version is
            never fitted on where its original is predicted.
        weight: of each pair in fitting the ranker, beside 1 for a labelled one.
        asked: of each query among those that probabilities are to hold for, beside 1 for a labelled one.
    """

    labelled: Labelled
    copy_of: NDArray[np.int64]
    weight: float
    asked: float


@dataclass(frozen=True, eq=False)
class Fitted:
    """A variant, and its probabilities for the pairs it was fitted on by models that had not seen them (m,)."""

    variant: Variant
    out_of_fold: FloatArray


@dataclass(frozen=True, eq=False)
class _Rows:
    """All pairs that are fitted on or predicted: their truth, weights, folds (-1: never fitted on), and matrices."""

    match: BoolArray
    weight: FloatArray
    fold: NDArray[np.int64]

    def train(self, names: Sequence[str], matrix: FloatArray, strength: float, *, without: int = -1) -> Stage:
        rows = np.flatnonzero((self.fold >= 0) & (self.fold != without) & (self.weight > 0))
        return _fit(names, matrix[rows], self.match[rows], self.weight[rows], strength)

    def first_pass(self, names: Sequence[str], matrix: FloatArray, *, without: int = -1) -> FloatArray:
        """Probabilities of the first stage (m,) by models that saw neither the pair's fold nor ``without``."""
        kept = dataclasses.replace(self, fold=np.where(self.fold == without, -1, self.fold))
        found = kept.train(names, matrix, FIRST_C).probability(matrix)
        for at in range(FOLDS):
            held = kept.fold == at
            if held.any():
                found[held] = kept.train(names, matrix, FIRST_C, without=at).probability(matrix[held])
        return found


def fit_variant(
    labelled: Labelled, *, further: Sequence[Further] = (), known: Sequence[Known], fit_on: BoolArray, seed: int
) -> Fitted:
    """Fit all stages on the queries ``fit_on`` (q,), thresholds by cross-validation within them.

    Each stage sees probabilities of models of the stage before that had not seen the query, as it will later.

    Raises:
        InputError: fewer queries than folds, or one kind of pair only.
    """
    query, match = labelled.comparison.pairs.query, labelled.is_match
    rows = np.flatnonzero(fit_on[query])
    if fit_on.sum() < FOLDS or match[rows].all() or not match[rows].any():
        raise InputError(f"{fit_on.sum()} queries to fit on: {FOLDS} at least, with right and wrong candidates")
    random = np.random.default_rng(seed)
    fold = np.full(len(fit_on), -1)
    order = random.permutation(np.flatnonzero(fit_on))
    fold[order] = np.arange(len(order)) % FOLDS
    folds = [fold] + [
        np.where(part.copy_of >= 0, fold[part.copy_of], random.integers(0, FOLDS, len(part.copy_of)))
        for part in further
    ]
    parts = [labelled, *(part.labelled for part in further)]
    sizes = [len(part.is_match) for part in parts]
    weight = np.repeat([1.0, *(part.weight for part in further)], sizes)
    data = _Rows(
        match=np.concatenate([part.is_match for part in parts]),
        weight=weight * np.concatenate([_thinned(part) for part in parts]),
        fold=np.concatenate([of[part.comparison.pairs.query] for part, of in zip(parts, folds, strict=True)]),
    )
    names = feature_names(known)
    second_names = (*names, *STANDING)
    first = np.vstack([part.comparison.matrix(names) for part in parts])
    ends = np.cumsum([len(part.is_match) for part in parts])[:-1]

    def second_stage(chance: FloatArray) -> FloatArray:
        cut = zip(parts, np.split(chance, ends), strict=True)
        columns = [standing(part.comparison, each) for part, each in cut]
        return np.hstack([first, np.vstack([np.column_stack([part[name] for name in STANDING]) for part in columns])])

    predicted = np.zeros(len(data.match))
    for at in range(FOLDS):
        second, held = second_stage(data.first_pass(names, first, without=at)), data.fold == at
        predicted[held] = data.train(second_names, second, SECOND_C, without=at).probability(second[held])
    out_of_fold = np.split(predicted, ends)
    second = second_stage(data.first_pass(names, first))
    pairs = pair_curve(labelled, out_of_fold[0], fit_on)
    answers = answer_curve(labelled, out_of_fold[0], fit_on)
    beside = list(zip(parts, out_of_fold, strict=True))
    rank = np.concatenate([ranks(part.comparison.pairs.query, each) for part, each in beside])
    near = (rank <= 2) & (data.fold >= 0)
    cautious = np.vstack([caution_matrix(part.comparison, each) for part, each in beside])[near]
    asked = np.repeat([1.0, *(part.asked for part in further)], sizes)[near]
    caution = _fit(CAUTION, cautious, data.match[near], asked, CAUTION_C)
    best, unequal = rank[near] == 1, cautious[:, CAUTION.index("unequal")] > 0
    probability = caution.probability(cautious)
    accept, accept_equal = (
        _accept(probability[rows], data.match[near][rows], asked[rows]) for rows in (best & unequal, best & ~unequal)
    )
    variant = Variant(
        known=tuple(known),
        first=data.train(names, first, FIRST_C),
        second=data.train(second_names, second, SECOND_C),
        caution=caution,
        accept=accept,
        accept_equal=accept_equal,
        review=min(REVIEW_FROM, accept, accept_equal),
        pair_threshold=round(pairs.best_threshold, 4),
        answer_threshold=round(answers.best_threshold, 4),
    )
    return Fitted(variant, out_of_fold[0])


def _accept(probability: FloatArray, right: BoolArray, weight: FloatArray) -> float:
    """The least probability from which on answers (m,) are precise enough."""
    values, at = np.unique(np.round(probability, 4), return_inverse=True)
    hits, asked = np.bincount(at, weights=weight * right), np.bincount(at, weights=weight)
    share = np.cumsum(hits[::-1])[::-1] / np.cumsum(asked[::-1])[::-1]
    return max(float(values[share >= ACCEPTED_PRECISION].min(initial=1.0)), LEAST_ACCEPTED)


def _thinned(labelled: Labelled) -> FloatArray:
    """Weights of pairs (m,): of wrong ones that nothing speaks for, a few stand for all."""
    columns = labelled.comparison.columns
    dull = (columns["cosine"] < _UNLIKE) & (columns["domain_equal"] == 0) & ~labelled.is_match
    taken = np.arange(len(dull)) % _THINNED == 0
    return np.where(dull, taken * float(_THINNED), 1.0)


def _fit(names: Sequence[str], matrix: FloatArray, match: BoolArray, weight: FloatArray, strength: float) -> Stage:
    mean = np.average(matrix, axis=0, weights=weight)
    scale = np.sqrt(np.average((matrix - mean) ** 2, axis=0, weights=weight))
    scale = np.where(scale > 1e-9, scale, 1.0)
    model = LogisticRegression(C=strength, solver="newton-cholesky", max_iter=100)
    model.fit((matrix - mean) / scale, match, sample_weight=weight)
    return Stage(
        features=tuple(names),
        mean=_rounded(mean),
        scale=_rounded(scale),
        coefficients=_rounded(model.coef_[0]),
        intercept=round(float(model.intercept_[0]), 5),
    )


def _rounded(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(f"{value:.5g}") for value in values)
