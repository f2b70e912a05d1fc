"""The warehouse as a Dagster resource: open, locked for the run, cleaned up after killed ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import psycopg
from pydantic import PrivateAttr

from ingest.outcomes.load import close_interrupted_loads
from warehouse.connection import Warehouse


class WarehouseResource(dg.ConfigurableResource):
    """The warehouse, held by this run alone.

    One run writes at a time, whether it was started in the UI, by a schedule or on the command line: the run
    takes the pipeline lock when its resources start and gives it back when they end, however it ends.
    """

    _warehouse: Warehouse = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[WarehouseResource]:
        """Open and migrate, take the lock, close what killed runs left open."""
        self._warehouse = Warehouse().open()
        os.environ.update(self._warehouse.dbt_environment())
        run = context.run
        holder = f"{run.job_name} {run.run_id[:8]}" if run else "a run"
        with self._warehouse.pipeline_lock(holder):
            with self.connect(autocommit=True) as connection:
                close_interrupted_loads(connection)
            if run and context.instance:
                close_abandoned_runs(context.instance, except_run=run.run_id)
            yield self

    @property
    def warehouse(self) -> Warehouse:
        """The open warehouse."""
        return self._warehouse

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection:
        """A connection as ``icp_pipeline``."""
        return self._warehouse.connect(autocommit=autocommit, application="icp run")


def close_abandoned_runs(instance: dg.DagsterInstance, *, except_run: str) -> int:
    """Mark runs as failed that say they are at work although somebody else holds the lock.

    Call with the pipeline lock held: any other run that counts as started was killed, or is about to be
    refused.
    """
    statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    started = instance.get_runs(filters=dg.RunsFilter(statuses=statuses))
    abandoned = [run for run in started if run.run_id != except_run]
    for run in abandoned:
        instance.report_run_failed(run, "Its process was killed; what it had not committed was rolled back.")
    return len(abandoned)
