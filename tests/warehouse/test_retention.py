"""Retention: what is older than its setting goes, in batches; what weights are learned from stays and is counted."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import psycopg
import pytest

from ingest.simulation.worlds import world
from tests.loop import Rows, build_marts, contents, load_world
from warehouse import retention, tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError

NOTHING: dict[str, int | None] = {rule.kind: None for rule in retention.RULES}


@pytest.fixture
def tenant_id(connection: psycopg.Connection) -> int:
    for table in ("raw.lead_score_snapshots", "raw.rejected_rows", "raw.crawl_pages", "raw.leads", "raw.tenants"):
        connection.execute(f"delete from {table}".encode())
    return tenants.add_tenant(connection, slug="acme").tenant_id


def apply(connection: psycopg.Connection, *, dry_run: bool = False, **days: int) -> retention.Applied:
    done = retention.apply(connection, {**NOTHING, **days}, dry_run=dry_run)
    (kind,) = days
    return next(one for one in done if one.kind == kind)


def days_ago(days: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(days=days)


@pytest.mark.parametrize(
    ("given", "days"),
    [({}, 180), ({"ICP_RETAIN_REJECTED_DAYS": "7"}, 7), ({"ICP_RETAIN_REJECTED_DAYS": "forever"}, None)],
)
def test_settings_have_defaults_and_an_end(given: dict[str, str], days: int | None) -> None:
    assert retention.days_from_environment(given)["rejected"] == days
    assert retention.days_from_environment(given)["snapshots"] is None


@pytest.mark.parametrize("given", ["0", "-1", "a week", "1e3", "99999", "²", "7; delete from raw.leads"])
def test_a_setting_that_is_no_number_of_days_is_refused(given: str) -> None:
    with pytest.raises(WarehouseError, match="ICP_RETAIN_PAGES_DAYS is"):
        retention.days_from_environment({"ICP_RETAIN_PAGES_DAYS": given})


def test_rejected_rows_go_by_the_last_time_a_file_had_them(
    connection: psycopg.Connection, tenant_id: int, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    loads = [
        rows(
            "insert into raw.loads (source, entity, file, checksum, status, finished_at)"
            " values ('s', 'leads', 'f', 'x', 'done', %s) returning load_id", days_ago(age),
        )[0][0]
        for age in (40, 5)
    ]  # fmt: skip
    for name, load_id, resolved in (
        *((f"old {number}", loads[0], None) for number in range(5)),
        ("seen again", loads[1], None),
        ("resolved long ago", loads[1], days_ago(31)),
        ("resolved lately", loads[0], days_ago(3)),
    ):
        rows(
            "insert into raw.rejected_rows (source, entity, row_hash, reason, tenant_id, file, row_number, content,"
            " first_load_id, last_load_id, rejected_at, resolved_at)"
            " values ('s', 'leads', %s, 'r', %s, 'f', 1, '{}', 1, %s, %s, %s)",
            name, tenant_id, load_id, days_ago(50), resolved,
        )  # fmt: skip
    assert apply(connection, rejected=30, dry_run=True).deleted == 6
    assert rows("select count(*) from raw.rejected_rows") == [(8,)]
    assert apply(connection, rejected=30).deleted == 6
    assert rows("select row_hash from raw.rejected_rows order by 1") == [("resolved lately",), ("seen again",)]
    assert apply(connection, rejected=30).deleted == 0
    assert rows("select kind, retained_days, deleted from raw.retention_runs where deleted > 0") == [
        ("rejected", 30, 6)
    ]


def test_a_page_goes_when_it_is_old_and_its_time_in_the_cache_is_over(
    connection: psycopg.Connection, tenant_id: int, rows: Rows
) -> None:
    for url, fetched, expires in (("old", 100, 70), ("kept", 100, -10), ("new", 5, 1)):
        rows(
            "insert into raw.crawl_pages (url, domain, page_type, fetched_via, outcome, fetched_at, expires_at)"
            " values (%s, 'x.example', 'home', 'http', 'ok', %s, %s)", url, days_ago(fetched), days_ago(expires),
        )  # fmt: skip
    assert apply(connection, pages=90).deleted == 1
    assert rows("select url from raw.crawl_pages order by 1") == [("kept",), ("new",)]


def test_scores_that_weights_are_learned_from_stay_and_are_counted(
    connection: psycopg.Connection, tenant_id: int, rows: Rows
) -> None:
    """Of a lead written to 300 days ago by a touch; of one whose outreach is known; of one nobody wrote to."""
    for name, contacted in (("touched", None), ("contacted", days_ago(300)), ("not contacted", None)):
        ((lead_id,),) = rows(
            "insert into raw.leads (tenant_id, source_id, first_contact_at, load_id) values (%s, %s, %s, 1)"
            " returning lead_id", tenant_id, name, contacted,
        )  # fmt: skip
        for origin in ("source", "warehouse"):
            for age in (400, 299.5, 250, 200, 10):
                rows(
                    "insert into raw.lead_score_snapshots (tenant_id, lead_id, scored_at, origin, authority)"
                    " values (%s, %s, %s, %s, 5)", tenant_id, lead_id, days_ago(age), origin,
                )  # fmt: skip
        if name == "touched":
            for kind, age in ((6, 390), (1, 300)):  # a reply is no outreach
                rows(
                    "insert into raw.activities (tenant_id, source_id, lead_id, kind, occurred_at, load_id)"
                    " values (%s, %s, %s, %s, %s, 1)", tenant_id, f"a{kind}", lead_id, kind, days_ago(age),
                )  # fmt: skip
    expected = {("touched", 400), ("touched", 300), ("contacted", 400), ("contacted", 300)}
    expected |= {(name, 10) for name in ("touched", "contacted", "not contacted")}
    expected |= {("not contacted", age) for age in (400, 300, 250, 200)}
    dry = apply(connection, snapshots=100, dry_run=True)
    done = apply(connection, snapshots=100)
    assert done == dry
    assert (done.deleted, done.needed) == (2 * 2 * 2, 2 * (2 + 2 + 4))
    left = rows(
        "select distinct leads.source_id, round(extract(epoch from now() - scored_at) / 86400.0)::int"
        " from raw.lead_score_snapshots join raw.leads as leads using (tenant_id, lead_id)"
    )
    assert set(left) == expected


def test_what_was_deleted_meanwhile_or_is_old_no_more_stops_nothing(
    warehouse: Warehouse, connection: psycopg.Connection, tenant_id: int, rows: Rows
) -> None:
    """A reader's open transaction neither waits nor loses its rows."""
    for number in range(20):
        rows("insert into raw.model_calls (tenant_id, purpose, model, latency_ms, outcome, called_at)"
             " values (%s, 'x', 'm', 1, 'ok', %s)", tenant_id, days_ago(400 + number))  # fmt: skip
    with warehouse.connect() as reader:
        reader.execute("set transaction isolation level repeatable read")
        assert reader.execute("select count(*) from raw.model_calls").fetchone() == (20,)
        connection.execute("set lock_timeout = '2s'")
        assert apply(connection, model_calls=365).deleted == 20
        assert reader.execute("select count(*) from raw.model_calls").fetchone() == (20,)


@pytest.mark.slow  # builds the marts twice
def test_no_mart_changes_when_snapshots_go(warehouse: Warehouse, rows: Rows, tmp_path: Path) -> None:
    load_world(warehouse, world(tenants=2, leads=200, seed=11), tmp_path)
    rows(
        "insert into raw.lead_score_snapshots (tenant_id, lead_id, scored_at, origin, authority, load_id)"
        " select tenant_id, lead_id, scored_at + interval '1 day' * n, 'source', n, 1"
        " from raw.lead_score_snapshots cross join generate_series(3, 9) as n where origin = 'source'"
    )
    build_marts(warehouse, as_of="2026-06-30")
    before = contents(rows)
    with warehouse.connect(autocommit=True) as connection:
        done = apply(connection, snapshots=1)
    assert done.deleted > 200 and done.needed > 100
    build_marts(warehouse, "--full-refresh", as_of="2026-06-30")
    assert contents(rows) == before
