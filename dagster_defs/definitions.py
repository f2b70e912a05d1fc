"""The code location: everything put together. Tests build it with other resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from dagster_defs import jobs, outcomes, scoring, transform, weights, who
from dagster_defs.checks import checks
from dagster_defs.project import dbt_resource
from dagster_defs.resources import WarehouseResource
from warehouse.settings import Settings


def build_defs(resources: Mapping[str, Any] | None = None, settings: Settings | None = None) -> dg.Definitions:
    """All assets, checks, jobs and schedules.

    Args:
        resources: replacements by name (``warehouse``, ``dbt``).
    """
    return dg.Definitions(
        assets=[
            *outcomes.external_assets,
            outcomes.load_outcomes,
            outcomes.run_settings,
            transform.dbt_stage_1,
            weights.learn_weights,
            who.learn_who,
            transform.dbt_stage_2,
            scoring.warehouse_score_snapshots,
        ],
        asset_checks=checks,
        jobs=jobs.jobs,
        schedules=jobs.schedules(settings or Settings.from_environment()),
        resources={"warehouse": WarehouseResource(), "dbt": dbt_resource(), **(resources or {})},
        # A small graph: one process takes half the time of one process per step. docs/deploy.md has the other.
        executor=dg.in_process_executor,
    )


defs = build_defs()
