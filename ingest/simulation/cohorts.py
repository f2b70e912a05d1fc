"""Leads with directly sampled components: the statistical generator behind tests and benchmarks of the learner.

Belongs here: planted weights, base rates, effect strengths, seasons and effort, drawn per tenant, with
held-out leads whose true probabilities are known (so a comparison of rankings carries no sampling noise of
its own). Not here: files, touches, dates; those are in the rest of this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

DEFAULT_WEIGHTS: Final = np.array([0.20, 0.25, 0.25, 0.15])
_MAXIMA: Final = np.array([20.0, 25.0, 25.0, 15.0])
# Points that the points table can give, and how common they are among sourced leads.
_LEVELS: Final = (
    (np.array([0.0, 4, 6, 8, 11, 12, 14, 16, 18, 20]), np.array([2.0, 8, 5, 14, 8, 18, 10, 13, 15, 7])),
    (np.array([0.0, 5, 7, 10, 15, 18, 22, 25]), np.array([3.0, 16, 18, 8, 22, 7, 11, 15])),
    (
        np.array([0.0, 4, 5, 8, 10, 12, 15, 17, 18, 19, 22, 25]),
        np.array([4.0, 6, 5, 8, 9, 9, 13, 14, 10, 7, 7, 8]),
    ),
    (np.array([0.0, 2, 3, 4, 5, 6, 8, 9, 10, 11, 15]), np.array([30.0, 6, 8, 9, 14, 9, 6, 7, 4, 5, 2])),
)
# Sourced leads with clean data tend to fit better and to be more senior.
_CORRELATION: Final = np.array(
    [[1.0, 0.25, 0.20, 0.10], [0.25, 1, 0.10, 0.15], [0.20, 0.10, 1, 0.10], [0.10, 0.15, 0.10, 1]]
)
_TIERS: Final = np.array([20.0, 35.0, 60.0, 85.0])


@dataclass(frozen=True)
class CohortSpec:
    """What to plant.

    leads        training leads per tenant, one number or one per tenant
    base_rate    lowest and highest share of leads that book, drawn log-uniformly
    slope        lowest and highest effect of the whole score on the log-odds, drawn log-uniformly; 0, 0: a null world
    centre       what the tenants' true weights scatter around
    spread       standard deviation of a true weight around the centre, before it is brought back to the bounds
    quarters     calendar quarters the leads fall into
    season_sd    standard deviation of a quarter's own effect on the log-odds
    mix_drift    by how many standard deviations the components' mix moves from the first quarter to the last
    effort       log-odds added per tier at contact (hot leads get more effort); 0: everybody gets the same
    held_out     held-out leads per tenant
    missing      share of component values that are missing
    shuffled     outcomes are dealt out anew among a tenant's leads, so that nothing can be learned
    """

    tenants: int = 240
    leads: int | tuple[int, ...] = 500
    held_out: int = 2000
    base_rate: tuple[float, float] = (0.02, 0.25)
    slope: tuple[float, float] = (1.5, 10.0)
    centre: tuple[float, float, float, float] = (0.12, 0.32, 0.20, 0.21)
    spread: float = 0.13
    quarters: int = 6
    season_sd: float = 0.0
    mix_drift: float = 0.0
    effort: float = 0.0
    missing: float = 0.0
    shuffled: bool = False


@dataclass(frozen=True, eq=False)
class Cohorts:
    """Training leads as flat arrays (n, ...) with their tenant 0..T-1, and the planted truth per tenant (T, ...)."""

    tenant: IntArray
    components: FloatArray
    quarter: IntArray
    tier: IntArray
    booked: BoolArray
    true_weights: FloatArray
    slope: FloatArray
    base_rate: FloatArray
    held_out_components: FloatArray
    held_out_probability: FloatArray


def draw_cohorts(spec: CohortSpec, *, seed: int) -> Cohorts:
    """Draw tenants; tenant i is the same whatever the number of tenants."""
    sizes = [spec.leads] * spec.tenants if isinstance(spec.leads, int) else list(spec.leads)
    if len(sizes) != spec.tenants:
        raise ValueError(f"leads names {len(sizes)} tenants, tenants says {spec.tenants}")
    tenants = [_draw_tenant(spec, size, np.random.default_rng([seed, index])) for index, size in enumerate(sizes)]
    flat = {
        name: np.concatenate([tenant[name] for tenant in tenants])
        for name in ("components", "quarter", "tier", "booked")
    }
    planted = ("true_weights", "slope", "base_rate", "held_out_components", "held_out_probability")
    return Cohorts(
        tenant=np.repeat(np.arange(spec.tenants), sizes),
        **flat,
        **{name: np.stack([tenant[name] for tenant in tenants]) for name in planted},
    )


def _draw_tenant(spec: CohortSpec, leads: int, random: np.random.Generator) -> dict[str, Any]:
    base_rate = np.exp(random.uniform(*np.log(spec.base_rate)))
    slope = np.exp(random.uniform(*np.log(spec.slope))) if spec.slope[1] > 0 else 0.0
    true_weights = admissible_weights(np.asarray(spec.centre) + random.normal(0.0, spec.spread, 4))
    season = random.normal(0.0, spec.season_sd, spec.quarters)
    quarter = random.integers(0, spec.quarters, leads)
    drift = spec.mix_drift * (quarter / max(1, spec.quarters - 1) - 0.5)
    components = _draw_components(leads, drift, random)
    held_out = _draw_components(spec.held_out, np.zeros(spec.held_out), random)
    merit = slope * (components / _MAXIMA) @ true_weights
    tier = np.searchsorted(_TIERS, 100.0 * (components / _MAXIMA) @ DEFAULT_WEIGHTS + 15.0, side="right")
    circumstance = season[quarter] + spec.effort * (tier - 2)
    intercept = _intercept(merit + circumstance, base_rate)
    booked = random.random(leads) < _logistic(intercept + merit + circumstance)
    if spec.shuffled:
        booked = random.permutation(booked)
    held_out_merit = slope * (held_out / _MAXIMA) @ true_weights
    probability = _logistic(_intercept(held_out_merit, base_rate) + held_out_merit)
    components[random.random(components.shape) < spec.missing] = np.nan
    return {
        "components": components,
        "quarter": quarter,
        "tier": tier,
        "booked": booked,
        "true_weights": true_weights,
        "slope": np.float64(slope),
        "base_rate": np.float64(base_rate),
        "held_out_components": held_out,
        "held_out_probability": probability,
    }


def _draw_components(leads: int, drift: FloatArray, random: np.random.Generator) -> FloatArray:
    latent = random.multivariate_normal(np.zeros(4), _CORRELATION, leads) + drift[:, None]
    points = np.empty((leads, 4))
    for column, (levels, shares) in enumerate(_LEVELS):
        cuts = [NormalDist().inv_cdf(share) for share in np.cumsum(shares)[:-1] / shares.sum()]
        points[:, column] = levels[np.searchsorted(cuts, latent[:, column])]
    return points


def _logistic(linear: FloatArray) -> FloatArray:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * linear))


def _intercept(merit: FloatArray, rate: float) -> float:
    """The intercept at which the leads book at ``rate`` on average."""
    low, high = -40.0, 40.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if _logistic(middle + merit).mean() < rate else (low, middle)
    return 0.5 * (low + high)


def admissible_weights(weights: FloatArray) -> FloatArray:
    """Nearest weights within 0.05-0.50 that sum to 0.85."""
    low, high = weights.min() - 0.5, weights.max() - 0.05
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if np.clip(weights - middle, 0.05, 0.5).sum() > 0.85 else (low, middle)
    return np.asarray(np.clip(weights - 0.5 * (low + high), 0.05, 0.5))
