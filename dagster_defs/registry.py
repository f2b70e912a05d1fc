"""Company registries and classifications of industries: what was loaded once is loaded again when its files change."""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import dagster as dg
import psycopg
from pydantic import Field

from dagster_defs.checks import WARN, number, within
from dagster_defs.metadata import markdown_table, table_metadata
from dagster_defs.resources import WarehouseResource
from ingest.errors import IngestError
from ingest.registry import load as registries
from ingest.registry import load_codes
from ingest.registry.report import RegistryReport
from warehouse.errors import WarehouseError

GROUP = "registry"
LEAST_CODED = 0.8  # of the live entities should have an industry code: base rates are shares of them
MOST_REJECTED = 0.01  # of the rows of the last loads; a registry is no hand-kept list
_TOLD_EVERY = 500_000  # rows
Item = TypeVar("Item")
Report = TypeVar("Report")


class RegistryConfig(dg.Config):
    """What to load again."""

    again: bool = Field(default=False, description="Load files also where they are unchanged.")


@dg.multi_asset(
    name="load_industry_codes",
    specs=[
        dg.AssetSpec(
            ["raw", "industry_codes"],
            group_name=GROUP,
            description="One row per version of the classification and code; `icp load industry-codes`.",
            kinds={"python", "postgres"},
        ),
        dg.AssetSpec(
            ["raw", "industry_code_links"],
            deps=[["raw", "industry_codes"]],
            group_name=GROUP,
            description="One row per code of one version and code of another that it became.",
            kinds={"python", "postgres"},
        ),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "every_code_list_could_be_read",
            asset=["raw", "industry_codes"],
            description="The files of every version that was loaded once are there and readable.",
        )
    ],
)
def load_industry_codes(
    context: dg.AssetExecutionContext, config: RegistryConfig, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Load the lists that changed; links are computed anew where a list did."""
    with warehouse.connect(autocommit=True) as connection:
        known = load_codes.registered_codes(connection)

    def load(item: load_codes.RegisteredCodes) -> load_codes.CodesReport:
        return load_codes.load_industry_codes(
            warehouse.warehouse,
            item.path,
            version=item.version,
            encoding=item.encoding,
            run_id=context.run.run_id,
            again=config.again,
        )

    reports, failures = _each(known, load)
    with warehouse.connect(autocommit=True) as connection:
        metadata = table_metadata(connection, "raw", "industry_codes")
        metadata["by_version"] = _code_table(connection)
        metadata["lists_loaded"] = sum(report.status == "loaded" for report in reports)
        yield dg.MaterializeResult(asset_key=["raw", "industry_codes"], metadata=metadata)
        metadata = table_metadata(connection, "raw", "industry_code_links")
        metadata["by_basis"] = _link_table(connection)
        yield dg.MaterializeResult(asset_key=["raw", "industry_code_links"], metadata=metadata)
    yield _read_check("every_code_list_could_be_read", "industry_codes", failures)


@dg.asset(
    key=["raw", "registry_entities"],
    deps=[["raw", "industry_codes"]],
    group_name=GROUP,
    kinds={"python", "postgres"},
    description="One row per registry and registration number, struck-off ones too; `icp load registry`.",
    check_specs=[
        dg.AssetCheckSpec(
            "every_registry_could_be_read",
            asset=["raw", "registry_entities"],
            description="The files of every registry that was loaded once are there and readable.",
        ),
        dg.AssetCheckSpec(
            "live_entities_have_an_industry_code",
            asset=["raw", "registry_entities"],
            description="Share of live entities with an industry code, in registries that give codes at all.",
        ),
        dg.AssetCheckSpec(
            "few_registry_rows_are_rejected",
            asset=["raw", "registry_entities"],
            description="Share of rows that the last load of each file rejected.",
        ),
    ],
)
def registry_entities(
    context: dg.AssetExecutionContext, config: RegistryConfig, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Load the registries whose files changed, by difference."""
    with warehouse.connect(autocommit=True) as connection:
        known = registries.registered_registries(connection)

    def load(item: registries.RegisteredRegistry) -> RegistryReport:
        return registries.reload_registry(
            warehouse.warehouse,
            item,
            now=dt.datetime.now(dt.UTC),
            run_id=context.run.run_id,
            again=config.again,
            progress=_progress(context),
        )

    reports, failures = _each(known, load)
    with warehouse.connect(autocommit=True) as connection:
        metadata = table_metadata(connection, "raw", "registry_entities")
        metadata["loads"] = _load_table(reports)
        metadata["by_registry"] = _registry_table(connection)
        yield dg.MaterializeResult(metadata=metadata)
        yield _read_check("every_registry_could_be_read", "registry_entities", failures)
        asset = ("raw", "registry_entities")
        yield within(
            _coded(connection),
            at_least=LEAST_CODED,
            severity=WARN,
            asset=asset,
            name="live_entities_have_an_industry_code",
        )
        yield within(
            _rejected(connection),
            at_most=MOST_REJECTED,
            severity=WARN,
            asset=asset,
            name="few_registry_rows_are_rejected",
        )


def _each(items: list[Item], load: Callable[[Item], Report]) -> tuple[list[Report], list[str]]:
    """Load all; one that cannot be read does not keep the others from it."""
    reports, failures = [], []
    for item in items:
        try:
            reports.append(load(item))
        except (IngestError, WarehouseError) as error:
            failures.append(str(error))
    return reports, failures


def _read_check(name: str, table: str, failures: list[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        asset_key=["raw", table],
        passed=not failures,
        metadata={"value": len(failures), "threshold": 0, "failures": failures},
    )


# Of the registries that give codes at all.
_coded = number(
    "select avg((industry_code is not null)::int)::float8 from raw.registry_entities"
    " where is_live and gone_at is null and registry in"
    " (select registry from raw.registry_entities where industry_code is not null group by registry)"
)
_rejected = number(
    "select sum(rows_rejected)::float8 / nullif(sum(rows_read), 0) from ("
    " select distinct on (source, file) rows_rejected, rows_read from raw.loads"
    " where entity = 'registry_entities' and status = 'done' order by source, file, load_id desc) as last"
)


def _code_table(connection: psycopg.Connection) -> dg.MarkdownMetadataValue:
    rows = connection.execute(
        "select version, count(*) filter (where level = 'section'), count(*) filter (where level = 'division'),"
        " count(*) filter (where level = 'group'), count(*) filter (where level = 'class'),"
        " count(*) filter (where level = 'subclass') from raw.industry_codes group by version order by version"
    ).fetchall()
    return markdown_table(["version", "sections", "divisions", "groups", "classes", "subclasses"], rows)


def _link_table(connection: psycopg.Connection) -> dg.MarkdownMetadataValue:
    rows = connection.execute(
        "select from_version, to_version, basis, count(*), avg(weight) from raw.industry_code_links"
        " group by 1, 2, 3 order by 1, 2, 3"
    ).fetchall()
    return markdown_table(["from", "to", "basis", "links", "mean weight"], rows)


def _registry_table(connection: psycopg.Connection) -> dg.MarkdownMetadataValue:
    rows = connection.execute(
        "select registry, industry_code_version, count(*) filter (where gone_at is null),"
        " count(*) filter (where is_live) / nullif(count(*) filter (where gone_at is null), 0)::float8,"
        " count(*) filter (where is_live and industry_code is not null), count(gone_at)"
        " from raw.registry_entities group by 1, 2 order by 1, 2"
    ).fetchall()
    return markdown_table(["registry", "code version", "entities", "live share", "live with a code", "gone"], rows)


def _load_table(reports: list[RegistryReport]) -> dg.MarkdownMetadataValue:
    rows: list[list[Any]] = []
    for report in reports:
        counts = report.counts
        reason = report.code_version.reason if report.code_version else ""
        rows.append(
            [report.registry, report.status, counts.read, counts.inserted, counts.updated, counts.unchanged]
            + [counts.rejected, report.gone, reason, round(report.seconds, 1)]
        )
    names = ["registry", "status", "read", "new", "updated", "same", "rejected", "gone", "code version", "seconds"]
    return markdown_table(names, rows)


def _progress(context: dg.AssetExecutionContext) -> registries.Progress:
    def tell(file: str, done: int, total: int) -> None:
        if done == total or done % _TOLD_EVERY == 0:
            context.log.info(f"{file}: {done:,} of {total:,} rows read")

    return tell


assets = [load_industry_codes, registry_entities]
