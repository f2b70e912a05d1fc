"""How good matches are against labelled pairs: precision and recall of pairs, and of one answer per query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_py.matching.competition import ranks
from models_py.matching.features import Comparison

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Compared pairs with their truth (m,), and how many true pairs each query has, among them or not (q,)."""

    comparison: Comparison
    is_match: BoolArray
    true_pairs: NDArray[np.int64]


@dataclass(frozen=True)
class Figures:
    """Precision, recall and their harmonic mean."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """2 P R / (P + R); 0 where nothing was right."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True, eq=False)
class Curve:
    """Precision and recall at every threshold, from the highest down; all (t,)."""

    thresholds: FloatArray
    precision: FloatArray
    recall: FloatArray

    @property
    def f1(self) -> FloatArray:
        """At every threshold."""
        total = self.precision + self.recall
        return np.asarray(2 * self.precision * self.recall / np.where(total > 0, total, 1.0))

    @property
    def best_threshold(self) -> float:
        """Where F1 is best; 1 for an empty curve."""
        return float(self.thresholds[np.argmax(self.f1)]) if len(self.thresholds) else 1.0

    def at(self, threshold: float) -> Figures:
        """Figures when everything from this threshold on is said to match."""
        count = int((self.thresholds >= threshold).sum())
        return Figures(float(self.precision[count - 1]), float(self.recall[count - 1])) if count else Figures(1.0, 0.0)


def curve(probability: FloatArray, right: BoolArray, total: int) -> Curve:
    """Precision and recall of claims (m,) of which ``right`` are true, where there is ``total`` to be found."""
    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(right[order])
    return Curve(probability[order], hits / np.arange(1, len(order) + 1), hits / max(total, 1))


def pair_curve(labelled: Labelled, probability: FloatArray, queries: BoolArray) -> Curve:
    """Every pair is a claim; true pairs that are no candidates count as missed. ``queries`` (q,): measured on these."""
    rows = queries[labelled.comparison.pairs.query]
    return curve(probability[rows], labelled.is_match[rows], int(labelled.true_pairs[queries].sum()))


def answer_curve(labelled: Labelled, probability: FloatArray, queries: BoolArray) -> Curve:
    """The best candidate of each query is the claim; recall is the share of queries answered right."""
    query = labelled.comparison.pairs.query
    rows = queries[query] & (ranks(query, probability) == 1)
    return curve(probability[rows], labelled.is_match[rows], int((queries & (labelled.true_pairs > 0)).sum()))


def calibration_error(probability: FloatArray, right: BoolArray, *, bins: int = 10) -> float:
    """Expected calibration error: |share right - mean probability| by equal-width bin, weighted by size."""
    if not len(probability):
        return 0.0
    at = np.minimum((probability * bins).astype(np.int64), bins - 1)
    size = np.bincount(at, minlength=bins)
    gap = np.bincount(at, weights=right, minlength=bins) - np.bincount(at, weights=probability, minlength=bins)
    return float(np.abs(gap).sum() / size.sum())
