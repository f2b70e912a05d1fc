"""The marts of the evidence side: by tenant where there are tenants, as if built from nothing, and nobody else's."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from ingest.companies import ensure_companies
from ingest.evidence import LONGEST_KEY, EvidenceItem, Source, store_company_signals, store_evidence
from tests.loop import Rows, build_marts, contents
from tests.servers import conninfo_of
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.versions import changed_since, newest_version

AS_OF = "2026-06-30"
NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
BY_TENANT = ("seed_company_matches", "icp_pattern_signals", "icp_patterns")
ICP = (*BY_TENANT, "industry_segments")
FOLDERS = ("--select", "path:dbt_project/models/staging/evidence", "path:dbt_project/models/marts/icp")
NOTHING = dict.fromkeys(ICP, 0)
SLUGS = ("acme", "bolt", "cove", "dart")  # nothing ever changes for dart


def build(warehouse: Warehouse, *arguments: str, tenant_ids: list[int] | None = None) -> dict[str, int]:
    """Build the marts of the evidence side alone; returns for how many tenants each is new."""
    with warehouse.connect(autocommit=True) as connection:
        before = newest_version(connection)
        build_marts(warehouse, *FOLDERS, *arguments, as_of=AS_OF, tenant_ids=tenant_ids)
        return {table: changed_since(connection, f"marts.{table}", before) for table in ICP}


def add_entities(rows: Rows, first: int, last: int, code: str, *, live: bool = True) -> None:
    """Registry entities with one industry code, as a loader leaves them."""
    rows(
        "insert into raw.registry_entities (registry, registration_number, name, name_key, is_live, industry_code,"
        " industry_code_version, row_hash, load_id)"
        " select 'sim', 'N' || g, 'Entity ' || g, 'entity ' || g, %s, %s, '2025', g * 7919 %% 1000, 1"
        " from generate_series(%s::int, %s::int) as g",
        live,
        code,
        first,
        last,
    )
    touch_all(rows, "raw.registry_entities")


def touch_all(rows: Rows, relation: str) -> None:
    rows("select intermediate.touch(%s, array_agg(tenant_id)) from raw.tenants", relation)


def touch(rows: Rows, relation: str, tenant_id: int) -> None:
    rows("select intermediate.touch(%s, array[%s::int])", relation, tenant_id)


def ssic(code: str, version: str = "2025") -> EvidenceItem:
    return EvidenceItem("ssic", code, {"ssic": code, "version": version, "title": f"title of {code}"})


def named(signal: str, text: str) -> EvidenceItem:
    return EvidenceItem(signal, text.lower(), {signal: text}, url=f"https://{text.lower()}.example/")


def add_customer(
    connection: psycopg.Connection, tenant_id: int, name: str, kind: str, items: list[EvidenceItem], source: Source
) -> int:
    """A seed with what was found about it; returns the company's id."""
    (company,) = ensure_companies(connection, [(name, f"{name}.example")])
    connection.execute(
        "insert into raw.customer_seeds (tenant_id, kind, seed_key, seed_name, domain, company_id, first_version,"
        " last_version, is_active) values (%s, %s, %s, %s, null, %s, 1, 1, true) on conflict do nothing",
        (tenant_id, kind, name, name, company),
    )
    connection.execute("select intermediate.touch('raw.customer_seeds', array[%s::int])", (tenant_id,))
    store_evidence(
        connection, tenant_id=tenant_id, company_id=company, source=source, items=items, now=NOW, replace=False
    )
    return company


@pytest.fixture(scope="module")
def built_before_tenants(warehouse: Warehouse, rows: Rows) -> list[tuple[Any, ...]]:
    """How many entities the segments knew after each of two builds while there was no tenant."""
    rows(
        "insert into raw.industry_codes (version, code, level, parent_code, title, load_id) values"
        " ('2025', 'J', 'section', null, 'Information', 1), ('2025', '62', 'division', 'J', 'Computing', 1),"
        " ('2025', '62011', 'subclass', '6201', 'Games', 1), ('2020', '62999', 'subclass', '6299', 'Old games', 1)"
    )
    rows("insert into raw.industry_code_links values ('2020', '62999', '2025', '62011', 'official', 1, 1)")
    counted = []
    for first, code in ((1, "62011"), (101, "10101")):
        add_entities(rows, first, first + 99, code)
        build(warehouse)
        counted += rows("select max(version_live_entities) from marts.industry_segments")
    return counted


@pytest.fixture(scope="module")
def ids(warehouse: Warehouse, rows: Rows, built_before_tenants: object) -> dict[str, int]:
    """Three tenants with four best customers and a lost one each, built."""
    with warehouse.connect() as connection:
        for slug in SLUGS:
            tenants.add_tenant(connection, slug=slug, timezone="UTC")
        ids = dict(connection.execute("select slug, tenant_id from raw.tenants").fetchall())
        for slug, tenant in ids.items():
            for at in range(4):
                code = "62011" if at < 3 else "10101"
                add_customer(connection, tenant, f"{slug}{at}", "best", [ssic(code)], "registry")
                found = [named("integration", "HubSpot"), named("buyer_title", f"Head {at}")]
                add_customer(connection, tenant, f"{slug}{at}", "best", found, "seed_site")
            add_customer(connection, tenant, f"{slug}-lost", "lost", [named("theme", "no budget")], "seed_site")
        for at in range(8):
            (company,) = ensure_companies(connection, [(f"background{at}", f"background{at}.example")])
            signal = named("integration", "HubSpot" if at < 2 else "Xero")
            store_company_signals(connection, company_id=company, items=[signal], now=NOW)
    assert build(warehouse) == dict.fromkeys(ICP, len(SLUGS))
    return ids


def signals(rows: Rows, tenant_id: int) -> dict[tuple[str, str], tuple[Any, ...]]:
    return {
        (signal, value): tuple(rest)
        for signal, value, *rest in rows(
            "select signal_key, value_key, companies, n_companies, base_companies, base_n, round(lift::numeric, 3),"
            " lost_companies, from_answers from marts.icp_pattern_signals where tenant_id = %s",
            tenant_id,
        )
    }


def of_tenant(rows: Rows, tenant_id: int) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: rows(f"select t::text from marts.{table} as t where tenant_id = %s order by 1", tenant_id)
        for table in BY_TENANT
    }


def equals_a_full_rebuild(warehouse: Warehouse, rows: Rows) -> None:
    incremental = contents(rows, tables=ICP)
    build(warehouse, "--full-refresh")
    from_nothing = contents(rows, tables=ICP)
    for table in ICP:
        assert incremental[table] == from_nothing[table], table
        assert from_nothing[table], table


def test_signals_are_compared_with_companies_at_large(rows: Rows, ids: dict[str, int]) -> None:
    found = signals(rows, ids["dart"])
    live, coded = rows("select live_entities, version_live_entities from marts.industry_segments where code = '62011'")[
        0
    ]
    lift = round(0.75 / (live / coded), 3)
    assert found["ssic", "62011"][:4] == (3, 4, live, coded)
    assert float(found["ssic", "62011"][4]) == lift
    assert found["ssic_2", "62"][:2] == (3, 4)
    assert found["integration", "hubspot"] == (4, 4, 2, 8, 4, 0, False)
    assert found["theme", "no budget"] == (0, 4, 0, 8, None, 1, False)


def test_where_nothing_changed_nothing_is_rebuilt(warehouse: Warehouse, rows: Rows, ids: dict[str, int]) -> None:
    before = contents(rows, tables=ICP)
    assert build(warehouse) == NOTHING
    assert contents(rows, tables=ICP) == before


def test_a_tenant_s_evidence_never_moves_another_s_patterns(
    warehouse: Warehouse, connection: psycopg.Connection, rows: Rows, ids: dict[str, int]
) -> None:
    """Even where both know the same company, which is one row of raw.companies."""
    shared = ensure_companies(connection, [("bolt0", "bolt0.example")])[0]
    acme, bolt = of_tenant(rows, ids["acme"]), of_tenant(rows, ids["bolt"])
    segments = contents(rows, tables=("industry_segments",))
    items = [named("integration", "Shopify"), named("theme", "growth"), ssic("47111")]
    add_customer(connection, ids["acme"], "bolt0", "best", items, "seed_site")
    rebuilt = build(warehouse)
    assert rebuilt == dict.fromkeys(BY_TENANT, 1) | {"industry_segments": 0}
    assert signals(rows, ids["acme"])["integration", "shopify"][:2] == (1, 5)
    assert of_tenant(rows, ids["acme"]) != acme
    assert of_tenant(rows, ids["bolt"]) == bolt
    assert contents(rows, tables=("industry_segments",)) == segments
    assert rows("select count(*) from marts.seed_company_matches where company_id = %s", shared) == [(2,)]


def test_what_only_a_model_read_is_kept_and_counts_for_nothing(
    warehouse: Warehouse, connection: psycopg.Connection, rows: Rows, ids: dict[str, int]
) -> None:
    """Neither as support nor among the customers of whom anything was found: companies at large are read by rules."""
    before = of_tenant(rows, ids["cove"])
    read = [named("integration", "Xero"), named("hiring", "Sales"), ssic("10101"), ssic("62011")]
    size = EvidenceItem("headcount", "11-50", {"headcount_band": "11-50"})
    alone = [dataclasses.replace(item, is_model_only=True) for item in (*read, size)]
    for name, kind in (("cove0", "best"), ("cove-lost", "lost")):
        add_customer(connection, ids["cove"], name, kind, alone, "seed_site")
    assert build(warehouse)["icp_pattern_signals"] == 1
    assert of_tenant(rows, ids["cove"]) == before
    (kept,) = rows("select count(*) from learned.evidence where tenant_id = %s and is_model_only", ids["cove"])
    assert kept == (10,)
    store_evidence(  # the next time rules find it too
        connection,
        tenant_id=ids["cove"],
        company_id=ensure_companies(connection, [("cove0", "cove0.example")])[0],
        source="seed_site",
        items=[named("integration", "Xero")],
        now=NOW,
        replace=False,
    )
    build(warehouse)
    assert signals(rows, ids["cove"])["integration", "xero"][:4] == (1, 4, 6, 8)


def test_answers_are_rows_but_no_support(
    warehouse: Warehouse, connection: psycopg.Connection, rows: Rows, ids: dict[str, int]
) -> None:
    (own,) = ensure_companies(connection, [("Bolt", "bolt.example")])
    chance = random.Random(1)
    essay = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(5_000))  # a reason as long as one may be
    for source, texts in (("intake", ("HubSpot", "NetSuite")), ("user_site", ("HubSpot", "Zendesk"))):
        store_evidence(
            connection,
            tenant_id=ids["bolt"],
            company_id=own,
            source=source,  # type: ignore[arg-type]
            items=[*(named("integration", text) for text in texts), EvidenceItem("theme", essay, {"theme": essay})],
            now=NOW,
            replace=True,
        )
    before = signals(rows, ids["bolt"])
    build(warehouse)
    after = signals(rows, ids["bolt"])
    assert after["integration", "hubspot"] == (*before["integration", "hubspot"][:-1], True)
    assert after["integration", "netsuite"][:2] == (0, 4)
    assert set(after) - set(before) == {("integration", "netsuite"), ("theme", essay[:LONGEST_KEY])}
    (themes,) = rows("select themes from marts.icp_patterns where tenant_id = %s", ids["bolt"])[0]
    weights = {theme["theme"]: theme["weight"] for theme in themes}
    assert weights["HubSpot"] == 4.5 and weights["Zendesk"] == 0.5 and "NetSuite" not in weights


def test_evidence_that_went_and_a_seed_that_is_not_named_any_more_count_no_more(
    warehouse: Warehouse, connection: psycopg.Connection, rows: Rows, ids: dict[str, int]
) -> None:
    (company,) = ensure_companies(connection, [("acme1", "acme1.example")])
    store_evidence(
        connection, tenant_id=ids["acme"], company_id=company, source="seed_site", items=[], now=NOW, replace=True
    )
    rows("update raw.customer_seeds set is_active = false where seed_key = 'cove0'")
    touch(rows, "raw.customer_seeds", ids["cove"])
    before = signals(rows, ids["acme"])["integration", "hubspot"], signals(rows, ids["cove"])["ssic", "62011"]
    rebuilt = build(warehouse)
    assert rebuilt == {
        "seed_company_matches": 1,
        "icp_pattern_signals": 2,
        "icp_patterns": 2,
        "industry_segments": 0,
    }
    after = signals(rows, ids["acme"])["integration", "hubspot"], signals(rows, ids["cove"])["ssic", "62011"]
    # nothing is left of acme1's site, so it is not among those of whom anything was found there
    assert [row[0] for row in after] == [row[0] - 1 for row in before]
    assert [row[1] for row in after] == [row[1] - 1 for row in before]
    assert rows("select count(*) from marts.seed_company_matches where seed_name = 'cove0'") == [(0,)]
    equals_a_full_rebuild(warehouse, rows)


def test_a_refreshed_registry_moves_shares_samples_and_lifts_of_all(
    warehouse: Warehouse, rows: Rows, ids: dict[str, int]
) -> None:
    shares = (
        "select live_entities, entities, version_live_entities, sample from marts.industry_segments where code = %s"
    )
    (before,) = rows(shares, "62011")
    lift = signals(rows, ids["bolt"])["ssic", "62011"][4]
    add_entities(rows, 1001, 1500, "47111")
    first = before[3][0]["registration_number"]
    rows("update raw.registry_entities set is_live = false where registration_number = %s", first)
    rows("update raw.registry_entities set gone_at = now(), is_live = false where registration_number = 'N150'")
    assert build(warehouse) == dict.fromkeys(ICP, len(SLUGS))
    (after,) = rows(shares, "62011")
    assert after[:3] == (before[0] - 1, before[1], before[2] + 500 - 2)
    assert len(after[3]) == 5 and first not in {entity["registration_number"] for entity in after[3]}
    assert signals(rows, ids["bolt"])["ssic", "62011"][4] > lift
    equals_a_full_rebuild(warehouse, rows)


def test_codes_of_an_older_version_count_in_the_registry_s(
    warehouse: Warehouse, connection: psycopg.Connection, rows: Rows, ids: dict[str, int]
) -> None:
    before = signals(rows, ids["cove"])
    add_customer(connection, ids["cove"], "cove9", "best", [ssic("62999", "2020")], "registry")
    build(warehouse)
    after = signals(rows, ids["cove"])
    assert after["ssic", "62011"][:2] == tuple(count + 1 for count in before["ssic", "62011"][:2])
    assert ("ssic", "62999") not in after
    rows("delete from raw.industry_code_links")
    touch_all(rows, "raw.industry_code_links")
    assert build(warehouse) == dict.fromkeys(("icp_pattern_signals", "icp_patterns"), len(SLUGS)) | {
        "seed_company_matches": 0,
        "industry_segments": 0,
    }
    assert signals(rows, ids["cove"])["ssic", "62011"] == before["ssic", "62011"]


def test_a_match_and_a_resolved_domain_reach_their_tenant(
    warehouse: Warehouse, rows: Rows, ids: dict[str, int]
) -> None:
    rows(
        "insert into learned.company_matches (tenant_id, seed_id, entity_id, path, probability, reason, model_version)"
        " select tenant_id, seed_id, entity_id, 'exact_name', 0.99, 'same name', 'test' from raw.customer_seeds,"
        " raw.registry_entities where seed_key = 'bolt2' and registration_number = 'N7'"
    )
    touch(rows, "learned.company_matches", ids["bolt"])
    rows("update raw.companies set website_domain = 'resolved.example' where company_key = 'cove2.example'")
    touch(rows, "raw.companies", ids["cove"])
    assert build(warehouse) == NOTHING | {"seed_company_matches": 2}
    assert rows(
        "select seed_name, domain, registry, registration_number, entity_name, industry_code, path"
        " from marts.seed_company_matches where path is not null or domain = 'resolved.example' order by seed_name"
    ) == [
        ("bolt2", "bolt2.example", "sim", "N7", "Entity 7", "62011", "exact_name"),
        ("cove2", "resolved.example", None, None, None, None, None),
    ]


def test_a_run_for_one_tenant_leaves_the_others_due(warehouse: Warehouse, rows: Rows, ids: dict[str, int]) -> None:
    add_entities(rows, 2001, 2010, "62011")
    only = [ids["cove"]]
    one = dict.fromkeys(BY_TENANT, 1)
    assert build(warehouse, tenant_ids=only) == one | {"industry_segments": len(SLUGS)}  # it is everybody's
    others = dict.fromkeys(BY_TENANT, len(SLUGS) - 1)
    assert build(warehouse) == others | {"industry_segments": 0}


def test_before_there_is_a_tenant_the_segments_follow_the_registry(
    rows: Rows, built_before_tenants: list[tuple[Any, ...]]
) -> None:
    """Nobody notes versions then; and the first tenant finds everything there."""
    assert built_before_tenants == [(100,), (200,)]


def test_readers_never_find_the_segments_empty(warehouse: Warehouse, rows: Rows) -> None:
    touch_all(rows, "raw.registry_entities")
    (expected,) = rows("select count(*) from marts.industry_segments")
    seen: set[int] = set()
    stop = threading.Event()

    def read() -> None:
        with warehouse.connect(autocommit=True) as connection:
            while not stop.is_set():
                row = connection.execute("select count(*) from marts.industry_segments").fetchone()
                assert row is not None
                seen.add(row[0])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert build(warehouse)["industry_segments"] == len(SLUGS)
    finally:
        stop.set()
        reader.join()
    assert seen == {expected[0]}


@pytest.fixture
def logins(warehouse: Warehouse, ids: dict[str, int]) -> Iterator[dict[str, str]]:
    """Connection strings of a viewer of acme, of BI and of the scorer; the logins are this test's own."""
    made = {"icp_viewer": "t_icp_viewer", "icp_bi": "t_icp_bi", "icp_scorer": "t_icp_scorer"}
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("set role none")  # the login itself may create roles
        for role, login in made.items():
            connection.execute(sql.SQL("create role {} login in role {}").format(*map(sql.Identifier, (login, role))))
        connection.execute("set role icp_pipeline")
        connection.execute(
            "insert into access.tenant_logins (login, tenant_id) values ('t_icp_viewer', %s)", (ids["acme"],)
        )
        yield {role: conninfo_of(warehouse, login) for role, login in made.items()}
        connection.execute("delete from access.tenant_logins where login = 't_icp_viewer'")
        connection.execute("set role none")
        for login in made.values():
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(login)))


def visible_tenants(login: str) -> dict[str, set[int]]:
    with psycopg.connect(login) as connection:
        return {
            table: {row[0] for row in connection.execute(f"select distinct tenant_id from marts.{table}".encode())}
            for table in BY_TENANT
        }


def test_a_viewer_sees_its_own_patterns_and_everybody_s_segments(
    warehouse: Warehouse, rows: Rows, logins: dict[str, str], ids: dict[str, int]
) -> None:
    def check() -> None:
        assert visible_tenants(logins["icp_viewer"]) == {table: {ids["acme"]} for table in BY_TENANT}
        assert visible_tenants(logins["icp_bi"]) == {table: set(ids.values()) for table in BY_TENANT}
        segments = "select count(*) from marts.industry_segments"
        for role in ("icp_viewer", "icp_bi"):
            with psycopg.connect(logins[role], autocommit=True) as connection:
                assert connection.execute(segments.encode()).fetchall() == rows(segments)
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute("delete from marts.industry_segments")
        with psycopg.connect(logins["icp_scorer"]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(segments.encode())

    check()
    build(warehouse, "--full-refresh")
    check()


def test_a_tenant_that_is_gone_leaves_no_row(warehouse: Warehouse, rows: Rows, ids: dict[str, int]) -> None:
    with warehouse.connect() as connection:
        tenants.add_tenant(connection, slug="dune", timezone="UTC")
        row = connection.execute("select tenant_id from raw.tenants where slug = 'dune'").fetchone()
        assert row is not None
        dune = row[0]
        add_customer(connection, dune, "dune0", "best", [ssic("62011")], "registry")
    build(warehouse)
    # it came long after the registry, and is compared with it all the same
    assert signals(rows, dune)["ssic", "62011"][2] > 0
    rows("delete from raw.tenants where tenant_id = %s", dune)
    build(warehouse)
    assert of_tenant(rows, dune) == {table: [] for table in BY_TENANT}
