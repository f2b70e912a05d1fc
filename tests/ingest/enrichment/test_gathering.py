"""Evidence from the sites of a tenant and its customers, with the real crawler and sites on 127.0.0.1."""

from __future__ import annotations

import datetime as dt

import psycopg

from ingest.companies import ensure_companies
from ingest.crawl.settings import CrawlSettings
from ingest.evidence import EvidenceItem, store_evidence
from ingest.gathering.gather import Gatherer, GatherReport
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
