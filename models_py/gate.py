"""Whether learned weights go live.

Belongs here: the probability that one ranking is better than another, the two-part gate, hysteresis, and the
sentence that says why. Not here: storing or activating versions (the caller's).

Two questions are asked. Is there any signal: the score test of all components against none. Is this better:
the probability that the candidate ranks leads better than what it would replace. The second alone is no gate,
because the candidate is chosen to maximise it; shuffled outcomes pass it for up to a third of the tenants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import ndtr

from models_py.components import COMPONENTS, DEFAULT_WEIGHTS, BoolArray, FloatArray, IntArray, weight_rows
from models_py.errors import RangeError, ShapeError
from models_py.fitting import Fits
from models_py.projection import project, round_weights
from models_py.reasons import Action, Evidence, Source, sentence
from models_py.thresholds import BETTER, BETTER_LOST, POOLED_MOVE, SIGNAL_P, SIGNAL_P_LOST

Weights = tuple[float, float, float, float]


# Keeps the comparison defined where a component does not vary.
_COVARIANCE_FLOOR = 1e-9
SOURCES: Final[tuple[Source, ...]] = ("default", "pooled", "learned")
_DEFAULT, _POOLED, _LEARNED = range(3)


@dataclass(frozen=True)
class Decision:
    """What happens to one tenant's weights.

    action       publish: ``weights`` go live; propose: they are kept as a proposal; keep: nothing changes;
                 withdraw: what was live is replaced by the fallback (pooled weights, else defaults)
    weights      published, proposed, or (keep, withdraw) live; in the order of COMPONENTS, source says whose they are
    live_weights, live_source   what is live once the decision is carried out
    proposal     the tenant's own weights if there are any and they do not go live
    probability_better   that the published or proposed weights rank better than those they would replace; for a
                 withdrawal, that the withdrawn ones rank better than the fallback. None where nothing was compared
    signal_p     p of the signal test; None where nothing was fitted
    reason       one sentence
    """

    tenant: int
    action: Action
    weights: Weights
    source: Source
    live_weights: Weights
    live_source: Source
    proposal: Weights | None
    probability_better: float | None
    signal_p: float | None
    leads: int
    booked: int
    reason: str


def probability_better(fits: Fits, weights: Any, other: Any) -> FloatArray:
    """(T,) posterior probability that ``weights`` rank a tenant's leads better than ``other``, each (4,) or (T, 4).

    Better means: the score correlates more with the log-odds x . beta, over the tenant's own mix of leads.
    With q = C(w / sqrt(w'Cw) - w0 / sqrt(w0'Cw0)) that is q . beta > 0, and beta is normal with covariance V.
    Equal rankings give 0.5; NaN where nothing could be fitted.
    """
    ours = weight_rows(weights, len(fits))
    theirs = weight_rows(other, len(fits), name="other")
    covariance = fits.component_covariance + _COVARIANCE_FLOOR * np.eye(len(COMPONENTS))
    contrast = _direction(covariance, ours) - _direction(covariance, theirs)
    mean = (contrast * fits.effects).sum(axis=1)
    variance = (contrast[:, None, :] @ fits.effect_covariance @ contrast[:, :, None])[:, 0, 0]
    same = (ours == theirs).all(axis=1) | (variance <= 0)
    probability = ndtr(mean / np.sqrt(np.where(same, 1.0, variance)))
    return np.where(fits.informative, np.where(same, 0.5, probability), np.nan)


def _direction(covariance: FloatArray, weights: FloatArray) -> FloatArray:
    product = (covariance @ weights[:, :, None])[:, :, 0]
    return np.asarray(product / np.sqrt((product * weights).sum(axis=1))[:, None])


def decide(
    fits: Fits,
    *,
    live_weights: Any = None,
    live_source: Sequence[str] | None = None,
    pooled: Any = None,
    may_pool: Any = None,
) -> list[Decision]:
    """Decide for every tenant of ``fits``, in its order.

    live_weights  (T, 4) or (4,) weights in use; without it the defaults
    live_source   T times 'learned', 'pooled' or 'default'; without it all 'default'
    pooled        (4,) pooled reference, or None: what tenants without weights of their own live on
    may_pool      (T,) bool: tenants that opted out get the defaults instead
    The first publication takes the whole step; between published versions half a step is taken.
    """
    case = _weigh(fits, live_weights, live_source, pooled, may_pool)
    return [_decision(fits, case, row) for row in range(len(fits))]


@dataclass(frozen=True, eq=False)
class _Case:
    """What is decided on, one row per tenant."""

    live: FloatArray
    source: IntArray
    fallback: FloatArray
    fallback_source: IntArray
    live_better: FloatArray  # P(live ranks better than the fallback)
    lost: BoolArray  # live weights were learned and no longer hold
    moves: BoolArray  # live weights are the fallback of an earlier run
    candidate: FloatArray
    better: FloatArray  # P(candidate ranks better than what it would replace)
    differs: BoolArray
    passes: BoolArray


def _weigh(fits: Fits, live_weights: Any, live_source: Sequence[str] | None, pooled: Any, may_pool: Any) -> _Case:
    live = weight_rows(DEFAULT_WEIGHTS if live_weights is None else live_weights, len(fits), name="live_weights")
    source = _source_codes(live_source, len(fits))
    fallback, fallback_source = _fallback(len(fits), pooled, may_pool)
    learned = source == _LEARNED
    live_better = probability_better(fits, live, fallback)
    # NaN compares false: where nothing was fitted nothing passes, and learned weights are lost for want of a
    # fit.
    lost = learned & (~fits.fitted | (fits.signal_p > SIGNAL_P_LOST) | (live_better < BETTER_LOST))
    moves = ~learned & ((source != fallback_source) | (np.abs(live - fallback).max(axis=1) >= POOLED_MOVE))
    base = np.where((lost | moves)[:, None], fallback, live)
    half_step = round_weights(project(0.5 * (live + fits.weights)))
    candidate = np.where((learned & ~lost)[:, None], half_step, fits.weights)
    better = probability_better(fits, candidate, base)
    differs = fits.fitted & (candidate != base).any(axis=1)
    passes = differs & (fits.signal_p < SIGNAL_P) & (better >= BETTER)
    return _Case(live, source, fallback, fallback_source, live_better, lost, moves, candidate, better, differs, passes)


def _source_codes(sources: Sequence[str] | None, rows: int) -> IntArray:
    if sources is None:
        return np.full(rows, _DEFAULT, dtype=np.int64)
    if len(sources) != rows:
        raise ShapeError(f"live_source must name one source per tenant ({rows}); got {len(sources)}")
    unknown = sorted(set(sources) - set(SOURCES))
    if unknown:
        raise RangeError(f"live_source must be one of {', '.join(SOURCES)}; got {', '.join(unknown)}")
    return np.array([SOURCES.index(source) for source in sources], dtype=np.int64)


def _fallback(rows: int, pooled: Any, may_pool: Any) -> tuple[FloatArray, IntArray]:
    """What a tenant lives on without weights of its own: (T, 4) and source codes (T,)."""
    shares = np.ones(rows, dtype=np.bool_) if may_pool is None else np.asarray(may_pool)
    if shares.shape != (rows,) or shares.dtype != np.bool_:
        raise ShapeError(f"may_pool must hold one true or false per tenant ({rows}); got {shares.dtype} {shares.shape}")
    default = weight_rows(DEFAULT_WEIGHTS, rows)
    if pooled is None:
        return default, np.full(rows, _DEFAULT, dtype=np.int64)
    shared = weight_rows(pooled, rows, name="pooled")
    return np.where(shares[:, None], shared, default), np.where(shares, _POOLED, _DEFAULT)


def _decision(fits: Fits, case: _Case, row: int) -> Decision:
    passes, lost = bool(case.passes[row]), bool(case.lost[row])
    falls_back = (lost or bool(case.moves[row])) and not passes
    proposed = bool(case.differs[row]) and not passes
    candidate = _weights(case.candidate[row])
    was = SOURCES[case.source[row]]
    live, live_source = _weights(case.live[row]), was
    action: Action = "propose" if proposed else "keep"
    better = case.better[row] if case.differs[row] else np.nan
    if passes:
        action, live, live_source = "publish", candidate, "learned"
    elif falls_back:
        live, live_source = _weights(case.fallback[row]), SOURCES[case.fallback_source[row]]
        action = "withdraw" if lost or live_source == "default" else "publish"
        better = case.live_better[row] if lost else better
    against = SOURCES[case.fallback_source[row]] if lost or case.moves[row] else was
    evidence = Evidence(
        leads=int(fits.leads[row]),
        booked=int(fits.booked[row]),
        measured=bool(fits.measured[row]),
        fitted=bool(fits.fitted[row]),
        signal_p=_number(fits.signal_p[row]) if fits.fitted[row] else None,
        probability_better=_number(better) if fits.fitted[row] else None,
    )
    return Decision(
        tenant=int(fits.tenant[row]),
        action=action,
        weights=candidate if action == "propose" else live,
        source="learned" if action == "propose" else live_source,
        live_weights=live,
        live_source=live_source,
        proposal=candidate if proposed else None,
        probability_better=None if falls_back and not lost else evidence.probability_better,
        signal_p=evidence.signal_p,
        leads=evidence.leads,
        booked=evidence.booked,
        reason=sentence(action, evidence, was=was, becomes=live_source, against=against),
    )


def _weights(row: FloatArray) -> Weights:
    first, second, third, fourth = (float(value) for value in row)
    return first, second, third, fourth


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
