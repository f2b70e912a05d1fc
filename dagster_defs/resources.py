"""The warehouse as a Dagster resource: open, locked for the run, cleaned up after killed ones."""

from __future__ import annotations

import datetime as dt
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext

import dagster as dg
import psycopg
from pydantic import PrivateAttr

from ingest.outcomes.load import close_interrupted_loads
from warehouse import logs
from warehouse.connection import Warehouse

log = logging.getLogger(__name__)

BY_COMMAND_LINE = {"icp/started_by": "command line"}  # tag of runs that `icp run` creates and executes itself
STARTED_WITHIN = dt.timedelta(minutes=10)  # a process that Dagster launched has come to work by then, or never will


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
        run = context.run
        holder = f"{run.job_name} {run.run_id[:8]}" if run else "a run"
        told = logs.bound(run_id=run.run_id, job=run.job_name) if run else nullcontext()
        with told, scoped(self._warehouse.dbt_environment()), self._warehouse.pipeline_lock(holder):
            with self.connect(autocommit=True) as connection:
                close_interrupted_loads(connection)
            if run and context.instance:
                close_abandoned_runs(context.instance, except_run=run.run_id)
                context.instance.add_event_listener(run.run_id, log_event)
            log.info("run started")
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

    Call with the pipeline lock held: any other run that counts as started was killed, or is about to be refused. So was
    one of the command line that was only created, and one of Dagster's that has been starting for long.
    """
    status, asked = dg.DagsterRunStatus, dg.RunsFilter
    long_ago = dt.datetime.now(dt.UTC) - STARTED_WITHIN
    found = [
        *instance.get_runs(asked(statuses=[status.STARTED, status.CANCELING])),
        *instance.get_runs(asked(statuses=[status.NOT_STARTED], tags=BY_COMMAND_LINE)),
        *instance.get_runs(asked(statuses=[status.NOT_STARTED, status.STARTING], created_before=long_ago)),
    ]
    abandoned = {run.run_id: run for run in found if run.run_id != except_run}
    for run in abandoned.values():
        instance.report_run_failed(run, "Its process was killed; what it had not committed was rolled back.")
    return len(abandoned)


@contextmanager
def scoped(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for what is started within, and for nothing after it."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def log_event(entry: dg.EventLogEntry) -> None:
    """A line in our log for what Dagster tells of steps, checks and the end of a run.

    The logger of this module is none that Dagster's own log shows (``python_logs`` in dagster.yaml): there the events
    stand already.
    """
    event = entry.dagster_event
    if event is None:
        return
    kind = dg.DagsterEventType
    with logs.bound(run_id=entry.run_id, job=entry.job_name, **({"step": event.step_key} if event.step_key else {})):
        if event.event_type is kind.STEP_START:
            log.info("step started")
        elif event.event_type is kind.STEP_SUCCESS:
            log.info("step ended", extra={"seconds": round(event.step_success_data.duration_ms / 1000, 3)})
        elif event.event_type is kind.STEP_FAILURE:
            log.error("step failed", extra={"errors": _types(event.step_failure_data.error)})
        elif event.event_type is kind.ASSET_CHECK_EVALUATION:
            _log_check(event.asset_check_evaluation_data)
        elif event.event_type is kind.RUN_SUCCESS:
            log.info("run ended")
        elif event.event_type is kind.RUN_FAILURE:
            log.error("run failed")


def _log_check(check: dg.AssetCheckEvaluation) -> None:
    if not check.passed:
        numbers = {name: getattr(check.metadata.get(name), "value", None) for name in ("value", "threshold")}
        told = {"asset": ".".join(check.asset_key.path), "check": check.check_name, **numbers}
        level = logging.ERROR if check.severity is dg.AssetCheckSeverity.ERROR else logging.WARNING
        log.log(level, "check does not hold", extra=told)


def _types(error: dg.SerializableErrorInfo | None) -> list[str]:
    """Classes of an error and its causes. Not their words: those may quote rows."""
    types = []
    while error is not None:
        types.append(error.cls_name or "?")
        error = error.cause
    return types
