"""Weights learned from earlier quarters, measured on later ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ingest.simulation import Cohorts
from models_py.components import DEFAULT_WEIGHTS
from models_py.holdout import HoldOut, hold_out
from models_py.weights import Cells, decide, fit

Draw = Callable[..., Cohorts]
Group = Callable[[Cohorts], Cells]


def quarters(counts: list[int], *, seed: int = 1) -> Cells:
    """One tenant with that many leads per quarter, 2024 onwards."""
    random = np.random.default_rng(seed)
    n = sum(counts)
    components = np.floor(random.random((n, 4)) * np.array([21, 26, 26, 16]))
    booked = random.random(n) < 0.1 + 0.3 * components[:, 3] / 15
    return Cells.from_leads(components, booked, quarter=np.repeat(8096 + np.arange(len(counts)), counts))


def only(rows: list[HoldOut]) -> HoldOut:
    (row,) = rows
    return row


@pytest.mark.parametrize(
    ("counts", "first", "trained"),
    [
        ([400, 300, 300], 8098, 700),  # the last quarter alone holds a fifth
        ([800, 100, 90, 10], 8097, 800),  # exactly a fifth, in three quarters
        ([900, 50, 30, 20], 8097, 900),  # less than a fifth: all but the first, which must train
        ([100, 900], 8097, 100),
    ],
)
def test_the_last_quarters_that_hold_a_fifth_are_held_out(counts: list[int], first: int, trained: int) -> None:
    row = only(hold_out(quarters(counts)))
    assert row.first_quarter == first
    assert row.trained_leads == trained
    assert row.default is not None and row.default.leads == sum(counts) - trained


def test_one_quarter_gives_no_hold_out_but_a_reason() -> None:
    row = only(hold_out(quarters([500])))
    assert (row.learned, row.default, row.live, row.first_quarter) == (None, None, None, None)
    assert row.reason is not None and "one quarter" in row.reason


def test_a_tenant_without_leads_has_a_reason() -> None:
    rows = hold_out(quarters([300, 300]), tenants=np.array([0, 4]))
    assert [row.tenant for row in rows] == [0, 4]
    assert rows[1].reason == "There are no matured leads yet."


def test_earlier_quarters_that_are_too_thin_still_compare_default_and_live() -> None:
    thin = only(hold_out(quarters([25, 500]), live_weights=[0.1, 0.25, 0.25, 0.25]))
    assert thin.learned is None and thin.learned_weights is None and not thin.published
    assert thin.default is not None and thin.live is not None
    assert thin.live.auc is not None and thin.default.auc is not None and thin.live.auc > thin.default.auc
    assert thin.reason is not None and "needed" in thin.reason


def test_earlier_quarters_without_components_are_told_as_such() -> None:
    bare = Cells.from_leads(np.full((500, 4), np.nan), np.arange(500) % 9 == 0, quarter=np.arange(500) // 200)
    assert (
        only(hold_out(bare)).reason == "No lead of the earlier quarters has score components from its first outreach."
    )


def test_learned_weights_come_from_the_earlier_quarters_only() -> None:
    cells = quarters([600, 600, 300])
    row = only(hold_out(cells))
    earlier = cells.where(cells.quarter < 8098)
    assert row.learned_weights == tuple(fit(earlier).weights[0])
    assert row.published == (decide(fit(earlier))[0].action == "publish")
    turned = Cells(
        cells.tenant,
        cells.components,
        cells.quarter,
        cells.tier,
        cells.leads,
        np.where(cells.quarter == 8098, cells.leads - cells.booked, cells.booked),
    )
    again = only(hold_out(turned))
    assert again.learned_weights == row.learned_weights
    assert again.learned != row.learned


def test_where_components_matter_learned_weights_win_on_later_quarters(cohorts: Draw, cells_of: Group) -> None:
    world = cohorts(seed=51, tenants=120, leads=2000, base_rate=(0.08, 0.25), slope=(4.0, 8.0), held_out=1)
    rows = hold_out(cells_of(world))
    gain = [row.learned.auc - row.default.auc for row in rows if row.learned and row.default]  # type: ignore[operator]
    loss = [row.learned.log_loss - row.default.log_loss for row in rows if row.learned and row.default]  # type: ignore[operator]
    slopes = [row.learned.calibration_slope for row in rows if row.learned]
    assert np.mean(gain) > 0.004
    assert np.mean(loss) < 0
    assert np.median(np.array(slopes, dtype=float)) == pytest.approx(1.0, abs=0.12)
    assert all(row.live == row.default for row in rows)
    assert DEFAULT_WEIGHTS not in [row.learned_weights for row in rows]


def test_many_tenants_are_held_out_as_each_alone(cohorts: Draw, cells_of: Group) -> None:
    cells = cells_of(
        cohorts(seed=52, tenants=9, leads=(50, 400, 90, 1000, 61, 300, 45, 800, 31), base_rate=(0.1, 0.3), held_out=1)
    )
    together = hold_out(cells)
    for tenant, row in enumerate(together):
        alone = only(hold_out(cells.where(cells.tenant == tenant)))
        assert (alone.learned_weights, alone.first_quarter, alone.reason) == (
            row.learned_weights,
            row.first_quarter,
            row.reason,
        )
        if row.learned and alone.learned:
            assert alone.learned.log_loss == pytest.approx(row.learned.log_loss, rel=1e-9)
