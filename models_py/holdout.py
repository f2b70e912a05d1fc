"""What a version would have been worth: weights learned from earlier quarters, measured on later ones.

Belongs here: the split in time, and the comparison of learned, default and live weights on leads none of them
has seen. Not here: the measures themselves (evaluation.py) and publication (gate.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models_py.cells import UNKNOWN, Cells
from models_py.components import DEFAULT_WEIGHTS, MAXIMA, BoolArray, FloatArray, IntArray, weight_rows
from models_py.evaluation import Measures, evaluate, fit_lines
from models_py.fitting import Fits, Prior, fit
from models_py.gate import Weights, decide
from models_py.thresholds import MINIMUM_BOOKED, MINIMUM_LEADS

#: The last quarters that together hold this share of the leads are held out.
HOLD_OUT_SHARE: Final = 0.2


@dataclass(frozen=True)
class HoldOut:
    """One tenant's hold-out.

    first_quarter     code of the first quarter held out; None without a hold-out
    learned_weights   what the earlier quarters teach; None where they are too few
    published         whether the gate would have published them over the defaults
    learned, default, live   measures on the held-out quarters; None where ``reason`` says why
    """

    tenant: int
    trained_leads: int
    trained_booked: int
    first_quarter: int | None
    learned_weights: Weights | None
    published: bool
    learned: Measures | None
    default: Measures | None
    live: Measures | None
    reason: str | None


def hold_out(
    cells: Cells,
    *,
    tenants: Any = None,
    live_weights: Any = None,
    reference: Any = None,
    prior: Prior | None = None,
) -> list[HoldOut]:
    """Fit the earlier quarters, measure the last ones that hold a fifth of the leads; one row per tenant, ascending.

    tenants, reference  as in ``fit``
    live_weights        (T, 4) or (4,), without it the defaults

    Probabilities come from a logistic line through the score, fitted to the earlier quarters too. Live weights that
    were learned after the split have seen the held-out leads: their measures flatter them.
    """
    ids = np.unique(cells.tenant) if tenants is None else np.unique(np.asarray(tenants))
    cells = cells.where(np.isin(cells.tenant, ids))
    held, first_quarter = _split(cells, ids)
    earlier, later = cells.where(~held), cells.where(held)
    fits = fit(earlier, tenants=ids, reference=reference, prior=prior)
    published = np.array([decision.action == "publish" and decision.source == "learned" for decision in decide(fits)])
    live = weight_rows(DEFAULT_WEIGHTS if live_weights is None else live_weights, len(ids), name="live_weights")
    usable = np.isin(ids, later.tenant) & fits.informative
    rankings = {"learned": fits.weights, "default": weight_rows(DEFAULT_WEIGHTS, len(ids)), "live": live}
    measures = {name: _measure(earlier, later, ids, usable, fits, weights) for name, weights in rankings.items()}
    rows = []
    for row, tenant in enumerate(int(identity) for identity in ids):
        own = bool(usable[row] and fits.fitted[row])
        first, second, third, fourth = (float(weight) for weight in fits.weights[row])
        rows.append(
            HoldOut(
                tenant=tenant,
                trained_leads=int(fits.leads[row]),
                trained_booked=int(fits.booked[row]),
                first_quarter=int(first_quarter[row]) if tenant in measures["default"] else None,
                learned_weights=(first, second, third, fourth) if own else None,
                published=own and bool(published[row]),
                learned=measures["learned"].get(tenant) if own else None,
                default=measures["default"].get(tenant),
                live=measures["live"].get(tenant),
                reason=_shortfall(fits, row, later=bool(first_quarter[row] != UNKNOWN)),
            )
        )
    return rows


def _split(cells: Cells, ids: IntArray) -> tuple[BoolArray, IntArray]:
    """Which cells (m,) are held out, and each tenant's first quarter held out (T,), UNKNOWN where there is none.

    A quarter is held out if less than a fifth of the leads come after it, except the first one. Cells are in
    order of tenant and quarter.
    """
    position = np.searchsorted(ids, cells.tenant)
    first = np.ones(len(cells), dtype=np.bool_)
    first[1:] = (cells.tenant[1:] != cells.tenant[:-1]) | (cells.quarter[1:] != cells.quarter[:-1])
    starts = np.flatnonzero(first)
    if not len(starts):
        return np.zeros(0, dtype=np.bool_), np.full(len(ids), UNKNOWN, dtype=np.int64)
    leads, owner = np.add.reduceat(cells.leads, starts), position[starts]
    total = np.bincount(owner, weights=leads, minlength=len(ids))
    through = np.cumsum(leads)
    before_tenant = np.concatenate(([0.0], np.cumsum(total)))[:-1]
    after = total[owner] - (through - before_tenant[owner])
    opening = np.ones(len(owner), dtype=np.bool_)
    opening[1:] = owner[1:] != owner[:-1]
    chosen = (after < HOLD_OUT_SHARE * total[owner]) & ~opening
    first_quarter = np.full(len(ids), UNKNOWN, dtype=np.int64)
    # Written last to first, so the first quarter held out stays.
    first_quarter[owner[chosen][::-1]] = cells.quarter[starts][chosen][::-1]
    return np.repeat(chosen, np.diff(np.append(starts, len(cells)))), first_quarter


def _measure(
    earlier: Cells, later: Cells, ids: IntArray, usable: BoolArray, fits: Fits, weights: FloatArray
) -> dict[int, Measures]:
    """Measures per usable tenant of one ranking, calibrated on the earlier quarters."""
    trained, tested = (
        earlier.where(np.isin(earlier.tenant, ids[usable])),
        later.where(np.isin(later.tenant, ids[usable])),
    )
    if not len(tested):
        return {}
    names, starts = np.unique(trained.tenant, return_index=True)
    intercept, slope = fit_lines(
        starts,
        _ranking(trained, ids, fits, weights),
        trained.leads.astype(np.float64),
        trained.booked.astype(np.float64),
        mean=2.0,
        sd=2.0,
    )
    row = np.searchsorted(names, tested.tenant)
    linear = intercept[row] + slope[row] * _ranking(tested, ids, fits, weights)
    return evaluate(tested.tenant, 0.5 + 0.5 * np.tanh(0.5 * linear), tested.leads, tested.booked)


def _ranking(cells: Cells, ids: IntArray, fits: Fits, weights: FloatArray) -> FloatArray:
    """x . w per cell, missing components at the tenant's mean over the earlier quarters."""
    row = np.searchsorted(ids, cells.tenant)
    means = np.where(np.isnan(fits.component_means), np.asarray(MAXIMA) / 2.0, fits.component_means)[row]
    shares = np.where(np.isnan(cells.components), means, cells.components) / np.asarray(MAXIMA)
    return np.asarray((shares * weights[row]).sum(axis=1))


def _shortfall(fits: Fits, row: int, *, later: bool) -> str | None:
    if not later and not fits.leads[row]:
        return "There are no matured leads yet."
    if not later:
        return "All leads fall into one quarter, so no later quarter can be held out."
    if fits.fitted[row]:
        return None
    if not fits.measured[row]:
        return "No lead of the earlier quarters has score components from its first outreach."
    return (
        f"The earlier quarters hold {fits.leads[row]:,} leads with {fits.booked[row]:,} bookings; "
        f"{MINIMUM_LEADS} leads and {MINIMUM_BOOKED} bookings are needed to learn from them."
    )
