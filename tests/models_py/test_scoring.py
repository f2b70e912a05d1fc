"""A lead's score, tier and contributions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models_py.components import DEFAULT_WEIGHTS, MAXIMA
from models_py.errors import RangeError, ShapeError
from models_py.scoring import TIERS, contributions, score, tier, tier_code

MEANS = (12.0, 11.0, 14.0, 4.0)
W = DEFAULT_WEIGHTS
points = arrays(float, st.tuples(st.integers(0, 12), st.just(4)), elements=st.floats(0, 1)).map(lambda x: x * MAXIMA)


def one(components: list[float], risk: float = 0.0, weights: object = W, means: object = MEANS, **rest: float) -> float:
    return float(score([components], [risk], weights, means, **rest)[0])


def test_all_points_and_no_risk_are_100_and_none_are_the_risk_credit() -> None:
    assert one([20, 25, 25, 15]) == 100.0
    assert one([0, 0, 0, 0]) == 15.0
    assert one([0, 0, 0, 0], risk_credit=0.0) == 0.0
    assert one([20, 25, 25, 15], risk_credit=0.0) == 85.0


@given(points, st.floats(0, 15))
def test_scores_are_the_formula_evaluated_left_to_right_to_the_last_bit(components: np.ndarray, risk: float) -> None:
    expected = []
    for x1, x2, x3, x4 in components.tolist():
        raw = 100.0 * (W[0] * (x1 / 20.0) + W[1] * (x2 / 25.0) + W[2] * (x3 / 25.0) + W[3] * (x4 / 15.0)) + 15.0 - risk
        expected.append(min(100.0, max(0.0, raw)))
    assert score(components, risk, W, MEANS).tolist() == expected


def test_risk_is_deducted_and_the_score_stays_within_0_and_100() -> None:
    assert one([10, 10, 10, 10], risk=15) == pytest.approx(one([10, 10, 10, 10]) - 15)
    assert one([0, 0, 0, 0], risk=15, risk_credit=5.0) == 0.0
    assert one([20, 25, 25, 15], risk_credit=40.0) == 100.0


def test_a_missing_component_is_the_tenants_mean_and_half_the_maximum_where_there_is_none() -> None:
    assert one([np.nan, 10, 10, 10]) == one([12.0, 10, 10, 10])
    assert one([10, 10, 10, np.nan], means=[12, 11, 14, np.nan]) == one([10, 10, 10, 7.5])


def test_missing_risk_is_none() -> None:
    assert one([10, 10, 10, 10], risk=np.nan) == one([10, 10, 10, 10], risk=0)


def test_each_lead_can_have_its_own_weights_and_means() -> None:
    components = np.array([[10.0, np.nan, 10, 10], [10.0, np.nan, 10, 10]])
    weights = np.array([W, (0.05, 0.5, 0.15, 0.15)])
    means = np.array([MEANS, (1.0, 2.0, 3.0, 4.0)])
    both = score(components, 0.0, weights, means)
    assert both.tolist() == [
        one(components[0].tolist()),
        one(components[1].tolist(), weights=weights[1], means=means[1]),
    ]


@given(points)
def test_contributions_add_up_to_the_distance_from_the_average_lead(components: np.ndarray) -> None:
    parts = contributions(components, W, MEANS)
    average = one(list(MEANS))
    assert parts.sum(axis=1) + average == pytest.approx(score(components, 0.0, W, MEANS), abs=1e-9)


def test_a_missing_component_contributes_nothing() -> None:
    assert contributions([[np.nan, 25, 0, 4]], W, MEANS)[0].tolist() == pytest.approx([0, 14, -14, 0])


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (100, "hot"),
        (85, "hot"),
        (84.999, "warm"),
        (60, "warm"),
        (59.9, "cool"),
        (35, "cool"),
        (34, "cold"),
        (20, "cold"),
        (19.99, "dead"),
        (0, "dead"),
    ],
)
def test_tiers_begin_at_their_thresholds(value: float, name: str) -> None:
    assert tier([value]).tolist() == [name]
    assert TIERS[tier_code([value])[0]] == name


def test_tier_thresholds_are_a_setting() -> None:
    assert tier([50.0, 49.0], (50.0, 40.0, 30.0, 20.0)).tolist() == ["hot", "warm"]
    with pytest.raises(RangeError, match="fall from hot to cold"):
        tier([50.0], (50.0, 60.0, 30.0, 20.0))


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ShapeError, match="risk"):
        score(np.ones((3, 4)), np.zeros(2), W, MEANS)
    with pytest.raises(RangeError, match="risk"):
        score(np.ones((3, 4)), -1.0, W, MEANS)
    with pytest.raises(ShapeError, match="means"):
        score(np.ones((3, 4)), 0.0, W, [1.0, 2.0])
    with pytest.raises(RangeError, match="weights"):
        score(np.ones((3, 4)), 0.0, [0.1, 0.1, 0.1, 0.1], MEANS)
