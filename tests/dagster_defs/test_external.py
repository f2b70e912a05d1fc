"""All of it on a server that is not ours: an older Postgres, over TCP with a password, without superuser rights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from typer.testing import CliRunner

from dagster_defs.runs import RunReport
from icp.main import app
from ingest.simulation.evidence import evidence_world, serve_sites
from ingest.simulation.worlds import world
from tests import servers
from tests.conftest import make_database
from tests.dagster_defs.test_evidence import load
from tests.loop import load_world, run
from warehouse import backup, tenants
from warehouse.connection import Warehouse
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # a whole load and run on a second server
DEBIANS = Path("/usr/lib/postgresql/15/bin")
SCORED = "select count(distinct tenant_id), count(*) from marts.lead_scores"
LEADS = "select count(distinct tenant_id), count(*) from raw.leads where deleted_at is null"
ON_THE_WAY = {
    "raw.registry_entities": 8_000,
    "raw.crawl_pages": 20,
    "raw.icp_evidence": 50,
    "learned.company_matches": 20,
    "marts.icp_pattern_signals": 20,
    "learned.icp_suggestions": 2,
    "learned.lookalike_companies": 5,
}
"""Fewest rows that the evidence side leaves in each of its tables."""


@pytest.fixture(scope="module")
def foreign(short_tmp: Path) -> Iterator[EmbeddedServer]:
    """Debian's Postgres 15 on a free port of 127.0.0.1."""
    if not (DEBIANS / "postgres").exists():
        pytest.skip(f"Debian's Postgres 15 is not installed ({DEBIANS})")
    server = servers.ExternalServer(short_tmp / "pg15", DEBIANS)
    server.acquire()
    yield server
    server.stop()
    server.release()


@pytest.fixture(scope="module")
def external(foreign: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse there, with no more rights than docs/deploy.md asks for."""
    servers.create_login(foreign, "analytics")
    with psycopg.connect(foreign.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
        for statement in servers.creating(foreign, "company", login="analytics"):
            connection.execute(statement)
    quoted = quote(servers.PASSWORD, safe="")
    url = f"postgresql://analytics:{quoted}@127.0.0.1:{foreign.port}/company?sslmode=prefer&connect_timeout=5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICP_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("ICP_DATABASE_URL", url)
        patch.delenv("DAGSTER_HOME", raising=False)
        yield Warehouse(Settings.from_environment()).open()


@pytest.fixture(scope="module")
def report(external: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    """Of a run of everything, over outcomes of three tenants, and intakes, registry and sites of two others."""
    load_world(external, world(tenants=3, leads=200, seed=11), tmp_path_factory.mktemp("world"))
    simulated = evidence_world(tenants=2, seed=4, entities=8_000, background=30)
    with serve_sites(simulated) as port, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICP_CONNECT_TO", f"* = 127.0.0.1:{port}")
        patch.setenv("ICP_CRAWL_DELAY_S", "0")
        load(external, simulated, tmp_path_factory.mktemp("evidence"))
        return run(external, as_of="2026-06-30")


@pytest.fixture(scope="module")
def loaded(external: Warehouse, report: RunReport) -> Warehouse:
    assert report.success, report.failure
    return external


def test_the_login_has_no_rights_but_those_asked_for(external: Warehouse) -> None:
    with external.connect() as connection:
        assert connection.info.server_version // 10000 == 15
        assert connection.info.host == "127.0.0.1"
        granted = connection.execute(
            "select rolsuper, rolcreatedb, rolbypassrls, rolreplication, datdba = pg_roles.oid from pg_roles"
            " cross join pg_database where rolname = session_user and datname = current_database()"
        ).fetchone()
        assert granted == (False, False, False, False, False)


def test_outcomes_come_to_scores_there(loaded: Warehouse) -> None:
    with loaded.connect() as connection:
        assert connection.execute(SCORED).fetchone() == connection.execute(LEADS).fetchone()


def test_intakes_come_to_suggestions_and_rules_there(loaded: Warehouse, report: RunReport) -> None:
    assert [check for check in report.checks if check.blocking and not check.passed] == []
    with loaded.connect() as connection:
        found = {
            table: (connection.execute(f"select count(*) from {table}".encode()).fetchone() or (0,))[0]
            for table in ON_THE_WAY
        }
        assert {table: count for table, count in found.items() if count < ON_THE_WAY[table]} == {}, found
        states = connection.execute("select state, count(*) from raw.icp_flow group by 1").fetchall()
        assert states == [("suggestions_ready", 2)]
        accepted = CliRunner().invoke(app, ["suggestions", "accept", "seeds-000", "1", "--by", "maya"])
        assert accepted.exit_code == 0, accepted.output
        assert connection.execute("select count(*) from learned.icp_rules where is_active").fetchone() == (1,)


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
        assert len(tenants.list_tenants(connection)) == 5
        with loaded.connect() as older:
            assert connection.execute(SCORED).fetchone() == older.execute(SCORED).fetchone()
