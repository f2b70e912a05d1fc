"""Evidence from the sites of a tenant and its customers, with the real crawler and sites on 127.0.0.1."""

from __future__ import annotations

import datetime as dt

import psycopg

from ingest.companies import ensure_companies
from ingest.crawl.settings import CrawlSettings
from ingest.evidence import EvidenceItem, store_evidence
from ingest.gathering.gather import Gatherer
from ingest.gathering.keeping import GatherReport
from ingest.intake import store_intake
from tests.ingest.enrichment.conftest import NOW
from tests.ingest.enrichment.test_enrichment import HOME
from tests.loop import Rows
from warehouse import tenants
from warehouse.connection import Warehouse


def gather(warehouse: Warehouse, tenant_id: int, *, days: float = 0) -> GatherReport:
    now = NOW + dt.timedelta(days=days)
    return Gatherer(warehouse, CrawlSettings.from_environment(), now).gather([tenant_id])


def test_a_customer_s_site_that_was_down_is_read_the_next_day_and_its_facts_count_once(
    warehouse: Warehouse, connection: psycopg.Connection, sites: dict[str, str], rows: Rows
) -> None:
    tenant = tenants.add_tenant(connection, slug="gathers")
    store_intake(connection, tenant=tenant, payload={"best_customers": ["Gorse — gorse.sg"]}, submitted_by="x", now=NOW)
    (company,) = ensure_companies(connection, [("Gorse", "gorse.sg")])
    read_before = [EvidenceItem("location", "sg", {"country": "SG"}, "https://gorse.sg/")]  # when it was a look-alike
    store_evidence(
        connection,
        tenant_id=tenant.tenant_id,
        company_id=company,
        source="crawl",
        items=read_before,
        now=NOW,
        replace=True,
    )

    def sources() -> list[tuple[str, int]]:
        return rows(
            "select source, count(*) from raw.icp_evidence where company_id = %s group by 1 order by 1", company
        )

    first = gather(warehouse, tenant.tenant_id)
    assert first.outcomes["unresolved"] == 1  # the tenant itself named no website
    assert first.outcomes.total() == 2 and sources() == [("crawl", 1)]
    sites["gorse.sg"] = HOME.format(domain="gorse.sg", name="Gorse", label="gorse")
    assert gather(warehouse, tenant.tenant_id, days=0.9).sites == 0
    again = gather(warehouse, tenant.tenant_id, days=1.1)
    assert again.outcomes["ok"] == 1
    assert [source for source, _ in sources()] == ["seed_site"]
    del sites["gorse.sg"]
    gather(warehouse, tenant.tenant_id, days=40)
    assert [source for source, _ in sources()] == ["seed_site"]  # down today is no word against yesterday


def test_a_background_site_that_was_down_says_why_and_is_tried_again_ever_later(
    warehouse: Warehouse, connection: psycopg.Connection, sites: dict[str, str], rows: Rows
) -> None:
    sample = [("Heath", "heath.sg"), ("Iris", "iris.sg")]
    companies = list(zip(ensure_companies(connection, sample), ("heath.sg", "iris.sg"), strict=True))
    sites["heath.sg"] = HOME.format(domain="heath.sg", name="Heath", label="heath")

    def round_of(days: float, *given: tuple[int, str]) -> dict[str, int]:
        now = NOW + dt.timedelta(days=days)
        settings = CrawlSettings.from_environment()
        report = Gatherer(warehouse, settings, now).gather_background(given or None)
        assert report.background == report.outcomes.total()
        return dict(report.outcomes)

    def known() -> list[tuple[object, ...]]:
        return rows(
            "select domain, outcome, evidence_items > 0, degraded_reasons <> '{}', failures"
            " from raw.background_crawls order by domain"
        )

    assert round_of(0, *companies) == {"ok": 1, "failed": 1}
    assert known() == [("heath.sg", "ok", True, False, 0), ("iris.sg", "failed", False, True, 1)]
    (why,) = rows("select degraded_reasons[1] from raw.background_crawls where domain = 'iris.sg'")
    assert "front page" in why[0]
    assert (round_of(0.9), round_of(1.1), round_of(4), round_of(4.2)) == ({}, {"failed": 1}, {}, {"failed": 1})
    assert (round_of(13.1), round_of(40)) == ({}, {"failed": 1, "ok": 1})
    sites["iris.sg"] = HOME.format(domain="iris.sg", name="Iris", label="iris")
    assert round_of(68) == {"ok": 1}
    assert [row[1:] for row in known()] == [("ok", True, False, 0)] * 2
    del sites["heath.sg"]
    assert round_of(80) == {"failed": 1}
    assert rows("select count(*) > 0 from raw.company_signals where company_id = %s", companies[0][0]) == [(True,)]


def test_a_customer_s_site_and_the_same_one_at_large_give_the_same_facts(
    warehouse: Warehouse, connection: psycopg.Connection, sites: dict[str, str], rows: Rows
) -> None:
    """The event is told of the company by its name, which its domain does not say."""
    tenant = tenants.add_tenant(connection, slug="alike")
    payload = {"best_customers": ["Juniper Tools — jtx.sg"]}
    store_intake(connection, tenant=tenant, payload=payload, submitted_by="x", now=NOW)
    sites["jtx.sg"] = "<h1>Welcome</h1><p>Juniper Tools opened a new office in Penang. We integrate with Xero.</p>"
    gather(warehouse, tenant.tenant_id)
    (company,) = ensure_companies(connection, [("Juniper Tools", "jtx.sg")])
    Gatherer(warehouse, CrawlSettings.from_environment(), NOW).gather_background([(company, "jtx.sg")])
    of_customer, at_large = (
        rows(f"select signal_key, value_key from raw.{table} where company_id = %s order by 1, 2", company)
        for table in ("icp_evidence", "company_signals")
    )
    assert at_large == of_customer and ("trigger", "opening new office") in at_large
