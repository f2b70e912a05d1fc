"""Readers at work: a second process polls every mart and learned view while the pipeline writes.

No error, no empty table, no half version, no wait over a second: through loads of outcomes, an intake and a registry,
runs, a full refresh, a rollback, and decisions on suggestions.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from icp.main import app
from ingest.intake import load_intake
from ingest.outcomes.load import load_outcomes
from ingest.registry.load import load_registry
from ingest.simulation.evidence import EvidenceWorld, evidence_world, serve_sites
from ingest.simulation.worlds import demo_world, world
from tests.dagster_defs.test_evidence import load
from tests.loop import Rows, build_marts, edit_csv, load_world, run
from tests.servers import conninfo_of
from warehouse import publication, roles, tenants
from warehouse.connection import Warehouse

AS_OF = "2026-06-30"
LONGEST_WAIT_S = 1.0
NOW = dt.datetime.now(dt.UTC)

# A process of its own, as a BI tool is: one connection, one look at everything per round, until its input closes.
POLLER = """
import json, sys, time, psycopg
relations = json.loads(sys.argv[2])
seen = {"rounds": 0, "errors": [], "empty": [], "longest": 0.0, "halves": []}
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    print("ready", flush=True)
    import select
    while not select.select([sys.stdin], [], [], 0)[0]:
        for relation in relations:
            began = time.monotonic()
            try:
                (count,) = connection.execute(f"select count(*) from {relation}").fetchone()
                if not count:
                    seen["empty"].append(relation)
            except psycopg.Error as error:
                seen["errors"].append(f"{relation}: {error}")
            seen["longest"] = max(seen["longest"], time.monotonic() - began)
        try:
            tenants, live, sums = connection.execute(
                "select (select count(*) from learned.tenants), count(*),"
                " count(*) filter (where data_quality + authority + company_fit + timing = 0.85)"
                " from learned.current_weights").fetchone()
            scored, unlike = connection.execute(
                "select count(*), count(distinct weights_version) from marts.lead_scores group by tenant_id"
                " order by 2 desc limit 1").fetchone()
            if not tenants == live == sums or unlike != 1:
                seen["halves"].append([tenants, live, sums, unlike])
            # A set is there with all its cards from rank 1 on, a card with its set, and look-alikes with a card.
            without, lonely, gaps = connection.execute(
                "with cards as (select tenant_id, generation, count(*) as cards, max(rank) as last,"
                " bool_and(card ->> 'id' = suggestion_id) as own from learned.icp_suggestions group by 1, 2)"
                " select (select count(*) from learned.icp_suggestion_sets"
                " left join cards using (tenant_id, generation)"
                " where cards is null and seeds_with_evidence >= 5),"
                " (select count(*) from cards left join learned.icp_suggestion_sets as sets"
                " using (tenant_id, generation) where sets.tenant_id is null),"
                " (select count(*) from cards where cards <> last or not own)").fetchone()
            (strays,) = connection.execute(
                "select count(*) from learned.lookalike_companies as likes where not exists ("
                " select from learned.icp_suggestions as made where made.tenant_id = likes.tenant_id"
                " and made.suggestion_id = likes.suggestion_id)").fetchone()
            if without or lonely or gaps or strays:
                seen["halves"].append(["suggestions", without, lonely, gaps, strays])
        except psycopg.Error as error:
            seen["errors"].append(str(error))
        seen["rounds"] += 1
print(json.dumps(seen))
"""


@contextmanager
def polling(login: str, relations: list[str]) -> Iterator[dict[str, Any]]:
    """Poll while the block runs; afterwards the dictionary holds what was seen."""
    command = [sys.executable, "-c", POLLER, login, json.dumps(relations)]
    poller = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert poller.stdout is not None
    assert poller.stdout.readline() == "ready\n"
    seen: dict[str, Any] = {}
    try:
        yield seen
    finally:
        answer, _ = poller.communicate("")
        seen.update(json.loads(answer))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def simulated() -> Iterator[EvidenceWorld]:
    """Intakes, a registry and sites, which answer here."""
    made = evidence_world(tenants=3, seed=4, entities=8_000, background=60)
    with serve_sites(made) as port, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICP_CONNECT_TO", f"* = 127.0.0.1:{port}")
        patch.setenv("ICP_CRAWL_DELAY_S", "0")
        yield made


@pytest.fixture(scope="module")
def mappings(warehouse: Warehouse, simulated: EvidenceWorld, folder: Path) -> dict[str, Path]:
    """Of tenants with outcomes; everything has run once, for them and for those with intakes."""
    acme = next(spec for spec in demo_world(3).tenants if spec.slug == "acme-digital")
    made = world(tenants=3, leads=300, seed=5)
    mappings = load_world(
        warehouse, type(made)(**{**vars(made), "tenants": (*made.tenants, acme)}), folder / "outcomes"
    )
    load(warehouse, simulated, folder / "evidence")
    assert run(warehouse, as_of=AS_OF).success
    icp("weights", "rollback", "acme-digital", "--to", "0", "--reason", "a test")
    icp("suggestions", "accept", "seeds-000", "1", "--by", "maya")
    assert run(warehouse, as_of=AS_OF).success
    return mappings


def icp(*arguments: str) -> None:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def bi(warehouse: Warehouse) -> Iterator[str]:
    """A BI tool's login."""
    roles.add_login(warehouse, "t_poller", role="icp_bi")
    yield conninfo_of(warehouse, "t_poller")
    roles.revoke_login(warehouse, "t_poller", drop=True)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes of work, more on a busy machine
def test_readers_are_never_disturbed(
    warehouse: Warehouse, mappings: dict[str, Path], simulated: EvidenceWorld, folder: Path, bi: str, rows: Rows
) -> None:
    relations = [
        relation
        for (relation,) in rows(
            "select oid::regclass::text from pg_class where relkind in ('r', 'v')"
            " and relnamespace::regnamespace::text in ('marts', 'learned')"
            " and has_table_privilege('icp_bi', oid, 'select') order by 1"
        )
    ]
    assert [relation for relation in relations if not rows(f"select exists (select from {relation})")[0][0]] == []
    with polling(bi, relations) as seen:
        edit_csv(mappings["acme-digital"], "leads", lambda records: records[:-50])
        load_outcomes(warehouse, mappings["acme-digital"])
        more = [{"name": seed.company.name, "website": seed.company.domain} for seed in simulated.tenants[2].seeds[:5]]
        load_intake(warehouse, {"best_customers": more}, tenant="seeds-001", submitted_by="test", now=NOW, merge=True)
        for path in (folder / "evidence" / "registry").glob("*.csv"):
            path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-40]), encoding="utf-8")
        load_registry(warehouse, [folder / "evidence" / "registry"], registry="acra", industry_version="sim", now=NOW)
        assert run(warehouse, as_of="2026-07-15").success
        icp("suggestions", "accept", "seeds-001", "1", "--by", "maya")
        build_marts(warehouse, "--full-refresh", as_of="2026-07-15")
        with warehouse.connect() as connection:
            publication.rollback(connection, tenants.get(connection, "acme-digital"), to_version=1, reason="a test")
        assert run(warehouse, "rescore", as_of="2026-07-15").success
    generations = rows("select max(generation) from learned.icp_suggestion_sets join raw.tenants using (tenant_id)"
                       " where slug = 'seeds-001'")  # fmt: skip
    assert generations == [(2,)]
    print(f"{len(relations)} relations, {seen['rounds']} rounds, longest wait {seen['longest']:.2f} s")  # noqa: T201
    assert seen["errors"] == []
    assert seen["empty"] == []
    assert seen["halves"] == []
    assert seen["longest"] < LONGEST_WAIT_S
    assert seen["rounds"] > 20
