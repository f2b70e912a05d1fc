"""The evidence side at a thousand tenants: one new intake costs what one tenant costs, and touches no other."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path

import pytest

from ingest.intake import load_intake
from ingest.simulation.evidence import evidence_world, serve_sites
from tests.conftest import make_database
from tests.loop import Rows, build_marts, run
from warehouse.connection import Warehouse
from warehouse.removal import SCHEMAS
from warehouse.server import EmbeddedServer
from warehouse.settings import Settings

FOLDERS = ("--select", "path:dbt_project/models/staging/evidence", "path:dbt_project/models/marts/icp")
TENANTS, SEEDS, ITEMS, ENTITIES, BACKGROUND = 1_000, 10, 30, 50_000, 2_000

FILL = (
    "select setseed(0.5)",
    "insert into raw.tenants (external_id, slug, name, timezone, settings)"
    f" select 't' || g, 't' || g, 't' || g, 'UTC', '{{\"maturity_days\": 90}}' from generate_series(1, {TENANTS}) as g",
    "insert into raw.registry_entities (registry, registration_number, name, name_key, is_live, industry_code,"
    " secondary_industry_code, industry_code_version, row_hash, load_id)"
    " select 'sim', g::text, 'Entity ' || g, 'entity ' || g, random() < 0.7,"
    " (10000 + 90 * floor(1000 * random() ^ 2))::integer::text,"
    " case when random() < 0.3 then (10000 + 90 * floor(1000 * random() ^ 2))::integer::text end,"
    f" '2025', hashtextextended(g::text, 0), 1 from generate_series(1, {ENTITIES}) as g",
    "insert into raw.companies (company_key, name)"
    f" select g::text, g::text from generate_series(1, {TENANTS * SEEDS + BACKGROUND}) as g",
    "insert into raw.customer_seeds (tenant_id, kind, seed_key, seed_name, company_id, first_version, last_version,"
    " is_active) select tenant_id, case when at <= 8 then 'best' else 'lost' end, at::text, 'seed',"
    f" (tenant_id - 1) * {SEEDS} + at, 1, 1, true from raw.tenants cross join generate_series(1, {SEEDS}) as at",
    "insert into raw.icp_evidence (tenant_id, company_id, signal_key, value_key, value, source, confidence,"
    " observed_at, content_hash) select tenant_id, company_id,"
    " (array['ssic', 'integration', 'buyer_title', 'headcount', 'location', 'hiring'])[1 + at % 6],"
    " case when at % 6 = 0 then (10000 + 90 * floor(1000 * random()))::integer::text"
    " when at % 6 = 3 then '51-200' else 'value ' || floor(50 * random()) end,"
    " '{\"version\": \"2025\"}', case when at % 6 = 0 then 'registry' else 'seed_site' end, 1, '2026-01-01',"
    f" seed_id || '-' || at from raw.customer_seeds cross join generate_series(1, {ITEMS}) as at",
    "insert into raw.company_signals (company_id, content_hash, signal_key, value_key, value, confidence, observed_at)"
    " select company_id, at::text, 'integration', 'value ' || floor(50 * random()), '{}', 1, '2026-01-01'"
    f" from raw.companies cross join generate_series(1, 15) as at where company_id > {TENANTS * SEEDS}",
    "select intermediate.touch(relation, array_agg(tenant_id)) from raw.tenants cross join"
    " unnest(array['raw.registry_entities', 'raw.icp_evidence', 'raw.customer_seeds']) as relation group by relation",
    "analyze raw.registry_entities",
    "analyze raw.companies",
    "analyze raw.customer_seeds",
    "analyze raw.icp_evidence",
    "analyze raw.company_signals",
)

# There is nothing to read at the sites of who was filled in.
SITES_ARE_READ = (
    "insert into raw.crawl_runs (tenant_id, company_id, profile, outcome, crawled_at, seconds)"
    " select tenant_id, company_id, 'nightly', 'ok', clock_timestamp(), 1 from raw.customer_seeds"
)
TOUCHED = {
    *("raw.customer_seeds", "raw.icp_evidence", "raw.crawl_runs", "learned.company_matches"),
    *("marts.icp_pattern_signals", "marts.icp_patterns", "marts.seed_company_matches"),
    *("learned.signal_estimates", "learned.icp_suggestion_sets"),
}
"""Tables that hold something of everybody, and something new of one after its intake."""


@pytest.mark.slow
def test_one_due_tenant_among_a_thousand_costs_little(warehouse: Warehouse, rows: Rows) -> None:
    def seconds() -> float:
        began = time.perf_counter()
        build_marts(warehouse, *FOLDERS, as_of="2026-06-30")
        return time.perf_counter() - began

    def rebuilt() -> list[tuple[int, int]]:
        return rows(
            "select count(*), min(tenant_id) from intermediate.tenant_versions where version = any (select version"
            " from intermediate.tenant_versions where relation = 'marts.icp_pattern_signals' and version > %s)",
            newest,
        )

    seconds()  # parses the project, and creates the tables
    for statement in FILL:
        rows(statement)
    everything = seconds()
    ((newest,),) = rows("select max(version) from intermediate.tenant_versions")
    nothing = seconds()
    assert rebuilt() == [(0, None)]
    rows("select intermediate.touch('raw.icp_evidence', array[7])")
    one = seconds()
    assert rebuilt() == [(1, 7)]
    # most of it is dbt starting; on a busy machine all three grow alike
    assert one < everything / 2, f"all {everything:.1f} s, one {one:.2f} s, none {nothing:.2f} s"


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_intake_of_ten_customers_among_a_thousand_tenants_touches_no_other(
    server: EmbeddedServer, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICP_HOME", str(tmp_path))
    monkeypatch.setenv("ICP_DATABASE_URL", make_database(server, template))
    monkeypatch.setenv("ICP_CRAWL_DELAY_S", "0")
    warehouse = Warehouse(Settings.from_environment()).open()
    with warehouse.connect(autocommit=True) as connection:
        for statement in (*FILL, SITES_ARE_READ):
            connection.execute(statement.encode())

    def process() -> float:
        began = time.perf_counter()
        report = run(warehouse, "intake_process", as_of="2026-06-30")
        assert report.success, report.failure
        return time.perf_counter() - began

    simulated = evidence_world(tenants=1, seed=4, entities=8_000, background=0)
    customers = [
        {"name": seed.company.name, "website": seed.company.domain} for seed in simulated.tenants[0].seeds[:SEEDS]
    ]
    assert len(customers) == SEEDS
    with serve_sites(simulated) as port:
        monkeypatch.setenv("ICP_CONNECT_TO", f"* = 127.0.0.1:{port}")
        everybody = process()
        before = held(warehouse, of=False), held(warehouse, of=True)
        load_intake(
            warehouse, {"best_customers": customers}, tenant="t7", submitted_by="test", now=dt.datetime.now(dt.UTC)
        )
        one = process()
    after = held(warehouse, of=False), held(warehouse, of=True)
    changed = {table for table, found in after[1].items() if found != before[1][table]}
    print(f"{TENANTS:,} tenants {everybody:.1f} s; one intake of {SEEDS} {one:.1f} s; {sorted(changed)}")  # noqa: T201
    assert {table: found for table, found in after[0].items() if found != before[0][table]} == {}
    assert {table for table, (count, _) in before[0].items() if count} >= TOUCHED <= changed
    assert one < everybody / 2


def held(warehouse: Warehouse, *, of: bool) -> dict[str, tuple[int, str]]:
    """Tables with tenants: how many rows there are of the tenant t7 (or of all others), and their contents.

    Each with the transaction that wrote it: a row that was written anew as it was counts as touched.
    """
    with warehouse.connect() as connection:
        tables = connection.execute(
            "select table_schema || '.' || table_name from information_schema.columns"
            " join information_schema.tables using (table_schema, table_name)"
            " where column_name = 'tenant_id' and table_type = 'BASE TABLE' and table_schema = any(%s)",
            (list(SCHEMAS),),
        ).fetchall()
        return {
            table: connection.execute(
                f"select count(*), coalesce(sum(hashtextextended(t.xmin || t::text, 0)::numeric), 0)::text"
                f" from {table} as t where (tenant_id = 7) = %s and tenant_id is not null".encode(),
                (of,),
            ).fetchone()
            or (0, "")
            for (table,) in tables
        }
