"""Helpers of tests that run the whole graph: load a world of simulated tenants, run a job."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dagster_defs.project import DBT_FOLDER
from dagster_defs.runs import RunReport, run_job
from ingest.outcomes.load import load_outcomes
from ingest.simulation.files import write_world
from ingest.simulation.spec import World
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.settings import PROJECT_ROOT
from warehouse.versions import changed_since, newest_version

Rows = Callable[..., list[tuple[Any, ...]]]
"""Run a query as the pipeline and fetch everything."""

MARTS = (
    "lead_outcomes",
    "lead_conversion_rates",
    "weight_training_cells",
    "lead_scores",
    "score_band_performance",
    "pipeline_health",
)


def run(warehouse: Warehouse, job: str = "everything", **ops: Any) -> RunReport:
    """Run a job; options are named after what they set."""
    settings = {key: value for key, value in ops.items() if key in ("as_of", "tenants")}
    config = {
        "intermediate__run_settings": settings,
        "dbt_stage_1": {"full_refresh": ops.get("full_refresh", False)},
        "dbt_stage_2": {"full_refresh": ops.get("full_refresh", False)},
    }
    return run_job(job, settings=warehouse.settings, ops=config)


def load_world(warehouse: Warehouse, world: World, folder: Path) -> dict[str, Path]:
    """Add and load all tenants of a world; returns their mappings by slug."""
    mappings = {}
    with warehouse.connect(autocommit=True) as connection:
        for spec, mapping in write_world(world, folder):
            tenants.add_tenant(
                connection,
                slug=spec.slug,
                name=spec.name,
                external_id=spec.external_id,
                timezone=spec.timezone,
                simulated=True,
            )
            load_outcomes(warehouse, mapping)
            mappings[spec.slug] = mapping
    return mappings


def build_marts(
    warehouse: Warehouse,
    *arguments: str,
    as_of: str,
    tenant_ids: list[int] | None = None,
    project: Path = PROJECT_ROOT,
) -> dict[str, int]:
    """Run dbt in this process, without its tests; returns how many tenants each mart rebuilt."""
    from dbt.cli.main import dbtRunner

    with warehouse.connect(autocommit=True) as connection:
        connection.execute("update intermediate.run_settings set as_of = %s, tenant_ids = %s", (as_of, tenant_ids))
        before = newest_version(connection)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in warehouse.dbt_environment().items():
                patch.setenv(name, value)
            places = ["--project-dir", str(project), "--profiles-dir", str(DBT_FOLDER)]
            if project != PROJECT_ROOT:
                places += ["--target-path", str(project / "target")]
            no_tests = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
            result = dbtRunner().invoke(["--quiet", "build", *no_tests, *places, *arguments])
        assert result.success, result.exception or [r.message for r in result.result if r.status == "error"]
        return {table: changed_since(connection, f"marts.{table}", before) for table in MARTS}


def contents(rows: Rows, schema: str = "marts", tables: tuple[str, ...] = MARTS) -> dict[str, list[Any]]:
    """All rows of tables, as sorted text."""
    return {table: rows(f"select t::text from {schema}.{table} as t order by 1") for table in tables}


def edit_csv(mapping: Path, name: str, change: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> None:
    """Rewrite a CSV file of a simulated tenant, record by record."""
    path = mapping.parent / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as content:
        records = change(list(csv.DictReader(content)))
    with path.open("w", encoding="utf-8", newline="") as content:
        writer = csv.DictWriter(content, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
