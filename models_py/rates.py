"""Booking rates of the values of an attribute, shrunk towards what the attribute's values have in common, and labelled.

Belongs here: the estimate per value, the probability that it is better than the rest, and the labels. Not
here: the prior (rate_prior.py), signals that overlap (timing.py), company sizes (company_size.py), how a
pattern is written down (patterns.py).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv

from models_py.components import BoolArray, FloatArray, IntArray
from models_py.errors import RangeError, ShapeError
from models_py.labels import FALSE_DISCOVERY_RATE, LABELLED_BOOKED, assign_labels
from models_py.rate_prior import AttributePrior, GroupedCounts, fit_prior

#: A value with fewer leads takes part in the estimate but is not listed.
LISTED_LEADS: Final = 5
#: Probability an interval holds.
LEVEL: Final = 0.90
STRONG_LIFT: Final = 1.5
# Beta distributions that stand for a posterior: enough for the tails of a value with five leads.
_COMPONENTS: Final = 5
_QUANTILE_STEPS: Final = 4
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(3)
_NODE_WEIGHTS = _NODE_WEIGHTS / _NODE_WEIGHTS.sum()


@dataclass(frozen=True, eq=False)
class RateEstimates:
    """One entry per input row, in its order; all (m,).

    leads, booked               as given
    raw_rate                    booked / leads; NaN without leads
    shrunk_rate                 posterior mean; rank by this
    interval_low, interval_high central posterior interval of the rate
    overall_rate                of all leads of the group
    lift, shrunk_lift           raw_rate and shrunk_rate over overall_rate; 1 where nothing booked
    probability_better          that the rate exceeds that of all leads of the group; 0.5 means nothing is known
    probability_strong          that it exceeds 1.5 times that
    probability_differs         of the group: that its values differ at all
    prior_mean, prior_strength  of the group: where rates are shrunk to, and with the weight of how many leads
    listed                      at least 5 leads
    """

    leads: IntArray
    booked: IntArray
    raw_rate: FloatArray
    shrunk_rate: FloatArray
    interval_low: FloatArray
    interval_high: FloatArray
    overall_rate: FloatArray
    lift: FloatArray
    shrunk_lift: FloatArray
    probability_better: FloatArray
    probability_strong: FloatArray
    probability_differs: FloatArray
    prior_mean: FloatArray
    prior_strength: FloatArray
    listed: BoolArray

    def __len__(self) -> int:
        return len(self.leads)

    def take(self, rows: Any) -> RateEstimates:
        """The rows of an index or boolean array, for example one tenant's values of one attribute."""
        return RateEstimates(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def estimate(group: Any, leads: Any, booked: Any, *, level: float = LEVEL) -> RateEstimates:
    """Estimate the rate of every value.

    group   (m,) int: code of tenant and attribute; rows of a group are the attribute's values. Leads without a value
            are a value of their own if lifts are to be against all of the tenant's leads
    leads   (m,) matured leads with the value; booked (m,) those that booked within the window
    Groups are independent: an estimate depends on its own group's rows only.
    """
    codes, n, s = _checked(group, leads, booked)
    if not 0 < level < 1:
        raise RangeError(f"level must lie between 0 and 1; got {level}")
    order = np.argsort(codes, kind="stable")
    _, starts, rows = np.unique(codes[order], return_index=True, return_counts=True)
    counts = GroupedCounts(n[order], s[order], starts, rows)
    prior = fit_prior(counts) if len(starts) else None
    columns = _estimate_sorted(counts, prior, level) if prior is not None else _no_rows()
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return RateEstimates(**{name: values[back] for name, values in columns.items()})


def _checked(group: Any, leads: Any, booked: Any) -> tuple[IntArray, FloatArray, FloatArray]:
    codes, n, s = np.asarray(group), np.asarray(leads, dtype=np.float64), np.asarray(booked, dtype=np.float64)
    if codes.ndim != 1 or n.shape != codes.shape or s.shape != codes.shape:
        raise ShapeError(
            f"group, leads and booked must be flat and of one length; got {codes.shape}, {n.shape}, {s.shape}"
        )
    if codes.size and codes.dtype.kind not in "iu":
        raise ShapeError(f"group must hold integer codes; got {codes.dtype}")
    if not (np.isfinite(n).all() and np.isfinite(s).all() and (n == np.rint(n)).all() and (s == np.rint(s)).all()):
        raise RangeError("leads and booked must be whole numbers")
    if (s < 0).any() or (s > n).any():
        raise RangeError("booked must lie between 0 and leads")
    return codes.astype(np.int64), n, s


def _no_rows() -> dict[str, Any]:
    nothing = {name: np.zeros(0) for name in (field.name for field in fields(RateEstimates))}
    return nothing | {
        "leads": np.zeros(0, np.int64),
        "booked": np.zeros(0, np.int64),
        "listed": np.zeros(0, np.bool_),
    }


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Each value's rate as a mixture of equally likely beta distributions a, b (r, c), with mean and variance (r,)."""

    a: FloatArray
    b: FloatArray
    mean: FloatArray
    variance: FloatArray

    def below(self, rate: FloatArray) -> FloatArray:
        """Probability of a rate below ``rate`` (r,)."""
        return np.asarray(betainc(self.a, self.b, rate[:, None]).mean(axis=1))

    def quantile(self, probability: float) -> FloatArray:
        """By regula falsi (Illinois) between the components' own quantiles, (r,)."""
        ends = betaincinv(self.a, self.b, probability)
        low, high = ends.min(axis=1), ends.max(axis=1)
        below_low, below_high = self.below(low) - probability, self.below(high) - probability
        for _ in range(_QUANTILE_STEPS):
            width = below_high - below_low
            share = np.where(width > 0, -below_low / np.where(width > 0, width, 1.0), 0.5)
            at = low + np.clip(share, 0.0, 1.0) * (high - low)
            below = self.below(at) - probability
            left = below < 0
            # Halving the end that stays keeps both ends moving.
            below_low, below_high = np.where(left, below, 0.5 * below_low), np.where(left, 0.5 * below_high, below)
            low, high = np.where(left, at, low), np.where(left, high, at)
        return np.asarray(0.5 * (low + high))


def _estimate_sorted(counts: GroupedCounts, prior: AttributePrior, level: float) -> dict[str, Any]:
    owner = counts.owner
    posterior = _posterior(counts, prior, owner)
    equal = prior.equal[owner]
    tail = 0.5 * (1.0 - level)
    overall = (counts.sums(counts.booked) / np.maximum(counts.sums(counts.leads), 1.0))[owner]
    raw = np.where(counts.leads > 0, counts.booked / np.maximum(counts.leads, 1.0), np.nan)
    something = overall > 0
    divisor = np.where(something, overall, 1.0)
    return {
        "leads": counts.leads.astype(np.int64),
        "booked": counts.booked.astype(np.int64),
        "raw_rate": raw,
        "shrunk_rate": posterior.mean,
        # The mean lies outside the interval only where rounding near 0 and 1 puts it there.
        "interval_low": np.minimum(posterior.quantile(tail), posterior.mean),
        "interval_high": np.maximum(posterior.quantile(1.0 - tail), posterior.mean),
        "overall_rate": overall,
        "lift": np.where(something, raw / divisor, 1.0),
        "shrunk_lift": np.where(something, posterior.mean / divisor, 1.0),
        # If values do not differ none is better and none is worse: half and half.
        "probability_better": (1.0 - equal) * _probability_lift(1.0, counts, posterior, owner) + 0.5 * equal,
        "probability_strong": (1.0 - equal) * _probability_lift(STRONG_LIFT, counts, posterior, owner),
        "probability_differs": 1.0 - equal,
        "prior_mean": (prior.weight * prior.mean).sum(axis=1)[owner],
        "prior_strength": np.exp((prior.weight * np.log(prior.strength)).sum(axis=1))[owner],
        "listed": counts.leads >= LISTED_LEADS,
    }


def _posterior(counts: GroupedCounts, prior: AttributePrior, owner: IntArray) -> _Posterior:
    """Beta posteriors averaged over the prior: moments over its whole grid, distribution over a few parts of it."""
    at, own = _moments(counts, prior.strength[owner], prior.mean[owner], prior.mean_variance[owner])
    weight = prior.weight[owner]
    mean = (weight * at).sum(axis=1)
    variance = (weight * (own + (at - mean[:, None]) ** 2)).sum(axis=1)
    centre, spread = _moments(counts, *(part[owner] for part in prior.parts(_COMPONENTS)))
    size = np.maximum(centre * (1.0 - centre) / np.maximum(spread, 1e-300) - 1.0, 1e-6)
    return _Posterior(centre * size, (1.0 - centre) * size, mean, variance)


def _moments(
    counts: GroupedCounts, strength: FloatArray, mean: FloatArray, mean_variance: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Posterior mean and variance of each value's rate under beta priors (r, k) whose mean is itself uncertain."""
    size = counts.leads[:, None] + strength
    at = (counts.booked[:, None] + strength * mean) / size
    return at, at * (1.0 - at) / (size + 1.0) + (strength / size) ** 2 * mean_variance


def _probability_lift(lift: float, counts: GroupedCounts, posterior: _Posterior, owner: IntArray) -> FloatArray:
    """P(rate > lift * rate of all leads of the group), which includes the value itself.

    With f the value's share of leads that is rate > k * rate of the others, k = lift (1 - f) / (1 - lift f). The rate
    of the others is taken as log-normal and integrated over.
    """
    total = counts.sums(counts.leads)[owner]
    share = counts.leads / np.maximum(total, 1.0)
    others = total - counts.leads
    expected = counts.leads * posterior.mean
    uncertain = counts.leads**2 * posterior.variance
    mean = np.maximum(counts.sums(expected)[owner] - expected, 1e-12) / np.maximum(others, 1.0)
    variance = np.maximum(counts.sums(uncertain)[owner] - uncertain, 0.0) / np.maximum(others, 1.0) ** 2
    possible = (others > 0) & (lift * share < 1.0)
    factor = np.where(possible, lift * (1.0 - share) / np.where(possible, 1.0 - lift * share, 1.0), 0.0)
    sd = np.sqrt(np.log1p(variance / mean**2))
    below = np.zeros(len(mean))
    for node, weight in zip(_NODES, _NODE_WEIGHTS, strict=True):
        threshold = factor * mean * np.exp(sd * node - 0.5 * sd**2)
        below += weight * posterior.below(np.clip(threshold, 0.0, 1.0))
    # The only value of an attribute is neither better nor worse than itself.
    alone = 0.5 if lift <= 1.0 else 0.0
    return np.where(possible, 1.0 - below, np.where(others > 0, 0.0, alone))


def label(
    tenant: Any,
    estimates: RateEstimates,
    *,
    tenant_booked: Any,
    false_discovery_rate: float = FALSE_DISCOVERY_RATE,
    minimum_booked: int = LABELLED_BOOKED,
) -> NDArray[np.str_]:
    """(m,) 'better', 'strong' (better by half at least), 'worse' or 'no_evidence'.

    tenant         (m,) int ids; labels of one tenant are given together, over all its attributes
    tenant_booked  (m,) bookings of the row's tenant in the window: below 50 nothing is labelled
    """
    ids, booked = np.asarray(tenant), np.asarray(tenant_booked)
    if ids.shape != (len(estimates),) or booked.shape != ids.shape:
        raise ShapeError(f"tenant and tenant_booked must hold one number per estimate ({len(estimates)})")
    return assign_labels(
        ids,
        better=estimates.probability_better,
        strong=estimates.probability_strong,
        eligible=estimates.listed & (booked >= minimum_booked),
        false_discovery_rate=false_discovery_rate,
    )
