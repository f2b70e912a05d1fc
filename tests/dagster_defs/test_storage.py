"""Dagster's own records in Postgres, as docs/deploy.md says for several machines: a run ends there, two are refused."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ingest.simulation.worlds import world
from tests.loop import load_world
from warehouse.connection import Warehouse
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import PROJECT_ROOT, Settings

pytestmark = pytest.mark.slow  # a server of its own, and runs in processes of their own
EXAMPLE = PROJECT_ROOT / "examples" / "deploy" / "dagster.yaml"
PASSWORD = "of dagster"


@pytest.fixture(scope="module")
def port(short_tmp: Path) -> Iterator[int]:
    """Where a server listens that has a database for Dagster."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = EmbeddedServer(Settings(home=short_tmp / "dagster", port=port, durable=False), linger=0)
    server.acquire()
    with psycopg.connect(server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create role dagster login password {}").format(sql.Literal(PASSWORD)))
        connection.execute("create database dagster owner dagster")
    yield port
    server.stop()
    server.release()


def test_runs_are_recorded_there_and_exclude_each_other(port: int, warehouse: Warehouse, tmp_path: Path) -> None:
    load_world(warehouse, world(tenants=2, leads=120, seed=11), tmp_path / "world")
    home = tmp_path / "dagster"
    home.mkdir()
    storage, _, rest = EXAMPLE.read_text().partition("      port: 5432\n")
    _, _, rest = rest.partition("ca.pem\n")
    (home / "dagster.yaml").write_text(f"{storage}      port: {port}\n{rest}")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "DAGSTER_PG_HOST": "127.0.0.1",
        "DAGSTER_PG_USERNAME": "dagster",
        "DAGSTER_PG_PASSWORD": PASSWORD,
    }
    command = [sys.executable, "-m", "icp.main", "run", "learning_weekly", "--as-of", "2026-06-30"]
    subprocess.run(command, cwd=PROJECT_ROOT, env=environment, check=True)  # alone: it makes the tables
    runs = [
        subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    said = [run.communicate(timeout=240)[0].decode() for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 3], "\n".join(said)
    with psycopg.connect(
        host="127.0.0.1", port=port, user="dagster", password=PASSWORD, dbname="dagster"
    ) as connection:
        recorded = connection.execute("select status, count(*) from runs group by status").fetchall()
        (steps,) = connection.execute(
            "select count(*) from event_logs where dagster_event_type = 'STEP_SUCCESS'"
        ).fetchone() or (0,)
    assert ("SUCCESS", 2) in recorded and not {"STARTED", "QUEUED"} & {status for status, _ in recorded}
    assert steps > 5
    assert list(home.rglob("*.db")) == []
