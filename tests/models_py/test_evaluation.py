"""Measures of a ranking, against independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from models_py.errors import RangeError, ShapeError
from models_py.evaluation import auc, evaluate, information_share


def leads(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Coarse probabilities, so that many are tied, and outcomes that follow them."""
    random = np.random.default_rng(seed)
    probability = random.integers(1, 12, n) / 20
    return probability, random.random(n) < probability**1.3


def test_measures_are_those_of_scikit_learn() -> None:
    probability, booked = leads(700, 1)
    measures = evaluate(np.zeros(700, int), probability, np.ones(700), booked)[0]
    assert measures.leads == 700 and measures.booked == booked.sum()
    assert measures.auc == pytest.approx(roc_auc_score(booked, probability))
    assert measures.log_loss == pytest.approx(log_loss(booked, probability))
    assert measures.brier == pytest.approx(brier_score_loss(booked, probability))
    logit = np.log(probability / (1 - probability))[:, None]
    oracle = LogisticRegression(C=np.inf, max_iter=1000, tol=1e-10).fit(logit, booked)
    # The prior N(1, 5^2) that keeps the slope finite is felt in the third digit.
    assert measures.calibration_slope == pytest.approx(oracle.coef_[0, 0], rel=0.005)


def test_grouped_leads_give_what_single_leads_give() -> None:
    probability, booked = leads(900, 2)
    levels, where = np.unique(probability, return_inverse=True)
    single = evaluate(np.zeros(900, int), probability, np.ones(900), booked)[0]
    grouped = evaluate(np.zeros(len(levels), int), levels, np.bincount(where), np.bincount(where, weights=booked))[0]
    for name in ("log_loss", "brier", "auc", "calibration_slope", "lift", "capture"):
        assert getattr(grouped, name) == pytest.approx(getattr(single, name), rel=1e-9), name


def test_many_groups_are_measured_as_each_alone() -> None:
    probability, booked = leads(1000, 3)
    group = np.random.default_rng(0).integers(0, 7, 1000) * 10
    together = evaluate(group, probability, np.ones(1000), booked)
    assert sorted(together) == list(range(0, 70, 10))
    for name, measures in together.items():
        own = group == name
        alone = evaluate(group[own], probability[own], np.ones(own.sum()), booked[own])[name]
        for field in ("leads", "booked", "log_loss", "brier", "auc", "calibration_slope", "lift", "capture"):
            assert getattr(measures, field) == pytest.approx(getattr(alone, field), rel=1e-9), field


def test_the_top_fifth_is_counted_by_hand() -> None:
    probability = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05])
    booked = np.array([1, 0, 1, 0, 0, 0, 1, 0, 0, 1])
    measures = evaluate(np.zeros(10, int), probability, np.ones(10), booked)[0]
    assert measures.capture == pytest.approx(1 / 4)
    assert measures.lift == pytest.approx((1 / 2) / (4 / 10))


def test_a_tie_across_the_border_of_the_top_fifth_counts_in_proportion() -> None:
    measures = evaluate(np.zeros(2, int), [0.5, 0.1], [4, 6], [2, 1])[0]
    # Two of the four tied leads are in the top fifth of ten: half of their two bookings.
    assert measures.capture == pytest.approx(1 / 3)


def test_a_ranking_without_information_has_an_area_of_one_half_and_no_lift() -> None:
    measures = evaluate(np.zeros(50, int), np.full(50, 0.3), np.ones(50), np.arange(50) < 10)[0]
    assert measures.auc == 0.5
    assert measures.lift == pytest.approx(1.0)


def test_a_perfect_ranking_stays_finite() -> None:
    booked = np.arange(100) < 20
    measures = evaluate(np.zeros(100, int), np.where(booked, 1.0, 0.0), np.ones(100), booked)[0]
    assert measures.auc == 1.0 and measures.capture == 1.0
    assert measures.calibration_slope is not None and np.isfinite(measures.calibration_slope)
    assert measures.log_loss == pytest.approx(0.0, abs=1e-6)


def test_what_needs_both_outcomes_is_none_without_them() -> None:
    nobody = evaluate(np.zeros(5, int), np.full(5, 0.2), np.ones(5), np.zeros(5))[0]
    assert (nobody.auc, nobody.calibration_slope, nobody.lift, nobody.capture) == (None, None, None, None)
    assert nobody.brier == pytest.approx(0.04)
    everybody = evaluate(np.zeros(5, int), np.full(5, 0.2), np.ones(5), np.ones(5))[0]
    assert everybody.auc is None and everybody.capture == pytest.approx(0.2)


@given(st.integers(0, 10_000), st.floats(0.1, 5))
def test_the_area_depends_on_the_order_only(seed: int, power: float) -> None:
    probability, booked = leads(60, seed)
    ones, group = np.ones(60), np.zeros(60, int)
    assert auc(group, probability**power, ones, booked) == pytest.approx(
        auc(group, probability, ones, booked), nan_ok=True
    )


def test_probabilities_that_are_too_extreme_show_in_the_slope() -> None:
    random = np.random.default_rng(5)
    logit = random.normal(-2, 1, 20_000)
    booked = random.random(20_000) < 1 / (1 + np.exp(-logit))
    slopes = [
        evaluate(np.zeros(20_000, int), 1 / (1 + np.exp(-factor * logit)), np.ones(20_000), booked)[0].calibration_slope
        for factor in (0.5, 1.0, 2.0)
    ]
    assert slopes == pytest.approx([2.0, 1.0, 0.5], rel=0.1)


def test_the_data_and_the_prior_share_the_information() -> None:
    assert information_share(0, 0) == 0
    assert information_share([1000, 100_000], [100, 10_000]).tolist() == pytest.approx([0.5, 0.990099], rel=1e-5)
    assert information_share(500, 500) == 0
    with pytest.raises(RangeError):
        information_share(10, 11)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ShapeError):
        evaluate(np.zeros(3, int), [0.1, 0.2], np.ones(3), np.zeros(3))
    with pytest.raises(RangeError, match="between 0 and 1"):
        evaluate(np.zeros(2, int), [0.1, 1.2], np.ones(2), np.zeros(2))
    with pytest.raises(RangeError, match="between 0 and leads"):
        evaluate(np.zeros(2, int), [0.1, 0.2], np.ones(2), [0, 2])
    with pytest.raises(RangeError, match="finite"):
        evaluate(np.zeros(2, int), [0.1, np.nan], np.ones(2), [0, 1])
