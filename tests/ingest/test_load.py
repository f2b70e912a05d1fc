"""Loading into raw: idempotent, atomic, nothing lost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

import psycopg
import pytest

from ingest.errors import IngestError
from ingest.outcomes import loading
from ingest.outcomes.load import close_interrupted_loads, load_outcomes
from ingest.simulation import TenantSpec, simulate, write
from ingest.simulation.files import Format
from ingest.simulation.worlds import external_id
from tests.ingest.customer import ACTIVITIES, LEADS, SCORES, Customer
from warehouse.connection import Warehouse
from warehouse.errors import UnknownTenant


def test_all_four_entities_are_loaded(customer: Customer) -> None:
    report = customer.load()
    assert [(file.entity, file.counts.inserted) for file in report.files] == [
        ("leads", 2),
        ("status_events", 2),
        ("activities", 3),
        ("score_snapshots", 2),
    ]
    assert customer.rejects() == []


def test_loading_the_same_files_again_changes_nothing(customer: Customer) -> None:
    customer.load()
    rows, versions = customer.everything(), customer.versions()
    again = customer.load()
    assert {file.status for file in again.files} == {"unchanged"}
    forced = customer.load(again=True)
    assert [file.counts.unchanged for file in forced.files] == [2, 2, 3, 2]
    assert customer.everything() == rows
    assert customer.versions() == versions


def test_a_corrected_row_is_updated_and_makes_only_its_tenant_due(customer: Customer) -> None:
    customer.load()
    before = customer.versions()
    customer.write(leads=LEADS.replace("CTO", "CIO"))
    report = customer.load()
    assert (report.files[0].counts.updated, report.files[0].counts.unchanged) == (1, 1)
    changed = {name for name, version in customer.versions().items() if before[name] != version}
    assert changed == {"raw.leads"}


def test_good_rows_go_in_and_bad_ones_are_kept_with_their_reason(customer: Customer) -> None:
    customer.write(leads=LEADS + "3,CEO,2026-99-01,1\n4,CEO,2026-01-01,minus one\n5,CEO\n,CEO,2026-01-01,5\n")
    report = customer.load()
    assert (report.files[0].counts.inserted, report.files[0].counts.rejected) == (2, 4)
    reasons = [reason for _, _, reason in customer.rejects()]
    assert "created_at '2026-99-01' is not a date" in reasons[0]
    assert "employee_count 'minus one'" in reasons[1]
    assert "has 2 fields where the header has 4" in reasons[2]
    assert reasons[3] == "lead_id is empty"


def test_of_a_key_given_twice_the_last_row_counts_and_the_other_is_rejected(customer: Customer) -> None:
    customer.write(leads=LEADS + "1,Owner,2026-01-01,10\n2,CTO,2026-01-02,20\n")
    report = customer.load()
    counts = report.files[0].counts
    # the twin of lead 2 says nothing new: it is no reject
    assert (counts.read, counts.inserted, counts.rejected, counts.unchanged) == (4, 2, 1, 1)
    assert customer.count("leads", "title = 'Owner'") == 1
    assert customer.rejects() == [
        ("leads", "1", "the same key comes again in row 4 with other values; the last one counts")
    ]


def test_a_row_without_its_lead_waits_and_goes_in_when_the_lead_has_come(customer: Customer) -> None:
    customer.write(activities=ACTIVITIES + "a4,99,email_sent,2026-01-04\n")
    report = customer.load()
    assert (report.files[2].counts.waiting, customer.count("activities")) == (1, 3)
    assert customer.rejects() == [("activities", "a4", "lead '99': no lead with this id has been loaded")]
    customer.write(leads=LEADS + "99,CEO,2026-01-01,5\n")
    report = customer.load()
    assert report.files[2].status == "loaded"  # although the file itself is as it was
    assert customer.count("activities") == 4
    assert customer.rejects() == []


def test_a_rejected_row_that_comes_back_right_is_resolved(customer: Customer) -> None:
    customer.write(leads=LEADS + "3,CEO,2026-99-01,1\n")
    customer.load()
    customer.write(leads=LEADS + "3,CEO,2026-09-01,1\n")
    customer.load()
    assert customer.rejects() == []
    resolved = customer.connection.execute(
        "select resolved_because from raw.rejected_rows where source = %s", (customer.tenant.slug,)
    ).fetchall()
    assert resolved == [("loaded",)]


def test_snapshots_are_never_changed_a_contradiction_is_rejected(customer: Customer) -> None:
    customer.load()
    customer.write(scores=SCORES.replace('"": 9', '"": 1') + '1,2026-02-01,"{""timing"": 4}"\n')
    report = customer.load()
    assert (report.files[3].counts.inserted, report.files[3].counts.rejected) == (1, 1)
    assert customer.count("lead_score_snapshots", "timing = 9") == 1
    assert "snapshots are never changed" in customer.rejects()[0][2]


def test_a_lead_s_own_columns_can_carry_its_status_and_its_components(customer: Customer) -> None:
    customer.mapping = {
        "name": customer.tenant.slug,
        "tenant": customer.tenant.slug,
        "leads": {
            "files": "leads.csv",
            "columns": {
                "lead_id": "id",
                "status": "status",
                "status_at": "since",
                "scored_at": "scored",
                "components": "als_components",
                "weights_used": "als_weights_used",
            },
        },
    }
    customer.write(
        leads="id,status,since,scored,als_components,als_weights_used\n"
        '1,converted,2026-01-10,2026-01-01,"{""data_quality"": 16, ""risk"": 0}","{""data_quality"": 0.2}"\n'
        "2,new,,,,\n"
    )
    customer.load()
    assert customer.count("lead_status_events", "status = 'converted'") == 1
    assert customer.count("lead_score_snapshots", "data_quality = 16 and weight_data_quality = 0.2") == 1


def test_a_column_that_a_second_source_does_not_map_is_left_alone(customer: Customer) -> None:
    customer.load()
    customer.mapping["leads"]["columns"] = {"lead_id": "id", "employee_count": "employees"}
    customer.mapping["leads"]["attributes"] = {"origin": "origin"}
    customer.write(leads="id,employees,origin\n1,11,fair\n")
    customer.load()
    row = customer.connection.execute(
        "select title, employee_count, attributes from raw.leads where tenant_id = %s and source_id = '1'",
        (customer.tenant.tenant_id,),
    ).fetchone()
    assert row == ("CEO", 11, {"origin": "fair"})


def test_a_bad_file_loads_nothing_of_any_file(customer: Customer) -> None:
    customer.write(scores="lead,at\n1,2026-01-01\n")
    with pytest.raises(IngestError, match=r"scores\.csv has no column 'components'"):
        customer.load()
    assert customer.everything() == []


def test_a_mapping_for_an_unknown_tenant_says_how_to_add_it(customer: Customer) -> None:
    customer.mapping["tenant"] = "who-is-this"
    with pytest.raises(UnknownTenant, match="icp tenant add who-is-this"):
        customer.load()


def test_rows_of_tenants_that_are_not_known_are_rejected_and_the_others_loaded(customer: Customer) -> None:
    customer.mapping = {
        "name": customer.tenant.slug,
        "tenant": {"column": "client"},
        "timezone": "UTC",
        "leads": {"files": "leads.csv", "columns": {"lead_id": "id"}},
    }
    customer.write(leads=f"id,client\n1,{customer.tenant.slug}\n2,stranger\n")
    customer.load()
    assert customer.count("leads") == 1
    assert customer.rejects() == [("leads", "2", "tenant 'stranger' is no tenant of this warehouse")]


def test_a_failure_on_the_way_leaves_nothing_of_the_file_and_is_said(
    customer: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading.Loader, "_write_activities", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        customer.load()
    assert (customer.count("leads"), customer.count("activities")) == (2, 0)
    failed = customer.connection.execute(
        "select entity, status from raw.loads where source = %s and status <> 'done'", (customer.tenant.slug,)
    ).fetchall()
    assert failed == [("activities", "failed")]
    monkeypatch.undo()
    customer.load()
    assert customer.count("activities") == 3


def test_a_load_that_a_killed_process_left_running_is_closed(customer: Customer) -> None:
    customer.connection.execute(
        "insert into raw.loads (source, entity, file, checksum, status) values (%s, 'leads', 'x', 'x', 'running')",
        (customer.tenant.slug,),
    )
    assert close_interrupted_loads(customer.connection) == 1


def test_activities_without_ids_are_told_apart_by_lead_action_and_time(customer: Customer) -> None:
    del customer.mapping["activities"]["columns"]["activity_id"]
    customer.load()
    customer.load(again=True)
    assert customer.count("activities") == 3


def test_a_file_with_a_header_only_is_loaded_as_nothing(customer: Customer) -> None:
    customer.write(leads="id,title,created,employees\n", events="lead,at,status\n", activities="nr,lead,what,at\n")
    customer.write(scores="lead,at,components\n")
    report = customer.load()
    assert [file.counts.read for file in report.files] == [0, 0, 0, 0]


def test_rejects_that_are_gone_from_a_corrected_file_are_resolved(customer: Customer) -> None:
    customer.write(leads=LEADS + ",CEO,2026-01-01,5\n")  # no key to recognise it by
    customer.load()
    assert len(customer.rejects()) == 1
    customer.write(leads="id,title,created,employees\n")
    customer.load()
    assert customer.rejects() == []
    assert customer.count("leads") == 2


def test_a_mapping_is_remembered_only_once_its_files_were_good(customer: Customer) -> None:
    def registered() -> int:
        return customer.connection.execute(
            "select from raw.sources where source = %s", (customer.tenant.slug,)
        ).rowcount

    customer.write(leads="")
    with pytest.raises(IngestError, match="empty"):
        customer.load()
    assert registered() == 0
    customer.write(leads=LEADS)
    customer.load()
    assert registered() == 1


def test_two_mappings_cannot_have_one_name(customer: Customer) -> None:
    customer.load()
    other = customer.folder / "another.yaml"
    other.write_text((customer.folder / "mapping.yaml").read_text())
    with pytest.raises(IngestError, match=r"belongs to .*mapping\.yaml already"):
        load_outcomes(customer.warehouse, other)
    (customer.folder / "mapping.yaml").unlink()
    load_outcomes(customer.warehouse, other)  # it was moved


def test_many_files_match_one_pattern(customer: Customer) -> None:
    customer.mapping["leads"]["files"] = "leads*.csv"
    customer.write(leads_2="id,title,created,employees\n7,CEO,2026-01-01,10\n")
    customer.load()
    assert customer.count("leads") == 3
    customer.mapping["leads"]["files"] = "nothing*.csv"
    with pytest.raises(IngestError, match="No file matches"):
        customer.load()


def test_all_formats_say_the_same(warehouse: Warehouse, connection: psycopg.Connection, tmp_path: Path) -> None:
    spec = TenantSpec(
        "formats", "Formats", external_id(9, "formats"), leads=120, base_rate=0.1, timezone="America/Sao_Paulo"
    )
    simulated = simulate(spec, seed=4)
    found: list[list[Any]] = []
    for file_format in get_args(Format):
        customer = Customer(warehouse, connection, tmp_path, f"formats-{file_format.replace('.', '-')}")
        connection.execute(
            "update raw.tenants set timezone = %s where tenant_id = %s", (spec.timezone, customer.tenant.tenant_id)
        )
        path = write(simulated, tmp_path / file_format, file_format=file_format)
        path.write_text(path.read_text().replace(": formats\n", f": {customer.tenant.slug}\n"))
        report = load_outcomes(warehouse, path)
        assert sum(file.counts.rejected for file in report.files) == 0
        found.append(customer.by_source_ids())
    assert found[0] and all(rows == found[0] for rows in found)


def test_a_deleted_lead_is_updated_like_any_other(customer: Customer) -> None:
    customer.load()
    customer.mapping["leads"]["columns"]["deleted_at"] = "deleted"
    customer.write(leads="id,title,created,employees,deleted\n1,CEO,2026-01-01,10,2026-02-01\n2,CTO,2026-01-02,20,\n")
    customer.load()
    assert customer.count("leads", "deleted_at is not null") == 1


def test_what_no_database_takes_is_a_reject_and_not_the_end_of_the_load(customer: Customer) -> None:
    customer.write(
        events="lead,at,status\n1,2026-01-10,conv\x00erted\n2,2026-01-11,bounced\n",
        activities=ACTIVITIES + ",1,email_sent,2026-01-07\n",
    )
    report = customer.load()
    assert [file.counts.rejected for file in report.files] == [0, 1, 1, 0]
    assert [reason for _, _, reason in customer.rejects()] == [
        "activity_id is empty",
        "status 'conv\\0erted' is longer than 100 characters or holds a NUL character",
    ]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [("a**b/*.csv", "pattern .* cannot be used"), ("/nowhere/*.csv", "No file matches"), ("pipe", "is no file")],
)
def test_files_that_cannot_be_are_refused_in_a_sentence(customer: Customer, files: str, sentence: str) -> None:
    os.mkfifo(customer.folder / "pipe")
    customer.mapping["leads"]["files"] = files
    with pytest.raises(IngestError, match=sentence):
        customer.load()


def test_an_absolute_pattern_names_files_too(customer: Customer) -> None:
    customer.mapping["leads"]["files"] = str(customer.folder / "lead*.csv")
    assert customer.load().files[0].counts.inserted == 2
