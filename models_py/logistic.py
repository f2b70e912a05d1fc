"""Batched maximum a posteriori logistic regression on grouped data.

Belongs here: the optimiser, which knows nothing of tenants, components or weights. Designs are stored
feature-major, (batch, features, cells), so that every product is one matrix product per problem of the same
shape: a problem's bits then depend on its own numbers and its own padded shape only, never on its neighbours
in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models_py.components import BoolArray, FloatArray

# Newton converges quadratically: a step of 1e-6 leaves an error of about 1e-12.
_TOLERANCE = 1e-6
_STEP_MAXIMUM = 3.0
_ITERATIONS = 200
_HALVINGS = 30
# Losses that differ by less than this share are equal: the sum's own rounding error is of that size.
_LOSS_DUST = 1e-13


@dataclass(frozen=True, eq=False)
class LogisticProblems:
    """A batch of problems: minimise sum[n log(1+e^z) - s z] + sum precision (c - mean)^2 / 2 with z = c . design.

    design (b, d, p); leads n and booked s (b, p), zeros are padding; mean and precision (b, d), precision 0
    leaves a coefficient unpenalised.
    """

    design: FloatArray
    leads: FloatArray
    booked: FloatArray
    mean: FloatArray
    precision: FloatArray

    def _evaluate(self, at: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Loss (b,), residual n p - s (b, p) and curvature n p (1 - p) (b, p)."""
        linear = (at[:, None, :] @ self.design)[:, 0, :]
        decay = np.exp(-np.abs(linear))
        inverse = 1.0 / (1.0 + decay)
        probability = np.where(linear >= 0, inverse, decay * inverse)
        losses = self.leads * (np.maximum(linear, 0.0) + np.log1p(decay)) - self.booked * linear
        penalty = 0.5 * (self.precision * (at - self.mean) ** 2).sum(axis=1)
        return (
            losses.sum(axis=1) + penalty,
            self.leads * probability - self.booked,
            self.leads * decay * inverse * inverse,
        )

    def _hessian(self, curvature: FloatArray) -> FloatArray:
        hessian = (self.design * curvature[:, None, :]) @ self.design.transpose(0, 2, 1)
        diagonal = np.arange(self.design.shape[1])
        hessian[:, diagonal, diagonal] += self.precision
        return np.asarray(hessian)


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """coefficients (b, d), the penalised Hessian there (b, d, d), and whether Newton settled (b,)."""

    coefficients: FloatArray
    hessian: FloatArray
    converged: BoolArray


def fit_logistic(problems: LogisticProblems, *, start: FloatArray) -> LogisticFit:
    """Newton's method from ``start`` (b, d).

    The largest move of a step is capped at 3 and the step halved while it makes things worse, which keeps rare events
    and near-separation finite. A problem is done, and no longer moves, once a step is below 1e-6.
    """
    at = start.copy()
    active = np.ones(len(at), dtype=np.bool_)
    loss, residual, curvature = problems._evaluate(at)
    for _ in range(_ITERATIONS):
        gradient = (problems.design @ residual[:, :, None])[:, :, 0] + problems.precision * (at - problems.mean)
        step = np.linalg.solve(problems._hessian(curvature), gradient[:, :, None])[:, :, 0]
        largest = np.abs(step).max(axis=1)
        step *= np.where(active, np.minimum(1.0, _STEP_MAXIMUM / np.maximum(largest, 1e-300)), 0.0)[:, None]
        trial = problems._evaluate(at - step)
        for _ in range(_HALVINGS):
            worse = trial[0] > loss + _LOSS_DUST * np.abs(loss)
            if not worse.any():
                break
            step[worse] *= 0.5
            trial = problems._evaluate(at - step)
        at = at - step
        loss, residual, curvature = trial
        active &= largest > _TOLERANCE
        if not active.any():
            break
    return LogisticFit(at, problems._hessian(curvature), ~active)
