"""One server for the session, one fresh database per test module, real data where it is present."""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest

from tests import place, servers  # noqa: F401 (place first: before anything of ours is imported)
from tests.loop import Rows
from warehouse import logs
from warehouse.connection import Warehouse
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import PROJECT_ROOT, Settings

# Machines differ in speed, and CI must judge the same examples twice.
hypothesis.settings.register_profile(
    "project",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
hypothesis.settings.load_profile("project")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes by their length: packed ones differ from process to process, and parallel ones must agree on names."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None


@pytest.fixture
def caplog(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """Lines of our rooms too, which ``logs.configure`` keeps from the root."""
    for room in logs.ROOMS:
        monkeypatch.setattr(logging.getLogger(room), "propagate", True)
    return caplog


@pytest.fixture(scope="session")
def short_tmp() -> Iterator[Path]:
    """A directory with a path short enough for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="icp-") as path:
        yield Path(path)


@pytest.fixture(scope="session")
def server(short_tmp: Path) -> Iterator[EmbeddedServer]:
    """The session's Postgres."""
    server = servers.session_server(short_tmp / "server")
    server.acquire()
    yield server
    server.stop()
    server.release()


@pytest.fixture(scope="session")
def template(server: EmbeddedServer) -> str:
    """A migrated database to copy from."""
    name = "icp_template"
    servers.create_login(server, "icp")
    _create_database(server, name, "template1")
    settings = Settings(home=server.settings.home, database_url=server.dsn(user="icp", dbname=name))
    Warehouse(settings).open()
    return name


def make_database(server: EmbeddedServer, template: str) -> str:
    """A fresh copy of the template; returns its connection string."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    _create_database(server, name, template)
    return server.dsn(user="icp", dbname=name)


def _create_database(server: EmbeddedServer, name: str, template: str) -> None:
    with psycopg.connect(server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
        for statement in servers.creating(server, name, login="icp", template=template):
            connection.execute(statement)


@pytest.fixture(scope="module")
def warehouse(server: EmbeddedServer, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A fresh warehouse for a test module, also for the commands and runs it starts (by environment)."""
    home = tmp_path_factory.mktemp("home")
    database_url = make_database(server, template)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICP_HOME", str(home))
        patch.setenv("ICP_DATABASE_URL", database_url)
        patch.delenv("DAGSTER_HOME", raising=False)
        yield Warehouse(Settings.from_environment()).open()


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[psycopg.Connection]:
    """A connection as the pipeline, each statement committed."""
    with warehouse.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def rows(warehouse: Warehouse) -> Iterator[Rows]:
    """Run a query as the pipeline and fetch everything."""
    with warehouse.connect(autocommit=True) as connection:

        def fetch(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

        yield fetch


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data by others, beside the checkout or where ICP_SHARED_DATA says. In CI they must be there."""
    path = Path(os.environ.get("ICP_SHARED_DATA") or PROJECT_ROOT.parent / "shared" / "data")
    if not path.is_dir():
        reason = f"there are no shared data in {path}; set ICP_SHARED_DATA"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
