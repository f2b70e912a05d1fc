"""The marts of the evidence side at a thousand tenants: one new intake costs what one tenant costs."""

from __future__ import annotations

import time

import pytest

from tests.loop import Rows, build_marts
from warehouse.connection import Warehouse

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
