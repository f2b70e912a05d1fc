"""The statistical generator that the tests and benchmarks of the learner stand on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ingest.simulation import CohortSpec, draw_cohorts


def cohort_auc(components: np.ndarray, weights: np.ndarray, probability: np.ndarray) -> float:
    order = np.argsort(components / [20, 25, 25, 15] @ weights)
    lost = np.cumsum(1 - probability[order])
    return float((probability[order] * lost).sum() / (probability.sum() * (1 - probability).sum()))


@pytest.fixture(scope="module")
def cohort() -> Callable[..., Any]:
    def draw(**fields: Any) -> Any:
        return draw_cohorts(CohortSpec(**fields), seed=1)

    return draw


def test_cohorts_book_at_their_base_rate_and_their_true_weights_rank_best(cohort: Callable[..., Any]) -> None:
    drawn = cohort(tenants=30, leads=4000)
    for tenant in range(30):
        own = drawn.booked[drawn.tenant == tenant]
        assert own.mean() == pytest.approx(drawn.base_rate[tenant], abs=4 * np.sqrt(0.25 / 4000))
    gain = [
        cohort_auc(drawn.held_out_components[t], drawn.true_weights[t], drawn.held_out_probability[t])
        - cohort_auc(drawn.held_out_components[t], np.array([0.2, 0.25, 0.25, 0.15]), drawn.held_out_probability[t])
        for t in range(30)
    ]
    assert min(gain) > -1e-3 and np.mean(gain) > 0.003


def test_cohorts_do_not_depend_on_how_many_there_are(cohort: Callable[..., Any]) -> None:
    few, many = cohort(tenants=2, leads=100), cohort(tenants=6, leads=100)
    assert (many.components[:200] == few.components).all() and (many.booked[:200] == few.booked).all()


def test_shuffled_cohorts_keep_their_counts_and_lose_their_signal(cohort: Callable[..., Any]) -> None:
    real, shuffled = (
        cohort(tenants=10, leads=5000, slope=(8.0, 9.0)),
        cohort(tenants=10, leads=5000, slope=(8.0, 9.0), shuffled=True),
    )
    assert np.bincount(real.tenant, real.booked).tolist() == np.bincount(shuffled.tenant, shuffled.booked).tolist()
    score = real.components / [20, 25, 25, 15] @ [0.2, 0.25, 0.25, 0.15]
    assert np.corrcoef(score, real.booked)[0, 1] > 0.1
    assert abs(np.corrcoef(score, shuffled.booked)[0, 1]) < 0.02


def test_cohorts_with_another_number_of_sizes_are_refused(cohort: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="leads names 2 tenants"):
        cohort(tenants=3, leads=(10, 20))
