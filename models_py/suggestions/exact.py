"""Exact tests of a few companies against a base rate that is itself counted, and how many of many come out by chance.

Belongs here: Fisher's test for one value, and the discrete false discovery rate over all values that could have come
out. Not here: what a value means, and which ones are shown (``estimates``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, gammaln

from models_py.components import FloatArray, IntArray
from models_py.errors import RangeError, ShapeError

#: One customer is no pattern: a value is tested from two on.
LEAST_COMPANIES: Final = 2
# Two ways to one p value differ in the last bits.
_SAME: Final = 1.0 + 1e-9


def upper_tails(*, showing: IntArray, drawn: int, others: int) -> FloatArray:
    """P(at least j of the drawn companies show a value), under chance; (v, drawn + 1) for j = 0 … drawn.

    showing     (v,) companies that show the value among all ``drawn + others``
    drawn       the tenant's customers; others: companies that the base rate is counted on
    Conditional on how many show it in all (Fisher): a base rate counted on few companies makes large p values,
    and no base rate has to be assumed.
    """
    showing = np.asarray(showing, dtype=np.int64)
    total = drawn + others
    if showing.ndim != 1:
        raise ShapeError(f"showing must be one-dimensional; got {showing.ndim} dimensions")
    if drawn < 0 or others < 0 or (len(showing) and (showing.min() < 0 or showing.max() > total)):
        raise RangeError(f"showing must lie between 0 and drawn + others ({total})")
    count = np.arange(drawn + 1)
    s = showing[:, None]
    possible = (count <= s) & (drawn - count <= total - s)
    with np.errstate(invalid="ignore"):
        log = _log_choose(s, count) + _log_choose(total - s, drawn - count) - _log_choose(total, drawn)
    probability = np.where(possible, np.exp(np.where(possible, log, 0.0)), 0.0)
    # Summed from the far end: the small tails are the ones that matter.
    tails = np.cumsum(probability[:, ::-1], axis=1)[:, ::-1]
    capped: FloatArray = np.minimum(tails, 1.0)
    return capped


def fisher(*, companies: IntArray, drawn: int, base_companies: IntArray, base_n: int) -> FloatArray:
    """(v,) one-sided p values: chance of this many companies or more, given how many show the value in all."""
    companies = np.asarray(companies, dtype=np.int64)
    tails = upper_tails(showing=companies + np.asarray(base_companies, dtype=np.int64), drawn=drawn, others=base_n)
    p: FloatArray = tails[np.arange(len(companies)), companies]
    return p


class ChanceFindings:
    """How many values of a tenant would have a p value at most t by chance alone, as a function of t.

    The sum over **all** values that could have come out, not only those that did, of the largest p value at most t
    that the value can attain. With few customers most values cannot attain a small p value at all, which the
    usual Benjamini-Hochberg bound (number of values × t) does not know; this is its discrete form (Heyse 2011).
    """

    def __init__(self) -> None:
        self._levels: list[FloatArray] = []
        self._steps: list[FloatArray] = []
        self._sorted: tuple[FloatArray, FloatArray] | None = None

    def add(self, *, showing: IntArray, times: IntArray, drawn: int, others: int) -> None:
        """Add values of one signal: ``times`` (v,) values that ``showing`` (v,) companies show in all."""
        if drawn < LEAST_COMPANIES or not len(showing):
            return
        tails = upper_tails(showing=showing, drawn=drawn, others=others)[:, LEAST_COMPANIES:]
        beyond = np.concatenate([tails[:, 1:], np.zeros((len(tails), 1))], axis=1)
        steps = (tails - beyond) * np.asarray(times, dtype=np.float64)[:, None]
        kept = steps > 0
        self._levels.append(tails[kept])
        self._steps.append(steps[kept])
        self._sorted = None

    def expected(self, p: FloatArray) -> FloatArray:
        """(m,) expected number of values with a p value at most p (m,) if nothing were there to find."""
        if self._sorted is None:
            levels = np.concatenate(self._levels) if self._levels else np.empty(0)
            steps = np.concatenate(self._steps) if self._steps else np.empty(0)
            order = np.argsort(levels, kind="stable")
            self._sorted = levels[order], np.concatenate([[0.0], np.cumsum(steps[order])])
        levels, sums = self._sorted
        found: FloatArray = sums[np.searchsorted(levels, np.asarray(p) * _SAME, side="right")]
        return found


def jeffreys_interval(companies: IntArray, n: IntArray, level: float = 0.90) -> tuple[FloatArray, FloatArray]:
    """(m,) and (m,): the central Jeffreys interval of a share; 0 where none show it, 1 where all do."""
    k, n = np.asarray(companies, dtype=np.float64), np.asarray(n, dtype=np.float64)
    side = (1.0 - level) / 2.0
    low = np.where(k > 0, betaincinv(k + 0.5, n - k + 0.5, side), 0.0)
    high = np.where(k < n, betaincinv(k + 0.5, n - k + 0.5, 1.0 - side), 1.0)
    return low, high


def _log_choose(n: NDArray[np.int64] | int, k: NDArray[np.int64] | int) -> FloatArray:
    value: FloatArray = gammaln(np.asarray(n) + 1.0) - gammaln(np.asarray(k) + 1.0) - gammaln(np.asarray(n) - k + 1.0)
    return value
