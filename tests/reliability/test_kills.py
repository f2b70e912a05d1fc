"""Killed anywhere: load and run are shot at random points, repeated, and end as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ingest.simulation.files import write_world
from ingest.simulation.worlds import world
from tests.conftest import make_database
from tests.loop import MARTS
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import Settings

AS_OF = "2026-06-30"
ICP = str(Path(sys.executable).parent / "icp")

# What may differ between two runs that mean the same: when, which run, and numbers that the database drew.
_CHANCE = {
    "run_id", "load_id", "first_load_id", "last_load_id", "started_at", "finished_at", "rejected_at", "resolved_at",
    "registered_at", "created_at", "published_at", "ended_at", "decided_at", "computed_at", "valid_until", "changed_at",
    "version_num", "mapping_path", "at", "entry_id", "lead_id", "activity_id", "converting_touch_id",
}  # fmt: skip
_AS = {
    "lead_score_snapshots.scored_at": "case when origin = 'source' then scored_at end",
    "conversion_patterns.patterns": "patterns - 'computed_at' - 'valid_until'",
    "conversion_pattern_history.patterns": "patterns - 'computed_at' - 'valid_until'",
}
_COMPARED = {
    "raw": ("leads", "lead_status_events", "activities", "lead_score_snapshots", "rejected_rows", "sources"),
    "marts": MARTS,
    "learned": (
        "weight_versions", "weight_decisions", "rate_estimates", "conversion_patterns", "conversion_pattern_history",
    ),
}  # fmt: skip


@dataclass
class Shots:
    """What was shot: seconds into the command, by command."""

    fired: dict[str, list[float]] = field(default_factory=dict)
    missed: int = 0

    @property
    def hits(self) -> int:
        return sum(map(len, self.fired.values()))


class Scene:
    """One warehouse with tenants whose files lie there, and commands to run on it as a person would."""

    def __init__(self, server: EmbeddedServer, template: str, home: Path, mappings: list[Path]) -> None:
        self.url = make_database(server, template)
        self.home = home
        self.mappings = [str(path) for path in mappings]
        self.environment = {
            **os.environ, "ICP_DATABASE_URL": self.url, "ICP_HOME": str(home), "DAGSTER_HOME": str(home / "dagster"),
        }  # fmt: skip
        with self.warehouse.connect(autocommit=True) as connection:
            for path in mappings:
                tenants.add_tenant(connection, slug=path.parent.name, simulated=True, timezone="Asia/Singapore")

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(Settings(home=self.home, database_url=self.url)).open()

    def commands(self) -> dict[str, list[str]]:
        return {
            "load": [ICP, "load", "outcomes", *self.mappings],
            "run": [ICP, "run", "learning_weekly", "--as-of", AS_OF],
        }

    def finish(self, command: str) -> float:
        """Run a command to its end; returns its seconds."""
        began = time.monotonic()
        done = subprocess.run(
            self.commands()[command], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert done.returncode in (0, 4), done.stdout  # 4: a check on so few leads may not hold
        return time.monotonic() - began

    def shoot(self, command: str, after: float) -> bool:
        """Start a command and kill it and all its children after so many seconds; False if it ended before."""
        shot = subprocess.Popen(
            self.commands()[command],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            shot.wait(after)
            return False
        except subprocess.TimeoutExpired:
            os.killpg(shot.pid, signal.SIGKILL)
            shot.wait()
            return True

    def state(self) -> dict[str, list[str]]:
        """All rows that count, as sorted text."""
        found = {}
        with self.warehouse.connect() as connection:
            for schema, names in _COMPARED.items():
                for table in names:
                    columns = [
                        row[0]
                        for row in connection.execute(
                            "select column_name from information_schema.columns where table_schema = %s"
                            " and table_name = %s order by ordinal_position",
                            (schema, table),
                        )
                        if row[0] not in _CHANCE
                    ]
                    listed = ", ".join(_AS.get(f"{table}.{column}", f'"{column}"') for column in columns)
                    rows = connection.execute(f"select row({listed})::text from {schema}.{table} order by 1".encode())
                    found[f"{schema}.{table}"] = [row[0] for row in rows]
        return found

    def unfinished(self) -> list[str]:
        """What says that it is still at work although nothing is."""
        with self.warehouse.connect() as connection:
            rows = connection.execute("select 'load of ' || file from raw.loads where status = 'running'").fetchall()
        return [row[0] for row in rows]

    def drop(self, server: EmbeddedServer) -> None:
        with psycopg.connect(server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
            name = psycopg.conninfo.conninfo_to_dict(self.url)["dbname"]
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(str(name))))


@pytest.fixture(scope="module")
def mappings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("world")
    return [mapping for _, mapping in write_world(world(tenants=3, leads=300, seed=21), folder)]


@pytest.fixture(scope="module")
def undisturbed(
    server: EmbeddedServer, template: str, mappings: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, list[str]], dict[str, float]]:
    """The state after a load and a run that nobody disturbed, and their seconds."""
    scene = Scene(server, template, tmp_path_factory.mktemp("undisturbed"), mappings)
    seconds = {command: scene.finish(command) for command in ("load", "run")}
    state = scene.state()
    scene.drop(server)
    assert len(state["marts.lead_scores"]) > 800
    assert len(state["learned.weight_versions"]) >= 1
    return state, seconds


def shoot_and_repeat(scene: Scene, seconds: dict[str, float], shots: int, chance: random.Random) -> Shots:
    """Shoot load and run so many times, each at a random point, then let both finish."""
    fired = Shots()
    for command, share in (("load", 0.25), ("run", 0.75)):
        for _ in range(max(1, round(shots * share))):
            after = chance.uniform(0.2, seconds[command])
            if scene.shoot(command, after):
                fired.fired.setdefault(command, []).append(after)
            else:
                fired.missed += 1
        scene.finish(command)
    return fired


def differences(one: dict[str, list[str]], other: dict[str, list[str]]) -> dict[str, list[str]]:
    """Rows that only one of two states has, by table."""
    return {table: sorted(set(one[table]) ^ set(other[table]))[:5] for table in one if one[table] != other[table]}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_load_and_a_run_that_were_killed_end_as_if_nothing_had_happened(
    server: EmbeddedServer,
    template: str,
    mappings: list[Path],
    undisturbed: tuple[dict[str, list[str]], dict[str, float]],
    tmp_path: Path,
) -> None:
    state, seconds = undisturbed
    scene = Scene(server, template, tmp_path, mappings)
    fired = shoot_and_repeat(scene, seconds, 4, random.Random(1))
    assert fired.hits >= 2
    assert differences(state, scene.state()) == {}
    assert scene.unfinished() == []
    scene.drop(server)


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
def test_two_hundred_kills(
    server: EmbeddedServer,
    template: str,
    mappings: list[Path],
    undisturbed: tuple[dict[str, list[str]], dict[str, float]],
    tmp_path: Path,
) -> None:
    state, seconds = undisturbed
    points, seed = 0, 0
    while points < 200:
        seed += 1
        scene = Scene(server, template, tmp_path / str(seed), mappings)
        fired = shoot_and_repeat(scene, seconds, 10, random.Random(seed))
        points += fired.hits
        assert differences(state, scene.state()) == {}, (seed, fired)
        assert scene.unfinished() == [], (seed, fired)
        scene.drop(server)
        print(f"{points} points killed in {seed} scenes, all equal", flush=True)  # noqa: T201  # an hour's progress
