"""Registries by mapping: what a mapping may say, and the real list of contractors."""

from __future__ import annotations

import csv
import gzip
import shutil
from pathlib import Path

import psycopg
import pytest
import yaml

from ingest.errors import IngestError
from ingest.registry.load import load_registry
from ingest.registry.mapping import read_registry_mapping
from tests.ingest.registry.acra_files import NOW
from warehouse.connection import Warehouse
from warehouse.settings import PROJECT_ROOT

MINIMAL = {"name": "houses", "columns": {"registration_number": "no", "name": "firm"}}


def write(folder: Path, content: object, text: str = "") -> Path:
    (folder / "companies.csv").write_text(text, encoding="utf-8")
    path = folder / "mapping.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": " "}, "a registry's name has 1 to 60 characters"),
        ({"colums": {}}, "colums: there is no such setting"),
        ({"columns": {"name": "firm"}}, "'registration_number' is missing"),
        ({"columns": {**MINIMAL["columns"], "nmae": "x"}}, "unknown field 'nmae'; did you mean 'name'"),  # type: ignore[dict-item]
        ({"columns": {**MINIMAL["columns"], "postal_code": ["a", "b"]}}, None),  # type: ignore[dict-item]
        ({"columns": {**MINIMAL["columns"], "incorporated_on": ["a", "b"]}}, "incorporated_on takes one column, not 2"),  # type: ignore[dict-item]
        ({"columns": {**MINIMAL["columns"], "city": {"values": {"a": "b"}}}}, "give either columns or a constant"),  # type: ignore[dict-item]
        ({"delimiter": ";;"}, "the delimiter must be one character"),
        ({"live_statuses": ["active"]}, "live_statuses needs the column of the status"),
        ({"repeated_numbers": "explode"}, "repeated_numbers"),
    ],
)
def test_a_mapping_is_checked_before_any_file(tmp_path: Path, change: dict[str, object], sentence: str | None) -> None:
    path = write(tmp_path, {**MINIMAL, **change})
    if sentence is None:
        read_registry_mapping(path)
        return
    with pytest.raises(IngestError, match=sentence):
        read_registry_mapping(path)


@pytest.mark.parametrize("text", ["", "- a\n- b", "name: [", "\x00"])
def test_what_is_no_mapping(tmp_path: Path, text: str) -> None:
    with pytest.raises(IngestError, match="The mapping"):
        read_registry_mapping(write(tmp_path, text))
    with pytest.raises(IngestError, match="There is no mapping"):
        read_registry_mapping(tmp_path / "none.yaml")


def test_every_field_by_mapping(warehouse: Warehouse, clean: psycopg.Connection, tmp_path: Path) -> None:
    mapping = {
        "name": "houses",
        "files": "comp*.csv",
        "delimiter": ";",
        "date_formats": ["%d.%m.%Y"],
        "live_statuses": ["aktiv"],
        "industry_code_version": "sim",
        "columns": {
            "registration_number": "NO",
            "name": "firm",
            "former_names": ["before", "long before"],
            "status": "state",
            "incorporated_on": "since",
            "industry_code": "code",
            "employee_count": "people",
            "website_domain": "web",
            "street": {"columns": ["street", "nr"], "separator": ", "},
            "country": {"column": "land", "values": {"deutschland": "DE"}},
        },
    }
    text = (
        "no;firm;before;long before;state;since;code;people;web;street;nr;land\n"
        "HRB 007;Müller GmbH;Meier GmbH;Meier GmbH;aktiv;03.10.1990;ab123;1,234;https://www.mueller.de/x;Weg;7;Deutschland\n"
        "HRB 8;Schulz;;;gelöscht;1990-10-03;;many;nowhere;;;Austria\n"
    )
    report = load_registry(warehouse, mapping_path=write(tmp_path, mapping, text), now=NOW)
    rows = clean.execute(
        "select registration_number, former_names, is_live, incorporated_on::text, industry_code,"
        " industry_code_version, employee_count, website_domain, street, country from raw.registry_entities order by 1"
    ).fetchall()
    assert rows == [
        ("HRB 007", ["Meier GmbH"], True, "1990-10-03", "AB123", "sim", 1234, "mueller.de", "Weg, 7", "DE"),
        ("HRB 8", [], False, None, None, None, None, None, None, "Austria"),
    ]
    assert {note.field for note in report.notes} == {"incorporated_on", "employee_count", "website_domain"}


def test_a_mapped_column_must_be_there(warehouse: Warehouse, clean: psycopg.Connection, tmp_path: Path) -> None:
    mapping = {**MINIMAL, "columns": {**MINIMAL["columns"], "city": "town"}}  # type: ignore[dict-item]
    path = write(tmp_path, mapping, "no,firm,towns\n1,A,B\n")
    with pytest.raises(IngestError, match="no column 'town'; did you mean 'towns'"):
        load_registry(warehouse, [tmp_path / "companies.csv"], mapping_path=path, now=NOW)


def test_merging_keeps_the_first_row_and_says_what_differs(
    warehouse: Warehouse, clean: psycopg.Connection, tmp_path: Path
) -> None:
    path = write(tmp_path, {**MINIMAL, "repeated_numbers": "merge"}, "no,firm\n1,A\n2,B\n1,A\n1,Other\n")
    report = load_registry(warehouse, [tmp_path / "companies.csv"], mapping_path=path, now=NOW)
    assert (report.counts.inserted, report.counts.repeated, report.counts.rejected) == (2, 2, 0)
    assert [(note.field, note.rows) for note in report.notes] == [("registration_number", 1)]
    assert clean.execute("select name from raw.registry_entities order by 1").fetchall() == [("A",), ("B",)]


def test_bad_codes_may_cost_the_code_alone(warehouse: Warehouse, clean: psycopg.Connection, tmp_path: Path) -> None:
    mapping = {**MINIMAL, "bad_codes": "empty", "columns": {**MINIMAL["columns"], "industry_code": "c"}}  # type: ignore[dict-item]
    path = write(tmp_path, mapping, "no,firm,c\n1,A,?\n")
    report = load_registry(warehouse, [tmp_path / "companies.csv"], mapping_path=path, now=NOW)
    assert (report.counts.inserted, report.notes[0].complaint) == (1, "no industry code, left empty")


def test_registries_stand_side_by_side(warehouse: Warehouse, clean: psycopg.Connection, tmp_path: Path) -> None:
    path = write(tmp_path, MINIMAL, "no,firm\n1,A\n")
    for name in ("one", "two"):
        load_registry(warehouse, [tmp_path / "companies.csv"], registry=name, mapping_path=path, now=NOW)
    assert clean.execute("select registry from raw.registry_entities order by 1").fetchall() == [("one",), ("two",)]


def test_the_real_contractors(
    warehouse: Warehouse, clean: psycopg.Connection, shared_data: Path, tmp_path: Path
) -> None:
    published = shared_data / "sg_contractors" / "listing-of-registered-contractors.csv.gz"
    mapping = tmp_path / "mapping.yaml"
    shutil.copy(PROJECT_ROOT / "examples" / "contractors" / "mapping.yaml", mapping)
    shutil.copy(published, tmp_path)
    report = load_registry(warehouse, mapping_path=mapping, now=NOW)
    with gzip.open(published, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = {row["uen_no"].strip(): row["company_name"].strip() for row in rows}
    codes = {row["uen_no"].strip(): row["postal_code"].strip() for row in rows}
    assert len(names) == 9_982
    assert (report.counts.read, report.counts.inserted) == (len(rows), len(names))
    assert (report.counts.repeated, report.counts.rejected) == (len(rows) - len(names), 0)
    found = clean.execute(
        "select registration_number, name, postal_code, is_live from raw.registry_entities"
    ).fetchall()
    assert {number: name for number, name, _, _ in found} == names
    assert {number: code or "na" for number, _, code, _ in found} == codes
    assert all(row[3] for row in found)
    again = load_registry(warehouse, mapping_path=mapping, now=NOW, again=True)
    assert (again.counts.inserted, again.counts.updated, again.gone) == (0, 0, 0)
    # Telephone numbers stay where they are.
    phone = next(row["tel_no"] for row in rows if len(row["tel_no"]) == 8)
    told = clean.execute(
        "select count(*) from raw.registry_entities as e where to_jsonb(e)::text like %s", (f"%{phone}%",)
    ).fetchone()
    assert told == (0,)
