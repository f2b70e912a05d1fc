"""The learner against the defaults, the specification's loss and others, on tenants with planted weights."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.weights import (
    gains,
    live,
    rank_by_logistic_regression,
    rank_by_specification,
    rank_by_weights,
    rank_each,
)
from ingest.simulation import Cohorts
from models_py.weights import Cells, decide, fit, fit_pooled

Draw = Callable[..., Cohorts]
Group = Callable[[Cohorts], Cells]
WORSE = -0.001
SIZES = (100, 200, 500, 2000, 5000)


def learned(world: Cohorts, cells_of: Group) -> np.ndarray:
    return rank_by_weights(world, live(decide(fit(cells_of(world)))))


@pytest.mark.parametrize("base_rate", [(0.02, 0.25), (0.01, 0.08)])
def test_learned_weights_beat_the_defaults_from_200_leads_up_and_rarely_hurt(
    cohorts: Draw, cells_of: Group, base_rate: tuple[float, float]
) -> None:
    by_size = {}
    for leads in SIZES:
        world = cohorts(seed=41, tenants=240, leads=leads, base_rate=base_rate)
        by_size[leads] = gains(world, learned(world, cells_of))
    for leads in SIZES[1:]:
        assert by_size[leads].mean() > 0, leads
        assert (by_size[leads] < WORSE).mean() <= 0.10, leads
    assert by_size[5000].mean() > by_size[500].mean() > by_size[200].mean()
    everything = np.concatenate(list(by_size.values()))
    assert everything.mean() > 0.002
    assert (everything < WORSE).mean() <= 0.06


def test_the_order_of_methods_is_that_of_the_published_table(cohorts: Draw, cells_of: Group) -> None:
    world = cohorts(seed=41, tenants=240, leads=500)
    cells = cells_of(world)
    ours = gains(world, learned(world, cells_of))
    fits, common = fit_pooled(cells)
    pooled = gains(world, rank_by_weights(world, live(decide(fits, pooled=common.reference))))
    unconstrained = gains(world, rank_each(world, rank_by_logistic_regression))
    true = gains(world, rank_by_weights(world, world.true_weights))
    assert unconstrained.mean() < 0 < ours.mean() < pooled.mean() < true.mean()
    assert (unconstrained < WORSE).mean() > 0.5


@pytest.mark.parametrize("base_rate", [(0.01, 0.05), (0.05, 0.12), (0.12, 0.25)])
def test_the_specifications_loss_is_below_the_defaults_up_to_a_quarter_booking(
    cohorts: Draw, base_rate: tuple[float, float]
) -> None:
    world = cohorts(seed=42, tenants=120, leads=1000, base_rate=base_rate)
    loss = gains(world, rank_each(world, rank_by_specification))
    assert loss.mean() < -0.003
    assert (loss < WORSE).mean() > 0.4


@pytest.mark.parametrize("leads", SIZES)
def test_shuffled_outcomes_are_published_for_at_most_six_percent(cohorts: Draw, cells_of: Group, leads: int) -> None:
    world = cohorts(seed=43, tenants=200, leads=leads, shuffled=True, held_out=1)
    fits = fit(cells_of(world))
    assert fits.fitted.mean() > 0.2
    assert np.mean([decision.action == "publish" for decision in decide(fits)]) <= 0.06


def test_the_second_part_of_the_gate_alone_would_publish_noise(cohorts: Draw, cells_of: Group) -> None:
    world = cohorts(seed=43, tenants=200, leads=5000, shuffled=True, held_out=1)
    better = [decision.probability_better or 0.0 for decision in decide(fit(cells_of(world)))]
    assert np.mean(np.array(better) >= 0.65) > 0.15


def test_effort_that_follows_the_score_is_not_taken_for_merit(cohorts: Draw, cells_of: Group) -> None:
    world = cohorts(seed=44, tenants=200, leads=2000, slope=(0.0, 0.0), effort=0.3, held_out=1)
    cells = cells_of(world)
    blind = Cells(cells.tenant, cells.components, cells.quarter, np.full(len(cells), -1), cells.leads, cells.booked)
    told = np.mean([decision.action == "publish" for decision in decide(fit(cells))])
    untold = np.mean([decision.action == "publish" for decision in decide(fit(blind))])
    assert told <= 0.12 < 0.20 < untold


def test_a_thousand_tenants_take_less_than_a_millisecond_each(cohorts: Draw, cells_of: Group) -> None:
    cells = cells_of(cohorts(seed=45, tenants=1000, leads=200, held_out=1))
    fastest = np.inf
    for _ in range(3):
        start = time.perf_counter()
        decisions = decide(fit(cells))
        fastest = min(fastest, time.perf_counter() - start)
    assert len(decisions) == 1000
    assert fastest < 1.0


@pytest.mark.slow
@pytest.mark.parametrize("leads", SIZES)
def test_shuffled_outcomes_are_published_for_at_most_five_percent_of_many(
    cohorts: Draw, cells_of: Group, leads: int
) -> None:
    world = cohorts(seed=46, tenants=3000, leads=leads, shuffled=True, held_out=1)
    assert np.mean([decision.action == "publish" for decision in decide(fit(cells_of(world)))]) <= 0.05
