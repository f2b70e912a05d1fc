"""The code location: everything put together. Tests build it with other resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from dagster_defs import (
    checks,
    crawl,
    intake,
    jobs,
    matching,
    outcomes,
    registry,
    retention,
    scoring,
    sensors,
    suggestions,
    transform,
    weights,
    who,
)
from dagster_defs.project import dbt_resource
from dagster_defs.resources import WarehouseResource
from warehouse import logs
from warehouse.settings import Settings


def build_defs(resources: Mapping[str, Any] | None = None, settings: Settings | None = None) -> dg.Definitions:
    """All assets, checks, jobs and schedules.

    Args:
        resources: replacements by name (``warehouse``, ``dbt``).
    """
    settings = settings or Settings.from_environment()
    logs.configure(settings)
    return dg.Definitions(
        assets=[
            *outcomes.external_assets,
            outcomes.load_outcomes,
            outcomes.run_settings,
            *registry.assets,
            *intake.external_assets,
            intake.process_intake,
            matching.match_seeds,
            crawl.crawl_sites,
            crawl.company_enrichment_runs,
            transform.dbt_stage_1,
            weights.learn_weights,
            who.learn_who,
            suggestions.learn_suggestions,
            transform.dbt_stage_2,
            scoring.warehouse_score_snapshots,
            retention.retention_runs,
        ],
        asset_checks=[*checks.checks, *matching.checks, *crawl.checks, *suggestions.checks],
        jobs=jobs.jobs,
        schedules=jobs.schedules(settings),
        sensors=sensors.sensors(settings),
        resources={"warehouse": WarehouseResource(), "dbt": dbt_resource(), **(resources or {})},
        # A small graph: one process takes half the time of one process per step, and holds the pipeline's lock once.
        executor=dg.in_process_executor,
    )


defs = build_defs()
