"""From any four numbers to four valid weights.

Belongs here: the projection on {0.05 <= w <= 0.50, sum w = 0.85} and the rounding to three decimals. Both
keep the constraints exactly and treat every row on its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models_py.components import WEIGHT_MAXIMUM, WEIGHT_MINIMUM, WEIGHT_SUM, FloatArray

_BISECTIONS = 60
_UNITS = 1000
# Two remainders closer than this are a tie: the difference is floating dust, not a preference.
_TIE = 1e-6
# Effects on the log-odds that together stay below this are none; dividing by them would amplify dust.
_NO_EFFECT = 1e-9


def project(vectors: Any) -> FloatArray:
    """Euclidean projection of each row (..., 4) on the admissible weights.

    The nearest admissible point is ``clip(v - t, low, high)`` for the one shift t that gives the right sum;
    the sum falls monotonically in t, so bisection finds it.
    """
    values = np.asarray(vectors, dtype=np.float64)
    low = values.min(axis=-1) - WEIGHT_MAXIMUM
    high = values.max(axis=-1) - WEIGHT_MINIMUM
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        total = np.clip(values - middle[..., None], WEIGHT_MINIMUM, WEIGHT_MAXIMUM).sum(axis=-1)
        too_large = total > WEIGHT_SUM
        low = np.where(too_large, middle, low)
        high = np.where(too_large, high, middle)
    shift = 0.5 * (low + high)
    return np.asarray(np.clip(values - shift[..., None], WEIGHT_MINIMUM, WEIGHT_MAXIMUM))


def round_weights(weights: Any) -> FloatArray:
    """Round admissible weights (..., 4) to three decimals that still sum to 0.85 exactly.

    Largest remainder; ties go to the lower index. The bounds are multiples of 0.001, so rounding cannot leave
    them.
    """
    units = np.asarray(weights, dtype=np.float64) * _UNITS
    # A value a hair under an integer is that integer.
    whole = np.floor(units + _TIE)
    remainder = np.round((units - whole) / _TIE) * _TIE
    missing = np.rint(WEIGHT_SUM * _UNITS - whole.sum(axis=-1)).astype(np.int64)
    order = np.argsort(-remainder, axis=-1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(units.shape[-1]), order.shape), axis=-1)
    return np.asarray((whole + (rank < missing[..., None])) / _UNITS)


def weights_from_effects(effects: Any, fallback: Any) -> FloatArray:
    """Turn logistic effects (..., 4) into weights: negative effects to zero, scale to 0.85, project, round.

    Rows without a positive effect worth the name say nothing about how to weigh; they get ``fallback``, rounded.
    """
    positive = np.maximum(np.asarray(effects, dtype=np.float64), 0.0)
    total = positive.sum(axis=-1, keepdims=True)
    usable = total > _NO_EFFECT
    scaled = np.where(usable, positive * (WEIGHT_SUM / np.where(usable, total, 1.0)), fallback)
    return round_weights(project(scaled))
