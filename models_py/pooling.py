"""Reference weights the tenants have in common.

Belongs here: generalised least squares over tenants from aggregates only (4 x 4 information, 4 numbers of
evidence and one slope per tenant; no lead, no count of leads), and the test whether the tenants together show
any signal. Not here: who lives on the pooled weights (gate.py).

The test is needed. Where components tell nothing, tenants' slopes are at their floor, and dividing noise by a
small slope sends the pooled weights to their bounds: on shuffled outcomes they moved in every simulated
world, with the test in one of twenty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import chi2

from models_py.cells import Cells
from models_py.components import COMPONENTS, DEFAULT_WEIGHTS, BoolArray, FloatArray
from models_py.errors import ShapeError
from models_py.fitting import Fits, Prior, fit
from models_py.projection import weights_from_effects
from models_py.thresholds import MINIMUM_TENANTS, SIGNAL_P

#: Weight of the default weights in the pool, in tenants.
PSEUDO_TENANTS: Final = 4.0


@dataclass(frozen=True, eq=False)
class Pool:
    """What the tenants have in common.

    reference  (4,) admissible weights, three decimals, or None where the pool is not used
    tenants    how many pool: both outcomes, not opted out
    signal_p   p of the test that the tenants' components together tell nothing; None below five tenants
    errors     (4,) standard errors of the pooled weights, NaN without a reference
    reason     one sentence
    """

    reference: FloatArray | None
    tenants: int
    signal_p: float | None
    errors: FloatArray
    reason: str


def pooled_reference(fits: Fits, *, may_pool: Any = None, prior: Prior | None = None) -> FloatArray | None:
    """Weights (4,) around which the tenants' own weights scatter, or None; see ``pool``."""
    return pool(fits, may_pool=may_pool, prior=prior).reference


def pool(fits: Fits, *, may_pool: Any = None, prior: Prior | None = None) -> Pool:
    """Pool the tenants' fits.

    may_pool  (T,) bool in the order of ``fits.tenant``: tenants that did not opt out; without it all
    A tenant's effects scatter around b0 w_ref with variance T = (0.16 b0)^2 beside their own uncertainty, so its weight
    in the pool is b0^2 (1 + T I)^-1 I; four pseudo-tenants sit at the default weights.
    """
    prior = prior or Prior()
    chosen = _members(fits, may_pool)
    members = int(chosen.sum())
    unknown = np.full(len(COMPONENTS), np.nan)
    if members < MINIMUM_TENANTS:
        told = (
            f"{members} tenants with both outcomes share aggregates; {MINIMUM_TENANTS} are needed for pooled weights."
        )
        return Pool(None, members, None, unknown, told)
    p = _signal_p(fits, chosen)
    if p >= SIGNAL_P:
        told = f"{members} tenants together do not show that components tell bookers from others (p = {p:.3f})."
        return Pool(None, members, p, unknown, told)
    precision, evidence = _normal_equations(fits, chosen, prior)
    mean = np.linalg.solve(precision, evidence)
    reference = weights_from_effects(mean, np.asarray(DEFAULT_WEIGHTS))
    errors = np.sqrt(np.diag(np.linalg.inv(precision)))
    return Pool(
        reference,
        members,
        p,
        errors,
        f"Weights that {members} tenants have in common (signal test p = {p:.3g}).",
    )


def _members(fits: Fits, may_pool: Any) -> BoolArray:
    if may_pool is None:
        return fits.informative
    allowed = np.asarray(may_pool)
    if allowed.shape != fits.tenant.shape or allowed.dtype != np.bool_:
        raise ShapeError(
            f"may_pool must hold one true or false per tenant ({len(fits)}); got {allowed.dtype} {allowed.shape}"
        )
    return np.asarray(fits.informative & allowed)


def _signal_p(fits: Fits, chosen: BoolArray) -> float:
    """Score test of one direction common to all tenants: the evidence h is the score at no effect, I its variance."""
    evidence, information = fits.evidence[chosen].sum(axis=0), fits.information[chosen].sum(axis=0)
    values, vectors = np.linalg.eigh(information)
    usable = values > 1e-9 * max(values[-1], 1e-300)
    along = vectors.T @ evidence
    return float(chi2.sf((along[usable] ** 2 / values[usable]).sum(), usable.sum()))


def _normal_equations(fits: Fits, chosen: BoolArray, prior: Prior) -> tuple[FloatArray, FloatArray]:
    identity = np.eye(len(COMPONENTS))
    slope = fits.prior_slope[chosen]
    scatter = ((prior.weight_sd * slope) ** 2)[:, None, None]
    # (1 + T I)^-1 applied to I and to h in one solve.
    known = np.concatenate([fits.information[chosen], fits.evidence[chosen][:, :, None]], axis=2)
    discounted = np.linalg.solve(identity + scatter * fits.information[chosen], known)
    pseudo = PSEUDO_TENANTS / prior.weight_sd**2
    precision = pseudo * identity + (slope[:, None, None] ** 2 * discounted[:, :, :-1]).sum(axis=0)
    evidence = pseudo * np.asarray(DEFAULT_WEIGHTS) + (slope[:, None] * discounted[:, :, -1]).sum(axis=0)
    return precision, evidence


def fit_pooled(
    cells: Cells, *, tenants: Any = None, may_pool: Any = None, rounds: int = 2, prior: Prior | None = None
) -> tuple[Fits, Pool]:
    """Fit, pool, and fit again around the pooled reference, ``rounds`` times.

    may_pool is in ascending order of tenant id. Tenants that opted out stay fitted around the default
    weights, as do all while the pool is not used. The fits returned are centred on the pool returned.
    """
    fits = fit(cells, tenants=tenants, prior=prior)
    common = pool(fits, may_pool=may_pool, prior=prior)
    shares = np.ones(len(fits), dtype=np.bool_) if may_pool is None else np.asarray(may_pool)
    for round_ in range(rounds):
        if common.reference is None:
            break
        centre = np.where(shares[:, None], common.reference, np.asarray(DEFAULT_WEIGHTS))
        fits = fit(cells, tenants=fits.tenant, reference=centre, prior=prior)
        if round_ < rounds - 1:
            again = pool(fits, may_pool=may_pool, prior=prior)
            common = common if again.reference is None else again
    return fits, common
