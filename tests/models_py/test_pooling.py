"""What tenants share, and what they do not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ingest.simulation import Cohorts
from models_py.components import DEFAULT_WEIGHTS
from models_py.errors import ShapeError
from models_py.weights import Cells, decide, fit, fit_pooled, pool, pooled_reference

Draw = Callable[..., Cohorts]
Group = Callable[[Cohorts], Cells]
CENTRE = (0.08, 0.38, 0.14, 0.25)


def test_the_reference_is_where_the_tenants_scatter_around(cohorts: Draw, cells_of: Group) -> None:
    world = cohorts(seed=31, tenants=200, leads=600, centre=CENTRE, spread=0.06, slope=(4.0, 8.0), held_out=1)
    fits, common = fit_pooled(cells_of(world))
    assert common.reference is not None
    assert common.reference == pytest.approx(CENTRE, abs=0.035)
    assert common.tenants == fits.informative.sum()
    assert common.signal_p is not None and common.signal_p < 1e-6
    assert (fits.reference == common.reference).all()


def test_fewer_than_five_tenants_do_not_pool(cohorts: Draw, cells_of: Group) -> None:
    cells = cells_of(cohorts(seed=32, tenants=5, leads=800, base_rate=(0.2, 0.3), slope=(6.0, 8.0), held_out=1))
    assert pooled_reference(fit(cells)) is not None
    four = pool(fit(cells.where(cells.tenant < 4)))
    assert four.reference is None and four.tenants == 4
    assert "5 are needed" in four.reason


def test_tenants_that_opted_out_do_not_count_and_leave_no_trace(cohorts: Draw, cells_of: Group) -> None:
    cells = cells_of(cohorts(seed=33, tenants=6, leads=800, base_rate=(0.2, 0.3), slope=(6.0, 8.0), held_out=1))
    may_pool = np.array([True, True, False, True, True, True])
    assert pooled_reference(fit(cells), may_pool=~may_pool) is None
    turned = Cells(
        cells.tenant,
        cells.components,
        cells.quarter,
        cells.tier,
        cells.leads,
        np.where(cells.tenant == 2, cells.leads - cells.booked, cells.booked),
    )
    first_fits, first = fit_pooled(cells, may_pool=may_pool)
    second_fits, second = fit_pooled(turned, may_pool=may_pool)
    assert first.reference is not None and second.reference is not None
    assert first.reference.tobytes() == second.reference.tobytes()
    assert first_fits.weights[may_pool].tobytes() == second_fits.weights[may_pool].tobytes()
    # With everybody in the pool the same change does show.
    assert pooled_reference(fit(cells)).tolist() != pooled_reference(fit(turned)).tolist()  # type: ignore[union-attr]


def test_tenants_that_opted_out_are_fitted_as_if_alone(cohorts: Draw, cells_of: Group) -> None:
    cells = cells_of(cohorts(seed=33, tenants=6, leads=800, base_rate=(0.2, 0.3), slope=(6.0, 8.0), held_out=1))
    may_pool = np.array([True, True, False, True, True, True])
    fits, _ = fit_pooled(cells, may_pool=may_pool)
    alone = fit(cells.where(cells.tenant == 2))
    assert fits.effects[2].tobytes() == alone.effects[0].tobytes()
    assert (fits.reference[2] == DEFAULT_WEIGHTS).all()
    assert (fits.reference[3] != DEFAULT_WEIGHTS).any()


def test_tenants_with_one_outcome_only_do_not_pool(cohorts: Draw, cells_of: Group) -> None:
    cells = cells_of(cohorts(seed=34, tenants=6, leads=400, base_rate=(0.2, 0.3), slope=(6.0, 8.0), held_out=1))
    silent = np.where(cells.tenant < 2, 0, cells.booked)
    assert pool(fit(Cells(cells.tenant, cells.components, cells.quarter, cells.tier, cells.leads, silent))).tenants == 4


def test_shuffled_outcomes_give_no_reference_in_nine_of_ten_worlds(cohorts: Draw, cells_of: Group) -> None:
    given = [
        pooled_reference(fit(cells_of(cohorts(seed=seed, tenants=12, leads=300, shuffled=True, held_out=1))))
        for seed in range(60)
    ]
    assert sum(reference is not None for reference in given) <= 6


def test_the_pool_helps_thin_tenants(cohorts: Draw, cells_of: Group) -> None:
    world = cohorts(seed=35, tenants=200, leads=80, centre=CENTRE, base_rate=(0.03, 0.12), held_out=1)
    fits, common = fit_pooled(cells_of(world))
    decisions = decide(fits, pooled=common.reference)
    thin = fits.booked < 10
    assert thin.mean() > 0.7
    assert {decision.live_source for decision, few in zip(decisions, thin, strict=True) if few} == {"pooled"}
    live = np.array([decision.live_weights for decision in decisions])[thin]
    true = world.true_weights[thin]
    assert np.abs(live - true).mean() < 0.85 * np.abs(np.array(DEFAULT_WEIGHTS) - true).mean()


def test_one_huge_tenant_does_not_own_the_pool(cohorts: Draw, cells_of: Group) -> None:
    fields = {"slope": (6.0, 8.0), "base_rate": (0.1, 0.2), "spread": 0.02, "held_out": 1}
    many = cells_of(cohorts(seed=36, tenants=20, leads=1500, centre=CENTRE, **fields))
    one = cells_of(cohorts(seed=37, tenants=1, leads=200_000, centre=(0.40, 0.10, 0.25, 0.10), **fields))
    huge = Cells(
        np.concatenate([many.tenant, one.tenant + 20]),
        *(np.concatenate([getattr(many, name), getattr(one, name)]) for name in ("components", "quarter", "tier")),
        np.concatenate([many.leads, one.leads]),
        np.concatenate([many.booked, one.booked]),
    )
    reference = pooled_reference(fit(huge))
    assert reference is not None
    assert np.abs(reference - CENTRE).max() < 0.06


def test_may_pool_must_answer_for_every_tenant(cohorts: Draw, cells_of: Group) -> None:
    fits = fit(cells_of(cohorts(seed=34, tenants=6, leads=400, base_rate=(0.2, 0.3), slope=(6.0, 8.0), held_out=1)))
    with pytest.raises(ShapeError, match="may_pool"):
        pool(fits, may_pool=np.array([True, False]))
