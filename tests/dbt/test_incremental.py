"""A mart rebuilds the tenants that something changed for, and ends as if it had been built from nothing."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from dagster_defs.project import DBT_FOLDER
from ingest.outcomes.load import load_outcomes
from ingest.simulation.worlds import world
from tests.loop import MARTS, Rows, build_marts, contents, edit_csv, load_world
from warehouse import publication, tenants
from warehouse.connection import Warehouse
from warehouse.settings import PROJECT_ROOT

AS_OF = "2026-06-30"
TENANTS = 5


@pytest.fixture(scope="module")
def mappings(warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    loaded = load_world(warehouse, world(tenants=TENANTS, leads=250, seed=9), tmp_path_factory.mktemp("world"))
    assert build_marts(warehouse, as_of=AS_OF) == dict.fromkeys(MARTS, TENANTS)
    return loaded


@pytest.fixture(autouse=True)
def up_to_date(warehouse: Warehouse, mappings: dict[str, Path]) -> None:
    """Each test begins where nothing is due."""
    build_marts(warehouse, as_of=AS_OF)


def equals_a_full_rebuild(warehouse: Warehouse, rows: Rows, as_of: str = AS_OF) -> None:
    incremental = contents(rows)
    assert build_marts(warehouse, "--full-refresh", as_of=as_of) == dict.fromkeys(MARTS, len(tenant_ids(rows)))
    from_nothing = contents(rows)
    for table in MARTS:
        assert incremental[table] == from_nothing[table], table


def tenant_ids(rows: Rows) -> dict[str, int]:
    return dict(rows("select slug, tenant_id from raw.tenants"))


def leads_per_tenant(rows: Rows) -> dict[str, int]:
    return dict(
        rows("select slug, count(*) from marts.lead_outcomes join learned.tenants using (tenant_id) group by 1")
    )


def test_where_nothing_changed_nothing_is_rebuilt(warehouse: Warehouse, rows: Rows) -> None:
    before = contents(rows)
    assert build_marts(warehouse, as_of=AS_OF) == dict.fromkeys(MARTS, 0)
    assert contents(rows) == before


def test_new_rows_rebuild_their_tenant(warehouse: Warehouse, mappings: dict[str, Path], rows: Rows) -> None:
    def book(events: list[dict[str, str]]) -> list[dict[str, str]]:
        leads = sorted({row["lead_id"] for row in events})[:40]
        return events + [
            {"lead_id": lead, "occurred_at": "2026-06-01 10:00:00", "status": "converted"} for lead in leads
        ]

    booked = "select count(*) from marts.lead_outcomes where is_booked"
    before = rows(booked)
    edit_csv(mappings["tenant-00001"], "status_events", book)
    load_outcomes(warehouse, mappings["tenant-00001"])
    assert build_marts(warehouse, as_of=AS_OF)["lead_outcomes"] == 1
    assert rows(booked) > before
    equals_a_full_rebuild(warehouse, rows)


def test_deleted_leads_are_left_out_everywhere(warehouse: Warehouse, mappings: dict[str, Path], rows: Rows) -> None:
    def delete(leads: list[dict[str, str]]) -> list[dict[str, str]]:
        return [row | ({"deleted_at": "2026-06-02 10:00:00"} if at % 7 == 0 else {}) for at, row in enumerate(leads)]

    before = leads_per_tenant(rows)
    edit_csv(mappings["tenant-00002"], "leads", delete)
    load_outcomes(warehouse, mappings["tenant-00002"])
    rebuilt = build_marts(warehouse, as_of=AS_OF)
    assert rebuilt == dict.fromkeys(MARTS, 1)
    after = leads_per_tenant(rows)
    assert {slug for slug in after if after[slug] != before[slug]} == {"tenant-00002"}
    for table in ("lead_outcomes", "lead_scores"):
        left = (
            f"select count(*) from marts.{table} join raw.leads using (tenant_id, lead_id) where deleted_at is not null"
        )
        assert rows(left) == [(0,)]
    equals_a_full_rebuild(warehouse, rows)


def test_a_moved_date_rebuilds_what_it_changes(warehouse: Warehouse, rows: Rows) -> None:
    matured = "select count(*) from marts.lead_outcomes where is_matured"
    now = rows(matured)
    # the past replayed: nothing that came later may be known
    assert build_marts(warehouse, as_of="2026-01-31")["lead_outcomes"] == TENANTS
    assert rows(matured) < now
    later = (
        "select count(*) from marts.lead_outcomes where greatest(booked_at, contacted_at, exited_at) >= '2026-02-02'"
    )
    assert rows(later) == [(0,)]
    equals_a_full_rebuild(warehouse, rows, "2026-01-31")
    assert build_marts(warehouse, as_of="2026-02-07")["lead_outcomes"] == TENANTS
    equals_a_full_rebuild(warehouse, rows, "2026-02-07")
    build_marts(warehouse, as_of=AS_OF)
    assert rows(matured) == now


def test_a_day_on_which_nothing_happens_rebuilds_nothing(warehouse: Warehouse) -> None:
    build_marts(warehouse, as_of="2027-06-30")  # everything has matured by then
    rebuilt = build_marts(warehouse, as_of="2027-07-31")
    assert rebuilt["pipeline_health"] == TENANTS  # freshness is about the date itself
    assert rebuilt | {"pipeline_health": 0} == dict.fromkeys(MARTS, 0)


def test_the_next_day_on_which_something_happens_is_known(warehouse: Warehouse, rows: Rows) -> None:
    """For every tenant: nothing changes up to the day before it, and something on the day."""
    build_marts(warehouse, as_of="2026-03-10")
    (until,) = rows(
        "select min(valid_until)::text from intermediate.tenant_versions where relation = 'marts.lead_outcomes'"
    )[0]
    (before,) = rows("select (%s::date - 1)::text", until)[0]
    seen = contents(rows, tables=("lead_outcomes",))
    build_marts(warehouse, "--full-refresh", as_of=before)
    assert contents(rows, tables=("lead_outcomes",)) == seen
    build_marts(warehouse, "--full-refresh", as_of=until)
    assert contents(rows, tables=("lead_outcomes",)) != seen


def test_a_run_for_one_tenant_leaves_the_others_due(
    warehouse: Warehouse, mappings: dict[str, Path], rows: Rows
) -> None:
    for slug in ("tenant-00003", "tenant-00004"):
        edit_csv(mappings[slug], "leads", lambda leads: [row | {"title": "CEO"} for row in leads])
        load_outcomes(warehouse, mappings[slug])
    only = [tenant_ids(rows)["tenant-00003"]]
    assert build_marts(warehouse, as_of=AS_OF, tenant_ids=only)["lead_conversion_rates"] == 1
    titles = dict(
        rows(
            "select slug, count(*) from marts.lead_conversion_rates join learned.tenants using (tenant_id)"
            " where attribute = 'title' group by slug"
        )
    )
    assert titles["tenant-00003"] == 1 < titles["tenant-00004"]
    assert build_marts(warehouse, as_of=AS_OF)["lead_conversion_rates"] == 1
    equals_a_full_rebuild(warehouse, rows)


def test_a_changed_setting_rebuilds_its_tenant(warehouse: Warehouse, rows: Rows) -> None:
    with warehouse.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug="tenant-00000", timezone="Asia/Singapore", settings={"maturity_days": 10})
    assert build_marts(warehouse, as_of=AS_OF)["lead_outcomes"] == 1
    days = rows(
        "select distinct round(extract(epoch from matures_at - contacted_at) / 86400) from marts.lead_outcomes"
        " join learned.tenants using (tenant_id) where slug = 'tenant-00000' and contacted_at is not null"
    )
    assert days == [(10,)]


def test_changed_weights_rescore_their_tenant_and_rebuild_nothing_else(warehouse: Warehouse, rows: Rows) -> None:
    tenant = tenant_ids(rows)["tenant-00001"]
    decision = publication.WeightDecision(
        tenant_id=tenant,
        action="publish",
        live=(0.05, 0.20, 0.25, 0.35),
        live_source="learned",
        proposal=None,
        reason="test",
        leads=100,
        bookings=20,
        means=(10.0, 10.0, 10.0, 5.0),
    )
    with warehouse.connect(autocommit=True) as connection:
        publication.publish_weights(connection, [decision], as_of=dt.date(2026, 6, 30), run_id=None)
    rebuilt = build_marts(warehouse, as_of=AS_OF)
    changed = {"lead_scores": 1, "score_band_performance": 1, "pipeline_health": 1}
    assert rebuilt == dict.fromkeys(MARTS, 0) | changed
    equals_a_full_rebuild(warehouse, rows)


def test_a_changed_model_rebuilds_itself(warehouse: Warehouse, tmp_path: Path) -> None:
    shutil.copy(PROJECT_ROOT / "dbt_project.yml", tmp_path)
    shutil.copytree(DBT_FOLDER, tmp_path / "dbt_project", ignore=shutil.ignore_patterns("target", "logs"))
    assert build_marts(warehouse, as_of=AS_OF, project=tmp_path) == dict.fromkeys(MARTS, 0)
    model = tmp_path / "dbt_project" / "models" / "marts" / "scoring" / "score_band_performance.sql"
    model.write_text(model.read_text() + "\n-- a change\n")
    rebuilt = build_marts(warehouse, as_of=AS_OF, project=tmp_path)
    assert rebuilt == dict.fromkeys(MARTS, 0) | {"score_band_performance": TENANTS, "pipeline_health": TENANTS}


def test_a_tenant_that_is_gone_leaves_no_row(warehouse: Warehouse, rows: Rows) -> None:
    gone = tenant_ids(rows)["tenant-00004"]
    rows("delete from raw.tenants where tenant_id = %s", gone)
    build_marts(warehouse, as_of=AS_OF)
    for table in MARTS:
        assert rows(f"select count(*) from marts.{table} where tenant_id = %s", gone) == [(0,)], table
    equals_a_full_rebuild(warehouse, rows)
