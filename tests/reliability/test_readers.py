"""Readers at work: a second process polls every mart and learned view while the pipeline writes.

No error, no empty table, no half version, no wait over a second: through a load, a run, a full refresh, a rollback.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest.outcomes.load import load_outcomes
from ingest.simulation.worlds import demo_world, world
from tests.loop import Rows, build_marts, edit_csv, load_world, run
from warehouse import publication, roles, tenants
from warehouse.connection import Warehouse

AS_OF = "2026-06-30"
LONGEST_WAIT_S = 1.0

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
def mappings(warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    acme = next(spec for spec in demo_world(3).tenants if spec.slug == "acme-digital")
    made = world(tenants=3, leads=300, seed=5)
    mappings = load_world(
        warehouse, type(made)(**{**vars(made), "tenants": (*made.tenants, acme)}), tmp_path_factory.mktemp("world")
    )
    assert run(warehouse, as_of=AS_OF).success
    return mappings


@pytest.fixture(scope="module")
def bi(warehouse: Warehouse) -> Iterator[str]:
    """A BI tool's login."""
    from psycopg import conninfo

    roles.add_login(warehouse, "t_poller", role="icp_bi")
    yield conninfo.make_conninfo(warehouse.conninfo, user="t_poller")
    roles.revoke_login(warehouse, "t_poller", drop=True)


@pytest.mark.slow
def test_readers_are_never_disturbed(warehouse: Warehouse, mappings: dict[str, Path], bi: str, rows: Rows) -> None:
    relations = [
        relation
        for (relation,) in rows(
            "select oid::regclass::text from pg_class where relkind in ('r', 'v')"
            " and relnamespace::regnamespace::text in ('marts', 'learned')"
            " and has_table_privilege('icp_bi', oid, 'select')"
        )
        if rows(f"select exists (select from {relation})")[0][0]
    ]
    assert len(relations) >= 12
    with polling(bi, relations) as seen:
        edit_csv(mappings["acme-digital"], "leads", lambda records: records[:-50])
        load_outcomes(warehouse, mappings["acme-digital"])
        assert run(warehouse, as_of="2026-07-15").success
        build_marts(warehouse, "--full-refresh", as_of="2026-07-15")
        with warehouse.connect() as connection:
            publication.rollback(connection, tenants.get(connection, "acme-digital"), to_version=0, reason="a test")
        assert run(warehouse, "rescore", as_of="2026-07-15").success
    assert seen["errors"] == []
    assert seen["empty"] == []
    assert seen["halves"] == []
    assert seen["longest"] < LONGEST_WAIT_S
    assert seen["rounds"] > 20
