"""``learn`` and ``fit``: what must hold for one tenant, whatever the data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ingest.simulation import Cohorts
from models_py.components import DEFAULT_WEIGHTS, MAXIMA, WEIGHT_MINIMUM
from models_py.errors import InputError, RangeError, ShapeError
from models_py.weights import Cells, Fits, Prior, fit, learn

Draw = Callable[..., Cohorts]
Group = Callable[[Cohorts], Cells]
DEFAULT = list(DEFAULT_WEIGHTS)
AUTHORITY, TIMING = 1, 3


def specification_leads(booked: int, failed: int) -> tuple[np.ndarray, np.ndarray]:
    """Section 7.1 of the specification: booked leads have timing 15 and authority 10, failed ones 5 and 20."""
    components = np.full((booked + failed, 4), np.nan)
    components[:booked, TIMING], components[booked:, TIMING] = 15, 5
    components[:booked, AUTHORITY], components[booked:, AUTHORITY] = 10, 20
    return components, np.arange(booked + failed) < booked


def random_leads(n: int, seed: int, rate: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    components = np.floor(random.random((n, 4)) * (np.array(MAXIMA) + 1))
    return components, random.random(n) < rate


def assert_same_bits(first: Fits, second: Fits, rows: object = slice(None)) -> None:
    for name in first.__dataclass_fields__:
        assert np.asarray(getattr(first, name)).tobytes() == np.asarray(getattr(second, name)[rows]).tobytes(), name


def test_the_specifications_own_test_timing_that_separates_gets_more_weight() -> None:
    weights = learn(*specification_leads(50, 50))
    assert weights[TIMING] > 0.15
    assert weights[AUTHORITY] == WEIGHT_MINIMUM


def test_the_specifications_own_test_holds_at_three_percent_bookings() -> None:
    weights = learn(*specification_leads(30, 970))
    assert weights[TIMING] > 0.15
    assert weights[AUTHORITY] == WEIGHT_MINIMUM


@pytest.mark.parametrize(("booked", "failed"), [(0, 0), (0, 1), (9, 500), (10, 19), (500, 0), (0, 500)])
def test_too_few_leads_bookings_or_failures_give_the_defaults(booked: int, failed: int) -> None:
    assert learn(*specification_leads(booked, failed)).tolist() == DEFAULT


def test_just_enough_data_are_learned_from() -> None:
    assert learn(*specification_leads(10, 20)).tolist() != DEFAULT


def test_no_components_at_all_give_the_defaults() -> None:
    assert learn(np.full((200, 4), np.nan), np.arange(200) < 50).tolist() == DEFAULT


def test_leads_without_any_component_are_not_used_and_do_not_count() -> None:
    random = np.random.default_rng(8)
    known = np.column_stack([random.integers(0, top + 1, 200) for top in (20, 25, 25, 15)]).astype(float)
    booked = random.random(200) < 0.1 + 0.3 * (known[:, 3] > 8)
    blank = np.full((500, 4), np.nan)
    with_blank = fit(Cells.from_leads(np.vstack([known, blank]), np.concatenate([booked, np.arange(500) % 2 == 0])))
    alone = fit(Cells.from_leads(known, booked))
    assert with_blank.leads.tolist() == [200]
    assert with_blank.effects.tobytes() == alone.effects.tobytes()


def test_constant_components_give_the_defaults() -> None:
    assert learn(np.tile([10.0, 12.0, 20.0, 5.0], (200, 1)), np.arange(200) < 50).tolist() == DEFAULT


def test_separable_outcomes_stay_finite() -> None:
    components, booked = random_leads(300, 1)
    components[:, TIMING] = np.where(booked, 15, 0)
    fits = fit(Cells.from_leads(components, booked))
    assert fits.converged.all()
    assert np.isfinite(fits.effects).all() and np.isfinite(fits.weight_errors).all()
    assert learn(components, booked)[TIMING] == max(learn(components, booked))


@pytest.mark.parametrize("gone", ["missing", "constant"])
def test_a_component_that_tells_nothing_stays_at_the_prior(gone: str) -> None:
    components, booked = random_leads(2000, 2)
    components[:, 0] = np.nan if gone == "missing" else 13.0
    fits = fit(Cells.from_leads(components, booked))
    assert fits.effects[0, 0] == pytest.approx(fits.prior_slope[0] * DEFAULT_WEIGHTS[0], rel=1e-9)
    assert fits.effects[0, 1:] != pytest.approx(fits.prior_slope[0] * np.array(DEFAULT_WEIGHTS[1:]), rel=1e-3)


def test_a_missing_value_counts_as_the_mean_of_those_observed() -> None:
    components, booked = random_leads(400, 3)
    holes = components.copy()
    holes[::5, 2] = np.nan
    filled = holes.copy()
    filled[::5, 2] = np.nanmean(holes[:, 2])
    first, second = fit(Cells.from_leads(holes, booked)), fit(Cells.from_leads(filled, booked))
    assert first.effects == pytest.approx(second.effects, rel=1e-6)
    assert first.component_means == pytest.approx(second.component_means, rel=1e-12)


def test_the_order_of_leads_does_not_change_a_bit() -> None:
    components, booked = random_leads(700, 4)
    components[::7, 1] = np.nan
    quarter = np.arange(700) % 5
    order = np.random.default_rng(0).permutation(700)
    assert_same_bits(
        fit(Cells.from_leads(components, booked, quarter=quarter)),
        fit(Cells.from_leads(components[order], booked[order], quarter=quarter[order])),
    )
    assert learn(components, booked).tobytes() == learn(components[order], booked[order]).tobytes()


def test_leads_grouped_beforehand_give_the_same_bits() -> None:
    components, booked = random_leads(5000, 5)
    components = np.minimum(components, 2.0)
    points, where = np.unique(components, axis=0, return_inverse=True)
    grouped = Cells(
        np.zeros(len(points), int),
        points,
        np.full(len(points), -1),
        np.full(len(points), -1),
        np.bincount(where.ravel()),
        np.bincount(where.ravel(), weights=booked).astype(int),
    )
    assert_same_bits(fit(Cells.from_leads(components, booked)), fit(grouped))


def test_a_tenants_numbers_do_not_depend_on_other_tenants(cohorts: Draw, cells_of: Group) -> None:
    sizes = (35, 200, 900, 90, 4000, 300, 200, 61)
    cells = cells_of(cohorts(seed=6, tenants=8, leads=sizes, base_rate=(0.1, 0.3), missing=0.05, held_out=1))
    together = fit(cells)
    for tenant in range(len(sizes)):
        alone = fit(cells.where(cells.tenant == tenant))
        assert_same_bits(alone, together, slice(tenant, tenant + 1))


def test_other_tenants_leads_do_not_change_a_tenant(cohorts: Draw, cells_of: Group) -> None:
    cells = cells_of(cohorts(seed=7, tenants=20, leads=250, base_rate=(0.1, 0.3), held_out=1))
    changed = Cells(
        cells.tenant,
        cells.components,
        cells.quarter,
        cells.tier,
        cells.leads,
        np.where(cells.tenant == 3, cells.booked, cells.leads - cells.booked),
    )
    first, second = fit(cells), fit(changed)
    assert first.weights[3].tobytes() == second.weights[3].tobytes()
    assert first.weights[4].tobytes() != second.weights[4].tobytes()


def test_tenants_asked_for_get_a_row_even_without_leads() -> None:
    fits = fit(Cells.from_leads(*random_leads(100, 8), tenant=5), tenants=np.array([9, 5, 2]))
    assert fits.tenant.tolist() == [2, 5, 9]
    assert fits.leads.tolist() == [0, 100, 0]
    assert fits.fitted.tolist() == [False, True, False]
    assert fits.weights[0].tolist() == DEFAULT


def test_tenants_not_asked_for_are_left_out() -> None:
    components, booked = random_leads(300, 9)
    cells = Cells.from_leads(components, booked, tenant=np.arange(300) % 3)
    assert fit(cells, tenants=np.array([1])).tenant.tolist() == [1]


def test_the_prior_is_centred_on_the_reference() -> None:
    components, booked = random_leads(40, 10, rate=0.4)
    reference = np.array([0.05, 0.25, 0.05, 0.50])
    weights = fit(Cells.from_leads(components, booked), reference=reference).weights[0]
    assert np.abs(weights - reference).max() < np.abs(weights - DEFAULT_WEIGHTS).max()


def test_the_prior_fades_as_data_grow(cohorts: Draw, cells_of: Group) -> None:
    distances = []
    for leads in (200, 2000, 50_000):
        world = cohorts(seed=11, tenants=12, leads=leads, slope=(6.0, 8.0), base_rate=(0.1, 0.2), held_out=1)
        distances.append(np.abs(fit(cells_of(world)).weights - world.true_weights).mean())
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < 0.02


def test_standard_errors_cover_the_true_weights(cohorts: Draw, cells_of: Group) -> None:
    world = cohorts(seed=12, tenants=150, leads=6000, slope=(6.0, 8.0), base_rate=(0.1, 0.25), spread=0.04, held_out=1)
    fits = fit(cells_of(world))
    inside = np.abs(fits.weights - world.true_weights) <= 1.645 * fits.weight_errors
    assert 0.86 <= inside.mean() <= 0.96


def test_a_quarter_with_more_bookings_is_not_credited_to_its_leads() -> None:
    random = np.random.default_rng(13)
    n = 20_000
    components = np.floor(random.random((n, 4)) * (np.array(MAXIMA) + 1))
    late = np.arange(n) % 2 == 1
    components[late, TIMING] = np.minimum(15, components[late, TIMING] + 5)
    booked = random.random(n) < np.where(late, 0.2, 0.05)
    adjusted = fit(Cells.from_leads(components, booked, quarter=late))
    blind = fit(Cells.from_leads(components, booked, quarter=late), prior=Prior(quarter_sd=None))
    assert abs(adjusted.effects[0, TIMING]) < 0.3
    assert blind.effects[0, TIMING] > 0.8
    assert adjusted.signal_p[0] > 0.01 > blind.signal_p[0]


def test_a_quarter_without_a_booking_stays_finite() -> None:
    components, booked = random_leads(400, 14)
    quarter = np.arange(400) // 100
    fits = fit(Cells.from_leads(components, booked & (quarter != 2), quarter=quarter))
    assert fits.converged.all() and np.isfinite(fits.effects).all()


def test_the_signal_test_is_uniform_where_nothing_matters(cohorts: Draw, cells_of: Group) -> None:
    world = cohorts(seed=15, tenants=1500, leads=600, shuffled=True, base_rate=(0.05, 0.3), held_out=1)
    p = fit(cells_of(world)).signal_p
    for level in (0.05, 0.2, 0.5):
        assert (p < level).mean() == pytest.approx(level, abs=0.04)


def test_the_signal_test_counts_the_components_that_vary() -> None:
    components, booked = random_leads(500, 16)
    components[:, 0], components[:, 1] = np.nan, 7.0
    assert fit(Cells.from_leads(components, booked)).signal_df.tolist() == [2]


def test_a_million_leads_give_the_true_weights() -> None:
    random = np.random.default_rng(17)
    components = np.floor(random.random((1_000_000, 4)) * (np.array(MAXIMA) + 1))
    merit = components / np.array(MAXIMA) @ np.array([0.10, 0.40, 0.05, 0.30]) * 5
    booked = random.random(1_000_000) < 1 / (1 + np.exp(4.5 - merit))
    assert learn(components, booked) == pytest.approx([0.10, 0.40, 0.05, 0.30], abs=0.01)


@settings(max_examples=60)
@given(st.data())
def test_any_valid_leads_give_valid_weights(data: st.DataObject) -> None:
    n = data.draw(st.integers(0, 60))
    values = st.one_of(st.just(np.nan), st.floats(0, 1), st.sampled_from([0.0, 1.0]))
    components = data.draw(arrays(float, (n, 4), elements=values)) * np.array(MAXIMA)
    booked = data.draw(arrays(bool, n))
    weights = learn(components, booked)
    assert weights.shape == (4,)
    assert np.rint(weights * 1000).sum() == 850
    assert (weights >= 0.05).all() and (weights <= 0.5).all()


@settings(max_examples=60)
@given(arrays(float, st.tuples(st.integers(0, 8), st.integers(3, 5)), elements=st.floats(-5, 40)))
def test_other_arrays_are_refused_with_a_reason_or_learned_from(components: np.ndarray) -> None:
    booked = np.zeros(len(components), dtype=bool)
    valid = components.shape[1] == 4 and bool(((components >= 0) & (components <= MAXIMA)).all())
    if valid:
        assert learn(components, booked).tolist() == DEFAULT
    else:
        with pytest.raises(InputError):
            learn(components, booked)


@pytest.mark.parametrize(
    ("components", "booked", "error", "message"),
    [
        (np.zeros((5, 3)), np.zeros(5, bool), ShapeError, r"shape \(n, 4\)"),
        (np.zeros(4), np.zeros(1, bool), ShapeError, r"shape \(n, 4\)"),
        (np.zeros((5, 4)), np.zeros(4, bool), ShapeError, "booked must have shape"),
        (np.full((5, 4), -0.1), np.zeros(5, bool), RangeError, "negative"),
        (np.full((5, 4), 15.5), np.zeros(5, bool), RangeError, "timing holds 15.5 points; at most 15"),
        (np.full((5, 4), np.inf), np.zeros(5, bool), RangeError, "infinite"),
    ],
)
def test_wrong_input_is_refused_in_words(
    components: np.ndarray, booked: np.ndarray, error: type[InputError], message: str
) -> None:
    with pytest.raises(error, match=message):
        learn(components, booked)


def test_weights_given_as_reference_must_be_weights() -> None:
    cells = Cells.from_leads(*random_leads(100, 18))
    for reference in ([0.25, 0.25, 0.25, 0.25], [0.04, 0.27, 0.27, 0.27], [0.2, 0.25, 0.25, np.nan]):
        with pytest.raises(RangeError, match="reference"):
            fit(cells, reference=reference)
    with pytest.raises(RangeError, match="twice"):
        fit(cells, tenants=np.array([0, 0]))
