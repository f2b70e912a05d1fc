"""What starts by itself, and who is told when something does not hold. Off unless the environment opts in."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import dagster as dg
import httpx

from dagster_defs.jobs import intake_process
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
        description="An application handed in an intake: on its way to suggestions.",
    )
    def new_intake(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        yield _run_for_waiting_intakes(context.instance)

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


def _run_for_waiting_intakes(instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    """One run for all that waits. While one is at work there is no second: it would be refused at the lock."""
    at_work = instance.get_runs_count(
        dg.RunsFilter(
            job_name=intake_process.name,
            statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED],
        )
    )
    if at_work:
        return dg.SkipReason("A run of intake_process is at work; what waits is taken by the next.")
    with Warehouse().open().connect() as connection:
        row = connection.execute(
            "select count(*), max(inbox_id) from raw.icp_intake_inbox where processed_at is null"
        ).fetchone()
    assert row is not None
    if not row[0]:
        return dg.SkipReason("No intake waits.")
    return dg.RunRequest(tags={"icp/intakes_waiting": str(row[0])})


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
