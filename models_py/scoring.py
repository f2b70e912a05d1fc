"""A lead's score, its tier, and what each component adds to it.

Belongs here: arithmetic on one lead's points, vectorised. Not here: where weights come from (weights.py). A
SQL function is the bit-parity twin of ``score``: both work in float64, strictly left to right, with exactly
the parentheses below, so change neither alone.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models_py.components import COMPONENTS, MAXIMA, FloatArray, component_points, weight_rows
from models_py.errors import RangeError, ShapeError

#: The weights leave 0.15 for risk: a lead with all points and no risk scores 100.
RISK_CREDIT: Final = 15.0
TIERS: Final = ("hot", "warm", "cool", "cold", "dead")
#: Lowest score of hot, warm, cool and cold; below the last a lead is dead.
TIER_THRESHOLDS: Final = (85.0, 60.0, 35.0, 20.0)


def score(components: Any, risk: Any, weights: Any, means: Any, risk_credit: float = RISK_CREDIT) -> FloatArray:
    """Scores (n,), 0 to 100: 100.0*(w1*(x1/20.0) + w2*(x2/25.0) + w3*(x3/25.0) + w4*(x4/15.0)) + risk_credit - risk.

    components  (n, 4) points, NaN = missing: the tenant's mean stands in
    risk        (n,) or scalar points 0-15, NaN = missing: zero
    weights     (4,) or (n, 4)
    means       (4,) or (n, 4) the tenant's mean points, NaN = never observed: half of the maximum
    """
    points = _filled(components, means)
    rows = len(points)
    w = weight_rows(weights, rows)
    deduction = np.asarray(risk, dtype=np.float64)
    if deduction.shape not in ((), (rows,)):
        raise ShapeError(f"risk must be one number or have shape ({rows},); got {deduction.shape}")
    if (deduction < 0).any() or np.isinf(deduction).any():
        raise RangeError("risk must not be negative or infinite; use NaN for missing")
    deduction = np.where(np.isnan(deduction), 0.0, deduction)
    weighted = (
        w[:, 0] * (points[:, 0] / MAXIMA[0])
        + w[:, 1] * (points[:, 1] / MAXIMA[1])
        + w[:, 2] * (points[:, 2] / MAXIMA[2])
        + w[:, 3] * (points[:, 3] / MAXIMA[3])
    )
    return np.clip(100.0 * weighted + risk_credit - deduction, 0.0, 100.0)


def contributions(components: Any, weights: Any, means: Any) -> FloatArray:
    """(n, 4) points of score each component adds against the tenant's average lead: 100 w (x - mean) / maximum.

    A missing component adds nothing. Arguments as in ``score``.
    """
    points = _filled(components, means)
    average = _stand_ins(means, len(points))
    return np.asarray(100.0 * weight_rows(weights, len(points)) * (points - average) / np.asarray(MAXIMA))


def tier(score: Any, thresholds: tuple[float, float, float, float] = TIER_THRESHOLDS) -> NDArray[np.str_]:
    """Tier names of scores (n,): hot from 85, warm from 60, cool from 35, cold from 20, else dead."""
    return np.asarray(TIERS)[tier_code(score, thresholds)]


def tier_code(score: Any, thresholds: tuple[float, float, float, float] = TIER_THRESHOLDS) -> NDArray[np.int64]:
    """Positions in TIERS of scores (n,): 0 is hot, 4 is dead."""
    if any(upper <= lower for upper, lower in pairwise(thresholds)):
        raise RangeError(f"tier thresholds must fall from hot to cold; got {thresholds}")
    values = np.asarray(score, dtype=np.float64)
    if np.isnan(values).any():
        raise RangeError("scores must not be missing")
    return np.asarray(len(thresholds) - np.searchsorted(thresholds[::-1], values, side="right"), dtype=np.int64)


def _stand_ins(means: Any, rows: int) -> FloatArray:
    values = np.asarray(means, dtype=np.float64)
    if (
        values.ndim not in (1, 2)
        or values.shape[-1] != len(COMPONENTS)
        or (values.ndim == 2 and len(values) not in (1, rows))
    ):
        raise ShapeError(f"means must have shape (4,) or ({rows}, 4); got {values.shape}")
    half = np.asarray(MAXIMA) / 2.0
    return np.broadcast_to(np.where(np.isnan(values), half, values), (rows, len(COMPONENTS)))


def _filled(components: Any, means: Any) -> FloatArray:
    points = component_points(components)
    return np.where(np.isnan(points), _stand_ins(means, len(points)), points)
