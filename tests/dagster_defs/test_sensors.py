"""What starts by itself and who is told: real instance, real webhook on 127.0.0.1."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from dagster_defs.definitions import build_defs
from dagster_defs.sensors import failed_checks, send_alert
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.settings import Settings

LOG = logging.getLogger("test")


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[Any]]]:
    """A local webhook's address, and what it was sent."""
    received: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", received
    server.shutdown()
    thread.join()
    server.server_close()


def evaluate(warehouse: Warehouse, instance: dg.DagsterInstance) -> dg.SensorExecutionData | Any:
    definitions = build_defs(settings=warehouse.settings)
    (found,) = [one for one in definitions.sensors or () if one.name == "new_intake"]
    context = dg.build_sensor_context(instance=instance)
    return found.evaluate_tick(context)  # type: ignore[union-attr]


def test_an_intake_that_waits_starts_one_run_and_none_beside_a_running_one(warehouse: Warehouse) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert evaluate(warehouse, instance).run_requests == []
        with warehouse.connect(autocommit=True) as connection:
            tenant = tenants.add_tenant(connection, slug="acme")
            for _ in range(3):
                connection.execute(
                    "insert into raw.icp_intake_inbox (tenant_id, payload, submitted_by) values (%s, %s, 'app')",
                    (tenant.tenant_id, psycopg.types.json.Jsonb({"website": "acme.com"})),
                )
        (asked,) = evaluate(warehouse, instance).run_requests
        assert asked.tags["icp/intakes_waiting"] == "3"
        job = build_defs(settings=warehouse.settings).resolve_job_def("intake_process")
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert evaluate(warehouse, instance).run_requests == []


def test_sensors_run_only_where_the_environment_opts_in(tmp_path: Path) -> None:
    for schedules, status in ((False, "STOPPED"), (True, "RUNNING")):
        built = build_defs(settings=Settings(home=tmp_path, schedules=schedules))
        assert {one.name: one.default_status.value for one in built.sensors or ()} == {  # type: ignore[union-attr]
            "new_intake": status,
            "alert_on_failed_runs": status,
            "alert_on_failed_checks": status,
        }


def test_a_check_that_does_not_hold_is_said_with_value_and_threshold() -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("holds", asset="a"), dg.AssetCheckSpec("does_not", asset="a")])
    def a() -> Iterator[Any]:
        yield dg.Output(1)
        yield dg.AssetCheckResult(check_name="holds", passed=True)
        yield dg.AssetCheckResult(check_name="does_not", passed=False, metadata={"value": 0.4, "threshold": 0.8})

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([a], instance=instance)
        assert failed_checks(instance, result.run_id) == ["a: does_not does not hold (value 0.4, threshold 0.8)"]


def test_an_alert_goes_to_the_webhook(webhook: tuple[str, list[Any]], tmp_path: Path) -> None:
    address, received = webhook
    settings = Settings(home=tmp_path, alert_webhook=address)
    assert send_alert(settings, ["one", "two"], LOG) is True
    assert received == [{"text": "one\ntwo"}]
    assert send_alert(settings, [], LOG) is False
    assert len(received) == 1


@pytest.mark.parametrize("path", ["/broken", None])
def test_a_webhook_that_fails_stops_nothing_and_its_address_is_not_logged(
    webhook: tuple[str, list[Any]], tmp_path: Path, path: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"{webhook[0]}{path}" if path else "http://127.0.0.1:1/secret-token"
    settings = dataclasses.replace(Settings(home=tmp_path), alert_webhook=address)
    assert send_alert(settings, ["one"], LOG) is False
    assert "could not be sent" in caplog.text
    assert "secret-token" not in caplog.text
