"""Simulated tenants as files: what a customer would bring, its mapping, and the truth beside it.

Belongs here: writing. Nothing else in this package touches files.
"""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl
import yaml

from ingest.simulation.spec import TenantSpec, World
from ingest.simulation.tenant import SimulatedTenant, simulate

TIME_FORMAT: Final = "%Y-%m-%d %H:%M:%S"

_LEAD_COLUMNS: Final = (
    "lead_id",
    "created_at",
    "title",
    "industry",
    "employee_count",
    "country",
    "is_new_role",
    "is_hiring",
    "recently_funded",
    "deleted_at",
)


Format = Literal["csv", "csv.gz", "ndjson", "ndjson.gz", "parquet"]


def write(tenant: SimulatedTenant, directory: Path, *, file_format: Format = "csv") -> Path:
    """Write one tenant's files into ``directory``, which is made; returns the path of its mapping.

    leads, status_events, activities, score_snapshots (where there are components) in the format,
    mapping.yaml for loading them, truth.json for judging what was learned.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, table in tenant.tables.items():
        _write_table(table, directory / f"{name}.{file_format}")
    truth = json.dumps(tenant.truth, indent=2, ensure_ascii=False)
    (directory / "truth.json").write_text(truth + "\n", encoding="utf-8")
    path = directory / "mapping.yaml"
    path.write_text(
        yaml.safe_dump(mapping(tenant.spec, file_format), sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    return path


def write_world(world: World, directory: Path) -> Iterator[tuple[TenantSpec, Path]]:
    """Simulate and write tenant after tenant, each into a directory named after its slug; yields as each is done."""
    for spec in world.tenants:
        tenant = simulate(spec, seed=world.seed, as_of=world.as_of, months=world.months)
        yield spec, write(tenant, directory / spec.slug)


def _write_table(table: pl.DataFrame, path: Path) -> None:
    packed = path.suffix == ".gz"
    target = io.BytesIO() if packed else path
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "csv":
        table.write_csv(target, datetime_format=TIME_FORMAT)
    elif kind == "ndjson":
        table.write_ndjson(target)
    else:
        table.write_parquet(target)
    if isinstance(target, io.BytesIO):
        path.write_bytes(gzip.compress(target.getvalue(), mtime=0))


def mapping(spec: TenantSpec, file_format: Format = "csv") -> dict[str, Any]:
    """How the loader reads the tenant's files."""
    tables: dict[str, Any] = {
        "name": spec.slug,
        "tenant": spec.slug,
        "timezone": spec.timezone,
        "leads": {
            "files": f"leads.{file_format}",
            "columns": {column: column for column in _LEAD_COLUMNS},
            "attributes": {"source": "source"},
        },
        "status_events": {
            "files": f"status_events.{file_format}",
            "columns": {column: column for column in ("lead_id", "occurred_at", "status")},
        },
        "activities": {
            "files": f"activities.{file_format}",
            "columns": {
                column: column for column in ("activity_id", "lead_id", "action", "occurred_at", "content_snapshot")
            },
        },
    }
    if spec.components:
        tables["score_snapshots"] = {
            "files": f"score_snapshots.{file_format}",
            "columns": {
                "lead_id": "lead_id",
                "scored_at": "scored_at",
                "components": "als_components",
                "weights_used": "als_weights_used",
                "score": "score",
            },
        }
    return tables
