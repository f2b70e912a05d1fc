"""Relative risks of timing signals, each adjusted for the others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

from models_py.errors import RangeError, ShapeError
from models_py.timing import SIGNALS, TimingSignals, timing_signals

CELLS = np.array(list(itertools.product([False, True], repeat=3)))


def world(
    seed: int, *, tenants: int, leads: int, rate: float, spread: float
) -> tuple[TimingSignals, np.ndarray, np.ndarray]:
    """Signals of tenants with planted log risks (t, 3), and bookings (t,)."""
    random = np.random.default_rng(seed)
    risks = random.normal(0, spread, (tenants, 3))
    shares = random.dirichlet(np.full(8, 2.0), tenants)
    n = np.stack([random.multinomial(leads, share) for share in shares])
    s = random.binomial(n, np.minimum(rate * np.exp(risks @ CELLS.T), 0.9))
    tenant = np.repeat(np.arange(tenants), 8)
    return timing_signals(tenant, np.tile(CELLS, (tenants, 1)), n.ravel(), s.ravel()), risks, s.sum(axis=1)


def test_risks_are_the_optimum_a_general_optimiser_finds() -> None:
    n, s = np.array([300, 90, 60, 40, 30, 25, 20, 10.0]), np.array([20, 9, 3, 5, 1, 4, 0, 3.0])
    found = timing_signals(np.zeros(8, int), CELLS, n, s)
    design = np.column_stack([np.ones(8), CELLS])

    def objective(at: np.ndarray) -> float:
        linear = design @ at
        return float(n @ np.exp(linear) - s @ linear + 0.5 * np.sum(at[1:] ** 2) / 0.25)

    oracle = minimize(objective, np.array([-3.0, 0, 0, 0]), method="BFGS", options={"gtol": 1e-9}).x
    assert np.log(found.relative_risk[0]) == pytest.approx(oracle[1:], abs=1e-4)


def test_a_signal_that_only_comes_with_another_is_not_credited_for_it() -> None:
    """Hiring companies are often funded; only the funding matters here."""
    random = np.random.default_rng(1)
    funded = random.random(40_000) < 0.3
    hiring = random.random(40_000) < np.where(funded, 0.8, 0.1)
    booked = random.random(40_000) < np.where(funded, 0.12, 0.05)
    flags = np.column_stack([np.zeros(40_000, bool), hiring, funded])
    found = timing_signals(np.zeros(40_000, int), flags, np.ones(40_000), booked)
    risk = dict(zip(SIGNALS, found.relative_risk[0], strict=True))
    assert booked[hiring].mean() / booked[~hiring].mean() > 1.6
    assert risk["hiring"] == pytest.approx(1.0, abs=0.12)
    assert risk["funded"] == pytest.approx(2.4, rel=0.1)
    assert found.label[0].tolist() == ["no_evidence", "no_evidence", "strong"]


@pytest.mark.parametrize(("leads", "rate"), [(300, 0.05), (2000, 0.05), (2000, 0.25)])
def test_intervals_hold_nine_of_ten_planted_risks(leads: int, rate: float) -> None:
    found, risks, _ = world(2, tenants=600, leads=leads, rate=rate, spread=0.3)
    inside = (found.interval_low <= np.exp(risks)) & (np.exp(risks) <= found.interval_high)
    assert 0.88 <= inside.mean() <= 0.98


def test_where_many_book_intervals_are_not_wider_than_they_need_to_be() -> None:
    """A Poisson's own errors would be too wide here: they hold 96 %."""
    found, risks, _ = world(8, tenants=800, leads=3000, rate=0.45, spread=0.1)
    inside = (found.interval_low <= np.exp(risks)) & (np.exp(risks) <= found.interval_high)
    assert 0.86 <= inside.mean() <= 0.94


def test_where_signals_do_nothing_hardly_any_tenant_gets_a_label() -> None:
    found, _, booked = world(3, tenants=500, leads=3000, rate=0.06, spread=0.0)
    assert (booked >= 50).all()
    assert (found.label != "no_evidence").any(axis=1).mean() <= 0.05


def test_planted_risks_are_found_with_their_direction() -> None:
    found, risks, _ = world(4, tenants=300, leads=5000, rate=0.08, spread=0.5)
    up, down = np.isin(found.label, ("better", "strong")), found.label == "worse"
    assert up.sum() > 150 and down.sum() > 150
    assert (risks[up] > 0).mean() > 0.97 and (risks[down] < 0).mean() > 0.97


def test_a_signal_nobody_has_or_nobody_lacks_tells_nothing() -> None:
    flags = np.array([[False, True, False], [False, True, True]])
    found = timing_signals([1, 1], flags, [400, 400], [30, 60])
    assert found.listed[0].tolist() == [False, False, True]
    assert found.relative_risk[0, 0] == pytest.approx(1.0)
    assert found.relative_risk[0, 1] == pytest.approx(1.0, abs=0.01)
    assert found.label[0, :2].tolist() == ["no_evidence", "no_evidence"]


def test_a_tenant_without_bookings_stays_at_the_prior() -> None:
    found = timing_signals(np.zeros(8, int), CELLS, np.full(8, 50), np.zeros(8))
    assert found.relative_risk[0] == pytest.approx([1, 1, 1])
    assert found.probability_better[0] == pytest.approx([0.5, 0.5, 0.5])
    assert np.isfinite(found.interval_high).all()


def test_tenants_do_not_depend_on_each_other() -> None:
    n = np.random.default_rng(5).integers(10, 400, (3, 8))
    s = np.random.default_rng(6).binomial(n, 0.1)
    together = timing_signals(np.repeat([7, 3, 5], 8), np.tile(CELLS, (3, 1)), n.ravel(), s.ravel())
    assert together.tenant.tolist() == [3, 5, 7]
    alone = timing_signals(np.full(8, 3), CELLS, n[1], s[1])
    assert together.relative_risk[0] == pytest.approx(alone.relative_risk[0], rel=1e-9)


def test_flags_must_be_known() -> None:
    with pytest.raises(RangeError, match="unknown signal"):
        timing_signals([0], [[0.0, 1.0, np.nan]], [5], [1])
    with pytest.raises(ShapeError, match=r"\(m, 3\)"):
        timing_signals([0], [[True, False]], [5], [1])
