"""What starts by itself, and who is told when something does not hold. Off unless the environment opts in."""

from __future__ import annotations

import json
import logging

import dagster as dg
import httpx

from dagster_defs.jobs import intake_process
from warehouse import flow
from warehouse.connection import Warehouse
from warehouse.settings import Settings

ALERT_TIMEOUT_S = 10.0


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """All sensors; they run by themselves only with ICP_SCHEDULES=on."""
    status = dg.DefaultSensorStatus.RUNNING if settings.schedules else dg.DefaultSensorStatus.STOPPED

    @dg.sensor(
        job=intake_process,
        minimum_interval_seconds=30,
        default_status=status,
        description="An intake was handed in or loaded, or a match decided: on its way to suggestions.",
    )
    def new_intake(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _run_for_what_waits(context)

    @dg.run_failure_sensor(default_status=status, description="A run failed: said in the log and to ICP_ALERT_WEBHOOK.")
    def alert_on_failed_runs(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        sentence = f"{run.job_name} {run.run_id[:8]} failed: {context.failure_event.message}"
        context.log.error(sentence)
        send_alert(settings, [sentence], context.log)

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        default_status=status,
        description="Checks of a run that do not hold: said in the log and to ICP_ALERT_WEBHOOK.",
    )
    def alert_on_failed_checks(context: dg.RunStatusSensorContext) -> None:
        sentences = failed_checks(context.instance, context.dagster_run.run_id)
        for sentence in sentences:
            context.log.warning(sentence)
        send_alert(settings, sentences, context.log)

    return [new_intake, alert_on_failed_runs, alert_on_failed_checks]


def _run_for_what_waits(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run for all that waits, once: what a run could not bring on its way is left to the nightly one.

    The cursor holds what waited at the last request. While somebody is at work there is none: it would be refused at
    the lock.
    """
    at_work = context.instance.get_runs_count(
        dg.RunsFilter(
            job_name=intake_process.name,
            statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED],
        )
    )
    if at_work:
        return dg.SkipReason("A run of intake_process is at work; what waits is taken by the next.")
    warehouse = Warehouse().open()
    with warehouse.connect() as connection:
        if warehouse.is_busy(connection):
            return dg.SkipReason("Another run or command is at work; what waits is taken afterwards.")
        waits = flow.waiting(connection)
    if not waits:
        return dg.SkipReason("Nothing waits.")
    if waits <= set(json.loads(context.cursor or "[]")):
        return dg.SkipReason(f"{len(waits)} wait that a run was started for already; the nightly run tries again.")
    context.update_cursor(json.dumps(sorted(waits)))
    return dg.RunRequest(tags={"icp/waiting": str(len(waits))})


def failed_checks(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """A sentence for every check of a run that does not hold, with value and threshold."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    sentences = []
    for record in records:
        event = record.event_log_entry.dagster_event
        evaluation = event.asset_check_evaluation_data if event else None
        if evaluation and not evaluation.passed:
            values = {name: getattr(value, "value", None) for name, value in evaluation.metadata.items()}
            sentences.append(
                f"{'.'.join(evaluation.asset_key.path)}: {evaluation.check_name} does not hold"
                f" (value {values.get('value')}, threshold {values.get('threshold')})"
            )
    return sentences


def send_alert(settings: Settings, sentences: list[str], log: logging.Logger) -> bool:
    """Post the sentences as ``{"text": ...}``, which chat services take. A webhook that fails stops nothing."""
    if not settings.alert_webhook or not sentences:
        return False
    try:
        answer = httpx.post(settings.alert_webhook, json={"text": "\n".join(sentences)}, timeout=ALERT_TIMEOUT_S)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        log.warning(f"The alert could not be sent to ICP_ALERT_WEBHOOK: {type(error).__name__}")
        return False
    return True
