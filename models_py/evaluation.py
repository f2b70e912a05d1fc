"""How well a ranking did: probabilities against outcomes.

Belongs here: the measures, for all tenants in one pass. Not here: which leads are held out (holdout.py) and
what is published (gate.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models_py.components import FloatArray, IntArray
from models_py.errors import RangeError, ShapeError

#: The top of a ranking: the fifth of the leads with the highest probability.
TOP_SHARE: Final = 0.2
#: n p (1 - p) at which the data say as much about the weights as the prior does.
PRIOR_INFORMATION: Final = 90.0

_FINEST_PROBABILITY = 1e-9
# A calibration slope needs a prior to stay finite where the ranking is perfect; this one is too weak to
# matter elsewhere.
_CALIBRATION_SD = 5.0
_ITERATIONS = 50
_TOLERANCE = 1e-9
_STEP_MAXIMUM = 3.0


@dataclass(frozen=True)
class Measures:
    """How well probabilities told who would book. None where undefined: a measure that needs both outcomes, or leads.

    log_loss, brier     mean over leads, lower is better
    auc                 probability that a booker is ranked above another lead, ties count half
    calibration_slope   1 is right; below 1 the probabilities are too extreme, above 1 too timid
    lift                booking rate of the top fifth over that of all leads
    capture             share of the bookings that the top fifth holds
    """

    leads: int
    booked: int
    log_loss: float | None
    brier: float | None
    auc: float | None
    calibration_slope: float | None
    lift: float | None
    capture: float | None


def evaluate(group: Any, probability: Any, leads: Any, booked: Any) -> dict[int, Measures]:
    """Measures per group (tenant, or tenant and version), from grouped leads.

    group (m,) int; probability (m,) in 0..1; leads and booked (m,), leads may be fractional (expected
    counts).
    """
    groups = _Groups.of(group, probability, leads, booked)
    log_loss, brier = groups.mean_losses()
    auc = groups.auc()
    capture = groups.capture()
    clipped = np.clip(groups.probability, _FINEST_PROBABILITY, 1.0 - _FINEST_PROBABILITY)
    _, slope = fit_lines(
        groups.starts,
        np.log(clipped / (1.0 - clipped)),
        groups.leads,
        groups.booked,
        mean=1.0,
        sd=_CALIBRATION_SD,
    )
    both = (groups.total_booked > 0) & (groups.total_booked < groups.total_leads)
    return {
        int(name): Measures(
            leads=round(groups.total_leads[row]),
            booked=round(groups.total_booked[row]),
            log_loss=float(log_loss[row]),
            brier=float(brier[row]),
            auc=float(auc[row]) if both[row] else None,
            calibration_slope=float(slope[row]) if both[row] else None,
            lift=float(capture[row] / TOP_SHARE) if groups.total_booked[row] > 0 else None,
            capture=float(capture[row]) if groups.total_booked[row] > 0 else None,
        )
        for row, name in enumerate(groups.names)
    }


def auc(group: Any, ranking: Any, leads: Any, booked: Any) -> FloatArray:
    """Area under the curve per group, in ascending order of group; ranking (m,) is any number that rises with merit.

    Ties count half; NaN where an outcome is missing.
    """
    return _Groups.of(group, ranking, leads, booked, probabilities=False).auc()


def information_share(leads: Any, booked: Any) -> FloatArray:
    """Share of what is known about the weights that comes from the data: e / (e + 90), e = n rate (1 - rate)."""
    n, s = np.asarray(leads, dtype=np.float64), np.asarray(booked, dtype=np.float64)
    if (s < 0).any() or (s > n).any():
        raise RangeError("booked must lie between 0 and leads")
    rate = s / np.maximum(n, 1.0)
    information = n * rate * (1.0 - rate)
    return np.asarray(information / (information + PRIOR_INFORMATION))


@dataclass(frozen=True, eq=False)
class _Groups:
    """Rows sorted by group and, within it, by falling probability; starts (g,) of the groups."""

    names: IntArray
    starts: IntArray
    probability: FloatArray
    leads: FloatArray
    booked: FloatArray
    total_leads: FloatArray
    total_booked: FloatArray

    @classmethod
    def of(cls, group: Any, probability: Any, leads: Any, booked: Any, *, probabilities: bool = True) -> _Groups:
        codes = np.asarray(group)
        columns = [np.asarray(values, dtype=np.float64) for values in (probability, leads, booked)]
        if codes.ndim != 1 or any(column.shape != codes.shape for column in columns):
            raise ShapeError("group, probability, leads and booked must be flat arrays of one length")
        if not all(np.isfinite(column).all() for column in columns):
            raise RangeError("probability, leads and booked must be finite")
        if probabilities and ((columns[0] < 0) | (columns[0] > 1)).any():
            raise RangeError("probability must lie between 0 and 1")
        if (columns[2] < 0).any() or (columns[2] > columns[1]).any():
            raise RangeError("booked must lie between 0 and leads")
        order = np.lexsort((-columns[0], codes))
        order = order[columns[1][order] > 0]
        names, starts = np.unique(codes[order], return_index=True)
        p, n, s = (column[order] for column in columns)
        return cls(names, starts, p, n, s, _sums(n, starts), _sums(s, starts))

    def spread(self, values: FloatArray) -> FloatArray:
        """One value per group, repeated for its rows."""
        return np.repeat(values, np.diff(np.append(self.starts, len(self.leads))))

    def mean_losses(self) -> tuple[FloatArray, FloatArray]:
        p = np.clip(self.probability, _FINEST_PROBABILITY, 1.0 - _FINEST_PROBABILITY)
        failed = self.leads - self.booked
        log_loss = -(self.booked * np.log(p) + failed * np.log1p(-p))
        brier = self.booked * (1.0 - self.probability) ** 2 + failed * self.probability**2
        return _sums(log_loss, self.starts) / self.total_leads, _sums(brier, self.starts) / self.total_leads

    def _tied(self) -> tuple[IntArray, FloatArray, FloatArray, IntArray]:
        """Rows of equal rank as one: their group (k,), leads and booked (k,), and where each group starts (g,)."""
        first = np.ones(len(self.leads), dtype=np.bool_)
        first[1:] = self.probability[1:] != self.probability[:-1]
        first[self.starts] = True
        ties = np.flatnonzero(first)
        member = self.spread(np.arange(len(self.starts), dtype=np.float64)).astype(np.int64)[ties]
        return member, _sums(self.leads, ties), _sums(self.booked, ties), np.searchsorted(ties, self.starts)

    def auc(self) -> FloatArray:
        member, leads, booked, starts = self._tied()
        failed = leads - booked
        above = np.cumsum(booked) - booked
        above -= above[starts][member]
        won = _sums(failed * (above + 0.5 * booked), starts)
        pairs = self.total_booked * (self.total_leads - self.total_booked)
        return np.where(pairs > 0, won / np.where(pairs > 0, pairs, 1.0), np.nan)

    def capture(self) -> FloatArray:
        """Share of bookings among the top fifth; a tie across the border counts in proportion."""
        member, leads, booked, starts = self._tied()
        above = np.cumsum(leads) - leads
        above -= above[starts][member]
        inside = np.clip((TOP_SHARE * self.total_leads[member] - above) / leads, 0.0, 1.0)
        return np.asarray(_sums(booked * inside, starts) / np.maximum(self.total_booked, 1e-300))


def _sums(values: FloatArray, starts: IntArray) -> FloatArray:
    return np.add.reduceat(values, starts) if len(starts) else np.zeros(0)


def fit_lines(
    starts: IntArray, feature: FloatArray, leads: FloatArray, booked: FloatArray, *, mean: float, sd: float
) -> tuple[FloatArray, FloatArray]:
    """Intercept and slope of a logistic line per segment; slope ~ N(mean, sd^2). Segments need both outcomes.

    Newton on two parameters in closed form, with the step capped as in logistic.py; segments without both
    outcomes get an intercept at the edge of what a probability can be, and the prior's slope.
    """
    total, won = _sums(leads, starts), _sums(booked, starts)
    rows = np.diff(np.append(starts, len(leads)))
    centre = _sums(leads * feature, starts) / np.maximum(total, 1e-300)
    x = feature - np.repeat(centre, rows)
    both = (won > 0) & (won < total)
    rate = np.clip(won / np.maximum(total, 1e-300), _FINEST_PROBABILITY, 1.0 - _FINEST_PROBABILITY)
    intercept, slope = np.log(rate / (1.0 - rate)), np.full(len(starts), mean)
    slope = np.where(both, 0.0, slope)
    for _ in range(_ITERATIONS):
        p = 0.5 + 0.5 * np.tanh(0.5 * (np.repeat(intercept, rows) + np.repeat(slope, rows) * x))
        residual, curvature = leads * p - booked, leads * p * (1.0 - p)
        g0, g1 = _sums(residual, starts), _sums(residual * x, starts) + (slope - mean) / sd**2
        h00, h01 = _sums(curvature, starts), _sums(curvature * x, starts)
        h11 = _sums(curvature * x * x, starts) + sd**-2.0
        determinant = np.maximum(h00 * h11 - h01 * h01, 1e-300)
        step0, step1 = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
        largest = np.where(both, np.maximum(np.abs(step0), np.abs(step1)), 0.0)
        damping = np.where(both, np.minimum(1.0, _STEP_MAXIMUM / np.maximum(largest, 1e-300)), 0.0)
        intercept, slope = intercept - damping * step0, slope - damping * step1
        if not (largest > _TOLERANCE).any():
            break
    return intercept - slope * centre, slope
