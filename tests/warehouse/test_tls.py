"""TLS parameters of ICP_DATABASE_URL reach everything that connects: psycopg, dbt, Dagster's runs, psql, pg_dump.

On a server that lets nobody in without TLS and a client's certificate, so that whoever drops a parameter is refused.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest

from ingest.simulation.worlds import world
from tests.loop import load_world
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import PROJECT_ROOT, Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # a second server, and a whole run on it
DEBIANS = Path("/usr/lib/postgresql/15/bin")  # the wheel's server is built without TLS
PASSWORD = "s3cret/with@signs"


def certificate(folder: Path, name: str, *, signed_by: str | None = None, host: str = "localhost") -> None:
    """A key and a certificate: self-signed, an authority; else of a host or client, signed by one."""
    signer = ["-CA", f"{signed_by}.crt", "-CAkey", f"{signed_by}.key"] if signed_by else []
    names = [f"subjectAltName=DNS:{host}", "basicConstraints=CA:FALSE"] if signed_by else []
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        + [*signer, "-subj", f"/CN={host}", "-keyout", f"{name}.key", "-out", f"{name}.crt"]
        + [part for one in names for part in ("-addext", one)],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    (folder / f"{name}.key").chmod(0o600)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates of the company")
    certificate(folder, "ca")
    certificate(folder, "stranger")
    certificate(folder, "server", signed_by="ca")
    certificate(folder, "client", signed_by="ca", host="icp")
    return folder


@pytest.fixture(scope="module")
def secured(short_tmp: Path, certificates: Path) -> Iterator[EmbeddedServer]:
    """Debian's Postgres 15 with ssl = on; over TCP only with TLS, a client's certificate and a password."""
    if not (DEBIANS / "postgres").exists() or shutil.which("openssl") is None:
        pytest.skip(f"Debian's Postgres 15 ({DEBIANS}) or openssl is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = EmbeddedServer(Settings(home=short_tmp / "tls", bindir=DEBIANS, port=port, durable=False), linger=0)
    server.acquire()
    for name in ("server.crt", "server.key", "ca.crt"):
        shutil.copy(certificates / name, server.data / name)
    (server.data / "pg_hba.conf").write_text(
        "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n"
    )
    with psycopg.connect(server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
        connection.execute("alter system set ssl = on")
        connection.execute("alter system set ssl_ca_file = 'ca.crt'")
        connection.execute("select pg_reload_conf()")
        connection.execute(f"create role analytics login createrole password '{PASSWORD}'".encode())
        connection.execute("create database company")
        connection.execute("grant create on database company to analytics")
    yield server
    server.stop()
    server.release()


def url(server: EmbeddedServer, certificates: Path, *, host: str = "localhost", **changed: str) -> str:
    files = {"sslrootcert": "ca.crt", "sslcert": "client.crt", "sslkey": "client.key"}
    parameters = {"sslmode": "verify-full", **{name: str(certificates / file) for name, file in files.items()}}
    said = urlencode({name: value for name, value in {**parameters, **changed}.items() if value}, quote_via=quote)
    return f"postgresql://analytics:{quote(PASSWORD, safe='')}@{host}:{server.port}/company?{said}"


@pytest.fixture(scope="module")
def external(
    secured: EmbeddedServer, certificates: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICP_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("ICP_DATABASE_URL", url(secured, certificates, channel_binding="require", connect_timeout="5"))
        yield Warehouse(Settings.from_environment()).open()


def test_the_servers_certificate_is_verified(external: Warehouse) -> None:
    with external.connect() as connection:
        connection.execute("set role none")  # sessions are seen by their login
        assert connection.execute("select ssl from pg_stat_ssl where pid = pg_backend_pid()").fetchone() == (True,)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"sslrootcert": "stranger"}, "certificate verify failed"),
        ({"host": "127.0.0.1"}, "certificate"),  # that is not what the certificate calls the server
        ({"sslmode": "disable"}, "no encryption"),
        ({"sslcert": "", "sslkey": ""}, "certificate"),
    ],
    ids=["another authority", "another host", "no TLS", "no client certificate"],
)
def test_what_is_not_as_it_should_be_is_refused_without_the_password(
    secured: EmbeddedServer, certificates: Path, changed: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")  # no ~/.postgresql
    changed = {
        name: str(certificates / f"{value}.crt") if value == "stranger" else value for name, value in changed.items()
    }
    wrong = url(secured, certificates, **changed)
    with pytest.raises(WarehouseError, match=rf"Cannot connect to ICP_DATABASE_URL: (.|\n)*{words}") as refused:
        Warehouse(Settings(home=certificates, database_url=wrong)).open()
    assert PASSWORD not in str(refused.value) and quote(PASSWORD, safe="") not in str(refused.value)


def dbt(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    folder = str(PROJECT_ROOT / "dbt_project")
    return subprocess.run(
        [str(Path(sys.executable).with_name("dbt")), "debug", "--connection", "--profiles-dir", folder],
        cwd=PROJECT_ROOT,
        env={**os.environ, "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
    )


def test_dbt_verifies_the_same(external: Warehouse, certificates: Path) -> None:
    environment = external.dbt_environment()
    done = dbt(environment)
    assert done.returncode == 0 and "OK connection ok" in done.stdout, done.stdout
    refused = dbt({**environment, "PGSSLROOTCERT": str(certificates / "stranger.crt")})
    assert refused.returncode != 0 and "certificate verify failed" in refused.stdout
    assert PASSWORD not in refused.stdout + refused.stderr


def test_a_password_file_is_enough_for_all(secured: EmbeddedServer, certificates: Path, tmp_path: Path) -> None:
    passfile = tmp_path / "pass file"
    passfile.touch(mode=0o600)
    passfile.write_text(f"localhost:{secured.port}:company:analytics:{PASSWORD}\n")
    without = url(secured, certificates, passfile=str(passfile)).replace(f":{quote(PASSWORD, safe='')}@", "@")
    warehouse = Warehouse(Settings(home=tmp_path, database_url=without)).open()
    assert "OK connection ok" in dbt(warehouse.dbt_environment()).stdout


def test_a_load_and_a_run_go_over_it_and_so_do_psql_and_a_backup(
    external: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_world(external, world(tenants=1, leads=60, seed=11), tmp_path)
    monkeypatch.setenv("PATH", f"{DEBIANS}:/usr/bin:/bin")
    for command in (
        ("run", "learning_weekly", "--as-of", "2026-06-30"),
        ("psql", "--", "-c", "select role_is from current_user as role_is"),
        ("backup", str(tmp_path / "company.dump")),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "icp.main", *command], cwd=PROJECT_ROOT, capture_output=True, text=True
        )
        assert done.returncode in (0, 4), (command, done.stdout, done.stderr)
        assert PASSWORD not in done.stdout + done.stderr
        if command[0] == "psql":
            assert "icp_pipeline" in done.stdout
    with external.connect() as connection:
        scored = "select count(*) = (select count(*) from raw.leads where deleted_at is null) from marts.lead_scores"
        assert connection.execute(scored).fetchone() == (True,)
