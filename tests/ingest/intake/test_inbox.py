"""The way in for applications: order, refusals, and who may hand in what."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from ingest.intake import process_inbox
from ingest.intake.evidence import evidence_of
from tests.ingest.intake.payloads import FLAT, NESTED
from tests.loop import Rows
from tests.servers import conninfo_of
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.tenants import Tenant

NOW = dt.datetime(2026, 6, 30, 8, tzinfo=dt.UTC)
_numbers = itertools.count()


@pytest.fixture
def pair(connection: psycopg.Connection) -> tuple[Tenant, Tenant]:
    """Two tenants of their own for each test."""
    first, second = (tenants.add_tenant(connection, slug=f"inbox-{next(_numbers)}") for _ in range(2))
    return first, second


def hand_in(connection: psycopg.Connection, tenant: Tenant, payload: Any) -> None:
    connection.execute(
        "insert into raw.icp_intake_inbox (tenant_id, payload, submitted_by) values (%s, %s, 'app')",
        (tenant.tenant_id, Jsonb(payload)),
    )


def marks(rows: Rows, tenant: Tenant) -> list[tuple[Any, ...]]:
    return rows(
        "select processed_at, response_id is not null, refused_because from raw.icp_intake_inbox"
        " where tenant_id = %s order by inbox_id",
        tenant.tenant_id,
    )


def test_rows_are_stored_in_order_and_refused_with_a_sentence(
    connection: psycopg.Connection, rows: Rows, pair: tuple[Tenant, Tenant]
) -> None:
    first, second = pair
    hand_in(connection, first, FLAT)
    hand_in(connection, second, {"website": "javascript:alert(1)"})
    hand_in(connection, first, {"merge": True, "best_customers": ["Beta — beta.com"]})
    hand_in(connection, first, {"best_customers": "x" * 2_000_000})
    outcomes = process_inbox(connection, NOW)
    versions = [o.report.version for o in outcomes if o.tenant_id == first.tenant_id and o.report]
    assert versions == [1, 2]
    assert [mark[:2] for mark in marks(rows, first)] == [(NOW, True), (NOW, True), (NOW, False)]
    assert "larger than" in marks(rows, first)[2][2]
    ((processed, stored, refused),) = marks(rows, second)
    assert (processed, stored) == (NOW, False)
    assert refused.startswith('website: "javascript:alert(1)" – it takes')
    assert rows("select count(*) from raw.icp_intake_responses where tenant_id = %s", second.tenant_id) == [(0,)]
    assert process_inbox(connection, NOW) == []


def test_what_is_no_object_or_nested_too_deep_does_not_stop_the_queue(
    connection: psycopg.Connection, rows: Rows, pair: tuple[Tenant, Tenant]
) -> None:
    first, _ = pair
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    for payload in ([], 5, None, {"a": deep}, {"a": 10**400}, FLAT):
        hand_in(connection, first, payload)
    outcomes = process_inbox(connection, NOW)
    assert [outcome.report is not None for outcome in outcomes] == [False] * 5 + [True]
    assert all(outcome.refused_because for outcome in outcomes[:5])


def test_a_defect_of_ours_refuses_its_row_and_stops_nobody_else(
    connection: psycopg.Connection,
    rows: Rows,
    pair: tuple[Tenant, Tenant],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second = pair
    hand_in(connection, first, {**FLAT, "website": "odd.com"})
    hand_in(connection, second, NESTED)

    def odd(answers: Any) -> Any:
        if answers.website == "odd.com":
            raise KeyError("odd")
        return evidence_of(answers)

    monkeypatch.setattr("ingest.intake.store.evidence_of", odd)
    assert [outcome.report is not None for outcome in process_inbox(connection, NOW)] == [False, True]
    assert marks(rows, first)[0][1] is False and "a defect of ours (KeyError)" in marks(rows, first)[0][2]
    assert rows("select count(*) from raw.customer_seeds where tenant_id = %s", first.tenant_id) == [(0,)]
    assert "inbox" in caplog.text


def test_a_row_at_which_another_process_works_is_left_to_it(
    warehouse: Warehouse, connection: psycopg.Connection, rows: Rows, pair: tuple[Tenant, Tenant]
) -> None:
    first, second = pair
    for payload in (FLAT, {**FLAT, "triggers": ["later"]}):
        hand_in(connection, first, payload)
    hand_in(connection, second, NESTED)
    with warehouse.connect() as busy:
        busy.execute("select from raw.icp_intake_inbox where tenant_id = %s limit 1 for update", (first.tenant_id,))
        outcomes = process_inbox(connection, NOW)
        assert [outcome.tenant_id for outcome in outcomes] == [second.tenant_id]
        busy.rollback()
    assert [o.report.version for o in process_inbox(connection, NOW) if o.report] == [1, 2]


# -- who may hand in what -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logins(warehouse: Warehouse) -> Iterator[dict[str, str]]:
    """Connection strings of an ops and a viewer login of tenant ``inbox-a``, and of an unmapped ops login."""
    made = {"ops": ("t_intake_ops", "icp_ops"), "viewer": ("t_intake_viewer", "icp_viewer")}
    made["unmapped"] = ("t_intake_unmapped", "icp_ops")
    with warehouse.connect(autocommit=True) as connection:
        tenant = tenants.add_tenant(connection, slug="inbox-a")
        tenants.add_tenant(connection, slug="inbox-b")
        connection.execute("set role none")
        for login, role in made.values():
            connection.execute(sql.SQL("create role {} login").format(sql.Identifier(login)))
            connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(login)))
        connection.execute("set role icp_pipeline")
        for login in ("t_intake_ops", "t_intake_viewer"):
            connection.execute(
                "insert into access.tenant_logins (login, tenant_id) values (%s, %s)", (login, tenant.tenant_id)
            )
    yield {name: conninfo_of(warehouse, login) for name, (login, _) in made.items()}
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("set role none")
        for login, _ in made.values():
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(login)))


INSERT = "insert into raw.icp_intake_inbox (tenant_id, payload, submitted_by) values (%s, %s, 'ops')"


def test_ops_hand_in_for_their_own_tenant_and_see_what_became_of_it(
    connection: psycopg.Connection, logins: dict[str, str]
) -> None:
    mine, other = tenants.get(connection, "inbox-a"), tenants.get(connection, "inbox-b")
    hand_in(connection, other, NESTED)
    with psycopg.connect(logins["ops"], autocommit=True) as ops:
        ops.execute(INSERT, (mine.tenant_id, Jsonb(FLAT)))
        process_inbox(connection, NOW)
        seen = ops.execute("select tenant_id, processed_at, refused_because from raw.icp_intake_inbox").fetchall()
        assert seen == [(mine.tenant_id, NOW, None)]


@pytest.mark.parametrize("column", ["processed_at", "response_id", "refused_because"])
def test_ops_cannot_say_that_a_row_was_processed(
    connection: psycopg.Connection, logins: dict[str, str], column: str
) -> None:
    mine = tenants.get(connection, "inbox-a")
    value = {"processed_at": NOW, "response_id": 1, "refused_because": "no"}[column]
    statement = (
        f"insert into raw.icp_intake_inbox (tenant_id, payload, submitted_by, {column}) values (%s, %s, 'x', %s)"
    )
    with psycopg.connect(logins["ops"], autocommit=True) as ops:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ops.execute(statement.encode(), (mine.tenant_id, Jsonb(FLAT), value))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ops.execute("update raw.icp_intake_inbox set processed_at = null")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ops.execute("delete from raw.icp_intake_inbox")


@pytest.mark.parametrize("table", ["icp_intake_responses", "customer_seeds", "icp_evidence", "companies", "contacts"])
def test_ops_read_nothing_else_of_raw(logins: dict[str, str], table: str) -> None:
    with psycopg.connect(logins["ops"]) as ops, pytest.raises(psycopg.errors.InsufficientPrivilege):
        ops.execute(f"select from raw.{table}".encode())


def test_nobody_hands_in_for_another_tenant(connection: psycopg.Connection, logins: dict[str, str]) -> None:
    other = tenants.get(connection, "inbox-b")
    for login in ("ops", "viewer", "unmapped"):
        with psycopg.connect(logins[login]) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("select set_config('app.tenant_id', %s, true)", (str(other.tenant_id),))
            session.execute(INSERT, (other.tenant_id, Jsonb(FLAT)))


def test_viewers_hand_in_nothing(connection: psycopg.Connection, logins: dict[str, str]) -> None:
    mine = tenants.get(connection, "inbox-a")
    with psycopg.connect(logins["viewer"]) as viewer, pytest.raises(psycopg.errors.InsufficientPrivilege):
        viewer.execute(INSERT, (mine.tenant_id, Jsonb(FLAT)))
