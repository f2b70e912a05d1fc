"""Loading outcomes, and what the run is about (its as-of date and tenants)."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
from pydantic import Field

from dagster_defs.metadata import markdown_table, table_metadata
from dagster_defs.resources import WarehouseResource
from ingest.errors import IngestError
from ingest.outcomes import load as outcomes
from ingest.outcomes.mapping import read_mapping
from warehouse import tenants
from warehouse.errors import WarehouseError

GROUP = "outcomes"
LOADED = {
    "leads": "One row per tenant and lead.",
    "lead_status_events": "One row per status that a lead got, and when.",
    "activities": "One row per touch sent, reply or booked meeting.",
    "lead_score_snapshots": "One row per scoring of a lead, append-only.",
    "rejected_rows": "One row per source row that could not be loaded, with the reason.",
}

# Added by `icp tenant add` and by a migration: no run produces them.
external_assets = [
    dg.AssetSpec(["raw", "tenants"], group_name=GROUP, description="One row per tenant; `icp tenant add`."),
    dg.AssetSpec(["raw", "activity_kinds"], group_name=GROUP, description="One row per kind of activity."),
]


class LoadConfig(dg.Config):
    """Which sources to load."""

    mappings: list[str] = Field(
        default_factory=list, description="Mapping files; none: every source that was loaded before."
    )
    tenants: list[str] = Field(default_factory=list, description="Of those, only these tenants' (slugs).")
    again: bool = Field(default=False, description="Load files also where they are unchanged.")


@dg.multi_asset(
    name="load_outcomes",
    specs=[
        dg.AssetSpec(["raw", table], group_name=GROUP, description=text, kinds={"python", "postgres"})
        for table, text in LOADED.items()
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "every_source_could_be_read",
            asset=["raw", "leads"],
            description="Mapping and files of every registered source are there and readable.",
        )
    ],
)
def load_outcomes(
    context: dg.AssetExecutionContext, config: LoadConfig, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Load the files that are new or changed; files that are as they were are left alone."""
    reports, failures = [], []
    for path in _mapping_paths(config, warehouse):
        try:
            report = outcomes.load_outcomes(
                warehouse.warehouse, path, run_id=context.run.run_id, again=config.again, progress=_progress(context)
            )
            reports.append(report)
        except (IngestError, WarehouseError) as error:
            if config.mappings:  # somebody asked for this very file
                raise dg.Failure(description=str(error), allow_retries=False) from error
            failures.append(str(error))
    rows = [
        (report.source, file.entity, file.file, file.status, file.counts.read, file.counts.inserted)
        + (file.counts.updated, file.counts.unchanged, file.counts.rejected, file.counts.suppressed)
        + (round(file.seconds, 2),)
        for report in reports
        for file in report.files
    ]
    names = ["source", "entity", "file", "status", "read", "new", "updated", "same", "rejected", "suppressed"]
    with warehouse.connect(autocommit=True) as connection:
        for spec in external_assets:  # not made here, but worth seeing beside what is
            metadata = table_metadata(connection, *spec.key.path)
            context.log_event(dg.AssetMaterialization(spec.key, metadata=metadata))
        for table in LOADED:
            metadata = table_metadata(connection, "raw", table)
            if table == "leads":
                metadata["loads"] = markdown_table([*names, "seconds"], rows)
                metadata["files_loaded"] = sum(row[3] == "loaded" for row in rows)
                metadata["files_unchanged"] = sum(row[3] == "unchanged" for row in rows)
            yield dg.MaterializeResult(asset_key=["raw", table], metadata=metadata)
    yield dg.AssetCheckResult(
        check_name="every_source_could_be_read",
        asset_key=["raw", "leads"],
        passed=not failures,
        metadata={"value": len(failures), "threshold": 0, "failures": failures},
    )


def _mapping_paths(config: LoadConfig, warehouse: WarehouseResource) -> list[Path]:
    if config.mappings:
        return [Path(path) for path in config.mappings]
    with warehouse.connect() as connection:
        rows = connection.execute(
            "select mapping_path from raw.sources where kind = 'outcomes' order by source"
        ).fetchall()
    paths = [Path(row[0]) for row in rows]
    if not config.tenants:
        return paths
    return [path for path in paths if _may_concern(path, config.tenants)]


def _may_concern(path: Path, slugs: list[str]) -> bool:
    try:
        tenant = read_mapping(path).tenant
    except IngestError:
        return True  # loading will say what is wrong
    return not isinstance(tenant, str) or tenant in slugs


def _progress(context: dg.AssetExecutionContext) -> outcomes.Progress:
    def tell(entity: str, file: str, done: int, total: int) -> None:
        if done == total or done % 1_000_000 == 0:
            context.log.info(f"{file}: {done:,} of {total:,} {entity} read")

    return tell


class RunSettingsConfig(dg.Config):
    """What the run is about."""

    as_of: str | None = Field(
        default=None, description="The last day that is known to the run, YYYY-MM-DD; default: today (UTC)."
    )
    tenants: list[str] = Field(default_factory=list, description="Slugs; none: all tenants.")


@dg.asset(key=["intermediate", "run_settings"], group_name=GROUP, kinds={"python", "postgres"})
def run_settings(
    context: dg.AssetExecutionContext, config: RunSettingsConfig, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """One row: the as-of date and the tenants of the run. dbt and the learners read it; no SQL asks the clock."""
    with warehouse.connect() as connection:
        as_of = _as_of(connection, config.as_of)
        try:
            ids = [tenants.get(connection, slug).tenant_id for slug in config.tenants] or None
        except WarehouseError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error
        connection.execute(
            "update intermediate.run_settings set as_of = %s, tenant_ids = %s, run_id = %s",
            (as_of, ids, context.run.run_id),
        )
    return dg.MaterializeResult(metadata={"as_of": str(as_of), "tenants": ", ".join(config.tenants) or "all"})


def _as_of(connection: psycopg.Connection, asked: str | None) -> dt.date:
    """The date asked for; else today, or in a warehouse of simulated tenants only the day their world ends."""
    if asked:
        try:
            return dt.date.fromisoformat(asked)
        except ValueError:
            raise dg.Failure(f"as_of is {asked!r}; it takes a date such as 2026-06-30.", allow_retries=False) from None
    known = tenants.list_tenants(connection)
    if known and all(tenant.simulated for tenant in known):
        row = connection.execute("select as_of from intermediate.run_settings").fetchone()
        assert row is not None
        return dt.date.fromisoformat(str(row[0]))
    return dt.datetime.now(dt.UTC).date()
