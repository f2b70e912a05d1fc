"""Overlapping, late, out-of-order and re-sent files; leads that a source no longer has."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ingest.errors import IngestError
from ingest.outcomes.load import load_outcomes
from tests.ingest.customer import Customer
from warehouse import tenants
from warehouse.connection import Warehouse

NUMBER = itertools.count(1)
LEADS = {
    "lead_id": "id",
    "title": "title",
    "deleted_at": "deleted",
    "updated_at": "updated",
    "status": "status",
    "status_at": "since",
    "scored_at": "scored",
    "timing": "timing",
}
# Four versions of two leads, one of them deleted and restored on the way.
VERSIONS = [
    ("1", "SDR", "", "2026-01-01", "new", "2026-01-01", "2026-01-01", "1"),
    ("1", "AE", "", "2026-01-02", "in_sequence", "2026-01-02", "2026-01-02", "2"),
    ("1", "AE", "2026-01-03", "2026-01-03", "dead", "2026-01-03", "", ""),
    ("1", "Head of Sales", "", "2026-01-04", "converted", "2026-01-04", "2026-01-04", "4"),
    ("2", "CEO", "", "", "new", "2026-01-01", "2026-01-01", "5"),  # no version: older than any
    ("2", "CTO", "", "2026-01-02", "", "", "2026-01-02", "6"),
    ("2", "CIO", "2026-02-01", "2026-02-01", "bounced", "2026-02-01", "2026-01-03", "7"),
    ("2", "CIO", "", "2026-01-15", "new", "2026-01-01", "2026-01-01", "5"),
]
TOUCHES = [
    ("a", "1", "email_sent", "2026-01-05", '{"cta": "call"}', "2026-01-05"),
    ("a", "1", "email_sent", "2026-01-06", '{"cta": "reply"}', "2026-01-07"),
    ("a", "2", "sms_sent", "2026-01-06", "", "2026-01-06"),
]


def load_in_order(warehouse: Warehouse, connection: psycopg.Connection, folder: Path, parts: list[list[Any]]) -> Any:
    """Load rows dealt into files, one file after the other under one name; returns what is then known."""
    slug = f"order-{next(NUMBER)}"
    tenant = tenants.add_tenant(connection, slug=slug).tenant_id
    mapping = {
        "name": slug,
        "tenant": slug,
        "leads": {"files": "leads.ndjson", "columns": LEADS},
        "activities": {
            "files": "touches.ndjson",
            "columns": {
                **{"activity_id": "nr", "lead_id": "lead", "action": "what", "occurred_at": "at"},
                **{"content_snapshot": "said", "updated_at": "updated"},
            },
        },
    }
    path = folder / f"{slug}.yaml"
    path.write_text(json.dumps(mapping))
    for part in parts:
        for name, columns in (
            ("leads", tuple(LEADS.values())),
            ("touches", ("nr", "lead", "what", "at", "said", "updated")),
        ):
            rows = [dict(zip(columns, row, strict=True)) for row in part if len(row) == len(columns)]
            empty = dict.fromkeys(columns, "")  # a row that is rejected, so that the columns are there
            (folder / f"{name}.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in [*rows, empty]))
        load_outcomes(warehouse, path)
    statements = (
        "select source_id, title, deleted_at from raw.leads where tenant_id = %s order by 1",
        "select source_id, occurred_at, status from raw.lead_status_events join raw.leads using (tenant_id, lead_id)"
        " where tenant_id = %s order by 1, 2, 3",
        "select source_id, scored_at, timing from raw.lead_score_snapshots join raw.leads using (tenant_id, lead_id)"
        " where tenant_id = %s order by 1, 2",
        "select activities.source_id, leads.source_id, kind, occurred_at, content_snapshot::text, updated_at"
        " from raw.activities join raw.leads using (tenant_id, lead_id) where tenant_id = %s order by 1",
    )
    return [connection.execute(statement.encode(), (tenant,)).fetchall() for statement in statements]


@pytest.fixture(scope="module")
def in_one_file(warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with warehouse.connect(autocommit=True) as connection:
        return load_in_order(warehouse, connection, tmp_path_factory.mktemp("one"), [[*VERSIONS, *TOUCHES]])


def test_the_newest_version_counts_and_the_older_ones_are_history(in_one_file: Any) -> None:
    leads, events, snapshots, touches = in_one_file
    assert [(lead[0], lead[1], lead[2] is None) for lead in leads] == [
        ("1", "Head of Sales", True),
        ("2", "CIO", False),
    ]
    assert [event[2] for event in events] == ["new", "in_sequence", "dead", "converted", "new", "bounced"]
    assert [snapshot[2] for snapshot in snapshots] == [1, 2, 4, 5, 6, 7]
    assert [(touch[0], touch[1], touch[4]) for touch in touches] == [("a", "1", '{"cta": "reply"}')]


@settings(max_examples=5, phases=(Phase.generate,))  # an example takes a second: none to spare for shrinking
@given(order=st.permutations([*VERSIONS, *TOUCHES]), cuts=st.sets(st.integers(1, 10), max_size=3))
def test_rows_dealt_into_files_in_any_order_end_in_the_same_state(
    warehouse: Warehouse,
    tmp_path_factory: pytest.TempPathFactory,
    in_one_file: Any,
    order: list[Any],
    cuts: set[int],
) -> None:
    edges = [0, *sorted(cuts), len(order)]
    parts = [order[begin:end] for begin, end in itertools.pairwise(edges)]
    parts.insert(0, [VERSIONS[0], VERSIONS[4]])  # touches need their leads
    with warehouse.connect(autocommit=True) as connection:
        assert load_in_order(warehouse, connection, tmp_path_factory.mktemp("order"), parts) == in_one_file


# -- one source at a time -----------------------------------------------------------------------------------------


def versioned(customer: Customer, **leads: Any) -> Customer:
    """A customer whose leads alone have versions."""
    columns = {"lead_id": "id", "title": "title", "updated_at": "updated"}
    customer.mapping = {
        "name": customer.tenant.slug,
        "tenant": customer.tenant.slug,
        "leads": {"files": "leads.csv", "columns": columns, **leads},
    }
    return customer


def titles(customer: Customer, where: str = "deleted_at is null") -> dict[str, str]:
    return dict(
        customer.connection.execute(
            f"select source_id, title from raw.leads where tenant_id = %s and {where}".encode(),
            (customer.tenant.tenant_id,),
        ).fetchall()
    )


def test_an_older_file_that_comes_late_is_ignored_and_counted(customer: Customer) -> None:
    versioned(customer)
    customer.write(leads="id,title,updated\n1,CEO,2026-02-01\n2,CTO,2026-02-01\n")
    customer.load()
    before = customer.versions()
    customer.write(leads="id,title,updated\n1,SDR,2026-01-01\n2,CTO,2026-02-01\n3,CFO,2026-01-01\n")
    counts = customer.load().files[0].counts
    assert titles(customer) == {"1": "CEO", "2": "CTO", "3": "CFO"}
    assert (counts.read, counts.inserted, counts.older, counts.unchanged) == (3, 1, 1, 2)
    customer.write(leads="id,title,updated\n1,SDR,2026-01-01\n")
    customer.load()
    assert {name for name, version in customer.versions().items() if before[name] != version} == {"raw.leads"}
    filed = customer.connection.execute(
        "select sum(rows_older) from raw.loads where source = %s", (customer.tenant.slug,)
    ).fetchone()
    assert filed == (2,)


def test_versions_count_per_source_so_that_two_can_tell_about_a_lead(customer: Customer) -> None:
    versioned(customer)
    customer.write(leads="id,title,updated\n1,CEO,2026-02-01\n")
    customer.load()
    customer.mapping["name"] += "-sizes"
    customer.mapping["leads"]["columns"] = {"lead_id": "id", "employee_count": "size", "updated_at": "updated"}
    customer.write(leads="id,size,updated\n1,50,2026-01-01\n")  # older than what the other source said
    (customer.folder / "mapping.yaml").rename(customer.folder / "first.yaml")
    customer.load()
    assert customer.count("leads", "title = 'CEO' and employee_count = 50") == 1


def extract(customer: Customer, *ids: int, bad: str = "") -> Any:
    customer.write(leads="id,title\n" + "".join(f"{number},T{number}\n" for number in ids) + bad)
    return customer.load().files[0].counts


def extracted(customer: Customer) -> Customer:
    versioned(customer, full_extract=True)
    customer.mapping["leads"]["columns"] = {"lead_id": "id", "title": "title"}
    return customer


def test_a_lead_that_a_full_extract_lacks_is_deleted_until_it_is_there_again(customer: Customer) -> None:
    extracted(customer)
    assert extract(customer, 1, 2, 3).gone == 0
    assert extract(customer, 1, 3).gone == 1
    assert set(titles(customer)) == {"1", "3"}
    assert extract(customer, 1, 3).gone == 0
    assert extract(customer, 1, 2, 3).updated == 1
    assert set(titles(customer)) == {"1", "2", "3"}


def test_a_lead_that_was_gone_is_back_whatever_its_version(customer: Customer) -> None:
    versioned(customer, full_extract=True)
    for rows in ("1,CEO,2026-01-01\n2,CTO,2026-02-01\n", "1,CEO,2026-01-01\n", "1,CEO,2026-01-01\n2,SDR,2026-01-01\n"):
        customer.write(leads=f"id,title,updated\n{rows}")
        customer.load()
    assert titles(customer) == {"1": "CEO", "2": "SDR"}


def test_a_lead_that_the_source_itself_calls_deleted_stays_so(customer: Customer) -> None:
    extracted(customer)
    extract(customer, 1, 2)
    customer.connection.execute(
        "update raw.leads set deleted_at = '2026-01-01' where tenant_id = %s and source_id = '2'",
        (customer.tenant.tenant_id,),
    )
    extract(customer, 1)
    extract(customer, 1, 2)
    assert set(titles(customer)) == {"1"}


def test_leads_of_another_source_are_not_missed(customer: Customer) -> None:
    customer.load()  # leads 1 and 2
    extracted(customer).mapping["name"] += "-crm"
    (customer.folder / "mapping.yaml").rename(customer.folder / "first.yaml")
    extract(customer, 7)
    extract(customer, 8)
    assert set(titles(customer)) == {"1", "2", "8"}


def test_a_rejected_row_is_no_missing_lead(customer: Customer) -> None:
    extracted(customer)
    customer.mapping["leads"]["columns"]["employee_count"] = "size"

    def sizes(*rows: str) -> Any:
        customer.write(leads="id,title,size\n" + "".join(f"{row}\n" for row in rows))
        return customer.load().files[0].counts

    sizes("1,a,5", "2,b,5", "3,c,5")
    assert sizes("1,a,5", "2,b,many").gone == 1
    assert set(titles(customer)) == {"1", "2"}
    customer.write(leads="id,title,size\n1,a,5\nbroken\n")  # it could be any lead
    report = customer.load()
    assert report.files[0].counts.gone == 0
    assert report.files[0].note == "no lead was looked for that might be gone: 1 rejected rows have no readable id"


def test_an_extract_that_lacks_many_leads_is_refused_unless_somebody_says_so(customer: Customer) -> None:
    extracted(customer)
    extract(customer, *range(60))
    with pytest.raises(
        IngestError, match=r"13 of the 61 leads of .* are not in its full extract; nothing .*--complete"
    ):
        extract(customer, *range(13, 60), 99)
    assert len(titles(customer)) == 60  # nothing was loaded, number 99 neither
    with pytest.raises(IngestError, match="13 of the 61"):
        customer.load()  # nor is it forgotten
    assert customer.load(however_many_gone=True).files[0].counts.gone == 13
    assert len(titles(customer)) == 48


def test_all_files_of_a_mapping_are_the_extract_together(customer: Customer) -> None:
    extracted(customer).mapping["leads"]["files"] = "part*.csv"
    customer.write(part1="id,title\n1,a\n2,b\n", part2="id,title\n3,c\n")
    customer.load()
    customer.write(part2="id,title\n4,d\n")
    assert [file.counts.gone for file in customer.load().files] == [0, 1]
    assert set(titles(customer)) == {"1", "2", "4"}
    (customer.folder / "part2.csv").unlink()
    report = customer.load()
    assert [(file.status, file.counts.gone) for file in report.files] == [("unchanged", 1)] and report.changed
    assert set(titles(customer)) == {"1", "2"}
