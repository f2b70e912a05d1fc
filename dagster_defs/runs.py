"""Running a job in this process on the same Dagster instance, so that the UI shows it like any other run."""

from __future__ import annotations

import fcntl
import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from warehouse.connection import Warehouse
from warehouse.errors import Busy, WarehouseError
from warehouse.settings import Settings

_DAGSTER_YAML = """\
# Written by icp. Local runs and events lie in SQLite beside this file.
telemetry:
  enabled: false
nux:
  enabled: false
# Lines of these rooms in the log of a run, once; steps and checks are Dagster's own events.
python_logs:
  managed_python_loggers: [ingest, models_py, warehouse]
"""


@dataclass(frozen=True)
class CheckReport:
    """One asset check. ``blocking``: its failure is an error, not a warning."""

    asset: str
    check: str
    passed: bool
    blocking: bool
    metadata: dict[str, Any]


@dataclass(frozen=True)
class RunReport:
    """What a run did.

    Attributes:
        materialized: asset (``schema.table``) → its metadata, plain values only.
        failure: why it failed, in a sentence; None where it succeeded.
    """

    job: str
    run_id: str
    success: bool
    seconds: float
    materialized: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: list[CheckReport] = field(default_factory=list)
    failure: str | None = None


def prepare_home(settings: Settings) -> Path:
    """DAGSTER_HOME, with telemetry off; an existing dagster.yaml is left as it is."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        (home / "dagster.yaml").write_text(_DAGSTER_YAML)
    return home


def run_job(
    job: str,
    *,
    settings: Settings,
    ops: Mapping[str, Mapping[str, Any]] | None = None,
    on_step: Callable[[str], None] | None = None,
) -> RunReport:
    """Run a job to its end.

    Args:
        ops: configuration by op name (``load_outcomes``, ``intermediate__run_settings``, ``dbt_stage_1``, …); that of
            ops which the job does not have is left out.
        on_step: called with the name of each step as it starts.

    Raises:
        WarehouseError: there is no such job.
        Busy: another run is at work; this one did nothing and left no trace.
    """
    home = prepare_home(settings)
    os.environ["DAGSTER_HOME"] = str(home)
    with Warehouse(settings).open().pipeline_lock(f"{job} is about to start"):
        pass
    from dagster_defs.definitions import defs  # two seconds of imports, and it reads the dbt project
    from dagster_defs.resources import BY_COMMAND_LINE

    known = sorted(definition.name for definition in defs.jobs or ())
    if job not in known:
        raise WarehouseError(f"There is no job {job!r}; there are: {', '.join(known)}.")
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    definition = defs.resolve_job_def(job)
    config = {name: {"config": dict(values)} for name, values in (ops or {}).items()}
    began = time.monotonic()
    run_id = str(uuid.uuid4())
    log = settings.home / "last_run.log"
    # What dbt prints is for a log; on the terminal the caller shows progress.
    with open_instance(home) as instance, log.open("w") as dbt_output, redirect_stdout(dbt_output):
        instance.add_event_listener(run_id, _listener(on_step))
        result = definition.execute_in_process(
            instance=instance,
            run_id=run_id,
            raise_on_error=False,
            run_config={
                "ops": {name: values for name, values in config.items() if name in definition.graph.node_dict},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            tags=BY_COMMAND_LINE,
        )
        # Two that start together both find the lock free at first; the one that comes second learns it here.
        if (error := _run_error(result)) and error.cls_name == Busy.__name__:
            instance.delete_run(run_id)
            raise Busy(error.message.partition(": ")[2].strip())  # after the name of the class
    return _report(job, result, time.monotonic() - began)


def open_instance(home: Path) -> dg.DagsterInstance:
    """Dagster's instance at a prepared home.

    Two that set up its tables at once would leave them with two heads, and broken for ever.
    """
    with (home / "setup.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return dg.DagsterInstance.from_config(str(home))


def _listener(on_step: Callable[[str], None] | None) -> Callable[[dg.EventLogEntry], None]:
    def listen(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if on_step and event and event.event_type is dg.DagsterEventType.STEP_START and event.step_key:
            on_step(event.step_key)

    return listen


def _report(job: str, result: dg.ExecuteInProcessResult, seconds: float) -> RunReport:
    materialized = {}
    for event in result.get_asset_materialization_events():
        done = event.step_materialization_data.materialization
        materialized[".".join(done.asset_key.path)] = {
            name: getattr(value, "value", None) for name, value in done.metadata.items()
        }
    checks = [
        CheckReport(
            asset=".".join(evaluation.asset_key.path),
            check=evaluation.check_name,
            passed=evaluation.passed,
            blocking=evaluation.severity is dg.AssetCheckSeverity.ERROR,
            metadata={name: getattr(value, "value", None) for name, value in evaluation.metadata.items()},
        )
        for evaluation in result.get_asset_check_evaluations()
    ]
    return RunReport(
        job=job,
        run_id=result.run_id,
        success=result.success,
        seconds=seconds,
        materialized=materialized,
        checks=checks,
        failure=None if result.success else _failure(result),
    )


def _failure(result: dg.ExecuteInProcessResult) -> str:
    """The innermost reason of the first step that failed, in its own words."""
    for event in result.get_step_failure_events():
        data = event.step_failure_data
        if data.user_failure_data and data.user_failure_data.description:
            return data.user_failure_data.description
        error = data.error
        while error and error.cause:
            error = error.cause
        if error:
            return f"{event.step_key}: {error.message.strip()}"
    outside = _run_error(result)
    return outside.message.strip() if outside else "The run failed."


def _run_error(result: dg.ExecuteInProcessResult) -> dg.SerializableErrorInfo | None:
    """The innermost error of a run that failed outside of its steps, as where the warehouse cannot be had."""
    if result.success:
        return None
    error = result.get_run_failure_event().job_failure_data.error
    while error and error.cause:
        error = error.cause
    return error
