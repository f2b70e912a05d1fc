"""dbt: stage 1 (what was loaded → marts) before learning, stage 2 (what was learned → scores) after it."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliInvocation, DbtCliResource, dbt_assets
from pydantic import Field

from dagster_defs.metadata import table_metadata
from dagster_defs.project import TARGET, Translator, ensure_manifest
from dagster_defs.resources import WarehouseResource
from warehouse.versions import changed_since, newest_version

# Unit tests guard the SQL in CI; they are no statement about the data.
NO_UNIT_TESTS = "resource_type:unit_test"


class DbtConfig(dg.Config):
    """How dbt is run."""

    full_refresh: bool = Field(default=False, description="Rebuild every incremental model from nothing.")


manifest = ensure_manifest()
translator = Translator()


@dbt_assets(
    manifest=manifest,
    name="dbt_stage_1",
    select="tag:stage_1",
    exclude=NO_UNIT_TESTS,
    dagster_dbt_translator=translator,
)
def dbt_stage_1(
    context: dg.AssetExecutionContext, config: DbtConfig, dbt: DbtCliResource, warehouse: WarehouseResource
) -> Iterator[Any]:
    """What was loaded into outcomes, rates and training cells."""
    yield from _build(context, config, dbt, warehouse)


@dbt_assets(
    manifest=manifest,
    name="dbt_stage_2",
    select="tag:stage_2",
    exclude=NO_UNIT_TESTS,
    dagster_dbt_translator=translator,
)
def dbt_stage_2(
    context: dg.AssetExecutionContext, config: DbtConfig, dbt: DbtCliResource, warehouse: WarehouseResource
) -> Iterator[Any]:
    """What was learned into scores, their performance and the health of the pipeline."""
    yield from _build(context, config, dbt, warehouse)


def _build(
    context: dg.AssetExecutionContext, config: DbtConfig, dbt: DbtCliResource, warehouse: WarehouseResource
) -> Iterator[Any]:
    arguments = ["build", *(["--full-refresh"] if config.full_refresh else [])]
    with warehouse.connect(autocommit=True) as connection:
        before = newest_version(connection)
        # A fixed folder per stage: one of its own for every run would fill the disk.
        target = TARGET / context.op_execution_context.op.name
        invocation = dbt.cli(arguments, context=context, target_path=target)
        events = iter(invocation.stream())
        try:
            for event in events:
                if isinstance(event, dg.Output):
                    key = context.asset_key_for_output(event.output_name)
                    schema, table = key.path
                    metadata = table_metadata(connection, schema, table)
                    if schema == "marts":
                        metadata["tenants_rebuilt"] = changed_since(connection, f"{schema}.{table}", before)
                    context.add_asset_metadata(metadata, asset_key=key)
                yield event
        finally:
            _end(invocation, events)


def _end(invocation: DbtCliInvocation, events: Iterator[Any]) -> None:
    """Let dbt end, and read to the end what it said, when the run cannot go on beside it.

    dagster-dbt's reader answers being closed with one more line, of which Python complains on standard error.
    """
    if invocation.process.poll() is None:
        invocation.process.kill()
    with suppress(Exception):
        deque(events, maxlen=0)
