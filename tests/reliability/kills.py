"""Shooting `icp` anywhere: a warehouse that is put into a state, a command that is killed there, and what it hit.

Belongs here: states as template databases, the four ways to kill, and the phase a shot fell in. Does not belong here:
which points are shot (``test_kills``), how states are compared (``states``).
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Literal

import dagster as dg
import psycopg
from psycopg import sql

from tests.reliability.command import start
from tests.reliability.states import State, differences, state
from tests.servers import creating
from warehouse import watcher
from warehouse.connection import LOGIN, Warehouse
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import Settings

Way = Literal["group", "process", "server", "backend"]
"""The command with its children; the command alone; the postmaster; the connection that works hardest."""

LONGEST = 240.0  # seconds that a command may take
FREED_WITHIN = 20.0  # seconds until nothing of a killed command is left, in the server or beside it
PIPELINE_LOCK = 4_927_002
DONE = "is live already"  # a rollback that was shot after it had committed
_STEPS = {
    "crawl_sites": "crawl",
    "raw__company_enrichment_runs": "crawl",
    "match_seeds": "matching",
    "dbt_stage_1": "dbt stage 1",
    "dbt_stage_2": "dbt stage 2",
    "learn_weights": "learning",
    "learn_who": "learning",
    "learn_suggestions": "learning",
    "raw__warehouse_score_snapshots": "snapshots",
}
_STEPS |= dict.fromkeys(("load_outcomes", "load_industry_codes", "raw__registry_entities", "process_intake"), "load")
_WRITES_LEARNED = (
    "select count(*) from pg_stat_activity where datname = %s and state <> 'idle' and pid <> pg_backend_pid()"
    " and query ~* '(insert into|update|delete from)\\s+learned\\.|learned\\.(accept|reject)_'"
)


@dataclass(frozen=True)
class Shot:
    """One kill that hit.

    Attributes:
        phase: what was at work, in a word.
        freed: seconds until nothing of the command was left, in the server or beside it, and the lock was free; of one
            whose server was killed, with the time that it took to say so.
        recovered: seconds until a killed server answered again.
    """

    command: str
    way: Way
    phase: str
    freed: float
    recovered: float | None = None


@dataclass
class Tally:
    """What all shots came to."""

    shots: list[Shot] = field(default_factory=list)
    missed: int = 0
    compared: int = 0
    different: list[str] = field(default_factory=list)
    closed: int = 0
    repeats: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        phases = Counter(shot.phase for shot in self.shots)
        ways = Counter(shot.way for shot in self.shots)
        killed = [shot for shot in self.shots if shot.way in ("group", "process")]
        recovered = [shot.recovered for shot in self.shots if shot.recovered is not None]
        lines = [
            f"{len(self.shots)} points killed, {self.missed} shots came too late",
            f"  by phase: {', '.join(f'{phase} {n}' for phase, n in sorted(phases.items()))}",
            f"  by way: {', '.join(f'{way} {n}' for way, n in sorted(ways.items()))}",
            f"  final states compared: {self.compared}, different: {len(self.different)}",
            f"  runs and loads left open by a shot and closed by the repetition: {self.closed}",
            f"  nothing of a killed command left, lock free: {_times([shot.freed for shot in killed])}",
            f"  killed servers answered again: {_times(recovered)}",
            f"  repetitions: {_times(self.repeats)}",
        ]
        return "\n".join(lines)


def _times(seconds: Sequence[float]) -> str:
    if not seconds:
        return "none"
    return f"{len(seconds)} times, median {statistics.median(seconds):.2f} s, max {max(seconds):.2f} s"


class Ground:
    """A warehouse whose database is thrown away and copied from a template for every point.

    Args:
        server: runs, and is not this ground's alone; its commands are told where by ICP_DATABASE_URL.
        database: the copy's name.
        embedded: the server is this ground's own, and its commands find and restart it themselves.
    """

    def __init__(self, server: EmbeddedServer, home: Path, *, database: str = "icp", embedded: bool = False) -> None:
        self.server = server
        self.home = home
        self.database = database
        home.mkdir(parents=True, exist_ok=True)
        url = None if embedded else server.dsn(user=LOGIN, dbname=database)
        self.settings = Settings(home=home, database_url=url)
        self._puts = 0
        self._instance: tuple[int, dg.DagsterInstance] | None = None
        self.environment = {
            **os.environ,
            "ICP_HOME": str(home),
            **({"ICP_DATABASE_URL": url} if url else {}),
            "ICP_CRAWL_DELAY_S": "0",
            "PATH": f"{server.bindir}{os.pathsep}{os.environ['PATH']}",  # pg_dump of the server's own version
        }

    # -- states -------------------------------------------------------------------------------------------

    def administer(self, *statements: sql.Composed) -> None:
        """Run statements on the server as its superuser."""
        with psycopg.connect(self.server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def save(self, name: str) -> None:
        """Keep what the warehouse holds now as a state of this name."""
        self.administer(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)),
            _ends_all(self.database),
            *creating(self.server, name, login=LOGIN, template=self.database),
        )

    def put(self, name: str) -> None:
        """Let the warehouse hold a state; Dagster knows of no runs."""
        self.administer(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(self.database)),
            _ends_all(name),
            *creating(self.server, self.database, login=LOGIN, template=name),
        )
        self._puts += 1

    def connect(self) -> psycopg.Connection:
        """As the pipeline."""
        return Warehouse(self.settings).connect(autocommit=True)

    def state(self) -> State:
        """What the warehouse holds, but for chance."""
        with self.connect() as connection:
            return state(connection)

    @property
    def dagster_home(self) -> Path:
        """One for every time that a state was put; a copy, because to set up its tables takes seconds."""
        home = self.home / f"dagster-{self._puts}"
        if not home.exists():
            empty = self.home / "dagster-empty"
            if not empty.exists():
                empty.mkdir()
                (empty / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
                with dg.DagsterInstance.from_config(str(empty)):
                    pass
            shutil.copytree(empty, home)
        return home

    @property
    def instance(self) -> dg.DagsterInstance:
        """What Dagster knows of the runs since the state was put."""
        if self._instance is None or self._instance[0] != self._puts:
            self._instance = self._puts, dg.DagsterInstance.from_config(str(self.dagster_home))
        return self._instance[1]

    # -- commands -----------------------------------------------------------------------------------------

    def start(self, command: str, log: Path | None = None) -> ForkServerProcess:
        """Start a command, as words with spaces between; what it says goes to the log."""
        runs = {"DAGSTER_HOME": str(self.dagster_home)} if command.startswith("run ") else {}
        return start(command.split(), {**self.environment, **runs}, log or self.home / "command.log")

    def finish(self, command: str) -> float:
        """Run a command to its end; returns its seconds."""
        began = time.monotonic()
        process = self.start(command)
        process.join(LONGEST)
        said = (self.home / "command.log").read_text()
        assert process.exitcode in (0, 4) or DONE in said, (
            f"{command} ended with {process.exitcode}:\n{said}"
        )  # 4: a check
        return time.monotonic() - began

    def shoot(self, command: str, way: Way, *, after: float, step: str | None = None) -> Shot | None:
        """Kill a command so many seconds after it, or that step of it, began; None if it had ended by then."""
        runs = self.instance.get_runs_count() if step else 0
        process = self.start(command)
        if step is not None:
            self.reaches(lambda: process.exitcode is not None, step, runs_before=runs)
        process.join(after)
        if process.exitcode is not None or process.pid is None:
            return None
        in_server = way in ("server", "backend")
        at = self._open_step() if step and in_server else None
        try:
            with _stopped(process.pid):
                publishes = self._count(_WRITES_LEARNED, self.database) > 0
                if in_server:
                    way = self._kill_in_server(way)
                elif way == "group":
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it ended under our hands
            process.join()
            return None
        began = time.monotonic()
        if step and not in_server:
            at = self._open_step()  # read after the shot: a writer that stands still may lock the record
        recovered = None
        if way == "server":
            self.server.acquire()
            recovered = time.monotonic() - began
        process.join(LONGEST)
        assert process.exitcode is not None, f"{command} goes on although it or its server was killed"
        if in_server:
            said = (self.home / "command.log").read_text()
            assert "Traceback" not in said, f"{command} ended without a sentence:\n{said}"
        self._wait_until_freed(process.pid)
        return Shot(command, way, _phase(command, at, publishes), time.monotonic() - began, recovered)

    def _count(self, statement: str, *parameters: object) -> int:
        with psycopg.connect(self.server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
            row = connection.execute(statement.encode(), parameters).fetchone()
        return int(row[0]) if row else 0

    def _kill_in_server(self, way: Way) -> Way:
        """Kill the postmaster, or one backend of this warehouse: the server then restarts all the others."""
        running = watcher.postmaster(self.server.data)
        assert running is not None
        worst = self._count(
            "select pid from pg_stat_activity where datname = %s and backend_type = 'client backend'"
            " order by state = 'idle', xact_start nulls last limit 1",
            self.database,
        )
        os.kill(worst if way == "backend" and worst else running.pid, signal.SIGKILL)
        return way if worst else "server"

    def _wait_until_freed(self, pid: int) -> None:
        deadline = time.monotonic() + FREED_WITHIN
        while True:
            lock = "select count(*) from pg_locks where locktype = 'advisory' and objid = %s"
            here = "select count(*) from pg_stat_activity where datname = %s and backend_type = 'client backend'"
            try:
                if not _group(pid) and not self._count(here, self.database) and not self._count(lock, PIPELINE_LOCK):
                    return
            except psycopg.OperationalError:  # a server whose backend was killed starts all others anew
                self.server.acquire()
            assert time.monotonic() < deadline, "a killed command is still at work"
            time.sleep(0.02)

    # -- Dagster's records --------------------------------------------------------------------------------

    def _steps(self) -> dict[str, dg.DagsterEventType]:
        """Steps of the newest run by the last event they had."""
        newest = self.instance.get_runs(limit=1)
        if not newest:
            return {}
        kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE}
        events = [entry.dagster_event for entry in self.instance.all_logs(newest[0].run_id, of_type=kinds)]
        return {event.step_key: event.event_type for event in events if event and event.step_key}

    def _open_step(self) -> str | None:
        started = [step for step, last in self._steps().items() if last is dg.DagsterEventType.STEP_START]
        return started[-1] if started else None

    def reaches(self, ended: Callable[[], bool], step: str, *, runs_before: int) -> bool:
        """Wait until a run that is new begins a step; False if it ends before."""
        while not ended():
            if self.instance.get_runs_count() > runs_before and step in self._steps():
                return True
            time.sleep(0.1)
        return False

    def left_open(self) -> list[str]:
        """What says that it is at work although nothing is."""
        with self.connect() as connection:
            rows = connection.execute("select 'load of ' || file from raw.loads where status = 'running'").fetchall()
        if not (self.home / f"dagster-{self._puts}").exists():
            return [row[0] for row in rows]
        runs = [f"run that is {run.status.value}" for run in self.instance.get_runs() if not run.is_finished]
        return [row[0] for row in rows] + runs


def _phase(command: str, step: str | None, publishes: bool) -> str:
    words = command.split()
    if publishes or words[0] in ("weights", "suggestions"):
        return "publication"
    if words[0] != "run":
        return f"load {words[1]}" if words[0] == "load" else words[0]
    return _STEPS.get(step or "", "start, settings, checks")


def _ends_all(database: str) -> sql.Composed:
    """A database is copied only while nobody is in it; a server that was just started may look around by itself."""
    return sql.SQL("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = {}").format(
        sql.Literal(database)
    )


@contextlib.contextmanager
def _stopped(pid: int) -> Iterator[None]:
    """Hold a process group still, so that it is killed where it was looked at."""
    os.killpg(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGCONT)


def _group(pid: int) -> bool:
    """Whether any process of a group lives; one that only nobody has reaped yet does not."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                status, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(group) == pid and status != "Z":
                    return True
    return False


@dataclass(frozen=True)
class Aim:
    """A command in a state, and what it comes to where nobody disturbs it.

    Attributes:
        steps: of a run, those to shoot at in order, with their usual seconds; none: shots fall anywhere.
    """

    state: str
    command: str
    seconds: float
    end: State
    steps: tuple[tuple[str, float], ...] = ()


def undisturbed(ground: Ground, state: str, command: str, steps: Sequence[str] = ()) -> Aim:
    """Run a command in a state to its end, and note what it comes to."""
    if not steps:
        ground.put(state)
        ground.finish(command)  # its imports, once; the seconds of the second time are those of a shot
        first = ground.state()
    ground.put(state)
    seconds = ground.finish(command)
    found = ground.state()
    assert steps or not differences(first, found), f"{command} is not the same twice: {differences(first, found)}"
    lasting: dict[str, float] = {}
    if steps:
        stats = ground.instance.get_run_step_stats(ground.instance.get_runs(limit=1)[0].run_id)
        lasting = {one.step_key: (one.end_time or 0) - (one.start_time or 0) for one in stats}
    return Aim(state, command, seconds, found, tuple((step, lasting[step]) for step in steps))


def shoot_and_repeat(
    ground: Ground, aim: Aim, chance: random.Random, tally: Tally, *, way: Callable[[], Way], shots: int = 1
) -> None:
    """Put the state, shoot the command so many times, repeat it to its end, and compare."""
    try:
        _shoot_and_repeat(ground, aim, chance, tally, way, shots)
    except AssertionError as error:  # the next point starts from a state that is whole
        tally.different.append(str(error))


def _shoot_and_repeat(
    ground: Ground, aim: Aim, chance: random.Random, tally: Tally, way: Callable[[], Way], shots: int
) -> None:
    ground.put(aim.state)
    targets: list[tuple[str | None, float]] = [(None, aim.seconds)] * shots
    if aim.steps:  # in their order: what a shot let pass has no work left
        picked = sorted(chance.choices(range(len(aim.steps)), k=shots))
        targets = [aim.steps[number] for number in picked]
    fired: list[Shot] = []
    for step, lasting in targets:
        shot = ground.shoot(aim.command, way(), after=chance.uniform(0.0, lasting), step=step)
        if shot is None:
            tally.missed += 1
        else:
            fired.append(shot)
    if not fired:
        return
    open_before = len(ground.left_open())
    tally.repeats.append(ground.finish(aim.command))
    tally.shots += fired
    tally.compared += 1
    tally.closed += open_before
    if left := ground.left_open():
        tally.different.append(f"{aim.command} after {fired}: {left} is left open")
    if found := differences(aim.end, ground.state()):
        lines = "\n".join(f"  {table}: {row}" for table, rows in found.items() for row in rows)
        tally.different.append(f"{aim.command} after {fired}:\n{lines}")
