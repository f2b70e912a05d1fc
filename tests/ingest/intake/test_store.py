"""Versions, seeds, evidence and flow state: whole or not at all, and nothing new for nothing new."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from hypothesis import given

from ingest.intake import IntakeError, IntakeReport, load_intake, store_intake
from tests.ingest.intake.payloads import FLAT, NESTED, mutated
from tests.loop import Rows
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.errors import UnknownTenant
from warehouse.settings import PROJECT_ROOT
from warehouse.tenants import Tenant

NOW = dt.datetime(2026, 6, 30, 8, tzinfo=dt.UTC)
_numbers = itertools.count()
TABLES = ("raw.icp_intake_responses", "raw.customer_seeds", "raw.icp_evidence", "raw.icp_flow", "raw.companies")
VERSIONED = ("raw.icp_intake_responses", "raw.customer_seeds", "raw.icp_evidence", "raw.match_decisions")


@pytest.fixture
def tenant(connection: psycopg.Connection) -> Tenant:
    """A tenant of its own for each test."""
    return tenants.add_tenant(connection, slug=f"intake-{next(_numbers)}", name="Intake Pte Ltd")


def load(warehouse: Warehouse, tenant: Tenant, payload: Any, *, merge: bool = False) -> IntakeReport:
    return load_intake(warehouse, payload, tenant=tenant.slug, submitted_by="maya", now=NOW, merge=merge)


def seeds(rows: Rows, tenant: Tenant) -> dict[tuple[str, str], tuple[Any, ...]]:
    found = rows(
        "select kind, seed_key, seed_name, reason, first_version, last_version, is_active from raw.customer_seeds"
        " where tenant_id = %s",
        tenant.tenant_id,
    )
    return {row[:2]: row[2:] for row in found}


def versions(rows: Rows, tenant: Tenant) -> dict[str, int]:
    return dict(
        rows(
            "select relation, version from intermediate.tenant_versions where tenant_id = %s and relation = any(%s)",
            tenant.tenant_id,
            list(VERSIONED),
        )
    )


def everything(rows: Rows) -> dict[str, list[tuple[Any, ...]]]:
    return {table: rows(f"select t::text from {table} as t order by 1") for table in TABLES}


def test_an_intake_is_stored_whole(warehouse: Warehouse, rows: Rows, tenant: Tenant) -> None:
    report = load(warehouse, tenant, FLAT)
    assert (report.status, report.version, report.best, report.lost) == ("stored", 1, 2, 1)
    assert report.is_low_confidence
    ((version, by, at, payload, answers, notes),) = rows(
        "select version, submitted_by, submitted_at, payload, answers, notes from raw.icp_intake_responses"
        " where tenant_id = %s and response_id = %s",
        tenant.tenant_id,
        report.response_id,
    )
    assert (version, by, at, payload) == (1, "maya", NOW, FLAT)
    assert answers == json.loads(json.dumps(report.answers)) and notes == list(report.notes)
    assert seeds(rows, tenant) == {
        ("best", "supply59.com"): ("Supply59", None, 1, 1, True),
        ("best", "greenpack.sg"): ("GreenPack Pte Ltd", None, 1, 1, True),
        ("lost", "tinymart.sg"): ("TinyMart", "budget too low", 1, 1, True),
    }
    evidence = rows(
        "select c.company_key, e.source, e.signal_key, e.value_key, e.confidence from raw.icp_evidence as e"
        " join raw.companies as c using (company_id) where tenant_id = %s",
        tenant.tenant_id,
    )
    assert {row[:2] for row in evidence} == {("acmeanalytics.io", "intake")}
    assert ("theme", "budget < usd 10,000", 0.6) in {row[2:] for row in evidence}
    assert len(evidence) == report.evidence_items
    assert rows(
        "select state, response_id, intake_saved_at from raw.icp_flow where tenant_id = %s", tenant.tenant_id
    ) == [("intake_saved", report.response_id, NOW)]


def test_the_same_answers_change_nothing(warehouse: Warehouse, rows: Rows, tenant: Tenant) -> None:
    load(warehouse, tenant, FLAT)
    before, touched = everything(rows), versions(rows, tenant)
    again = load(warehouse, tenant, {**FLAT, "best_customers": FLAT["best_customers"][::-1]})
    assert (again.status, again.version) == ("unchanged", 1)
    assert everything(rows) == before and versions(rows, tenant) == touched


def test_a_new_version_keeps_seeds_and_retires_those_not_named(
    warehouse: Warehouse, rows: Rows, tenant: Tenant
) -> None:
    load(warehouse, tenant, FLAT)
    report = load(
        warehouse,
        tenant,
        {**FLAT, "best_customers": "GreenPack; Beta — beta.com", "must_have_integrations": ["Xero"]},
    )
    assert report.version == 2
    assert any("taken as greenpack.sg" in note for note in report.notes)
    assert seeds(rows, tenant) == {
        ("best", "supply59.com"): ("Supply59", None, 1, 1, False),
        ("best", "greenpack.sg"): ("GreenPack", None, 1, 2, True),
        ("best", "beta.com"): ("Beta", None, 2, 2, True),
        ("lost", "tinymart.sg"): ("TinyMart", "budget too low", 1, 2, True),
    }
    integrations = rows(
        "select value_key from raw.icp_evidence where tenant_id = %s and signal_key = 'integration'", tenant.tenant_id
    )
    assert integrations == [("xero",)]
    load(warehouse, tenant, FLAT)
    assert seeds(rows, tenant)["best", "supply59.com"] == ("Supply59", None, 1, 3, True)


def test_merging_adds_seeds_and_exclusions_to_the_latest_version(
    warehouse: Warehouse, rows: Rows, tenant: Tenant
) -> None:
    load(warehouse, tenant, FLAT)
    more = [{"name": f"Firm {number}", "website": f"firm{number}.com"} for number in range(4)]
    report = load(warehouse, tenant, {"best_customers": more, "exclusions": ["62011"]}, merge=True)
    assert (report.version, report.best, report.lost, report.is_low_confidence) == (2, 6, 1, False)
    assert all(row[-1] for row in seeds(rows, tenant).values())
    themes = rows(
        "select value_key from raw.icp_evidence where tenant_id = %s and signal_key = 'theme'", tenant.tenant_id
    )
    assert ("industry 62011",) in themes and ("budget too low",) in themes
    again = load(warehouse, tenant, {"best_customers": more, "merge": True})
    assert (again.status, again.version) == ("unchanged", 2)


def test_merging_into_nothing_is_a_first_version(warehouse: Warehouse, tenant: Tenant) -> None:
    assert load(warehouse, tenant, NESTED, merge=True).version == 1
    with pytest.raises(IntakeError, match="neither a website nor a customer"):
        other = Tenant(tenant.tenant_id + 10_000, "x", "x", "x", "UTC", {}, False)
        with warehouse.connect() as connection:
            store_intake(connection, tenant=other, payload={}, submitted_by="x", now=NOW, merge=True)


def test_a_seed_whose_website_is_told_later_keeps_its_row_and_its_decision(
    warehouse: Warehouse, rows: Rows, connection: psycopg.Connection, tenant: Tenant
) -> None:
    load(warehouse, tenant, {"website": "acme.com", "best_customers": ["Papierboot KG"]})
    ((seed_id, company_id),) = rows(
        "select seed_id, company_id from raw.customer_seeds where tenant_id = %s", tenant.tenant_id
    )
    connection.execute(
        "insert into raw.match_decisions (tenant_id, seed_key, decision, decided_by)"
        " values (%s, 'name:papierboot', 'none', 'maya')",
        (tenant.tenant_id,),
    )
    load(warehouse, tenant, {"website": "acme.com", "best_customers": "Papierboot — papierboot.de"})
    assert rows(
        "select seed_id, company_id, seed_key from raw.customer_seeds where tenant_id = %s", tenant.tenant_id
    ) == [(seed_id, company_id, "papierboot.de")]
    assert rows("select seed_key from raw.match_decisions where tenant_id = %s", tenant.tenant_id) == [
        ("papierboot.de",)
    ]


def test_evidence_moves_with_the_website(warehouse: Warehouse, rows: Rows, tenant: Tenant) -> None:
    load(warehouse, tenant, FLAT)
    load(warehouse, tenant, {**FLAT, "website": "new-name.com"})
    found = rows(
        "select distinct c.company_key from raw.icp_evidence join raw.companies as c using (company_id)"
        " where tenant_id = %s",
        tenant.tenant_id,
    )
    assert found == [("new-name.com",)]


def test_without_a_website_answers_hang_on_the_tenant_s_name(warehouse: Warehouse, rows: Rows, tenant: Tenant) -> None:
    report = load(warehouse, tenant, {"best_customers": ["Beta"], "triggers": ["moving"]})
    assert any("No website" in note for note in report.notes)
    found = rows(
        "select distinct c.name from raw.icp_evidence join raw.companies as c using (company_id) where tenant_id = %s",
        tenant.tenant_id,
    )
    assert found == [("Intake Pte Ltd",)]


def test_two_tenants_share_a_company_and_nothing_else(
    warehouse: Warehouse, rows: Rows, connection: psycopg.Connection, tenant: Tenant
) -> None:
    load(warehouse, tenant, FLAT)
    touched = versions(rows, tenant)
    other = tenants.add_tenant(connection, slug=f"intake-{next(_numbers)}")
    load(warehouse, other, {**FLAT, "website": "other.com"})
    shared = rows(
        "select count(distinct company_id), count(*) from raw.customer_seeds where tenant_id = any(%s)",
        [tenant.tenant_id, other.tenant_id],
    )
    assert shared == [(3, 6)]
    assert versions(rows, tenant) == touched


def test_sql_in_names_is_a_name(warehouse: Warehouse, rows: Rows, tenant: Tenant) -> None:
    name = "Robert'); drop table raw.tenants; --"
    load(warehouse, tenant, {"website": "acme.com", "best_customers": [{"name": name, "website": ""}]})
    assert rows("select seed_name from raw.customer_seeds where tenant_id = %s", tenant.tenant_id) == [(name,)]


def test_an_unknown_tenant_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(UnknownTenant, match="icp tenant add nobody"):
        load_intake(warehouse, FLAT, tenant="nobody", submitted_by="x", now=NOW)


def test_the_example_loads_from_its_file(warehouse: Warehouse, tenant: Tenant, tmp_path: Path) -> None:
    folder = PROJECT_ROOT / "examples" / "intake"
    first = load_intake(warehouse, folder / "brightside.json", tenant=tenant.slug, submitted_by="x", now=NOW)
    assert (first.best, first.lost, first.is_low_confidence) == (6, 3, False)
    later = load_intake(warehouse, folder / "added_later.json", tenant=tenant.slug, submitted_by="x", now=NOW)
    assert (later.version, later.best) == (2, 8)
    with pytest.raises(IntakeError, match=r"nothing\.json cannot be read"):
        load_intake(warehouse, tmp_path / "nothing.json", tenant=tenant.slug, submitted_by="x", now=NOW)
    (tmp_path / "big.json").write_bytes(b" " * 10_000_000)
    with pytest.raises(IntakeError, match="larger than"):
        load_intake(warehouse, tmp_path / "big.json", tenant=tenant.slug, submitted_by="x", now=NOW)


def test_a_failure_in_the_middle_leaves_nothing(
    warehouse: Warehouse, rows: Rows, connection: psycopg.Connection, tenant: Tenant
) -> None:
    before = everything(rows)
    connection.execute("alter table raw.icp_flow add constraint no_room check (state <> 'intake_saved') not valid")
    try:
        with pytest.raises(psycopg.errors.CheckViolation):
            load(warehouse, tenant, FLAT)
    finally:
        connection.execute("alter table raw.icp_flow drop constraint no_room")
    assert everything(rows) == before


def check_clean_row_or_nothing(warehouse: Warehouse, rows: Rows, payload: Any) -> None:
    def written() -> list[Any]:
        """How much there is, everybody's; the newest company."""
        return rows(
            "select (select count(*) from raw.icp_intake_responses), (select count(*) from raw.customer_seeds),"
            " (select count(*) from raw.icp_evidence), (select count(*) from raw.icp_flow),"
            " (select max(company_id) from raw.companies)"
        )

    rows("delete from raw.tenants where slug like 'any-%%'")  # or there are ever more rows to count
    with warehouse.connect(autocommit=True) as connection:
        tenant = tenants.add_tenant(connection, slug=f"any-{next(_numbers)}")
    before = written()
    try:
        report = load(warehouse, tenant, payload)
    except IntakeError as error:
        assert written() == before
        assert rows("select reason from raw.rejected_rows where tenant_id = %s", tenant.tenant_id) == [(str(error),)]
        return
    assert rows(
        "select answers, notes, version, response_id = (select response_id from raw.icp_flow where tenant_id = %s)"
        " from raw.icp_intake_responses where tenant_id = %s",
        tenant.tenant_id,
        tenant.tenant_id,
    ) == [(json.loads(json.dumps(report.answers)), list(report.notes), 1, True)]
    active = seeds(rows, tenant)
    assert all(row[-1] for row in active.values()) and len(active) == report.best + report.lost
    assert rows(
        "select count(*) from raw.icp_evidence where tenant_id = %s and source = 'intake'", tenant.tenant_id
    ) == [(report.evidence_items,)]
    assert load(warehouse, tenant, payload).status == "unchanged"
    assert load(warehouse, tenant, payload, merge=True).status == "unchanged"


def test_a_name_that_is_both_won_and_lost_is_no_new_version_the_second_time(warehouse: Warehouse, rows: Rows) -> None:
    seeds = [{"seed_name": "Twice", "domain": "twice.sg"}, {"seed_name": "Beta Logistics", "domain": "beta.sg"}]
    answers = {"website": "https://acmeanalytics.io", "lost": "Twice"}
    check_clean_row_or_nothing(warehouse, rows, {"answers": answers, "seeds": seeds})


@hypothesis.settings(max_examples=40)
@given(payload=mutated())
def test_a_mutated_payload_is_a_clean_row_or_nothing(warehouse: Warehouse, rows: Rows, payload: Any) -> None:
    check_clean_row_or_nothing(warehouse, rows, payload)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@hypothesis.settings(max_examples=10_000)
@given(payload=mutated())
def test_ten_thousand_mutated_payloads_are_clean_rows_or_nothing(
    warehouse: Warehouse, rows: Rows, payload: Any
) -> None:
    check_clean_row_or_nothing(warehouse, rows, payload)
