"""Daily caps, counted by what was asked, whoever asks."""

from __future__ import annotations

import datetime as dt
import threading

import psycopg
import pytest

from ingest.enrichment.budget import Budget
from ingest.enrichment.progress import Note
from ingest.enrichment.settings import VendorSettings
from tests.ingest.enrichment.conftest import NOW
from tests.loop import Rows
from warehouse.connection import Warehouse


def settings(**caps: int) -> VendorSettings:
    return VendorSettings.from_environment({f"ICP_{name.upper()}_DAILY_CAP": str(cap) for name, cap in caps.items()})


def test_the_cap_bites_is_counted_and_said_once(connection: psycopg.Connection, fresh_tenant: int, rows: Rows) -> None:
    said: list[Note] = []
    budget = Budget(connection, tenant_id=fresh_tenant, settings=settings(jina=2), now=NOW, progress=said.append)
    answers = [budget.reserve("jina") for _ in range(4)]
    assert answers[:2] == [None, None]
    assert answers[2] == answers[3] == "jina: the daily cap of 2 calls is used up (ICP_JINA_DAILY_CAP sets it)"
    assert budget.notes == (answers[2],)
    assert [(note.event, note.message) for note in said] == [("enrich:cap", answers[2])]
    assert rows("select calls, refused_by_cap from raw.vendor_usage where tenant_id = %s", fresh_tenant) == [(2, 2)]


def test_a_cap_of_nothing_switches_a_vendor_off(connection: psycopg.Connection, fresh_tenant: int, rows: Rows) -> None:
    budget = Budget(connection, tenant_id=fresh_tenant, settings=settings(apify=0), now=NOW)
    assert budget.reserve("apify") is not None
    assert rows("select calls, refused_by_cap from raw.vendor_usage where tenant_id = %s", fresh_tenant) == [(0, 1)]


def test_caps_are_per_tenant_vendor_and_utc_day(
    connection: psycopg.Connection, tenant_id: int, fresh_tenant: int
) -> None:
    singapore = dt.timezone(dt.timedelta(hours=8))
    limits = settings(jina=1, tavily=1)

    def at(tenant: int, now: dt.datetime) -> Budget:
        return Budget(connection, tenant_id=tenant, settings=limits, now=now)

    evening = dt.datetime(2026, 7, 2, 7, 30, tzinfo=singapore)  # still the first of July in UTC
    assert at(fresh_tenant, dt.datetime(2026, 7, 1, 1, 0, tzinfo=dt.UTC)).reserve("jina") is None
    assert at(fresh_tenant, evening).reserve("jina") is not None
    assert at(fresh_tenant, evening).reserve("tavily") is None
    assert at(tenant_id, evening).reserve("jina") is None
    assert at(fresh_tenant, evening + dt.timedelta(hours=1)).reserve("jina") is None


def test_two_processes_together_stay_within_the_cap(warehouse: Warehouse, fresh_tenant: int, rows: Rows) -> None:
    limits = settings(tavily=40)
    granted = [0, 0]
    start = threading.Barrier(2)

    def ask(number: int) -> None:
        with warehouse.connect(autocommit=True) as own:
            budget = Budget(own, tenant_id=fresh_tenant, settings=limits, now=NOW)
            start.wait()
            granted[number] = sum(budget.reserve("tavily") is None for _ in range(60))

    threads = [threading.Thread(target=ask, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 40
    assert rows("select calls, refused_by_cap from raw.vendor_usage where tenant_id = %s", fresh_tenant) == [(40, 80)]


def test_a_connection_that_would_hold_the_row_is_refused(warehouse: Warehouse, fresh_tenant: int) -> None:
    with warehouse.connect() as within, pytest.raises(ValueError, match="autocommit"):
        Budget(within, tenant_id=fresh_tenant, settings=settings(), now=NOW)
