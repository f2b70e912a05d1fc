"""Simulated tenants as files: the CSV a customer would bring, its mapping, and the truth beside it.

Belongs here: writing. Nothing else in this package touches files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

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


def write(tenant: SimulatedTenant, directory: Path) -> Path:
    """Write one tenant's files into ``directory``, which is made; returns the path of its mapping.

    leads.csv, status_events.csv, activities.csv, score_snapshots.csv (where there are components),
    mapping.yaml for loading them, truth.json for judging what was learned.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for name, table in tenant.tables.items():
        table.write_csv(directory / f"{name}.csv", datetime_format=TIME_FORMAT)
    truth = json.dumps(tenant.truth, indent=2, ensure_ascii=False)
    (directory / "truth.json").write_text(truth + "\n", encoding="utf-8")
    path = directory / "mapping.yaml"
    path.write_text(yaml.safe_dump(mapping(tenant.spec), sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def write_world(world: World, directory: Path) -> Iterator[tuple[TenantSpec, Path]]:
    """Simulate and write tenant after tenant, each into a directory named after its slug; yields as each is done."""
    for spec in world.tenants:
        tenant = simulate(spec, seed=world.seed, as_of=world.as_of, months=world.months)
        yield spec, write(tenant, directory / spec.slug)


def mapping(spec: TenantSpec) -> dict[str, Any]:
    """How the loader reads the tenant's files."""
    tables: dict[str, Any] = {
        "name": spec.slug,
        "tenant": spec.slug,
        "timezone": spec.timezone,
        "leads": {
            "files": "leads.csv",
            "columns": {column: column for column in _LEAD_COLUMNS},
            "attributes": {"source": "source"},
        },
        "status_events": {
            "files": "status_events.csv",
            "columns": {column: column for column in ("lead_id", "occurred_at", "status")},
        },
        "activities": {
            "files": "activities.csv",
            "columns": {
                column: column for column in ("activity_id", "lead_id", "action", "occurred_at", "content_snapshot")
            },
        },
    }
    if spec.components:
        tables["score_snapshots"] = {
            "files": "score_snapshots.csv",
            "columns": {
                "lead_id": "lead_id",
                "scored_at": "scored_at",
                "components": "als_components",
                "weights_used": "als_weights_used",
                "score": "score",
            },
        }
    return tables
