"""Machines as they are: odd paths, closed directories, full disks, root and others, two at once, older data.

Each is a real process of the command line. What ends badly ends with a sentence that says what to do, and after that
was done the same command ends well.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from icp.console import BUSY
from ingest.simulation.files import write_world
from ingest.simulation.worlds import world
from warehouse import watcher
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import PROJECT_ROOT, Settings

Icp = Callable[..., subprocess.CompletedProcess[str]]
DEBIANS = Path("/usr/lib/postgresql/15/bin")
IS_ROOT = os.geteuid() == 0
# In a user namespace files of the one who runs the tests belong to the user that it shows, with that user's rights.
AS_ORDINARY = ("unshare", "-U", "--map-user=1000", "--map-group=1000") if IS_ROOT else ()
AS_ROOT = () if IS_ROOT else ("unshare", "-r")
WITH_MOUNTS = ("unshare", "-m") if IS_ROOT else ("unshare", "-rm")


def needs(prefix: tuple[str, ...]) -> None:
    """Skip where the kernel denies the namespaces that a test is made of (some distributions do so)."""
    if prefix and subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip(f"{' '.join(prefix)} is not allowed here")


def environment(home: Path, **more: str) -> dict[str, str]:
    """That of a new installation: nothing of the tests' own, and a short wait for who runs the test."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ICP_", "DBT_", "DAGSTER_"))}
    return {**kept, "ICP_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "200", "PYTHONPATH": str(PROJECT_ROOT), **more}


def icp(
    home: Path,
    *arguments: str,
    code: int | None = 0,
    prefix: tuple[str, ...] = (),
    checkout: Path = PROJECT_ROOT,
    **more: str,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; ``code`` None: any."""
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "icp.main", *arguments],
        capture_output=True,
        text=True,
        cwd=checkout,
        env=environment(home, **{"PYTHONPATH": str(checkout), **more}),
    )
    assert code is None or done.returncode == code, (arguments, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def homes(short_tmp: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder for homes with a short path, removed once every server in it has stopped."""
    folder = short_tmp / f"homes {abs(hash(request.node.name)) % 10_000}"
    folder.mkdir()
    yield folder
    for data in folder.glob("*/postgres/data-*"):
        watcher.stop(data)


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """A tenant's files; the tenant is tenant-00000."""
    ((_, path),) = write_world(world(tenants=1, leads=300, seed=3), tmp_path / "files")
    return path


def count(home: Path, table: str, *, prefix: tuple[str, ...] = ()) -> int:
    counted = icp(home, "psql", "--", "-Atc", f"select count(*) from {table}", prefix=prefix)
    return int(counted.stdout)


# -- places -------------------------------------------------------------------------------------------------


READ_ONLY_CHECKOUT = (
    *WITH_MOUNTS,
    *("sh", "-c", 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && exec "$@"', str(PROJECT_ROOT)),
)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes of work, more on a busy machine
def test_everything_works_from_a_read_only_checkout_in_a_home_with_spaces_and_other_letters(
    homes: Path, mapping: Path
) -> None:
    needs(WITH_MOUNTS)
    home = homes / "größe 'und' 家 %s"
    icp(home, "tenant", "add", "tenant-00000", prefix=READ_ONLY_CHECKOUT)
    icp(home, "load", "outcomes", str(mapping), prefix=READ_ONLY_CHECKOUT)
    done = icp(home, "run", "learning_weekly", "--as-of", "2026-06-30", code=None, prefix=READ_ONLY_CHECKOUT)
    assert done.returncode in (0, 4), (done.stdout, done.stderr)
    assert count(home, "marts.lead_scores") == count(home, "raw.leads where deleted_at is null") > 250
    icp(home, "backup", str(home / "kept ☕.dump"))
    assert sorted(path.name for path in home.iterdir()) == [
        "dagster",
        "dbt",
        "kept ☕.dump",
        "last_run.log",
        "postgres",
    ]


@pytest.mark.parametrize("place", [".", "new home"])
def test_a_closed_home_or_parent_is_said_with_what_to_do(tmp_path: Path, place: str) -> None:
    needs(AS_ORDINARY)
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o555)
    home = closed / place
    refused = icp(home, "tenant", "add", "acme", code=1, prefix=AS_ORDINARY)
    assert refused.stderr.startswith("icp: ") and "Permission denied" in refused.stderr
    assert f"ICP_HOME ({closed / place})" in refused.stderr and "right to write" in refused.stderr
    closed.chmod(0o755)
    assert list(closed.iterdir()) == []


@pytest.mark.slow
def test_dagsters_closed_home_is_said_too(homes: Path) -> None:
    needs(AS_ORDINARY)
    home = homes / "home"
    icp(home, "tenant", "add", "acme", prefix=AS_ORDINARY)
    (home / "dagster").mkdir()
    (home / "dagster" / "dagster.yaml").write_text("")
    (home / "dagster").chmod(0o555)
    refused = icp(home, "run", "rescore", code=1, prefix=AS_ORDINARY)
    assert "dagster" in refused.stderr and "right to write" in refused.stderr
    (home / "dagster").chmod(0o755)


# -- users --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("prefix", [AS_ORDINARY, AS_ROOT], ids=["an ordinary user", "root"])
def test_it_runs_as(prefix: tuple[str, ...], homes: Path, mapping: Path) -> None:
    needs(prefix)
    home = homes / "home"
    icp(home, "tenant", "add", "tenant-00000", prefix=prefix)
    icp(home, "load", "outcomes", str(mapping), prefix=prefix)
    assert count(home, "raw.leads", prefix=prefix) == 300
    for private in (home / "postgres", *home.glob("postgres/data-*"), home / "postgres" / "password"):
        assert private.stat().st_mode & 0o077 == 0, private


# -- a full disk --------------------------------------------------------------------------------------------

FULL_DISK = """
set -u
mount -t tmpfs -o size=24m none "$DISK"
say() { echo "== $1"; shift; "$@" 2>&1; echo "exit $?"; }
say initdb icp tenant add tenant-00000
mount -o remount,size=600m "$DISK"
say tenant icp tenant add tenant-00000
fill() { head -c $(( $(df --output=avail -B1 "$DISK" | tail -1) - $1 )) /dev/zero > "$DISK/ballast"; }
fill 30000000
say load icp load outcomes "$MAPPING"
say run icp run learning_weekly --as-of 2026-06-30
rm "$DISK/ballast"
say load-again icp load outcomes "$MAPPING"
say run-again icp run learning_weekly --as-of 2026-06-30
say count icp psql -- -Atc "select (select count(*) from raw.leads), (select count(*) from raw.activities),
  (select count(*) from raw.leads where deleted_at is null) - (select count(*) from marts.lead_scores),
  (select count(*) from raw.loads where status = 'running')"
sleep 7
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes of work, more on a busy machine
def test_a_full_disk_is_said_and_with_room_the_same_commands_end_well(tmp_path: Path, short_tmp: Path) -> None:
    needs(WITH_MOUNTS)
    ((_, mapping),) = write_world(world(tenants=1, leads=20_000, seed=3), tmp_path / "files")
    disk = short_tmp / "disk"
    disk.mkdir()
    commands = f'icp() {{ "{sys.executable}" -m icp.main "$@"; }}\n{FULL_DISK}'
    told = subprocess.run(
        [*WITH_MOUNTS, "bash", "-c", commands],
        capture_output=True,
        text=True,
        cwd=PROJECT_ROOT,
        env=environment(disk / "home", DISK=str(disk), MAPPING=str(mapping)),
    )
    ends = dict(part.split("\n", 1) for part in told.stdout.split("== ")[1:])
    for step in ("initdb", "load", "run"):
        assert "The disk is full" in ends[step] and "repeat the command" in ends[step], ends[step]
        assert ends[step].endswith("exit 1\n") and "Traceback" not in ends[step], ends[step]
    for step in ("tenant", "load-again"):
        assert ends[step].endswith("exit 0\n"), ends[step]
    assert ends["run-again"].endswith(("exit 0\n", "exit 4\n")), ends["run-again"]
    leads, activities, without_score, running = (int(number) for number in ends["count"].split("\n")[0].split("|"))
    rows_of_file = sum(1 for _ in (mapping.parent / "activities.csv").open()) - 1
    assert (leads, activities, without_score, running) == (20_000, rows_of_file, 0, 0)


# -- two at once --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes of work, more on a busy machine
def test_two_warehouses_of_one_checkout_run_at_once(homes: Path, tmp_path: Path) -> None:
    leads = {"one": 200, "two": 350}
    for name, number in leads.items():
        ((_, mapping),) = write_world(world(tenants=1, leads=number, seed=3), tmp_path / name)
        icp(homes / name, "tenant", "add", "tenant-00000")
        icp(homes / name, "load", "outcomes", str(mapping))
    command = [sys.executable, "-m", "icp.main", "run", "learning_weekly", "--as-of", "2026-06-30"]
    runs = [
        subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment(homes / name), stdout=subprocess.DEVNULL)
        for name in leads
    ]
    assert all(run.wait() in (0, 4) for run in runs)
    for name, number in leads.items():
        assert count(homes / name, "raw.leads") == number
        assert count(homes / name, "marts.lead_scores") == count(homes / name, "raw.leads where deleted_at is null")


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes of work, more on a busy machine
def test_two_checkouts_share_a_home_and_each_runs_its_own_models(homes: Path, tmp_path: Path) -> None:
    home, checkouts = homes / "home", [tmp_path / "one", tmp_path / "two"]
    for checkout in checkouts:
        copy_checkout(checkout)
        own = checkout / "dbt_project" / "models" / "staging" / "outcomes" / f"stg_of_{checkout.name}.sql"
        own.write_text(f"select '{checkout.name}' as checkout\n")
    ((_, mapping),) = write_world(world(tenants=1, leads=200, seed=3), tmp_path / "files")
    icp(home, "tenant", "add", "tenant-00000")
    icp(home, "load", "outcomes", str(mapping))
    command = [sys.executable, "-m", "icp.main", "run", "learning_weekly", "--as-of", "2026-06-30"]
    runs = [
        subprocess.Popen(
            command,
            cwd=checkout,
            env=environment(home, PYTHONPATH=str(checkout)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for checkout in checkouts
    ]
    for run, checkout in zip(runs, checkouts, strict=True):
        _, said = run.communicate()
        if run.returncode not in (0, 4):
            assert run.returncode == BUSY and "Another run is at work" in said, said
            icp(home, *command[3:], code=None, checkout=checkout)
    assert count(home, "staging.stg_of_one") == count(home, "staging.stg_of_two") == 1
    assert count(home, "marts.lead_scores") == count(home, "raw.leads where deleted_at is null")
    parsed = [json.loads(path.read_text())["nodes"] for path in (home / "dbt").glob("**/target/manifest.json")]
    own = [[name for name in nodes if name.startswith("model.icp.stg_of_")] for nodes in parsed]
    assert sorted(own) == [["model.icp.stg_of_one"], ["model.icp.stg_of_two"]]


def copy_checkout(to: Path) -> None:
    for room in ("icp", "dagster_defs", "ingest", "models_py", "warehouse", "dbt_project"):
        shutil.copytree(PROJECT_ROOT / room, to / room, ignore=shutil.ignore_patterns("__pycache__", "target", "logs"))
    shutil.copy(PROJECT_ROOT / "dbt_project.yml", to)


@pytest.mark.slow
def test_an_older_checkout_refuses_the_database_of_a_newer_one(homes: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    for room in ("icp", "dagster_defs", "ingest", "models_py", "warehouse"):
        shutil.copytree(PROJECT_ROOT / room, newer / room, ignore=shutil.ignore_patterns("__pycache__"))
    versions = newer / "warehouse" / "migrations" / "versions"
    last = max(versions.glob("[0-9]*.py"))
    written = last.read_text().replace(last.stem[:4], "9999").replace(last.stem[5:], "newer")
    previous = sorted(versions.glob("[0-9]*.py"))[-2].stem[:4]
    (versions / "9999_newer.py").write_text(written.replace(f'"{previous}"', f'"{last.stem[:4]}"'))
    (versions / "9999_newer.sql").write_text("create table raw.newer ();\n")
    home = homes / "home"
    icp(home, "tenant", "add", "acme")
    icp(home, "tenant", "add", "second", checkout=newer)
    refused = icp(home, "tenant", "add", "third", code=2)
    assert "migration 9999" in refused.stderr and "update the checkout" in refused.stderr
    assert icp(home, "tenant", "list", checkout=newer).stdout.count("UTC") == 2  # both used one server meanwhile


# -- data of an older server --------------------------------------------------------------------------------


@pytest.mark.slow
def test_older_data_are_refused_and_brought_over_as_the_sentence_says(homes: Path) -> None:
    if not (DEBIANS / "initdb").exists():
        pytest.skip(f"Debian's Postgres 15 is not installed ({DEBIANS})")
    home = homes / "home"
    icp(home, "tenant", "add", "acme", PG_BINDIR=str(DEBIANS))
    refused = icp(home, "status", code=2)
    assert "holds a warehouse of Postgres 15" in refused.stderr and "PG_BINDIR" in refused.stderr
    assert [path.name for path in (home / "postgres").glob("data-*")] == ["data-15"]
    icp(home, "backup", str(homes / "fifteen.dump"), PG_BINDIR=str(DEBIANS))
    (home / "postgres" / "data-15").rename(homes / "moved away")
    watcher.stop(homes / "moved away")
    icp(home, "restore", str(homes / "fifteen.dump"))
    assert "acme" in icp(home, "tenant", "list").stdout
    assert count(home, "raw.tenants") == 1


# -- how long it takes --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_starting_stopping_and_recovering_take_seconds(homes: Path) -> None:
    """Prints the figures of docs/reliability.md: pytest -m slow -s tests/reliability/test_environments.py -k take."""
    home = homes / "home"
    server = EmbeddedServer(Settings(home=home), linger=0)  # durable
    seconds: dict[str, list[float]] = {}

    def timed(what: str, act: Callable[[], object]) -> None:
        began = time.monotonic()
        act()
        seconds.setdefault(what, []).append(time.monotonic() - began)

    def execute(statement: str) -> None:
        with psycopg.connect(server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    timed("first start, with initdb", server.acquire)
    execute("create table kept (n bigint)")
    for round_ in range(1, 4):
        timed("stop", server.stop)
        timed("start", server.acquire)
        timed("being one more user of it", server.acquire)
        execute("insert into kept select generate_series(1, 1000000)")
        running = watcher.postmaster(server.data)
        assert running is not None
        os.kill(running.pid, signal.SIGKILL)
        timed("recovery after kill -9, a million rows since the last checkpoint", server.acquire)
        with psycopg.connect(server.dsn(user=SUPERUSER, dbname="postgres")) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (round_ * 1_000_000,)
    server.stop()
    server.release()
    other = homes / "other"
    timed("first command on nothing (icp tenant add: initdb, migrations)", lambda: icp(other, "tenant", "add", "acme"))
    timed("the next command (server runs)", lambda: icp(other, "tenant", "list"))
    for what, all_of_them in seconds.items():
        sys.stdout.write(f"{what:<70} {' '.join(f'{one:5.2f}' for one in sorted(all_of_them))} s\n")
    assert max(max(all_of_them) for all_of_them in seconds.values()) < watcher.START_SECONDS
