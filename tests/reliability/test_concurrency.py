"""Two at once: commands, schedules and people are serialised, or refused with a sentence; the end is one of order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from icp.console import BUSY
from tests.conftest import make_database
from tests.reliability.kills import LONGEST, Ground
from tests.reliability.states import differences
from tests.reliability.test_kills import add_leads, publish_twice
from warehouse import suggestions, tenants
from warehouse.connection import Warehouse
from warehouse.publication import live_weights
from warehouse.server import EmbeddedServer
from warehouse.settings import PROJECT_ROOT
from warehouse.suggestion_sets import NewSet, NewSuggestion, publish_sets

RUN = "run learning_weekly --as-of 2026-06-30"


def database_of(url: str) -> str:
    return str(conninfo.conninfo_to_dict(url)["dbname"])


@pytest.fixture(scope="module")
def ground(server: EmbeddedServer, template: str, short_tmp: Path) -> Ground:
    return Ground(server, short_tmp / "at-once", database=database_of(make_database(server, template)))


@pytest.fixture(scope="module")
def mappings(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Of two tenants; the state with them and nothing loaded is called two_tenants."""
    found = add_leads(ground, tmp_path_factory.mktemp("leads"), count=2, leads=200).split()
    ground.save("two_tenants")
    return found


def together(ground: Ground, *commands: str) -> list[tuple[int | None, str]]:
    """Start commands at the same time; returns how each ended and what it said."""
    logs = [ground.home / f"{number}.log" for number in range(len(commands))]
    processes = [ground.start(command, log) for command, log in zip(commands, logs, strict=True)]
    for process in processes:
        process.join(LONGEST)
    return [(process.exitcode, log.read_text()) for process, log in zip(processes, logs, strict=True)]


@pytest.mark.parametrize("same", [True, False], ids=["of the same source", "of different sources"])
def test_of_two_loads_at_once_one_waits_its_turn_or_is_refused(ground: Ground, mappings: list[str], same: bool) -> None:
    commands = [f"load outcomes {mappings[0]}", f"load outcomes {mappings[0 if same else 1]}"]
    ground.put("two_tenants")
    for command in commands:
        ground.finish(command)
    in_order = ground.state()
    ground.put("two_tenants")
    ended = together(ground, *commands)
    assert sorted(code or 0 for code, _ in ended) in ([0, 0], [0, BUSY]), ended
    for command, (code, said) in zip(commands, ended, strict=True):
        if code == BUSY:
            assert "Another run is at work (load outcomes, since" in said and "Traceback" not in said
            ground.finish(command)
    assert differences(in_order, ground.state()) == {}


def test_a_rollback_beside_a_run_is_refused_and_changes_nothing(ground: Ground, mappings: list[str]) -> None:
    ground.put("two_tenants")
    with ground.connect() as connection:
        publish_twice(connection, "tenant-00000")
    before = ground.state()
    with Warehouse(ground.settings).open().pipeline_lock("learning_weekly 4f2a"):
        ((code, said),) = together(ground, "weights rollback tenant-00000 --reason test")
    assert code == BUSY and "learning_weekly 4f2a" in said
    assert differences(before, ground.state()) == {}
    ended = together(ground, *["weights rollback tenant-00000 --reason test --to 1"] * 2)
    assert sorted(code or 0 for code, _ in ended) in ([0, 2], [0, BUSY]), ended  # 2: it is live already
    with ground.connect() as connection:
        assert live_weights(connection)[tenants.get(connection, "tenant-00000").tenant_id].version == 1


@pytest.fixture
def suggested(ground: Ground, mappings: list[str]) -> Iterator[int]:
    """A tenant with one suggestion."""
    ground.put("two_tenants")
    rule = {"ssic_codes": ["62011"], "integrations": [], "champions": [], "exclusions": []}
    made = NewSuggestion("sugg_000000000001", "Software", 1.0, [], False, {}, {}, rule)
    with ground.connect() as connection:
        tenant_id = tenants.get(connection, "tenant-00000").tenant_id
        publish_sets(connection, [NewSet(tenant_id, 1, "a", 5, 5, False, {}, [], [made])], run_id=None)
    yield tenant_id


def test_two_people_who_accept_the_same_suggestion_at_once_do_so_one_after_the_other(
    ground: Ground, suggested: int
) -> None:
    def accept(connection: psycopg.Connection, who: str) -> None:
        suggestions.accept(connection, tenant_id=suggested, suggestion_ids=["sugg_000000000001"], actor=who)

    with ground.connect() as maya, ground.connect() as noor, ground.connect() as onlooker:
        second = threading.Thread(target=accept, args=(noor, "noor"))
        with maya.transaction():
            accept(maya, "maya")
            second.start()
            waiting = "select count(*) from pg_locks where pid = %s and not granted"
            while onlooker.execute(waiting, (noor.info.backend_pid,)).fetchone() != (1,):
                assert second.is_alive(), "the second did not wait for the first"
        second.join()
        rules = onlooker.execute("select created_by, is_active from learned.icp_rules order by rule_id").fetchall()
        told = onlooker.execute("select actor from learned.audit_log order by entry_id").fetchall()
    assert rules == [("maya", True)]  # the second finds it done, and changes nothing
    assert told == [("maya",)]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_of_a_scheduled_run_and_a_run_of_the_command_line_one_is_refused(ground: Ground, mappings: list[str]) -> None:
    """The schedule's run is one of Dagster's own: another process on the same instance."""
    load = f"load outcomes {' '.join(mappings)}"
    ground.put("two_tenants")
    ground.finish(load)
    ground.finish(RUN)
    undisturbed = ground.state()
    ground.put("two_tenants")
    ground.finish(load)
    environment = {**ground.environment, "DAGSTER_HOME": str(ground.dagster_home), "PYTHONPATH": str(PROJECT_ROOT)}
    config = "{ops: {intermediate__run_settings: {config: {as_of: '2026-06-30'}}}}"
    (ground.home / "run.yaml").write_text(config)
    dagster = str(Path(sys.executable).parent / "dagster")
    scheduled = subprocess.Popen(
        [dagster, "job", "execute", "-m", "dagster_defs.definitions", "-j", "learning_weekly"]
        + ["-c", str(ground.home / "run.yaml")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert ground.reaches(lambda: scheduled.poll() is not None, "dbt_stage_1", runs_before=0)
    ((code, said),) = together(ground, RUN)
    assert code == BUSY and "Another run is at work (learning_weekly" in said, said
    output, _ = scheduled.communicate(timeout=LONGEST)
    assert scheduled.returncode == 0, output[-3000:]
    # and the other way round
    first = ground.start(RUN)
    assert ground.reaches(lambda: first.exitcode is not None, "dbt_stage_1", runs_before=1)
    assert first.pid is not None
    os.killpg(first.pid, signal.SIGSTOP)  # it holds the lock for as long as Dagster takes to start
    refused = subprocess.run(scheduled.args, env=environment, capture_output=True, text=True)
    os.killpg(first.pid, signal.SIGCONT)
    assert refused.returncode != 0 and "Another run is at work" in refused.stdout + refused.stderr
    first.join(LONGEST)
    assert first.exitcode in (0, 4)
    assert ground.left_open() == []
    assert differences(undisturbed, ground.state()) == {}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_backup_during_a_run_is_a_state_from_which_the_run_ends_as_ever(
    ground: Ground, mappings: list[str], server: EmbeddedServer, template: str, tmp_path: Path
) -> None:
    ground.put("two_tenants")
    ground.finish(f"load outcomes {' '.join(mappings)}")
    running = ground.start(RUN)
    assert ground.reaches(lambda: running.exitcode is not None, "dbt_stage_1", runs_before=0)
    ((code, said),) = together(ground, f"backup {tmp_path}/during.dump")
    assert code == 0, said
    running.join(LONGEST)
    undisturbed = ground.state()
    other = Ground(server, ground.home / "restored", database=database_of(make_database(server, template)))
    ((code, said),) = together(other, f"restore {tmp_path}/during.dump")
    assert code == 0, said
    other.finish(RUN)
    assert differences(undisturbed, other.state()) == {}
