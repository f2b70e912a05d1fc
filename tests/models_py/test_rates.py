"""Shrunk rates, their intervals and labels."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass, fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln, expit, logit

from models_py.errors import RangeError, ShapeError
from models_py.rate_prior import NO_DIFFERENCE
from models_py.rates import RateEstimates, estimate, label

#: Values of the attributes of a typical tenant: titles, industries, sizes, countries, sources, three signals.
ATTRIBUTES = (40, 18, 7, 5, 8, 2, 2, 2)


@dataclass(frozen=True)
class Tenants:
    tenant: np.ndarray
    group: np.ndarray
    leads: np.ndarray
    booked: np.ndarray
    rate: np.ndarray
    lift: np.ndarray
    tenant_booked: np.ndarray


def tenants(seed: int, *, count: int, leads: int, base: tuple[float, float], spread: float) -> Tenants:
    """Tenants whose values multiply the rate by exp(N(0, spread^2)); rate and lift are the planted ones."""
    random = np.random.default_rng(seed)
    columns: list[list[np.ndarray]] = [[] for _ in fields(Tenants)]
    for tenant in range(count):
        rate = np.full(leads, np.exp(random.uniform(*np.log(base))))
        codes = [random.choice(size, leads, p=random.dirichlet(np.full(size, 0.7))) for size in ATTRIBUTES]
        for size, code in zip(ATTRIBUTES, codes, strict=True):
            rate *= np.exp(random.normal(0, spread, size) - spread**2 / 2)[code]
        rate = np.minimum(rate, 0.95)
        booked = random.random(leads) < rate
        for attribute, (size, code) in enumerate(zip(ATTRIBUTES, codes, strict=True)):
            n = np.bincount(code, minlength=size)
            at = n > 0
            own = np.bincount(code, weights=rate, minlength=size)[at] / n[at]
            won = np.bincount(code, weights=booked, minlength=size)[at]
            full = np.ones(at.sum(), int)
            group = full * (tenant * len(ATTRIBUTES) + attribute)
            for column, values in zip(
                columns, (full * tenant, group, n[at], won, own, own / rate.mean(), full * booked.sum()), strict=True
            ):
                column.append(values)
    return Tenants(*(np.concatenate(column) for column in columns))


def run(world: Tenants) -> tuple[RateEstimates, np.ndarray]:
    estimates = estimate(world.group, world.leads, world.booked)
    return estimates, label(world.tenant, estimates, tenant_booked=world.tenant_booked)


def one_group(leads: list[int], booked: list[int]) -> RateEstimates:
    return estimate(np.zeros(len(leads), int), leads, booked)


@pytest.mark.parametrize(
    ("leads", "booked"),
    [
        ([50, 80, 12, 200, 30], [9, 4, 0, 12, 1]),
        ([400, 600, 300], [60, 30, 21]),
        ([5, 4, 3, 7, 6, 900], [3, 0, 0, 1, 0, 40]),
    ],
)
def test_estimates_are_those_of_a_fine_grid_and_of_draws(leads: list[int], booked: list[int]) -> None:
    """An oracle that shares nothing with the implementation but the model."""
    n, s = np.array(leads, float), np.array(booked, float)
    rate = s.sum() / n.sum()
    mean = expit(logit(rate) + np.linspace(-2.5, 2.5, 241))[:, None]
    spread = np.linspace(0.005, 2.0, 300)
    strength = np.maximum((1 - rate) / (rate * spread**2) - 1, 3.0)[None, :]
    a, b = mean * strength, (1 - mean) * strength
    jeffreys = 0.5 * (np.log(mean) + np.log1p(-mean))
    log = (
        jeffreys
        - (spread**2) / (2 * 0.5**2)
        + sum(betaln(a + won, b + many - won) - betaln(a, b) for won, many in zip(s, n, strict=True))
    )
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    equal = s.sum() * np.log(mean) + (n - s).sum() * np.log1p(-mean) + jeffreys
    differ_evidence = (
        log.max() + np.log(np.exp(log - log.max()).sum()) - np.log(np.exp(-(spread**2) / (2 * 0.5**2)).sum())
    )
    equal_evidence = equal.max() + np.log(np.exp(equal - equal.max()).sum())
    odds = logit(NO_DIFFERENCE) + equal_evidence - differ_evidence
    chance_equal = expit(odds)

    random = np.random.default_rng(0)
    drawn = random.choice(weight.size, 40_000, p=weight.ravel())
    m = np.broadcast_to(mean, weight.shape).ravel()[drawn]
    k = np.broadcast_to(strength, weight.shape).ravel()[drawn]
    rates = random.beta(m[:, None] * k[:, None] + s, (1 - m)[:, None] * k[:, None] + n - s)
    overall = rates @ n / n.sum()

    found = one_group(leads, booked)
    assert found.shrunk_rate == pytest.approx(rates.mean(axis=0), rel=0.03)
    assert found.interval_low == pytest.approx(np.quantile(rates, 0.05, axis=0), rel=0.15)
    assert found.interval_high == pytest.approx(np.quantile(rates, 0.95, axis=0), rel=0.06)
    assert found.probability_differs == pytest.approx(np.full(len(n), 1 - chance_equal), abs=0.03)
    better = (1 - chance_equal) * (rates > overall[:, None]).mean(axis=0) + 0.5 * chance_equal
    strong = (1 - chance_equal) * (rates > 1.5 * overall[:, None]).mean(axis=0)
    assert found.probability_better == pytest.approx(better, abs=0.04)
    assert found.probability_strong == pytest.approx(strong, abs=0.03)


def test_small_values_are_pulled_to_the_middle_more_than_large_ones() -> None:
    found = one_group([10, 1000, 990], [3, 300, 97])
    raw, shrunk = found.raw_rate, found.shrunk_rate
    assert raw[0] == raw[1] == 0.3
    assert shrunk[0] < shrunk[1] < 0.3
    assert found.interval_high[0] - found.interval_low[0] > 3 * (found.interval_high[1] - found.interval_low[1])


def test_raw_rate_and_lift_are_counted() -> None:
    found = one_group([10, 30], [4, 2])
    assert found.raw_rate.tolist() == [0.4, 2 / 30]
    assert found.overall_rate.tolist() == [0.15, 0.15]
    assert found.lift.tolist() == pytest.approx([0.4 / 0.15, (2 / 30) / 0.15])


def test_values_with_fewer_than_five_leads_are_estimated_but_not_listed() -> None:
    found = one_group([4, 5, 200], [1, 1, 20])
    assert found.listed.tolist() == [False, True, True]
    assert 0 < found.shrunk_rate[0] < 0.25


@pytest.mark.parametrize("booked", [[0, 0, 0], [40, 25, 9]])
def test_nobody_or_everybody_booking_stays_defined(booked: list[int]) -> None:
    found = one_group([40, 25, 9], booked)
    for field in fields(found):
        assert np.isfinite(getattr(found, field.name)).all(), field.name
    assert (found.interval_low < found.interval_high).all()
    assert np.abs(found.probability_better - 0.5).max() < 0.2


def test_the_only_value_of_an_attribute_is_neither_better_nor_worse() -> None:
    found = one_group([500], [50])
    assert found.probability_better[0] == 0.5
    assert found.probability_strong[0] == 0.0
    assert found.shrunk_rate[0] == pytest.approx(0.1, rel=0.02)


def test_a_value_that_nearly_all_leads_have_cannot_be_strong() -> None:
    assert one_group([900, 100], [300, 1]).probability_strong[0] == 0.0


def test_a_value_without_leads_has_no_raw_rate_and_the_common_shrunk_one() -> None:
    found = one_group([0, 500, 500], [0, 50, 55])
    assert np.isnan(found.raw_rate[0]) and not found.listed[0]
    assert found.shrunk_rate[0] == pytest.approx(found.prior_mean[0], rel=0.02)


@given(st.integers(0, 1000))
def test_any_counts_give_rates_within_their_intervals(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = int(random.integers(1, 40))
    leads = random.geometric(random.choice([0.9, 0.1, 0.001]), rows)
    booked = random.binomial(leads, random.choice([0.0, 0.01, 0.3, 1.0]))
    found = estimate(random.integers(0, 3, rows), leads, booked)
    assert ((found.interval_low <= found.shrunk_rate) & (found.shrunk_rate <= found.interval_high)).all()
    assert ((found.interval_low >= 0) & (found.interval_high <= 1)).all()
    for probability in (found.probability_better, found.probability_strong, found.probability_differs):
        assert ((probability >= 0) & (probability <= 1)).all()


def test_groups_do_not_depend_on_each_other_nor_on_the_order_of_rows() -> None:
    world = tenants(61, count=6, leads=700, base=(0.05, 0.2), spread=0.3)
    together = estimate(world.group, world.leads, world.booked)
    for group in np.unique(world.group)[::5]:
        own = world.group == group
        alone = estimate(world.group[own], world.leads[own], world.booked[own])
        for field in fields(alone):
            assert getattr(alone, field.name).tobytes() == getattr(together.take(own), field.name).tobytes(), field.name
    order = np.random.default_rng(0).permutation(len(world.group))
    shuffled = estimate(world.group[order], world.leads[order], world.booked[order])
    assert shuffled.shrunk_rate == pytest.approx(together.shrunk_rate[order], rel=1e-12)


def test_intervals_hold_nine_of_ten_planted_rates() -> None:
    for spread, least in ((0.1, 0.90), (0.3, 0.86), (0.6, 0.85)):
        world = tenants(62, count=60, leads=2000, base=(0.03, 0.15), spread=spread)
        found, _ = run(world)
        inside = (found.interval_low <= world.rate) & (world.rate <= found.interval_high)
        assert inside[found.listed].mean() >= least, spread


def test_shrunk_rates_are_nearer_to_the_planted_ones_than_raw_rates() -> None:
    for spread, at_most in ((0.0, 0.4), (0.3, 0.75), (0.6, 0.85)):
        world = tenants(63, count=40, leads=1500, base=(0.03, 0.15), spread=spread)
        found, _ = run(world)
        listed = found.listed
        raw = np.abs(found.raw_rate - world.rate)[listed].mean()
        assert np.abs(found.shrunk_rate - world.rate)[listed].mean() < at_most * raw


@pytest.mark.parametrize(("leads", "base"), [(1000, (0.05, 0.15)), (4000, (0.02, 0.10))])
def test_where_nothing_matters_at_most_one_tenant_in_twenty_gets_a_label(leads: int, base: tuple[float, float]) -> None:
    world = tenants(64, count=300, leads=leads, base=base, spread=0.0)
    found, labels = run(world)
    labelled = np.unique(world.tenant[labels != "no_evidence"])
    assert (world.tenant_booked >= 50).mean() > 0.9
    assert len(labelled) / 300 <= 0.05
    # The specification's rule on the same data:
    assert ((found.lift > 1.5) & found.listed).sum() / 300 > 5


def test_planted_effects_are_found_and_nine_of_ten_labels_are_true() -> None:
    world = tenants(65, count=80, leads=5000, base=(0.05, 0.15), spread=0.35)
    _, labels = run(world)
    better, worse, strong = labels == "better", labels == "worse", labels == "strong"
    assert ((world.lift > 1)[better | strong]).mean() > 0.9
    assert ((world.lift < 1)[worse]).mean() > 0.9
    assert ((world.lift > 1.5)[strong]).mean() > 0.9
    large = (world.leads >= 200) & (world.lift > 1.4)
    assert large.sum() > 100
    assert (better | strong)[large].mean() > 0.8


def test_the_five_first_by_shrunk_rate_are_as_good_as_they_look() -> None:
    world = tenants(66, count=100, leads=1500, base=(0.04, 0.12), spread=0.2)
    found, _ = run(world)
    exaggeration: dict[str, list[float]] = {"shrunk_rate": [], "raw_rate": []}
    for group in np.unique(world.group[found.listed]):
        rows = np.flatnonzero((world.group == group) & found.listed)
        if len(rows) < 10:
            continue
        for name, ratios in exaggeration.items():
            shown = getattr(found, name)[rows]
            top = np.argsort(-shown)[:5]
            ratios.append(shown[top].mean() / world.rate[rows][top].mean())
    assert np.mean(exaggeration["shrunk_rate"]) == pytest.approx(1.0, abs=0.08)
    assert np.mean(exaggeration["raw_rate"]) > 1.8


def test_a_tenant_with_fewer_than_fifty_bookings_gets_no_labels() -> None:
    found = one_group([100, 100], [45, 4])
    for booked, expected in ((50, "strong"), (49, "no_evidence")):
        labels = label(np.zeros(2, int), found, tenant_booked=np.full(2, booked))
        assert labels[0] == expected


def test_labels_of_a_tenant_do_not_depend_on_other_tenants() -> None:
    world = tenants(67, count=8, leads=3000, base=(0.05, 0.15), spread=0.4)
    found, labels = run(world)
    assert set(labels) >= {"better", "worse", "no_evidence"}
    for tenant in range(8):
        own = world.tenant == tenant
        alone = label(world.tenant[own], found.take(own), tenant_booked=world.tenant_booked[own])
        assert (alone == labels[own]).all()


def with_chances(chances: list[float]) -> RateEstimates:
    """Estimates with these probabilities of being better, and nothing else to say."""
    base = one_group([100] * len(chances), [10] * len(chances))
    stated = {"probability_better": np.array(chances), "probability_strong": np.zeros(len(chances))}
    return RateEstimates(**{field.name: getattr(base, field.name) for field in fields(base)} | stated)


def test_labels_stop_where_one_in_ten_would_be_false() -> None:
    found = with_chances([0.99, 0.95, 0.85, 0.84, 0.82, 0.5])
    labels = label(np.zeros(6, int), found, tenant_booked=np.full(6, 100))
    # Expected shares of false ones: 1, 3, 7, 9.25, 11 %.
    assert labels.tolist() == ["better"] * 4 + ["no_evidence"] * 2


def test_sure_findings_do_not_carry_a_doubtful_one() -> None:
    found = with_chances([0.999] * 5 + [0.79])
    labels = label(np.zeros(6, int), found, tenant_booked=np.full(6, 100))
    assert labels.tolist() == ["better"] * 5 + ["no_evidence"]


def test_two_hundred_tenants_of_eight_attributes_take_seconds() -> None:
    random = np.random.default_rng(68)
    leads = random.geometric(0.01, 200 * 8 * 20)
    start = time.perf_counter()
    estimate(np.repeat(np.arange(1600), 20), leads, random.binomial(leads, 0.06))
    assert time.perf_counter() - start < 6


def test_an_attribute_of_thousands_of_values_does_not_explode_memory() -> None:
    random = np.random.default_rng(69)
    leads = random.geometric(0.2, 30_000)
    booked = random.binomial(leads, 0.08)
    tracemalloc.start()
    found = estimate(np.zeros(30_000, int), leads, booked)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200e6
    assert found.shrunk_rate @ leads == pytest.approx(booked.sum(), rel=0.02)


def test_wrong_counts_are_refused() -> None:
    with pytest.raises(ShapeError, match="one length"):
        estimate([0, 0], [1, 2], [1])
    with pytest.raises(ShapeError, match="integer codes"):
        estimate(["a", "b"], [1, 2], [1, 1])
    with pytest.raises(RangeError, match="between 0 and leads"):
        estimate([0, 0], [1, 2], [1, 3])
    with pytest.raises(RangeError, match="whole numbers"):
        estimate([0, 0], [1, 2.5], [1, 1])
    with pytest.raises(RangeError, match="level"):
        estimate([0], [1], [1], level=90)
    assert len(estimate(np.zeros(0, int), [], [])) == 0
