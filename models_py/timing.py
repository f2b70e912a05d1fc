"""How much a timing signal (new role, hiring, funded) raises the chance to book, each adjusted for the others.

Belongs here: the log-linear relative risks from joint counts. Not here: single attributes (rates.py). Signals
come together, so a rate "with the signal" against "without it" counts the others' effect too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr, ndtri

from models_py.components import BoolArray, FloatArray, IntArray
from models_py.errors import RangeError, ShapeError
from models_py.labels import LABELLED_BOOKED, assign_labels
from models_py.rate_prior import NO_DIFFERENCE
from models_py.rates import LEVEL, LISTED_LEADS, STRONG_LIFT

SIGNALS: Final = ("new_role", "hiring", "funded")
#: Prior standard deviation of a log relative risk: two thirds of signals change the rate by less than 1.65
#: times.
LOG_RISK_SD: Final = 0.5

_ITERATIONS = 50
_TOLERANCE = 1e-9
_STEP_MAXIMUM = 3.0
# Every combination of the three signals, and the intercept.
_DESIGN: Final = np.array([[1.0, code & 1, code >> 1 & 1, code >> 2 & 1] for code in range(8)])


@dataclass(frozen=True, eq=False)
class TimingSignals:
    """Per tenant t, in ascending order, and signal, in the order of SIGNALS; all (t, 3) but for tenant (t,).

    leads, booked        with the signal; listed: at least 5 leads with and 5 without it
    relative_risk        rate with over rate without the signal, others equal, shrunk towards 1
    interval_low, interval_high   central 90 % interval
    probability_better   that the signal raises the rate; 0.5 means nothing is known
    probability_strong   that it raises it by half at least
    label                as for rates; none in a tenant with fewer than 50 bookings
    """

    tenant: IntArray
    leads: IntArray
    booked: IntArray
    listed: BoolArray
    relative_risk: FloatArray
    interval_low: FloatArray
    interval_high: FloatArray
    probability_better: FloatArray
    probability_strong: FloatArray
    label: NDArray[np.str_]


def timing_signals(tenant: Any, flags: Any, leads: Any, booked: Any, *, level: float = LEVEL) -> TimingSignals:
    """Relative risks from joint cells.

    tenant         (m,) int
    flags          (m, 3) bool in the order of SIGNALS; up to eight rows per tenant
    leads, booked  (m,)

    Model: booked ~ leads * exp(a + sum of log risks), log risk ~ N(0, 0.5^2). A Poisson likelihood keeps the fit
    convex; its standard errors are corrected for the binomial outcome, or they would be too wide where many book.
    """
    ids, n, s = _tables(tenant, flags, leads, booked)
    log_risk, sd = _fit(n, s)
    with_signal = _DESIGN[:, 1:].T
    many = n @ with_signal.T
    reach = ndtri(0.5 + 0.5 * level)
    listed = (many >= LISTED_LEADS) & (n.sum(axis=1, keepdims=True) - many >= LISTED_LEADS)
    better, strong = _probabilities(log_risk, sd)
    eligible = listed & (s.sum(axis=1, keepdims=True) >= LABELLED_BOOKED)
    label = assign_labels(
        np.repeat(ids, len(SIGNALS)), better=better.ravel(), strong=strong.ravel(), eligible=eligible.ravel()
    )
    return TimingSignals(
        tenant=ids,
        leads=many.astype(np.int64),
        booked=(s @ with_signal.T).astype(np.int64),
        listed=listed,
        relative_risk=np.exp(log_risk),
        interval_low=np.exp(log_risk - reach * sd),
        interval_high=np.exp(log_risk + reach * sd),
        probability_better=better,
        probability_strong=strong,
        label=label.reshape(listed.shape),
    )


def _tables(tenant: Any, flags: Any, leads: Any, booked: Any) -> tuple[IntArray, FloatArray, FloatArray]:
    """Leads and booked per tenant and combination of signals, (t, 8)."""
    ids, signals = np.asarray(tenant), np.asarray(flags)
    n, s = np.asarray(leads, dtype=np.float64), np.asarray(booked, dtype=np.float64)
    if signals.shape != (*ids.shape, len(SIGNALS)) or ids.ndim != 1 or n.shape != ids.shape or s.shape != ids.shape:
        shapes = ", ".join(str(array.shape) for array in (signals, ids, n, s))
        raise ShapeError(f"flags must have shape (m, 3) and tenant, leads, booked (m,); got {shapes}")
    if signals.size and signals.dtype != np.bool_:
        raise RangeError("flags must be true or false; decide beforehand what an unknown signal counts as")
    if not (np.isfinite(n).all() and np.isfinite(s).all()) or (s < 0).any() or (s > n).any():
        raise RangeError("booked must lie between 0 and leads")
    names, position = np.unique(ids, return_inverse=True)
    cell = position * 8 + signals.astype(np.int64) @ np.array([1, 2, 4])
    size = len(names) * 8
    leads_table = np.asarray(np.bincount(cell, weights=n, minlength=size), dtype=np.float64).reshape(-1, 8)
    booked_table = np.asarray(np.bincount(cell, weights=s, minlength=size), dtype=np.float64).reshape(-1, 8)
    return names.astype(np.int64), leads_table, booked_table


def _fit(n: FloatArray, s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log risks and their standard deviations, (t, 3); tenants without a booking stay at the prior."""
    precision = np.array([0.0, *[LOG_RISK_SD**-2.0] * len(SIGNALS)])
    active = s.sum(axis=1) > 0
    at = np.zeros((len(n), 4))
    at[active, 0] = np.log(s[active].sum(axis=1) / n[active].sum(axis=1))
    n = np.where(active[:, None], n, 0.0)
    # Keeps the intercept of an inactive tenant defined; it has no leads left to matter.
    ridge = np.diag(precision) + np.where(active, 0.0, 1.0)[:, None, None] * np.eye(4)
    for _ in range(_ITERATIONS):
        expected = n * np.exp(at @ _DESIGN.T)
        gradient = (expected - np.where(active[:, None], s, 0.0)) @ _DESIGN + precision * at
        hessian = np.einsum("tc,ci,cj->tij", expected, _DESIGN, _DESIGN) + ridge
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        largest = np.abs(step).max(axis=1, initial=0.0)
        at = at - step * np.minimum(1.0, _STEP_MAXIMUM / np.maximum(largest, 1e-300))[:, None]
        if not (largest > _TOLERANCE).any():
            break
    rate = np.exp(at @ _DESIGN.T)
    bread = np.linalg.inv(np.einsum("tc,ci,cj->tij", n * rate, _DESIGN, _DESIGN) + ridge)
    meat = np.einsum("tc,ci,cj->tij", n * rate * np.clip(1.0 - rate, 0.0, 1.0), _DESIGN, _DESIGN) + ridge
    return at[:, 1:], np.sqrt(np.diagonal(bread @ meat @ bread, axis1=1, axis2=2))[:, 1:]


def _probabilities(log_risk: FloatArray, sd: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P(risk > 1) and P(risk > 1.5), with the same belief as for attributes that a signal changes nothing.

    Savage-Dickey: the odds of no effect change by posterior over prior density at zero. No effect counts half
    towards better.
    """
    odds = np.log(NO_DIFFERENCE / (1.0 - NO_DIFFERENCE)) + np.log(LOG_RISK_SD / sd) - 0.5 * (log_risk / sd) ** 2
    nothing = expit(odds)
    better = (1.0 - nothing) * ndtr(log_risk / sd) + 0.5 * nothing
    return better, (1.0 - nothing) * ndtr((log_risk - np.log(STRONG_LIFT)) / sd)
