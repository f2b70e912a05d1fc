"""Planted signals are found and labelled; customers drawn at random show nothing."""

from __future__ import annotations

import dataclasses
import math

import pytest

from models_py.errors import RangeError
from models_py.suggestions.estimates import BaseSignal, SignalCount, SignalEstimate, estimate_signals
from tests.models_py.suggestions.worlds import World, counts_of


def labelled(estimates: tuple[SignalEstimate, ...]) -> list[str]:
    return [e.value_key for e in estimates if e.label == "characteristic"]


def share_without_labels(tenants: int, seeds: tuple[int, ...]) -> float:
    worlds = [World(seed) for seed in seeds]
    silent = 0
    for at in range(tenants):
        world = worlds[at % len(worlds)]
        customers, _ = world.tenant(int(world.rng.integers(5, 16)))
        silent += not labelled(estimate_signals(counts_of(customers), world.base))
    return silent / tenants


def test_tenants_with_random_customers_have_no_labelled_signal() -> None:
    assert share_without_labels(100, (11,)) >= 0.95


@pytest.mark.slow
def test_in_five_worlds_400_tenants_with_random_customers_have_none() -> None:
    assert share_without_labels(400, (1, 2, 3, 4, 5)) >= 0.95


def test_planted_industry_integration_and_title_come_out_in_the_top_three() -> None:
    world = World(21)
    hits = {"ssic": 0, "integration": 0, "buyer_title": 0}
    found = 0
    for _ in range(50):
        customers, truth = world.tenant(int(world.rng.integers(8, 13)), planted=True)
        estimates = estimate_signals(counts_of(customers), world.base)
        for signal, value in (
            ("ssic", truth.code),
            ("integration", truth.integration),
            ("buyer_title", truth.title),
        ):
            ranked = [e.value_key for e in estimates if e.signal_key == signal]
            hits[signal] += value in ranked[:3]
        found += truth.code in labelled(estimates)
    assert min(hits.values()) >= 45, hits
    assert found >= 48


def test_one_customer_with_a_rare_trait_neither_wins_nor_is_labelled() -> None:
    counts = [
        SignalCount("integration", "rare", "Rare", 1, 10, 1, 5_000),
        SignalCount("integration", "shared", "Shared", 6, 10, 500, 5_000),
    ]
    first, second = estimate_signals(counts)
    assert (first.value_key, first.label) == ("shared", "characteristic")
    assert second.lift is not None and second.lift <= 3.0
    assert second.label == "no_evidence"


def test_without_a_base_rate_nothing_is_claimed() -> None:
    counts = [SignalCount("integration", "hubspot", "HubSpot", 8, 8, None, None)]
    (estimate,) = estimate_signals(counts)
    assert (estimate.label, estimate.lift, estimate.p_value) == ("no_base_rate", None, None)
    assert estimate.support == 1.0 and estimate.interval_low < 1.0


def test_values_that_could_have_come_out_count_against_those_that_did() -> None:
    """The same count is a finding where one tool was looked for, and chance where two hundred of its kind were."""
    count = SignalCount("integration", "tool 0", "Tool 0", 3, 8, 30, 300)
    alone = {"integration": BaseSignal(300, {"tool 0": 30})}
    among = {"integration": BaseSignal(300, {f"tool {at}": 30 for at in range(200)})}
    strong = dataclasses.replace(count, companies=4)
    assert estimate_signals([strong], alone)[0].label == "characteristic"
    assert estimate_signals([strong], among)[0].label == "no_evidence"


def test_an_industry_counts_once_however_many_levels_of_it_are_found() -> None:
    """Four levels of one code must not open the door for a weak signal beside them."""
    levels = {"ssic_2": "62", "ssic_3": "620", "ssic_4": "6201", "ssic": "62011"}
    base = {signal: BaseSignal(50_000, {code: 300}) for signal, code in levels.items()}
    base["integration"] = BaseSignal(300, {f"tool {at}": 30 for at in range(60)})
    industry = [SignalCount(signal, code, code, 5, 8) for signal, code in levels.items()]
    weak = SignalCount("integration", "tool 0", "Tool 0", 4, 8)
    together = {e.value_key: e for e in estimate_signals([*industry, weak], base)}
    once = {e.value_key: e for e in estimate_signals([industry[-1], weak], base)}
    assert together["62011"].label == together["62"].label == "characteristic"
    assert together["tool 0"].q_value == pytest.approx(once["tool 0"].q_value, rel=0.05)


def test_an_estimate_is_the_same_in_any_order() -> None:
    world = World(5)
    counts = counts_of(world.tenant(9, planted=True)[0])
    assert estimate_signals(counts, world.base) == estimate_signals(counts[::-1], world.base)


def test_strength_is_support_times_log_of_the_shrunk_lift() -> None:
    (e,) = estimate_signals([SignalCount("integration", "a", "A", 4, 8, 99, 999)])
    assert e.lift == pytest.approx(4.5 / (8 * 99.5 / 1000 + 0.5))
    assert e.strength == pytest.approx(0.5 * math.log(e.lift or 0))


def test_more_companies_than_customers_is_refused() -> None:
    with pytest.raises(RangeError, match="count each once"):
        SignalCount("integration", "a", "A", 4, 3)
