"""Intakes that are handed in at the same moment, over connections of their own: one after the other, and whole."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from ingest.intake import process_inbox, store_intake, understand
from tests.ingest.intake.payloads import FLAT, NESTED
from tests.loop import Rows
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.settings import PROJECT_ROOT
from warehouse.tenants import Tenant

NOW = dt.datetime(2026, 6, 30, 8, tzinfo=dt.UTC)


def at_once(warehouse: Warehouse, *works: Callable[[psycopg.Connection], Any]) -> list[Any]:
    """Do all of these at the same moment, each over its own connection; returns what they return, in order."""
    start = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def work(number: int) -> None:
        with warehouse.connect(autocommit=True) as own:
            start.wait()
            try:
                results[number] = works[number](own)
            except Exception as error:
                results[number] = error

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed = [result for result in results if isinstance(result, Exception)]
    if failed:
        raise failed[0]
    return results


def storing(tenant: Tenant, payload: Any) -> Callable[[psycopg.Connection], Any]:
    return lambda own: store_intake(own, tenant=tenant, payload=payload, submitted_by="app", now=NOW)


def check_one_state(rows: Rows, tenant: Tenant, *payloads: Any) -> None:
    """Versions without a gap, and seeds, evidence and flow of the last one alone."""
    found = rows(
        "select version, response_id, answers, payload from raw.icp_intake_responses where tenant_id = %s"
        " order by version",
        tenant.tenant_id,
    )
    assert [row[0] for row in found] == list(range(1, len(payloads) + 1))
    assert sorted(json.dumps(row[3], sort_keys=True) for row in found) == sorted(
        json.dumps(payload, sort_keys=True) for payload in payloads
    )
    _, response_id, _, payload = found[-1]
    answers = understand(payload).answers
    named = [("best", customer.domain) for customer in answers.best_customers]
    named += [("lost", customer.domain) for customer in answers.lost_or_churned]
    active = rows("select kind, domain from raw.customer_seeds where tenant_id = %s and is_active", tenant.tenant_id)
    assert sorted(active) == sorted(named)
    evidence = rows(
        "select distinct company_key from raw.icp_evidence join raw.companies using (company_id)"
        " where tenant_id = %s and source = 'intake'",
        tenant.tenant_id,
    )
    assert evidence == [(answers.website,)]
    assert rows("select state, response_id from raw.icp_flow where tenant_id = %s", tenant.tenant_id) == [
        ("intake_saved", response_id)
    ]


@pytest.mark.parametrize("number", range(4))
def test_two_intakes_of_a_tenant_end_as_one_state(
    warehouse: Warehouse, connection: psycopg.Connection, rows: Rows, number: int
) -> None:
    tenant = tenants.add_tenant(connection, slug=f"at-once-{number}")
    other = {**NESTED, "answers": {**NESTED["answers"], "website": "other.example.com"}}
    at_once(warehouse, storing(tenant, FLAT), storing(tenant, other))
    check_one_state(rows, tenant, FLAT, other)


def test_the_same_intake_handed_in_twice_at_once_is_one_version(
    warehouse: Warehouse, connection: psycopg.Connection, rows: Rows
) -> None:
    tenant = tenants.add_tenant(connection, slug="at-once-same")
    reports = at_once(warehouse, *[storing(tenant, FLAT)] * 4)
    assert sorted(report.status for report in reports) == ["stored", *["unchanged"] * 3]
    check_one_state(rows, tenant, FLAT)


@pytest.mark.parametrize("number", range(4))
def test_tenants_that_name_one_another_do_not_wait_for_ever(
    warehouse: Warehouse, connection: psycopg.Connection, rows: Rows, number: int
) -> None:
    pair = [tenants.add_tenant(connection, slug=f"at-once-{side}-{number}") for side in ("a", "z")]
    a, z = (f"{tenant.slug.replace('-', '')}.com" for tenant in pair)
    at_once(
        warehouse,
        storing(pair[0], {"website": a, "best_customers": [f"Z — {z}"]}),
        storing(pair[1], {"website": z, "best_customers": [f"A — {a}"]}),
    )
    assert rows(
        "select count(*) from raw.icp_intake_responses where tenant_id = any(%s)", [t.tenant_id for t in pair]
    ) == [(2,)]


HAND_IN = """
import datetime as dt, json, sys
from ingest.intake import process_inbox
from warehouse.connection import Warehouse
with Warehouse().connect(autocommit=True) as connection:
    print("ready", flush=True)
    sys.stdin.readline()
    outcomes = process_inbox(connection, dt.datetime(2026, 6, 30, 8, tzinfo=dt.UTC))
    print(json.dumps([[o.inbox_id, o.report.version if o.report else None, o.refused_because] for o in outcomes]))
"""


def test_two_processes_share_an_inbox_of_both_shapes(
    warehouse: Warehouse, connection: psycopg.Connection, rows: Rows
) -> None:
    tenant = tenants.add_tenant(connection, slug="at-once-inbox")
    payloads = [payload | {"triggers": [f"t{number}"]} for number in range(4) for payload in (FLAT, NESTED)]
    for payload in payloads:
        connection.execute(
            "insert into raw.icp_intake_inbox (tenant_id, payload, submitted_by) values (%s, %s, 'app')",
            (tenant.tenant_id, Jsonb(payload)),
        )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", HAND_IN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT_ROOT,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    done = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        done += json.loads(process.communicate(timeout=60)[0])
    assert [version for _, version, _ in sorted(done)] == list(range(1, 9)), done  # in the order of handing in
    check_one_state(rows, tenant, *payloads)
    assert process_inbox(connection, NOW) == []
