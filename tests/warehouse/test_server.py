"""The embedded server: starts anywhere, survives kills, leaves nothing running."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from warehouse import watcher
from warehouse.connection import Warehouse
from warehouse.errors import ServerError
from warehouse.server import SUPERUSER, EmbeddedServer, find_bindir
from warehouse.settings import PROJECT_ROOT, Settings


def until(condition: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.fixture
def home(short_tmp: Path, request: pytest.FixtureRequest) -> Path:
    return short_tmp / f"a home with spaces {abs(hash(request.node.name)) % 10_000}"


@pytest.fixture
def own_server(home: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(Settings(home=home, durable=False), linger=0)
    yield server
    server.stop()
    server.release()


def query(server: EmbeddedServer, statement: str) -> object:
    with psycopg.connect(server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def test_a_server_starts_in_a_path_with_spaces_and_stops_after_its_last_user(own_server: EmbeddedServer) -> None:
    own_server.acquire()
    assert query(own_server, "select 1") == 1
    own_server.release()
    assert until(lambda: not own_server.running())


def test_data_are_private_and_the_server_listens_on_no_port_unless_asked(own_server: EmbeddedServer) -> None:
    own_server.acquire()
    assert query(own_server, "show listen_addresses") == ""
    for path in (own_server.base, own_server.data, own_server.socket_dir):
        assert path.stat().st_mode & 0o077 == 0


def test_a_second_user_keeps_the_server_when_the_first_is_killed(own_server: EmbeddedServer, home: Path) -> None:
    hold = (
        "import sys, time; from pathlib import Path; from warehouse.server import EmbeddedServer;"
        "from warehouse.settings import Settings;"
        "s = EmbeddedServer(Settings(home=Path(sys.argv[1]), durable=False), linger=0); s.acquire();"
        "print('up', flush=True); time.sleep(600)"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", hold, str(home)], stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "up\n"
    own_server.acquire()
    first.kill()
    first.wait()
    time.sleep(4 * watcher.POLL_SECONDS)
    assert query(own_server, "select 1") == 1
    own_server.release()
    assert until(lambda: not own_server.running())


def test_a_killed_last_user_leaves_no_server_running(own_server: EmbeddedServer, home: Path) -> None:
    start_and_die = (
        "import os, sys; from pathlib import Path; from warehouse.server import EmbeddedServer;"
        "from warehouse.settings import Settings;"
        "EmbeddedServer(Settings(home=Path(sys.argv[1]), durable=False), linger=0).acquire(); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", start_and_die, str(home)], cwd=PROJECT_ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert until(lambda: not own_server.running())


def test_committed_rows_survive_a_killed_server(home: Path) -> None:
    server = EmbeddedServer(Settings(home=home), linger=0)  # durable
    server.acquire()
    query(server, "create table kept as select generate_series(1, 1000) as n")
    running = watcher.postmaster(server.data)
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    server.acquire()
    assert query(server, "select count(*) from kept") == 1000
    server.stop()
    server.release()


def test_a_connection_starts_a_killed_server_again(home: Path) -> None:
    warehouse = Warehouse(Settings(home=home)).open()  # durable: what open() created must survive
    assert warehouse.server is not None
    running = watcher.postmaster(warehouse.server.data)
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    until(lambda: watcher.postmaster(warehouse.server.data) is None)  # type: ignore[union-attr]
    with warehouse.connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    warehouse.server.stop()
    warehouse.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a server that its client has gone")
def test_a_statement_ends_soon_after_its_client_was_killed(own_server: EmbeddedServer) -> None:
    own_server.acquire()
    ask = f"import psycopg; psycopg.connect({own_server.dsn(user=SUPERUSER, dbname='postgres')!r}).execute("
    client = subprocess.Popen([sys.executable, "-c", f"{ask}'select pg_sleep(600)')"])
    at_it = "select count(*) from pg_stat_activity where query like 'select pg_sleep(600)%' and state = 'active'"
    assert until(lambda: query(own_server, at_it) == 1)
    client.kill()
    client.wait()
    assert until(lambda: query(own_server, at_it) == 0)


def test_a_server_whose_watcher_was_killed_is_watched_again(own_server: EmbeddedServer) -> None:
    own_server.acquire()
    watchers = subprocess.run(["pgrep", "-f", f"data={own_server.data}"], capture_output=True, text=True)
    for pid in watchers.stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    assert until(lambda: not own_server._is_watched())
    own_server.acquire()
    assert query(own_server, "select 1") == 1
    own_server.release()
    assert until(lambda: not own_server.running())


def test_a_recycled_pid_in_the_pid_file_does_not_keep_the_server_from_starting(own_server: EmbeddedServer) -> None:
    own_server.acquire()
    own_server.stop()
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (own_server.data / "postmaster.pid").write_text(f"{stranger.pid}\n{own_server.data}\n1\n5432\n/x\n\n\nready\n")
    try:
        own_server.acquire()
        assert query(own_server, "select 1") == 1
    finally:
        stranger.kill()
        stranger.wait()


def test_an_interrupted_initdb_leaves_nothing_half_made(own_server: EmbeddedServer) -> None:
    left_over = own_server.base / "initdb-12345"
    left_over.mkdir()
    (left_over / "PG_VERSION").write_text("18")
    own_server.acquire()
    assert not left_over.exists()


def test_older_data_are_pointed_out_and_left_alone(own_server: EmbeddedServer) -> None:
    older = own_server.base / "data-9"
    older.mkdir()
    (older / "PG_VERSION").write_text("9")
    with pytest.raises(ServerError, match=r"Postgres 9.*icp backup.*icp restore.*Nothing was changed"):
        own_server.acquire()
    assert not own_server.data.exists()


@pytest.mark.parametrize(
    ("version", "words"),
    [(None, "empty or not whole"), ("9", "is of Postgres 9")],
    ids=["half made", "another version"],
)
def test_data_that_are_not_ours_are_pointed_out_and_left_alone(
    own_server: EmbeddedServer, version: str | None, words: str
) -> None:
    own_server.data.mkdir()
    (own_server.data / "precious").touch()
    if version:
        (own_server.data / "PG_VERSION").write_text(f"{version}\n")
    before = sorted(own_server.data.iterdir())
    with pytest.raises(ServerError, match=rf"{words}.*move the directory away.*Nothing was changed"):
        own_server.acquire()
    assert sorted(own_server.data.iterdir()) == before


def test_a_port_that_is_in_use_is_said_with_what_to_do(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        server = EmbeddedServer(Settings(home=home, port=port, durable=False), linger=0)
        with pytest.raises(ServerError, match=f"Port {port} of 127.0.0.1 is in use.*ICP_PG_PORT"):
            server.acquire()
    server.acquire()  # the port is free again
    assert query(server, "select 1") == 1
    server.stop()
    server.release()


def test_without_user_namespaces_root_runs_the_server_as_nobody(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root needs another user")
    with tempfile.TemporaryDirectory() as made:
        everybodys = Path(made)
        everybodys.chmod(0o755)
        server = EmbeddedServer(Settings(home=everybodys / "home", durable=False), linger=0)
        if subprocess.run(["sh", "-c", '"$0" -V', server.bindir / "postgres"], user="nobody").returncode:
            pytest.skip("nobody cannot reach the binaries of this environment")
        monkeypatch.setattr("warehouse.server.NOBODYS_HOME", everybodys / "nobody")
        monkeypatch.setenv("PATH", "/nonexistent")  # no unshare
        server.acquire()
        try:
            assert query(server, "select 1") == 1
            assert server.data.owner() == "nobody"
        finally:
            server.stop()
            server.release()


def test_over_tcp_a_password_is_needed(home: Path, unused_port: int) -> None:
    server = EmbeddedServer(Settings(home=home, port=unused_port, durable=False), linger=0)
    warehouse = Warehouse(Settings(home=home, port=unused_port, durable=False)).open()
    server.acquire()
    over_tcp = f"host=127.0.0.1 port={unused_port} dbname=icp user=icp"
    try:
        with psycopg.connect(over_tcp, password=server.password) as connection:
            assert connection.execute("select current_user").fetchone() == ("icp",)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(over_tcp, password="guess")
    finally:
        server.stop()
        server.release()
        warehouse.close()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_missing_binaries_are_explained(home: Path) -> None:
    with pytest.raises(ServerError, match="ICP_DATABASE_URL"):
        find_bindir(Settings(home=home, bindir=home / "nowhere"))
