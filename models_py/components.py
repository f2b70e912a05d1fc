"""The four learned score components: their order, their points, the bounds of their weights.

Belongs here: what every other module must agree on about components. Not here: how weights are learned
(fitting.py) or how a score is put together (scoring.py). Risk is named because it is scored; it is never
learned from, since an unsubscribe or a bounce is the outcome itself.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models_py.errors import RangeError, ShapeError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

COMPONENTS: Final = ("data_quality", "authority", "company_fit", "timing")
MAXIMA: Final = (20.0, 25.0, 25.0, 15.0)
RISK_MAXIMUM: Final = 15.0

DEFAULT_WEIGHTS: Final = (0.20, 0.25, 0.25, 0.15)
WEIGHT_MINIMUM: Final = 0.05
WEIGHT_MAXIMUM: Final = 0.50
#: The remaining 0.15 belongs to risk.
WEIGHT_SUM: Final = 0.85


def component_points(components: Any, *, name: str = "components") -> FloatArray:
    """Check an (n, 4) array of points in the order of ``COMPONENTS``; NaN means missing.

    Raises ShapeError for another shape and RangeError for infinite, negative or too many points.
    """
    try:
        points = np.asarray(components, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{name} must be numbers (NaN for missing): {error}") from error
    if points.ndim != 2 or points.shape[1] != len(COMPONENTS):
        raise ShapeError(f"{name} must have shape (n, 4) for {', '.join(COMPONENTS)}; got {points.shape}")
    if np.isinf(points).any():
        raise RangeError(f"{name} holds infinite values; use NaN for missing")
    for column, (component, maximum) in enumerate(zip(COMPONENTS, MAXIMA, strict=True)):
        values = points[:, column]
        if (values < 0).any():
            raise RangeError(f"{name}: {component} holds negative points; they run from 0 to {maximum:g}")
        if (values > maximum).any():
            raise RangeError(
                f"{name}: {component} holds {np.nanmax(values):g} points; at most {maximum:g} are possible"
            )
    return points


def weight_rows(weights: Any, rows: int, *, name: str = "weights") -> FloatArray:
    """Broadcast weights to (rows, 4) after checking that they are weights: 0.05-0.50 each, 0.85 together."""
    values = np.asarray(weights, dtype=np.float64)
    if values.ndim not in (1, 2) or values.shape[-1] != len(COMPONENTS):
        raise ShapeError(f"{name} must have shape (4,) or ({rows}, 4); got {values.shape}")
    if values.ndim == 2 and values.shape[0] not in (1, rows):
        raise ShapeError(f"{name} must hold one row or {rows} rows; got {values.shape[0]}")
    if not np.isfinite(values).all():
        raise RangeError(f"{name} must be finite numbers")
    slack = 1e-6
    if (values < WEIGHT_MINIMUM - slack).any() or (values > WEIGHT_MAXIMUM + slack).any():
        raise RangeError(f"{name} must each lie between {WEIGHT_MINIMUM} and {WEIGHT_MAXIMUM}")
    if (np.abs(values.sum(axis=-1) - WEIGHT_SUM) > slack).any():
        raise RangeError(f"{name} must sum to {WEIGHT_SUM}")
    return np.ascontiguousarray(np.broadcast_to(values, (rows, len(COMPONENTS))))
