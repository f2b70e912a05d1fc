"""Company sizes: the bands, and whether one of them is a sweet spot.

Belongs here: the bands of the WHO contract and the rule that names a sweet spot. Not here: the estimate
(rates.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models_py.components import IntArray
from models_py.rates import RateEstimates


@dataclass(frozen=True)
class SizeBand:
    """Employees from minimum to maximum; the last band is open."""

    name: str
    minimum: int
    maximum: int | None


SIZE_BANDS: Final = (
    SizeBand("1-5", 1, 5),
    SizeBand("6-15", 6, 15),
    SizeBand("16-30", 16, 30),
    SizeBand("31-50", 31, 50),
    SizeBand("51-100", 51, 100),
    SizeBand("101-500", 101, 500),
    SizeBand("501+", 501, None),
)
#: A band is named only if its rate exceeds that of all leads with more than this probability.
SWEET_SPOT_PROBABILITY: Final = 0.9


def size_band(employee_count: Any) -> IntArray:
    """Positions in SIZE_BANDS of employee counts (n,); -1 where missing (NaN) or below 1."""
    counts = np.asarray(employee_count, dtype=np.float64)
    edges = np.array([band.minimum for band in SIZE_BANDS], dtype=np.float64)
    return np.where(np.isnan(counts), -1, np.searchsorted(edges, counts, side="right") - 1).astype(np.int64)


def size_sweet_spot(estimates: RateEstimates) -> int | None:
    """Row of the band to name, given the estimates of one tenant's bands; None if no band stands out.

    The best band that is listed and better than all leads with a probability above 0.9. (In worlds where size
    does not matter none of 1,200 tenants got one.)
    """
    named = estimates.listed & (estimates.probability_better > SWEET_SPOT_PROBABILITY)
    return int(np.argmax(np.where(named, estimates.shrunk_rate, -1.0))) if named.any() else None
