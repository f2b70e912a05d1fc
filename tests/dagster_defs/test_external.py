"""The loop on a server that is not ours: an older Postgres, over TCP with a password, without superuser rights."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ingest.simulation.worlds import world
from tests.conftest import make_database
from tests.loop import load_world, run
from warehouse import backup, tenants
from warehouse.connection import Warehouse
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import Settings

pytestmark = pytest.mark.slow  # a whole load and run on a second server
DEBIANS = Path("/usr/lib/postgresql/15/bin")
SCORED = "select count(distinct tenant_id), count(*) from marts.lead_scores"
LEADS = "select count(distinct tenant_id), count(*) from raw.leads where deleted_at is null"
PASSWORD = "a pass%word: with @ signs/"


@pytest.fixture(scope="module")
def foreign(short_tmp: Path) -> Iterator[EmbeddedServer]:
    """Debian's Postgres 15 on a free port of 127.0.0.1."""
    if not (DEBIANS / "postgres").exists():
        pytest.skip(f"Debian's Postgres 15 is not installed ({DEBIANS})")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = EmbeddedServer(Settings(home=short_tmp / "pg15", bindir=DEBIANS, port=port, durable=False), linger=0)
    server.acquire()
    yield server
    server.stop()
    server.release()


@pytest.fixture(scope="module")
def external(foreign: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse there, with no more rights than docs/deploy.md asks for."""
    with psycopg.connect(foreign.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create role analytics login createrole password {}").format(sql.Literal(PASSWORD)))
        connection.execute("create database company")
        connection.execute("grant create on database company to analytics")
    quoted = (
        PASSWORD.replace("%", "%25").replace(" ", "%20").replace(":", "%3A").replace("@", "%40").replace("/", "%2F")
    )
    url = f"postgresql://analytics:{quoted}@127.0.0.1:{foreign.port}/company?sslmode=prefer&connect_timeout=5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICP_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("ICP_DATABASE_URL", url)
        patch.delenv("DAGSTER_HOME", raising=False)
        yield Warehouse(Settings.from_environment()).open()


@pytest.fixture(scope="module")
def loaded(external: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    load_world(external, world(tenants=3, leads=200, seed=11), tmp_path_factory.mktemp("world"))
    report = run(external, "learning_weekly", as_of="2026-06-30")
    assert report.success, report.failure
    return external


def test_the_loop_runs_there(loaded: Warehouse) -> None:
    with loaded.connect() as connection:
        assert connection.info.server_version // 10000 == 15
        assert connection.info.host == "127.0.0.1"
        assert connection.execute(SCORED).fetchone() == connection.execute(LEADS).fetchone()
        (superuser,) = connection.execute("select rolsuper from pg_roles where rolname = session_user").fetchone() or ()
        assert superuser is False


def test_a_wrong_password_is_refused_without_showing_it(external: Warehouse) -> None:
    url = external.settings.database_url
    assert url is not None
    wrong = Warehouse(dataclasses.replace(external.settings, database_url=url.replace("word", "w0rd")))
    with pytest.raises(Exception, match="password authentication failed") as refused:
        wrong.open()
    assert "w0rd" not in str(refused.value)


def test_a_backup_of_it_goes_into_the_newer_embedded_server(
    loaded: Warehouse, server: EmbeddedServer, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{DEBIANS}:/usr/bin:/bin")
    backup.backup(loaded, tmp_path / "fifteen.dump")
    newer = Warehouse(Settings(home=tmp_path, database_url=make_database(server, template))).open()
    monkeypatch.setenv("PATH", f"{server.bindir}:/usr/bin:/bin")
    backup.restore(newer, tmp_path / "fifteen.dump")
    with newer.connect() as connection:
        assert len(tenants.list_tenants(connection)) == 3
        with loaded.connect() as older:
            assert connection.execute(SCORED).fetchone() == older.execute(SCORED).fetchone()
