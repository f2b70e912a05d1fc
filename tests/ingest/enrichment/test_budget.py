"""Daily caps, counted by what was asked, whoever asks."""

from __future__ import annotations

import datetime as dt
import threading

import psycopg
import pytest

from ingest.enrichment.budget import Budget, together
from ingest.enrichment.progress import Note
from ingest.enrichment.settings import VendorSettings
from ingest.errors import IngestError
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


def test_a_cost_is_counted_where_a_price_is_set_and_unknown_elsewhere(
    connection: psycopg.Connection, fresh_tenant: int, rows: Rows
) -> None:
    limits = VendorSettings.from_environment({"ICP_APIFY_COST_USD": "0.012", "ICP_JINA_COST_USD": "0"})
    budget = Budget(connection, tenant_id=fresh_tenant, settings=limits, now=NOW)
    budget.reserve("apify", 30)
    budget.reserve("apify", 10)
    for vendor in ("jina", "tavily", "verifier"):
        assert budget.reserve(vendor) is None  # type: ignore[arg-type]
    assert dict(rows("select vendor, cost_usd from raw.vendor_usage where tenant_id = %s", fresh_tenant)) == {
        "apify": pytest.approx(0.48),
        "jina": 0,
        "tavily": None,
        "verifier": None,
    }
    assert [str(use) for use in together([*budget.used(), *budget.used()])] == [
        "apify 4 calls (USD 0.96)",
        "jina 2 calls (USD 0.00)",
        "tavily 2 calls (cost unknown)",
        "verifier 2 calls (cost unknown)",
    ]
    # A price that is set later says nothing about the calls before it.
    later = VendorSettings.from_environment({"ICP_TAVILY_COST_USD": "0.008"})
    Budget(connection, tenant_id=fresh_tenant, settings=later, now=NOW).reserve("tavily")
    assert ("tavily", None) in {(use.vendor, use.cost_usd) for use in budget.used()}


def test_the_cap_of_dollars_is_of_all_vendors_with_a_price_together(
    connection: psycopg.Connection, fresh_tenant: int, rows: Rows
) -> None:
    prices = {"ICP_TAVILY_COST_USD": "0.1", "ICP_APIFY_COST_USD": "0.1", "ICP_VENDOR_COST_PER_DAY_USD": "0.3"}
    budget = Budget(connection, tenant_id=fresh_tenant, settings=VendorSettings.from_environment(prices), now=NOW)
    refusal = "the daily cap of USD 0.30 is used up (ICP_VENDOR_COST_PER_DAY_USD sets it)"
    assert budget.reserve("apify", 4) == f"apify: {refusal}"  # more than all of it
    assert [budget.reserve("tavily"), budget.reserve("apify"), budget.reserve("tavily")] == [None, None, None]
    assert budget.reserve("tavily") == f"tavily: {refusal}"
    assert budget.reserve("jina") is None  # nobody knows what it costs
    assert budget.notes == (f"apify: {refusal}", f"tavily: {refusal}")
    tomorrow = Budget(
        connection,
        tenant_id=fresh_tenant,
        settings=VendorSettings.from_environment(prices),
        now=NOW + dt.timedelta(days=1),
    )
    assert tomorrow.reserve("tavily") is None
    assert rows(
        "select vendor, calls, refused_by_cap from raw.vendor_usage where tenant_id = %s and day = %s order by 1",
        fresh_tenant,
        NOW.date(),
    ) == [("apify", 1, 1), ("jina", 1, 0), ("tavily", 2, 1)]


@pytest.mark.parametrize("name", ["ICP_JINA_COST_USD", "ICP_VENDOR_COST_PER_DAY_USD"])
@pytest.mark.parametrize("value", ["free", "-1", "1e9", "nan"])
def test_a_price_that_is_none_is_refused(name: str, value: str) -> None:
    with pytest.raises(IngestError, match=name):
        VendorSettings.from_environment({name: value})
