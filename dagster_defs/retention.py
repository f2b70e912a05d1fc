"""Deleting what is older than its time, as the last thing of a night."""

import dagster as dg

from dagster_defs.metadata import markdown_table
from dagster_defs.resources import WarehouseResource
from warehouse import retention
from warehouse.errors import WarehouseError


@dg.asset(key=["raw", "retention_runs"], group_name="retention", kinds={"python", "postgres"})
def retention_runs(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    """One row per kind of row and time that rows older than its retention were deleted."""
    try:
        days = retention.days_from_environment()
    except WarehouseError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    with warehouse.connect(autocommit=True) as connection:
        done = retention.apply(connection, days, run_id=context.run.run_id)
    rows = [(one.kind, one.days or "for ever", one.deleted, one.needed) for one in done]
    return dg.MaterializeResult(
        metadata={
            "deleted": sum(one.deleted for one in done),
            "retention": markdown_table(["rows", "days", "deleted", "kept for learning"], rows),
        }
    )
