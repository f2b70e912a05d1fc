"""What starts by itself and who is told: real instance, real webhook on 127.0.0.1."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from dagster_defs.definitions import build_defs
from dagster_defs.matching import READS, RELATION, match_tenants
from dagster_defs.sensors import failed_checks, send_alert
from ingest.intake.store import store_intake
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.flow import set_state, waiting
from warehouse.matches import decide, withdraw
from warehouse.settings import Settings
from warehouse.versions import due_tenants

LOG = logging.getLogger("test")
NOW = dt.datetime(2026, 6, 30, tzinfo=dt.UTC)


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


Tick = Callable[[], dict[str, str] | None]
"""Let the sensor look once, as the daemon does; returns the tags of the run that it asks for."""


@pytest.fixture
def tick(warehouse: Warehouse) -> Iterator[Tick]:
    """Ticks of one sensor, whose cursor is kept between them. Nothing waits at first."""
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("delete from raw.tenants")
    definitions = build_defs(settings=warehouse.settings)
    (found,) = [one for one in definitions.sensors or () if one.name == "new_intake"]
    cursor: str | None = None
    with dg.DagsterInstance.ephemeral() as instance:

        def look() -> dict[str, str] | None:
            nonlocal cursor
            context = dg.build_sensor_context(instance=instance, cursor=cursor)
            done = found.evaluate_tick(context)  # type: ignore[union-attr]
            cursor = done.cursor
            return dict(done.run_requests[0].tags) if done.run_requests else None

        yield look


def hand_in(connection: psycopg.Connection, tenant: tenants.Tenant) -> None:
    connection.execute(
        "insert into raw.icp_intake_inbox (tenant_id, payload, submitted_by) values (%s, %s, 'app')",
        (tenant.tenant_id, psycopg.types.json.Jsonb({"website": "acme.com"})),
    )


def store(connection: psycopg.Connection, tenant: tenants.Tenant) -> None:
    payload = {"website": "acme.com", "best_customers": [{"name": "Verdant Pte Ltd", "website": "verdant.sg"}]}
    store_intake(connection, tenant=tenant, payload=payload, submitted_by="test", now=NOW)


def test_an_intake_that_waits_starts_one_run_and_none_beside_a_running_one(
    warehouse: Warehouse, connection: psycopg.Connection, tick: Tick
) -> None:
    assert tick() is None
    tenant = tenants.add_tenant(connection, slug="acme")
    for _ in range(3):
        hand_in(connection, tenant)
    with warehouse.pipeline_lock("a load"):
        assert tick() is None
    assert (tick() or {})["icp/waiting"] == "3"


def test_there_is_no_request_while_a_run_that_was_asked_for_is_at_work(
    warehouse: Warehouse, connection: psycopg.Connection
) -> None:
    definitions = build_defs(settings=warehouse.settings)
    (found,) = [one for one in definitions.sensors or () if one.name == "new_intake"]
    hand_in(connection, tenants.add_tenant(connection, slug="at-work"))
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_job_def("intake_process")
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert found.evaluate_tick(dg.build_sensor_context(instance=instance)).run_requests == []  # type: ignore[union-attr]


def test_what_a_run_could_not_bring_on_its_way_starts_no_second_one_by_itself(
    connection: psycopg.Connection, tick: Tick
) -> None:
    failing, other = (tenants.add_tenant(connection, slug=slug) for slug in ("failing", "other"))
    hand_in(connection, failing)
    assert tick()
    assert tick() is None
    hand_in(connection, other)
    assert (tick() or {})["icp/waiting"] == "2"
    connection.execute("update raw.icp_intake_inbox set processed_at = now() where tenant_id = %s", (other.tenant_id,))
    assert tick() is None


def test_an_intake_that_was_loaded_and_a_decision_on_a_match_start_a_run_too(
    connection: psycopg.Connection, tick: Tick
) -> None:
    tenant = tenants.add_tenant(connection, slug="loaded")
    store(connection, tenant)
    assert tick()
    set_state(connection, [tenant.tenant_id], "crawl")  # and there the run ended
    assert tick() is None
    match_tenants(connection, due_tenants(connection, RELATION, READS), now=NOW, run_id=None)
    set_state(connection, [tenant.tenant_id], "suggestions_ready")
    assert tick() is None
    (seed_id,) = connection.execute("select seed_id from raw.customer_seeds").fetchone() or ()
    decide(connection, tenant_id=tenant.tenant_id, seed_id=seed_id, decision="none", entity_id=None, actor="maya")
    assert tick()
    assert tick() is None
    withdraw(connection, tenant_id=tenant.tenant_id, seed_id=seed_id, actor="maya")
    assert tick()
    match_tenants(connection, due_tenants(connection, RELATION, READS), now=NOW, run_id=None)
    assert waiting(connection) == set()


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
