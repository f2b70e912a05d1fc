"""Any four numbers become valid weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from models_py.components import DEFAULT_WEIGHTS, WEIGHT_MAXIMUM, WEIGHT_MINIMUM, WEIGHT_SUM
from models_py.projection import project, round_weights, weights_from_effects

vectors = st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4).map(np.array)
effects = st.lists(st.floats(-50, 50), min_size=4, max_size=4).map(np.array)


def assert_admissible(weights: np.ndarray) -> None:
    assert (weights >= WEIGHT_MINIMUM).all()
    assert (weights <= WEIGHT_MAXIMUM).all()
    assert weights.sum() == pytest.approx(WEIGHT_SUM, abs=1e-9)


@given(vectors)
def test_projection_is_admissible_and_leaves_admissible_weights_alone(vector: np.ndarray) -> None:
    projected = project(vector)
    assert_admissible(projected)
    assert project(projected) == pytest.approx(projected, abs=1e-9)


@given(vectors, st.integers(0, 2**32 - 1))
def test_no_admissible_point_is_nearer_than_the_projection(vector: np.ndarray, seed: int) -> None:
    others = project(np.random.default_rng(seed).normal(0.2, 0.3, (50, 4)))
    distance = np.linalg.norm(project(vector) - vector)
    assert (np.linalg.norm(others - vector, axis=1) >= distance - 1e-9).all()


def test_projection_agrees_with_a_general_optimiser() -> None:
    for vector in np.random.default_rng(1).normal(0.2, 0.4, (20, 4)):
        oracle = minimize(
            lambda weights, vector=vector: np.sum((weights - vector) ** 2),
            np.array(DEFAULT_WEIGHTS),
            method="SLSQP",
            bounds=[(0.05, 0.5)] * 4,
            constraints={"type": "eq", "fun": lambda weights: weights.sum() - 0.85},
            options={"ftol": 1e-14},
        )
        assert project(vector) == pytest.approx(oracle.x, abs=1e-5)


@given(vectors)
def test_rounded_weights_are_whole_thousandths_that_sum_exactly(vector: np.ndarray) -> None:
    weights = project(vector)
    rounded = round_weights(weights)
    units = np.rint(rounded * 1000)
    assert (rounded == units / 1000).all()
    assert units.sum() == 850
    assert (units >= 50).all() and (units <= 500).all()
    assert np.abs(rounded - weights).max() < 0.001


def test_ties_in_rounding_go_to_the_lower_index() -> None:
    assert round_weights(np.full(4, 0.2125)).tolist() == [0.213, 0.213, 0.212, 0.212]


def test_rounding_floating_dust_does_not_move_a_weight() -> None:
    dusty = np.array(DEFAULT_WEIGHTS) + np.array([1e-13, -1e-13, 1e-13, -1e-13])
    assert round_weights(dusty).tolist() == list(DEFAULT_WEIGHTS)


@given(effects.filter(lambda effect: effect.max() > 1e-6), st.floats(0.1, 10))
def test_weights_do_not_depend_on_the_scale_of_effects(effect: np.ndarray, scale: float) -> None:
    scaled = weights_from_effects(effect * scale, DEFAULT_WEIGHTS)
    assert scaled == pytest.approx(weights_from_effects(effect, DEFAULT_WEIGHTS), abs=0.0021)


def test_a_negative_effect_gets_the_lowest_weight() -> None:
    assert weights_from_effects(np.array([1.0, 1.0, 1.0, -3.0]), DEFAULT_WEIGHTS)[3] == WEIGHT_MINIMUM


@pytest.mark.parametrize("largest", [0.0, 5e-324, 1e-300])
def test_without_a_positive_effect_the_fallback_stays(largest: float) -> None:
    weights = weights_from_effects(np.array([-1.0, largest, -2.0, -3.0]), DEFAULT_WEIGHTS)
    assert weights.tolist() == list(DEFAULT_WEIGHTS)


def test_a_batch_is_projected_row_by_row() -> None:
    rows = np.random.default_rng(2).normal(0.2, 0.4, (30, 4))
    assert (round_weights(project(rows)) == np.stack([round_weights(project(row)) for row in rows])).all()
