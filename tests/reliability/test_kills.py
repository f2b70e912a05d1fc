"""Killed anywhere: commands are shot at random points, repeated, and end as if nothing had happened."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql
from psycopg.types.json import Jsonb

from ingest.simulation.evidence import EvidenceWorld, evidence_world, serve_sites
from ingest.simulation.files import write_world
from ingest.simulation.worlds import world
from tests.conftest import make_database
from tests.reliability.command import import_dagster
from tests.reliability.kills import Aim, Ground, Tally, Way, shoot_and_repeat, undisturbed
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.publication import WeightDecision, publish_weights
from warehouse.server import EmbeddedServer
from warehouse.settings import PROJECT_ROOT, Settings

POINTS = 200
SHOTS_IN_A_RUN = 6
RUN = "run everything --as-of 2026-06-30"
# Of a whole run, in their order; as often as shots shall fall there.
STEPS = (
    *("load_outcomes", "process_intake", "raw__registry_entities", "match_seeds", "match_seeds", "match_seeds"),
    *("crawl_sites", "dbt_stage_1", "dbt_stage_1", "dbt_stage_1", "learn_suggestions", "learn_suggestions"),
    *("learn_weights", "learn_weights", "learn_weights", "dbt_stage_2", "dbt_stage_2", "learn_who", "learn_who"),
    "raw__warehouse_score_snapshots",
)
# A publication takes milliseconds; so that shots fall into it, every statement that writes learned tables takes longer.
SLOWLY = """
create function learned.write_slowly() returns trigger language plpgsql as
$$ begin perform pg_sleep(0.05); return null; end $$;
do $$
declare relation text;
begin
    for relation in select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'learned' loop
        execute 'create trigger write_slowly after insert or update or delete on ' || relation
            || ' for each statement execute function learned.write_slowly()';
    end loop;
end $$
"""


def test_what_was_killed_ends_as_if_nothing_had_happened(
    server: EmbeddedServer, template: str, short_tmp: Path, tmp_path: Path
) -> None:
    url = make_database(server, template)
    ground = Ground(server, short_tmp / "kills", database=str(conninfo.conninfo_to_dict(url)["dbname"]))
    mappings = add_leads(ground, tmp_path, count=2, leads=200)
    simulated = evidence_world(tenants=1, seed=4, entities=2_000, planted=False, background=0)
    intake = tmp_path / "intake.json"
    customers = [{"name": seed.company.name, "website": seed.company.domain} for seed in simulated.tenants[0].seeds[:4]]
    intake.write_text(json.dumps({"best_customers": customers}))
    with ground.connect() as connection:
        tenants.add_tenant(connection, slug="seeds-000", simulated=True)
        connection.execute(SLOWLY.encode())
    ground.save("kills_tenants")
    ground.put("kills_tenants")
    ground.finish(f"load intake {intake} --tenant seeds-000")
    with ground.connect() as connection:
        publish_twice(connection, "tenant-00000")
    ground.save("kills_intake")
    tally, chance = Tally(), random.Random(1)
    ways: Iterator[Way] = itertools.cycle(("group", "process"))
    with serve_sites(simulated) as port:
        ground.environment["ICP_CONNECT_TO"] = f"* = 127.0.0.1:{port}"
        for state, command in (
            ("kills_tenants", f"load outcomes {mappings}"),
            ("kills_intake", "crawl"),
            ("kills_intake", "weights rollback tenant-00000 --to 0 --reason test"),
        ):
            aim = undisturbed(ground, state, command)
            for _ in range(3 if command.startswith("load") else 2):
                shoot_and_repeat(ground, aim, chance, tally, way=lambda: next(ways))
            assert tally.shots and tally.shots[-1].command == command, tally
    assert tally.different == []


def test_dbt_ends_with_the_run_that_was_killed() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; from dagster_defs import dbt_process; dbt_process.end_with_reader();"
         "print('up', flush=True); time.sleep(600)"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_ROOT,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    child.stdout.close()  # as the kernel does for a killed reader
    assert child.wait(10) == 1


@pytest.mark.slow
@pytest.mark.timeout(3 * 3600)
def test_two_hundred_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="icp-kills-") as made:
        home = Path(made)
        monkeypatch.setenv("ICP_HOME", made)
        monkeypatch.setenv("DBT_TARGET_PATH", f"{made}/target")
        monkeypatch.setenv("DBT_LOG_PATH", f"{made}/logs")
        import_dagster()
        server = EmbeddedServer(Settings(home=home), linger=0)  # durable: it is shot too
        server.acquire()
        try:
            ground = Ground(server, home, embedded=True)
            # A killed server loses what it had not written, not what the kernel has not; and copies are made faster.
            ground.administer(sql.SQL("alter system set fsync = off"), sql.SQL("select pg_reload_conf()"))
            with scene(ground, home / "files") as aims:
                tally = shoot_all(aims, ground, random.Random(7))
        finally:
            server.stop()
            server.release()
    print(f"\n{tally}")  # noqa: T201  # the figures of the proof
    assert tally.different == [], "\n".join(tally.different)
    assert {shot.phase for shot in tally.shots} >= {
        *("load outcomes", "load registry", "load intake", "load", "crawl", "matching", "dbt stage 1", "dbt stage 2"),
        *("learning", "publication"),
    }


def shoot_all(aims: dict[str, tuple[int, Aim]], ground: Ground, chance: random.Random) -> Tally:
    """Shoot at all aims, each as often as it says, again and again until there are enough points."""
    tally = Tally()

    def way() -> Way:
        return chance.choices(("group", "process", "server", "backend"), (50, 30, 12, 8))[0]  # type: ignore[return-value]

    while len(tally.shots) < POINTS:
        order = [name for name, (times, _) in aims.items() for _ in range(times)]
        chance.shuffle(order)
        for name in order:
            told = len(tally.different)
            shots = SHOTS_IN_A_RUN if aims[name][1].command.startswith("run everything") else 1
            shoot_and_repeat(ground, aims[name][1], chance, tally, way=way, shots=shots)
            said = "\n".join(tally.different[told:]) or "equal"
            print(f"{len(tally.shots)} points; {name}: {said}", flush=True)  # noqa: T201  # an hour's progress
            if len(tally.shots) >= POINTS:
                break
    return tally


def add_leads(ground: Ground, folder: Path, *, count: int, leads: int) -> str:
    """Tenants whose files lie there; returns their mappings, as an argument."""
    mappings = [mapping for _, mapping in write_world(world(tenants=count, leads=leads, seed=21), folder)]
    with Warehouse(ground.settings).connect(autocommit=True) as connection:
        for mapping in mappings:
            tenants.add_tenant(connection, slug=mapping.parent.name, simulated=True, timezone="Asia/Singapore")
    return " ".join(map(str, mappings))


@contextmanager
def scene(ground: Ground, folder: Path) -> Iterator[dict[str, tuple[int, Aim]]]:
    """States with everything in them, and what to shoot at in each; while the block runs the sites answer."""
    simulated = evidence_world(tenants=3, seed=4, entities=8_000, background=30)
    simulated.write(folder, sites=False)
    with serve_sites(simulated) as port:
        ground.environment["ICP_CONNECT_TO"] = f"* = 127.0.0.1:{port}"
        mappings = add_leads(ground, folder / "leads", count=3, leads=300)
        codes = f"load industry-codes {folder}/industry_codes.csv --version sim"
        registry = f"load registry {folder}/registry --industry-version sim"
        intakes = make_states(ground, folder, simulated, mappings, codes, registry)
        run = undisturbed(ground, "first", RUN, STEPS)
        with ground.connect() as connection:
            publish_twice(connection, "tenant-00000")
        ground.save("ran")
        rollback = undisturbed(ground, "ran", "weights rollback tenant-00000 --to 0 --reason test")
        ground.save("rolled")
        yield {
            "first outcomes": (3, undisturbed(ground, "tenants", f"load outcomes {mappings}")),
            "later outcomes": (2, undisturbed(ground, "first", f"load outcomes {mappings}")),
            "industry codes": (1, undisturbed(ground, "tenants", codes)),
            "first registry": (2, undisturbed(ground, "codes", registry)),
            "later registry": (1, undisturbed(ground, "first", registry)),
            "intake": (2, undisturbed(ground, "codes", intakes[0])),
            "crawl": (3, undisturbed(ground, "first", "crawl")),
            "rollback": (2, rollback),
            "accept": (1, undisturbed(ground, "ran", "suggestions accept seeds-001 1 2 --by test")),
            "rescore": (1, undisturbed(ground, "rolled", "run rescore --as-of 2026-06-30", ("dbt_stage_2",))),
            "run": (1, run),
        }


def make_states(
    ground: Ground, folder: Path, simulated: EvidenceWorld, mappings: str, codes: str, registry: str
) -> list[str]:
    """Save the states before a run; the files are newer than what was loaded of them. Returns commands of intakes."""
    intakes = [
        f"load intake {folder}/intake/{truth.spec.slug}.json --tenant {truth.spec.slug}" for truth in simulated.tenants
    ]
    with ground.connect() as connection:
        for truth in simulated.tenants:
            tenants.add_tenant(connection, slug=truth.spec.slug, simulated=True)
        connection.execute(SLOWLY.encode())
    ground.save("tenants")
    ground.put("tenants")
    ground.finish(codes)
    ground.save("codes")
    ground.put("codes")
    with older(folder, mappings):
        for command in (registry, f"load outcomes {mappings}", *intakes[:2]):
            ground.finish(command)
    with (folder / "background.csv").open("w", newline="") as out:
        csv.writer(out).writerows(
            [("name", "domain"), *((one.name, one.domain) for one in simulated.background if one.domain)]
        )
    ground.finish(f"crawl --background {folder}/background.csv")
    with ground.connect() as connection:  # the third intake is handed in by an application
        connection.execute(
            "insert into raw.icp_intake_inbox (tenant_id, payload, submitted_by)"
            " select tenant_id, %s, 'app' from raw.tenants where slug = %s",
            (Jsonb(dict(simulated.tenants[2].intake)), simulated.tenants[2].spec.slug),
        )
    ground.save("first")
    return intakes


@contextmanager
def older(folder: Path, mappings: str) -> Iterator[None]:
    """Within the block the files are as they were before their last third came."""
    paths = [path for mapping in mappings.split() for path in Path(mapping).parent.glob("*.csv")]
    paths += list((folder / "registry").glob("*.csv"))
    newest = {path: path.read_text(encoding="utf-8") for path in paths}
    for path, text in newest.items():
        lines = text.splitlines(keepends=True)
        path.write_text("".join([lines[0], *(line for n, line in enumerate(lines[1:]) if n % 3)]), encoding="utf-8")
    yield
    for path, text in newest.items():
        path.write_text(text, encoding="utf-8")


def publish_twice(connection: psycopg.Connection, slug: str) -> None:
    """Two versions of weights, so that there is something to go back to."""
    tenant = tenants.get(connection, slug)
    for weights in ((0.3, 0.2, 0.2, 0.15), (0.1, 0.3, 0.3, 0.15)):
        decision = WeightDecision(
            tenant.tenant_id, "publish", weights, "learned", None, "test", 300, 30, (10.0, 10.0, 5.0, 3.0)
        )
        publish_weights(connection, [decision], as_of=dt.date(2026, 6, 30), run_id=None)
