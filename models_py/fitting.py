"""The two-step estimate of a tenant's weights, for all tenants at once.

Belongs here: the slope, the four effects around it, their covariance, the signal test, and the information
that pooling needs. Not here: whether the result goes live (gate.py) or what the tenants have in common
(pooling.py).

The model, per tenant, with x the components as shares of their maxima and w_ref the reference weights:

1. slope      booked ~ a + b (x . w_ref) + nuisance,      b ~ N(2, 2^2);  b0 = max(b, 0.5)
2. effects    booked ~ a + x . beta + nuisance,           beta ~ N(b0 w_ref, (0.16 b0)^2)

The intercept is free, so nothing depends on how often the tenant books; the loss is a sum, so the prior fades
as data grow. Nuisance effects (calendar quarter, tier at contact) take up what is not the lead's doing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2

from models_py.batching import Batch, batches, nuisance_columns
from models_py.cells import Cells
from models_py.components import (
    COMPONENTS,
    DEFAULT_WEIGHTS,
    MAXIMA,
    WEIGHT_SUM,
    BoolArray,
    FloatArray,
    IntArray,
    weight_rows,
)
from models_py.errors import RangeError, ShapeError
from models_py.logistic import LogisticFit, LogisticProblems, fit_logistic
from models_py.projection import weights_from_effects
from models_py.thresholds import MINIMUM_BOOKED, MINIMUM_FAILED, MINIMUM_LEADS

_RANK_TOLERANCE = 1e-9
_FEATURES = len(COMPONENTS)


@dataclass(frozen=True)
class Prior:
    """What is believed before the data. Defaults are the product's; benchmarks vary them.

    quarter_sd, tier_sd: standard deviation of a quarter's or a tier's effect on the log-odds; None leaves it out.

    Measured (benchmarks/weights.py): a quarter's penalty hardly matters, so it is weak, which keeps quarters without a
    booking finite. The tier at contact is made of the components, yet hot leads also get more effort. Where nothing but
    effort works, leaving the tier out publishes weights for 43 % of tenants with 2,000 leads, an sd of 0.5 for 7 %;
    where effort is equal it costs 1 to 8 % of the gain.
    """

    slope_mean: float = 2.0
    slope_sd: float = 2.0
    slope_floor: float = 0.5
    weight_sd: float = 0.16
    quarter_sd: float | None = 1.0
    tier_sd: float | None = 0.5


@dataclass(frozen=True, eq=False)
class Fits:
    """Fits of T tenants, in ascending order of tenant id. NaN where ``informative`` is false.

    tenant                 (T,) int
    leads, booked          (T,) int
    measured               (T,) bool: at least one component of at least one lead is known
    informative            (T,) bool: measured, and both outcomes occur; the numbers below exist and may be pooled
    fitted                 (T,) bool: informative and at least 30 leads, 10 bookings, 1 failure
    component_means        (T, 4) mean points over the leads where observed, NaN where a component never is
    component_covariance   (T, 4, 4) of the components as shares of their maxima, missing ones at the mean
    reference              (T, 4) the weights the prior is centred on
    slope, prior_slope     (T,) b, and b0 = max(b, 0.5)
    effects                (T, 4) beta, effect of a whole maximum of a component on the log-odds
    effect_covariance      (T, 4, 4) posterior covariance V of beta
    information, evidence  (T, 4, 4) and (T, 4): the likelihood's part of the precision, I, and I times its estimate, h
    signal_statistic       (T,) Rao score test of all components against none; signal_df, signal_p: degrees and p
    weights                (T, 4) admissible, three decimals; the reference where ``fitted`` is false
    weight_errors          (T, 4) their standard errors
    converged              (T,) bool
    """

    tenant: IntArray
    leads: IntArray
    booked: IntArray
    measured: BoolArray
    informative: BoolArray
    fitted: BoolArray
    component_means: FloatArray
    component_covariance: FloatArray
    reference: FloatArray
    slope: FloatArray
    prior_slope: FloatArray
    effects: FloatArray
    effect_covariance: FloatArray
    information: FloatArray
    evidence: FloatArray
    signal_statistic: FloatArray
    signal_df: IntArray
    signal_p: FloatArray
    weights: FloatArray
    weight_errors: FloatArray
    converged: BoolArray

    def __len__(self) -> int:
        return len(self.tenant)


def fit(cells: Cells, *, tenants: Any = None, reference: Any = None, prior: Prior | None = None) -> Fits:
    """Fit every tenant on its own, around ``reference`` weights.

    tenants    ids to report, (T,) distinct ints; without it those with cells. Tenants without cells get a row too.
    reference  (4,) for all, or (T, 4) in ascending order of tenant id; without it the default weights
    A tenant's numbers depend on its own cells and reference only, bit for bit.
    """
    prior = prior or Prior()
    ids = _tenant_ids(cells, tenants)
    if tenants is not None:
        cells = cells.where(np.isin(cells.tenant, ids))
    cells = _with_components(cells)
    position = np.searchsorted(ids, cells.tenant)
    fits = _empty(ids, weight_rows(DEFAULT_WEIGHTS if reference is None else reference, len(ids), name="reference"))
    factors = [
        (codes, sd) for codes, sd in ((cells.quarter, prior.quarter_sd), (cells.tier, prior.tier_sd)) if sd is not None
    ]
    nuisance = nuisance_columns(factors, position, len(ids))
    for batch in batches(cells, position, nuisance):
        _describe(fits, batch)
        usable = fits.informative[batch.members]
        if usable.any():
            _fit_batch(fits, batch.where(usable), prior)
    return fits


def _with_components(cells: Cells) -> Cells:
    """Without the leads that have no component at all, unless a tenant has no others: they have nothing to teach."""
    blank = np.isnan(cells.components).all(axis=1)
    return cells.where(~blank | ~np.isin(cells.tenant, cells.tenant[~blank]))


def _tenant_ids(cells: Cells, tenants: Any) -> IntArray:
    if tenants is None:
        return np.unique(cells.tenant)
    given = np.asarray(tenants)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise ShapeError(f"tenants must be a flat array of ids; got shape {given.shape} of {given.dtype}")
    ids = np.unique(given.astype(np.int64))
    if len(ids) != len(given):
        raise RangeError("tenants must not name a tenant twice")
    return ids


def _empty(ids: IntArray, reference: FloatArray) -> Fits:
    size = len(ids)

    def missing(*shape: int) -> FloatArray:
        return np.full((size, *shape), np.nan)

    return Fits(
        tenant=ids,
        leads=np.zeros(size, dtype=np.int64),
        booked=np.zeros(size, dtype=np.int64),
        measured=np.zeros(size, dtype=np.bool_),
        informative=np.zeros(size, dtype=np.bool_),
        fitted=np.zeros(size, dtype=np.bool_),
        component_means=missing(_FEATURES),
        component_covariance=missing(_FEATURES, _FEATURES),
        reference=reference,
        slope=missing(),
        prior_slope=missing(),
        effects=missing(_FEATURES),
        effect_covariance=missing(_FEATURES, _FEATURES),
        information=missing(_FEATURES, _FEATURES),
        evidence=missing(_FEATURES),
        signal_statistic=missing(),
        signal_df=np.zeros(size, dtype=np.int64),
        signal_p=missing(),
        weights=weights_from_effects(reference, reference),
        weight_errors=missing(_FEATURES),
        converged=np.zeros(size, dtype=np.bool_),
    )


def _describe(fits: Fits, batch: Batch) -> None:
    """Counts, means and covariance of the components, which exist also where nothing can be fitted."""
    at = batch.members
    fits.leads[at] = leads = batch.leads.sum(axis=1)
    fits.booked[at] = booked = batch.booked.sum(axis=1)
    fits.component_means[at] = _component_means(batch)
    shares = _centred_shares(batch, fits.component_means[at])
    fits.component_covariance[at] = (
        (shares * batch.leads[:, None, :]) @ shares.transpose(0, 2, 1) / leads[:, None, None]
    )
    fits.measured[at] = ~np.isnan(fits.component_means[at]).all(axis=1)
    failed = leads - booked
    fits.informative[at] = fits.measured[at] & (booked > 0) & (failed > 0)
    enough = (leads >= MINIMUM_LEADS) & (booked >= MINIMUM_BOOKED) & (failed >= MINIMUM_FAILED)
    fits.fitted[at] = fits.informative[at] & enough


def _component_means(batch: Batch) -> FloatArray:
    observed = ~np.isnan(batch.points)
    known = (observed * batch.leads[:, None, :]).sum(axis=2)
    total = (np.where(observed, batch.points, 0.0) @ batch.leads[:, :, None])[:, :, 0]
    return np.where(known > 0, total / np.maximum(known, 1.0), np.nan)


def _centred_shares(batch: Batch, means: FloatArray) -> FloatArray:
    """Components as shares of their maxima, minus the mean: (b, 4, p).

    Missing components are at the mean, hence zero. A constant column is exactly zero, not rounding dust that
    a large sample could fit.
    """
    shares = (batch.points - means[:, :, None]) / np.asarray(MAXIMA)[:, None]
    lowest = np.nanmin(np.where(np.isnan(batch.points), np.inf, batch.points), axis=2)
    highest = np.nanmax(np.where(np.isnan(batch.points), -np.inf, batch.points), axis=2)
    varies = (highest > lowest)[:, :, None]
    return np.where(np.isnan(shares) | ~varies, 0.0, shares)


def _fit_batch(fits: Fits, batch: Batch, prior: Prior) -> None:
    at = batch.members
    shares = _centred_shares(batch, fits.component_means[at])
    reference = fits.reference[at]
    null = _fit_null(batch)
    slopes = _fit_slope(batch, shares, reference, null, prior)
    slope = slopes.coefficients[:, -1]
    prior_slope = np.maximum(slope, prior.slope_floor)
    precision = (prior.weight_sd * prior_slope) ** -2.0
    effects = _fit_effects(batch, shares, prior_slope[:, None] * reference, precision, slopes)
    beta = effects.coefficients[:, -_FEATURES:]
    inner = _eliminate(effects.hessian)
    covariance = np.asarray(np.linalg.inv(inner), dtype=np.float64)
    fits.slope[at], fits.prior_slope[at], fits.effects[at] = slope, prior_slope, beta
    fits.effect_covariance[at] = covariance
    fits.information[at] = inner - precision[:, None, None] * np.eye(_FEATURES)
    fits.evidence[at] = (inner @ beta[:, :, None])[:, :, 0] - (precision * prior_slope)[:, None] * reference
    fits.converged[at] = null.converged & slopes.converged & effects.converged
    fits.signal_statistic[at], fits.signal_df[at], fits.signal_p[at] = _signal(batch, shares, null)
    own = fits.fitted[at]
    fits.weights[at[own]] = weights_from_effects(beta[own], reference[own])
    fits.weight_errors[at[own]] = _weight_errors(beta[own], covariance[own])


def _outer_design(batch: Batch) -> FloatArray:
    """Intercept and nuisance columns, (b, 1 + q, p): the features that are not learned for their own sake."""
    return np.concatenate([np.ones_like(batch.leads)[:, None, :], batch.nuisance], axis=1)


def _solve(batch: Batch, inner: FloatArray, mean: FloatArray, precision: FloatArray, start: FloatArray) -> LogisticFit:
    """Fit intercept, nuisance and ``inner`` features (b, k, p) with prior mean and precision (b, k)."""
    width = 1 + batch.nuisance.shape[1]
    outer_precision = np.concatenate([np.zeros((len(mean), 1)), batch.nuisance_precision], axis=1)
    problems = LogisticProblems(
        design=np.concatenate([_outer_design(batch), inner], axis=1),
        leads=batch.leads,
        booked=batch.booked,
        mean=np.concatenate([np.zeros((len(mean), width)), mean], axis=1),
        precision=np.concatenate([outer_precision, precision], axis=1),
    )
    return fit_logistic(problems, start=start)


def _fit_null(batch: Batch) -> LogisticFit:
    size, padded = batch.leads.shape
    leads, booked = batch.leads.sum(axis=1), batch.booked.sum(axis=1)
    start = np.zeros((size, 1 + batch.nuisance.shape[1]))
    start[:, 0] = np.log(booked / (leads - booked))
    nothing = np.zeros((size, 0))
    return _solve(batch, np.zeros((size, 0, padded)), nothing, nothing, start)


def _fit_slope(batch: Batch, shares: FloatArray, reference: FloatArray, null: LogisticFit, prior: Prior) -> LogisticFit:
    size = len(reference)
    mean = np.full((size, 1), prior.slope_mean)
    start = np.concatenate([null.coefficients, mean], axis=1)
    return _solve(batch, reference[:, None, :] @ shares, mean, np.full((size, 1), prior.slope_sd**-2.0), start)


def _fit_effects(
    batch: Batch, shares: FloatArray, mean: FloatArray, precision: FloatArray, slopes: LogisticFit
) -> LogisticFit:
    start = np.concatenate([slopes.coefficients[:, :-1], mean], axis=1)
    return _solve(batch, shares, mean, np.repeat(precision[:, None], _FEATURES, axis=1), start)


def _eliminate(hessian: FloatArray) -> FloatArray:
    """Schur complement of the last four features: their precision once all others are free to adapt, (b, 4, 4)."""
    outer, inner = slice(None, -_FEATURES), slice(-_FEATURES, None)
    cross = hessian[:, outer, inner]
    adapted = np.linalg.solve(hessian[:, outer, outer], cross)
    complement = hessian[:, inner, inner] - cross.transpose(0, 2, 1) @ adapted
    return np.asarray(0.5 * (complement + complement.transpose(0, 2, 1)))


def _signal(batch: Batch, shares: FloatArray, null: LogisticFit) -> tuple[FloatArray, IntArray, FloatArray]:
    """Rao score test of the components against intercept and nuisance alone: statistic, degrees of freedom, p.

    It needs the null fit only, so near-separation cannot upset it. Directions in which the components do not
    vary carry no test: the degrees of freedom are the rank of the information.
    """
    outer = _outer_design(batch)
    linear = (null.coefficients[:, None, :] @ outer)[:, 0, :]
    probability = 0.5 + 0.5 * np.tanh(0.5 * linear)
    curvature = batch.leads * probability * (1.0 - probability)
    score = (shares @ (batch.booked - batch.leads * probability)[:, :, None])[:, :, 0]
    weighted = shares * curvature[:, None, :]
    cross = outer @ weighted.transpose(0, 2, 1)
    information = weighted @ shares.transpose(0, 2, 1) - cross.transpose(0, 2, 1) @ np.linalg.solve(null.hessian, cross)
    values, vectors = np.linalg.eigh(0.5 * (information + information.transpose(0, 2, 1)))
    scale = curvature.sum(axis=1)
    usable = values > _RANK_TOLERANCE * scale[:, None]
    along = (vectors.transpose(0, 2, 1) @ score[:, :, None])[:, :, 0]
    statistic = (np.where(usable, along**2 / np.where(usable, values, 1.0), 0.0)).sum(axis=1)
    degrees = usable.sum(axis=1)
    return statistic, degrees, np.where(degrees > 0, chi2.sf(statistic, np.maximum(degrees, 1)), 1.0)


def _weight_errors(beta: FloatArray, covariance: FloatArray) -> FloatArray:
    """Standard errors of 0.85 beta / sum(beta) by the delta method, before the bounds; NaN without a positive."""
    positive = np.maximum(beta, 0.0)
    total = positive.sum(axis=1)
    total = np.where(total > 0, total, np.nan)[:, None, None]
    jacobian = WEIGHT_SUM * (np.eye(_FEATURES) / total - positive[:, :, None] / total**2)
    variance = jacobian @ covariance @ jacobian.transpose(0, 2, 1)
    return np.asarray(np.sqrt(np.diagonal(variance, axis1=1, axis2=2)))
