"""Weights learned from booked meetings: the public entry.

Belongs here: the stateless single-tenant ``learn`` and the names other rooms import. Not here: the estimate
(fitting.py), what tenants share (pooling.py), whether it goes live (gate.py).

A run over all tenants is::

    cells = Cells(tenant, components, quarter, tier, leads, booked)
    fits, pool = fit_pooled(cells, tenants=all_tenants, may_pool=may_pool)
    decisions = decide(fits, live_weights=..., live_source=..., pooled=pool.reference, may_pool=may_pool)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models_py.cells import Cells
from models_py.components import DEFAULT_WEIGHTS, FloatArray
from models_py.fitting import Fits, Prior, fit
from models_py.gate import Decision, decide, probability_better
from models_py.pooling import Pool, fit_pooled, pool, pooled_reference

__all__ = [
    "Cells",
    "Decision",
    "Fits",
    "Pool",
    "Prior",
    "decide",
    "fit",
    "fit_pooled",
    "learn",
    "pool",
    "pooled_reference",
    "probability_better",
]


def learn(components: Any, booked: Any) -> FloatArray:
    """Weights (4,) for one tenant from its matured leads; the defaults where the gate says no.

    components  (n, 4) points: data_quality 0-20, authority 0-25, company_fit 0-25, timing 0-15; NaN = missing
    booked      (n,) bool
    Raises InputError (a ValueError) for another shape and for negative, infinite or too many points.
    """
    fits = fit(Cells.from_leads(components, booked), tenants=np.array([0]))
    (decision,) = decide(fits)
    return np.array(decision.weights if decision.action == "publish" else DEFAULT_WEIGHTS)
