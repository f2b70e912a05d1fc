"""Which weights go live, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from ingest.simulation import Cohorts
from models_py.components import DEFAULT_WEIGHTS, MAXIMA
from models_py.errors import RangeError, ShapeError
from models_py.holdout import hold_out
from models_py.thresholds import BETTER, SIGNAL_P
from models_py.weights import Cells, Decision, Fits, decide, fit, fit_pooled, probability_better

Draw = Callable[..., Cohorts]
Group = Callable[[Cohorts], Cells]
POOLED = (0.10, 0.30, 0.25, 0.20)


def leads(
    n: int, seed: int, *, weights: Sequence[float] = (0.1, 0.4, 0.05, 0.3), slope: float = 6.0, rate: float = 0.15
) -> Cells:
    """One tenant whose components matter as much as ``slope`` says."""
    random = np.random.default_rng(seed)
    components = np.floor(random.random((n, 4)) * (np.array(MAXIMA) + 1))
    merit = slope * (components / np.array(MAXIMA) @ np.array(weights) - 0.425)
    booked = random.random(n) < 1 / (1 + np.exp(-merit) * (1 - rate) / rate)
    return Cells.from_leads(components, booked)


def only(decisions: list[Decision]) -> Decision:
    (decision,) = decisions
    return decision


STRONG = fit(leads(4000, 1))
NOISE = fit(leads(1000, 3, slope=0.0))
THIN = fit(leads(60, 4, rate=0.05))


def with_signal(fits: Fits, p: float) -> Fits:
    return replace(fits, signal_p=np.full(len(fits), p))


def test_the_probability_in_closed_form_is_that_of_draws_from_the_posterior() -> None:
    fits = fit(leads(300, 5, slope=3.0))
    ours, theirs = np.array([0.1, 0.4, 0.05, 0.3]), np.array(DEFAULT_WEIGHTS)
    draws = np.random.default_rng(0).multivariate_normal(fits.effects[0], fits.effect_covariance[0], 200_000)
    covariance = fits.component_covariance[0]

    def correlation(weights: np.ndarray) -> np.ndarray:
        return draws @ covariance @ weights / np.sqrt(weights @ covariance @ weights)

    share = (correlation(ours) > correlation(theirs)).mean()
    assert 0.05 < share < 0.95
    assert probability_better(fits, ours, theirs)[0] == pytest.approx(share, abs=0.005)


def test_equal_rankings_are_better_than_each_other_with_one_half() -> None:
    assert probability_better(STRONG, POOLED, POOLED).tolist() == [0.5]


def test_two_rankings_share_the_probability() -> None:
    there, back = (
        probability_better(STRONG, POOLED, DEFAULT_WEIGHTS),
        probability_better(STRONG, DEFAULT_WEIGHTS, POOLED),
    )
    assert there + back == pytest.approx(1.0)


def test_probabilities_are_calibrated_on_average(cohorts: Draw, cells_of: Group) -> None:
    """Of tenants told a probability of about p that fresh weights rank better, about a share p is better off."""
    world = cohorts(seed=21, tenants=600, leads=800, spread=0.16, centre=DEFAULT_WEIGHTS, held_out=1)
    fits = fit(cells_of(world))
    other = np.array([0.15, 0.30, 0.15, 0.25])
    told = probability_better(fits, other, DEFAULT_WEIGHTS)
    covariance, true = fits.component_covariance, world.true_weights

    def merit(weights: np.ndarray) -> np.ndarray:
        product = covariance @ weights
        return np.einsum("tj,tj->t", true, product) / np.sqrt(product @ weights)

    better = merit(other) > merit(np.array(DEFAULT_WEIGHTS))
    assert 0.2 < told.mean() < 0.8
    assert better.mean() == pytest.approx(told.mean(), abs=0.06)
    sure, unsure = told > 0.7, told < 0.3
    assert better[sure].mean() == pytest.approx(told[sure].mean(), abs=0.10)
    assert better[unsure].mean() == pytest.approx(told[unsure].mean(), abs=0.10)


def test_clear_evidence_is_published_with_the_whole_step_the_first_time() -> None:
    decision = only(decide(STRONG))
    assert decision.action == "publish"
    assert decision.source == decision.live_source == "learned"
    assert decision.weights == decision.live_weights == tuple(STRONG.weights[0])
    assert decision.proposal is None
    assert decision.probability_better is not None and decision.probability_better >= BETTER
    assert decision.signal_p is not None and decision.signal_p < SIGNAL_P


def test_between_published_versions_half_a_step_is_taken_and_judged_itself() -> None:
    old = np.array([0.30, 0.20, 0.20, 0.15])
    decision = only(decide(STRONG, live_weights=old, live_source=["learned"]))
    # The old ones are worse than the defaults here, so they are given up first ...
    assert decision.weights == tuple(STRONG.weights[0])
    old = np.array([0.15, 0.30, 0.15, 0.25])
    decision = only(decide(STRONG, live_weights=old, live_source=["learned"]))
    # ... these are better, so the new ones move half way from them.
    assert decision.action == "publish"
    assert np.abs(decision.weights - (old + STRONG.weights[0]) / 2).max() <= 0.001
    judged = probability_better(STRONG, decision.weights, old)[0]
    assert decision.probability_better == pytest.approx(judged)
    assert "half a step" in decision.reason


def test_the_same_data_again_lead_to_the_learned_weights_and_then_to_rest() -> None:
    live, source, actions = (0.15, 0.30, 0.15, 0.25), "learned", []
    for _ in range(12):
        decision = only(decide(STRONG, live_weights=live, live_source=[source]))
        actions.append(decision.action)
        live, source = decision.live_weights, decision.live_source
    assert np.abs(np.array(live) - STRONG.weights[0]).max() < 0.03
    assert actions[0] == "publish"
    assert set(actions[-3:]) <= {"keep", "propose"}


def test_noise_is_proposed_and_not_published() -> None:
    assert NOISE.signal_p[0] > SIGNAL_P
    decision = only(decide(NOISE))
    assert decision.action == "propose"
    assert decision.weights == decision.proposal == tuple(NOISE.weights[0])
    assert decision.live_weights == DEFAULT_WEIGHTS and decision.live_source == "default"
    assert f"{decision.signal_p:.3f}" in decision.reason and "below 0.05" in decision.reason


def test_a_signal_along_the_live_weights_is_no_reason_to_change_them() -> None:
    unsure = [seed for seed in range(8) if not _passes(fit(leads(1500, seed, weights=DEFAULT_WEIGHTS)))]
    assert unsure, "some tenant must fail the second part of the gate alone"
    close = fit(leads(1500, unsure[0], weights=DEFAULT_WEIGHTS))
    assert close.signal_p[0] < SIGNAL_P
    decision = only(decide(close))
    assert decision.action == "propose"
    assert "0.65 is needed" in decision.reason


def _passes(fits: Fits) -> bool:
    return bool(probability_better(fits, fits.weights, DEFAULT_WEIGHTS)[0] >= BETTER)


@pytest.mark.parametrize(
    ("p", "action"), [(0.01, "publish"), (0.06, "propose"), (0.19, "propose"), (0.21, "withdraw"), (0.9, "withdraw")]
)
def test_published_weights_are_withdrawn_only_once_the_signal_is_well_gone(p: float, action: str) -> None:
    live = np.array([0.15, 0.30, 0.15, 0.25])
    decision = only(decide(with_signal(STRONG, p), live_weights=live, live_source=["learned"]))
    assert decision.action == action
    expected = DEFAULT_WEIGHTS if action == "withdraw" else decision.weights if action == "publish" else tuple(live)
    assert decision.live_weights == expected


def test_published_weights_that_rank_worse_than_the_fallback_are_withdrawn() -> None:
    contrary = np.array([0.40, 0.05, 0.35, 0.05])
    fits = with_signal(STRONG, 0.10)
    assert probability_better(fits, contrary, DEFAULT_WEIGHTS)[0] < 0.5
    decision = only(decide(fits, live_weights=contrary, live_source=["learned"]))
    assert (decision.action, decision.live_source, decision.live_weights) == ("withdraw", "default", DEFAULT_WEIGHTS)
    assert decision.proposal == tuple(STRONG.weights[0])
    assert "below 0.50" in decision.reason


def test_published_weights_are_withdrawn_when_too_few_leads_are_left() -> None:
    decision = only(decide(THIN, live_weights=POOLED, live_source=["learned"]))
    assert (decision.action, decision.live_source) == ("withdraw", "default")
    assert "10 bookings are needed" in decision.reason


def test_too_few_bookings_are_told_with_how_many_there_are_and_how_many_are_needed() -> None:
    decision = only(decide(THIN))
    assert decision.action == "keep"
    assert decision.probability_better is None and decision.signal_p is None
    for part in ("60 leads", f"{decision.booked} booking", "30 leads and 10 bookings are needed"):
        assert part in decision.reason


def test_no_leads_and_no_components_are_told_as_such() -> None:
    nothing = fit(Cells.from_leads(np.zeros((0, 4)), np.zeros(0, bool)), tenants=np.array([7]))
    assert "no matured leads" in only(decide(nothing)).reason
    bare = fit(Cells.from_leads(np.full((500, 4), np.nan), np.arange(500) < 60))
    assert "has score components" in only(decide(bare)).reason
    all_booked = fit(Cells.from_leads(np.ones((40, 4)), np.ones(40, bool)))
    assert "booked; at least 1 that did not" in only(decide(all_booked)).reason


@pytest.mark.parametrize("fits", [THIN, NOISE])
def test_tenants_without_weights_of_their_own_live_on_the_pooled_ones(fits: Fits) -> None:
    decision = only(decide(fits, pooled=POOLED))
    assert (decision.action, decision.source, decision.live_source) == ("publish", "pooled", "pooled")
    assert decision.live_weights == POOLED
    again = only(decide(fits, pooled=POOLED, live_weights=POOLED, live_source=["pooled"]))
    assert again.action == ("keep" if fits is THIN else "propose")
    assert again.live_weights == POOLED


def test_own_weights_must_beat_the_pooled_ones_not_the_defaults() -> None:
    own = tuple(STRONG.weights[0])
    near = only(decide(STRONG, pooled=own))
    assert (near.action, near.live_source) == ("publish", "pooled")
    far = only(decide(STRONG, pooled=(0.40, 0.05, 0.35, 0.05)))
    assert (far.action, far.live_source) == ("publish", "learned")
    assert "than the pooled weights" in far.reason


def test_pooled_weights_that_hardly_moved_are_not_published_again() -> None:
    moved = (0.105, 0.30, 0.25, 0.195)
    assert only(decide(THIN, pooled=moved, live_weights=POOLED, live_source=["pooled"])).live_weights == POOLED
    moved = (0.12, 0.30, 0.25, 0.18)
    assert only(decide(THIN, pooled=moved, live_weights=POOLED, live_source=["pooled"])).live_weights == moved


def test_a_tenant_that_opted_out_gets_the_defaults() -> None:
    fits = fit(leads(60, 4, rate=0.05))
    decision = only(decide(fits, pooled=POOLED, may_pool=np.array([False])))
    assert (decision.action, decision.live_source) == ("keep", "default")
    leaving = only(decide(fits, pooled=POOLED, may_pool=np.array([False]), live_weights=POOLED, live_source=["pooled"]))
    assert (leaving.action, leaving.live_weights) == ("withdraw", DEFAULT_WEIGHTS)


def test_many_tenants_are_decided_as_each_alone(cohorts: Draw, cells_of: Group) -> None:
    cells = cells_of(cohorts(seed=22, tenants=30, leads=400, base_rate=(0.02, 0.3), held_out=1))
    fits = fit(cells)
    together = decide(fits, pooled=POOLED)
    assert {decision.source for decision in together} == {"learned", "pooled"}
    for tenant, decision in enumerate(together):
        assert only(decide(fit(cells.where(cells.tenant == tenant)), pooled=POOLED)) == decision


def test_no_tenants_are_no_error() -> None:
    nothing = Cells.from_leads(np.zeros((0, 4)), np.zeros(0, bool))
    fits, pool = fit_pooled(nothing)
    assert decide(fits) == [] and hold_out(nothing) == []
    assert pool.reference is None


def test_sources_and_shapes_are_checked() -> None:
    with pytest.raises(RangeError, match="live_source must be one of"):
        decide(STRONG, live_source=["champion"])
    with pytest.raises(ShapeError, match="live_source"):
        decide(STRONG, live_source=["default", "default"])
    with pytest.raises(ShapeError, match="may_pool"):
        decide(STRONG, may_pool=np.array([1.0]))
    with pytest.raises(RangeError, match="live_weights must sum"):
        decide(STRONG, live_weights=[0.2, 0.2, 0.2, 0.2])
