"""Worlds with planted truth, for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pytest

from ingest.simulation import Cohorts, CohortSpec, draw_cohorts
from models_py.weights import Cells


@lru_cache(maxsize=8)
def _cohorts(spec: CohortSpec, seed: int) -> Cohorts:
    return draw_cohorts(spec, seed=seed)


@pytest.fixture(scope="session")
def cohorts() -> Callable[..., Cohorts]:
    """Draw a world: ``cohorts(seed=1, tenants=5, leads=300, ...)``, fields of CohortSpec; drawn once per session."""

    def draw(*, seed: int, **fields: object) -> Cohorts:
        return _cohorts(CohortSpec(**fields), seed)  # type: ignore[arg-type]

    return draw


@pytest.fixture(scope="session")
def cells_of() -> Callable[[Cohorts], Cells]:
    """A world as the learner's input."""

    def group(cohorts: Cohorts) -> Cells:
        ones = np.ones(len(cohorts.tenant), dtype=np.int64)
        return Cells(cohorts.tenant, cohorts.components, cohorts.quarter, cohorts.tier, ones, cohorts.booked)

    return group
