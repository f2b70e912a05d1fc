"""What `raw.loads` and `raw.rejected_rows` say of intakes that a person brings, as of any other load."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingest.intake import IntakeError, IntakeReport, load_intake
from tests.ingest.intake.payloads import FLAT, NESTED
from tests.loop import Rows
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.tenants import Tenant

NOW = dt.datetime(2026, 6, 30, 8, tzinfo=dt.UTC)
_numbers = itertools.count()


@pytest.fixture
def tenant(connection: psycopg.Connection) -> Tenant:
    return tenants.add_tenant(connection, slug=f"loads-{next(_numbers)}")


@pytest.fixture
def load(warehouse: Warehouse, tenant: Tenant, tmp_path: Path) -> Any:
    """Load a payload, or bytes, as a file of that name."""

    def load(content: Any, name: str = "intake.json", *, merge: bool = False) -> IntakeReport:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return load_intake(warehouse, path, tenant=tenant.slug, submitted_by="maya", now=NOW, merge=merge)

    return load


def loads(rows: Rows, tenant: Tenant) -> list[tuple[Any, ...]]:
    """file, status, read, inserted, unchanged, rejected of loads since the tenant's first one."""
    return rows(
        "select file, status, rows_read, rows_inserted, rows_unchanged, rows_rejected from raw.loads"
        " where load_id >= (select min(least(r.load_id, j.first_load_id)) from raw.tenants as t"
        " left join raw.icp_intake_responses as r using (tenant_id)"
        " left join raw.rejected_rows as j using (tenant_id) where tenant_id = %s) order by load_id",
        tenant.tenant_id,
    )


def rejects(rows: Rows, tenant: Tenant) -> list[tuple[Any, ...]]:
    return rows(
        "select source, entity, file, record_key, resolved_because from raw.rejected_rows where tenant_id = %s"
        " order by rejected_at",
        tenant.tenant_id,
    )


DONE = ("intake.json", "done", 1, 1, 0, 0)
UNCHANGED = ("intake.json", "done", 1, 0, 1, 0)
REJECTED = ("intake.json", "done", 1, 0, 0, 1)
BAD = {**FLAT, "website": "javascript:alert(1)"}


def test_a_load_is_a_row_and_its_version_names_it(load: Any, rows: Rows, tenant: Tenant) -> None:
    load(FLAT)
    assert loads(rows, tenant) == [DONE]
    ((source, entity, length, ended),) = rows(
        "select source, entity, length(checksum), finished_at >= started_at from raw.loads"
        " join raw.icp_intake_responses using (load_id) where tenant_id = %s",
        tenant.tenant_id,
    )
    assert (source, entity, length, ended) == ("intake", "intake", 64, True)


def test_the_same_file_again_changes_nothing(load: Any, rows: Rows, tenant: Tenant) -> None:
    load(FLAT)
    tables = ("loads", "rejected_rows", "icp_intake_responses", "customer_seeds", "icp_evidence", "icp_flow")
    before = [rows(f"select t::text from raw.{table} as t order by 1") for table in tables]
    assert load(FLAT).status == "unchanged"
    assert [rows(f"select t::text from raw.{table} as t order by 1") for table in tables] == before


def test_other_bytes_with_the_same_answers_are_read_once_and_earlier_answers_come_back(
    load: Any, rows: Rows, tenant: Tenant
) -> None:
    assert load(FLAT).version == 1
    for _ in range(2):
        assert load({**FLAT, "triggers": FLAT["triggers"][::-1]}).status == "unchanged"
    assert load(NESTED).version == 2
    assert load(FLAT).version == 3  # the file is known, but the answers are news again
    assert loads(rows, tenant) == [DONE, UNCHANGED, DONE, DONE]


@pytest.mark.parametrize(
    ("content", "said"),
    [(BAD, "website"), (b"not json", "not JSON"), (b"\xff\xfe\x00", "UTF-8"), (b"[1]", "a list"), (b"", "is empty")],
)
def test_what_cannot_be_used_is_a_reject_once_and_a_good_one_resolves_it(
    load: Any, rows: Rows, tenant: Tenant, content: Any, said: str
) -> None:
    for _ in range(2):
        with pytest.raises(IntakeError, match=said):
            load(content)
    assert loads(rows, tenant) == [REJECTED]
    assert rejects(rows, tenant) == [("intake", "intake", "intake.json", tenant.slug, None)]
    ((reason, kept),) = rows("select reason, content from raw.rejected_rows where tenant_id = %s", tenant.tenant_id)
    assert said in reason
    assert content != BAD or json.loads(kept) == BAD
    assert rows("select count(*) from raw.icp_intake_responses where tenant_id = %s", tenant.tenant_id) == [(0,)]
    load(FLAT, "corrected.json")
    assert rejects(rows, tenant)[0][-1] == "loaded"
    with pytest.raises(IntakeError):
        load(content)
    assert rejects(rows, tenant)[0][-1] is None
    load(FLAT, "corrected.json")  # known and unchanged, but it says that the bad one is not meant
    assert rejects(rows, tenant)[0][-1] == "loaded"
    assert [row[2:] for row in loads(rows, tenant)] == [REJECTED[2:], DONE[2:], REJECTED[2:], UNCHANGED[2:]]


def test_a_file_that_cannot_be_read_leaves_no_trace(
    warehouse: Warehouse, rows: Rows, tenant: Tenant, tmp_path: Path
) -> None:
    before = rows("select count(*) from raw.loads")
    with pytest.raises(IntakeError, match="cannot be read"):
        load_intake(warehouse, tmp_path / "no.json", tenant=tenant.slug, submitted_by="maya", now=NOW)
    assert rows("select count(*) from raw.loads") == before
