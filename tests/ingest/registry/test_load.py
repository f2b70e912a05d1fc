"""Loading ACRA's files: every field, by difference, all or nothing, whatever the files hold."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import psycopg
import pytest

from ingest.errors import IngestError
from ingest.files import opening
from ingest.registry import load as load_module
from ingest.registry.load import load_registry, registered_registries, reload_registry
from ingest.registry.loading import RegistryLoader
from models_py.matching.names import name_key
from tests.ingest.registry.acra_files import COLUMNS, LATER, NOW, Acra, company

AddCodes = Callable[[str, Sequence[str]], None]


def test_every_field_of_a_published_row_has_its_place(acra: Acra) -> None:
    acra.write(
        [
            company(
                "201401100H",
                "1 Builder & Recycle Pte. Ltd.",
                secondary_ssic_code="01111",
                primary_ssic_description="DEVELOPMENT OF SOFTWARE",
                primary_user_described_activity="Apps",
                building_name="SKYLINE BUILDING",
                former_entity_name1="Old Name LLP",
                former_entity_name2="na",
                former_entity_name3="Older Name Pte Ltd",
            )
        ]
    )
    report = acra.load()
    assert (report.status, report.entities, report.live, report.counts.inserted) == ("loaded", 1, 1, 1)
    row = acra.connection.execute(
        "select to_jsonb(e) - 'entity_id' - 'row_hash' - 'load_id' from raw.registry_entities as e"
    ).fetchone()
    assert row is not None
    assert row[0] == {
        "registry": "acra",
        "registration_number": "201401100H",
        "name": "1 Builder & Recycle Pte. Ltd.",
        "name_key": name_key("1 Builder & Recycle Pte. Ltd."),
        "former_names": ["Old Name LLP", "Older Name Pte Ltd"],
        "former_name_keys": [name_key("Old Name LLP"), name_key("Older Name Pte Ltd")],
        "entity_type": "Local Company",
        "status": "Live Company",
        "is_live": True,
        "incorporated_on": "2014-01-10",
        "industry_code": "62011",
        "secondary_industry_code": "01111",
        "industry_code_version": "2020",
        "industry_description": "DEVELOPMENT OF SOFTWARE; Apps",
        "employee_count": None,
        "website_domain": None,
        "street": "192 WATERLOO STREET SKYLINE BUILDING",  # neither floor nor unit
        "city": "Singapore",
        "postal_code": "187966",
        "country": "SG",
        "gone_at": None,
    }


def test_na_is_nothing_in_every_column(acra: Acra) -> None:
    nothing = dict.fromkeys(COLUMNS, "na") | {"uen": "1", "entity_name": "A"}
    acra.write([nothing, {**dict.fromkeys(COLUMNS, "NA "), "uen": "2", "entity_name": "B"}])
    report = acra.load()
    assert (
        acra.all("former_names", "former_name_keys", "status", "is_live", "industry_code", "street", "country")
        == [([], [], None, False, None, None, None)] * 2
    )
    assert acra.all("industry_code_version") == [None, None]
    assert (report.notes, acra.rejects()) == ((), [])


@pytest.mark.parametrize(
    ("status", "uen_status", "is_live"),
    [
        ("Live Company", "Registered", True),
        ("LIVE", "Registered", True),
        ("Live (Receiver or Manager Appointed)", "Registered", True),
        ("Struck Off", "Deregistered", False),
        ("Gazetted To Be Struck Off", "Registered", False),
        ("In Liquidation - Creditors' Voluntary Winding Up", "Registered", False),
        ("Ceased Registration", "na", False),
        ("na", "Registered", True),
        ("na", "Deregistered", False),
        ("na", "na", False),
    ],
)
def test_who_is_live(acra: Acra, status: str, uen_status: str, is_live: bool) -> None:
    acra.write([company("1", "A", entity_status_description=status, uen_status_desc=uen_status)])
    acra.load()
    assert acra.one("is_live") is is_live


def test_a_foreign_entity_has_the_other_address(acra: Acra) -> None:
    acra.write(
        [
            company("1", "A", address_type="FOREIGN", block="na", street_name="na", postal_code="na")
            | {"other_address_line1": "1 Main Street", "other_address_line2": "Springfield"}
        ]
    )
    acra.load()
    assert acra.one("street", "city", "country") == ("1 Main Street Springfield", None, None)


def test_the_same_files_again_change_nothing(acra: Acra) -> None:
    acra.write([company("1", "A"), company("2", "B", former_entity_name1="C")])
    acra.load()
    before, version = acra.all("*"), acra.version()
    again = acra.load(now=LATER)
    assert (again.status, again.files, again.entities) == ("unchanged", (), 2)
    forced = acra.load(now=LATER, again=True)
    assert (forced.status, forced.counts.unchanged, forced.changed) == ("loaded", 2, False)
    assert (acra.all("*"), acra.version()) == (before, version)


def test_only_the_difference_is_written(acra: Acra) -> None:
    acra.write([company(str(n), f"Company {n}") for n in range(10)])
    acra.load()
    ids = dict(acra.all("registration_number", "entity_id"))
    (first_load,) = set(acra.all("load_id"))
    version = acra.version()
    acra.write([company(str(n), "Renamed" if n == 3 else f"Company {n}") for n in range(1, 11)])
    report = acra.load(now=LATER)
    counts = report.counts
    assert (counts.read, counts.inserted, counts.updated, counts.unchanged, report.gone) == (10, 1, 1, 8, 1)
    assert acra.all("name", "name_key", where="registration_number = '3'") == [("Renamed", "renamed")]
    assert acra.all("registration_number", "gone_at", "is_live", where="gone_at is not null") == [("0", LATER, False)]
    untouched = acra.all("registration_number", where=f"load_id = {first_load} and gone_at is null")
    assert untouched == ["1", "2", "4", "5", "6", "7", "8", "9"]
    assert {number: ids[number] for number in ids} == {
        number: entity_id for number, entity_id in acra.all("registration_number", "entity_id") if number in ids
    }
    assert acra.version() > version
    assert (report.entities, report.live) == (10, 10)


def test_an_entity_that_comes_back_is_not_gone_any_more(acra: Acra) -> None:
    rows = [company("1", "A"), company("2", "B")]
    acra.write(rows)
    acra.load()
    acra.write(rows[:1])
    assert acra.load(now=LATER).gone == 1
    assert acra.load(now=LATER, again=True).gone == 0  # gone once
    acra.write(rows)
    report = acra.load(now=LATER)
    assert (report.counts.updated, report.counts.unchanged) == (1, 1)
    assert acra.all("gone_at", "is_live") == [(None, True), (None, True)]


def test_a_part_of_the_files_takes_nothing_away(acra: Acra) -> None:
    acra.write([company("1", "A")], "A.csv")
    b = acra.write([company("2", "B")], "B.csv")
    acra.load()
    a = acra.write([company("3", "A3")], "A.csv")
    report = acra.load(a)
    assert (report.is_complete, report.gone, report.missing, report.counts.inserted) == (False, 0, 2, 1)
    assert acra.all("registration_number", where="gone_at is null") == ["1", "2", "3"]
    # What later runs read is still the whole folder, with the changed file.
    (known,) = registered_registries(acra.connection)
    assert known.paths == (str(acra.folder),)
    whole = reload_registry(acra.warehouse, known, now=LATER)
    assert (whole.is_complete, whole.gone, whole.counts.unchanged) == (True, 1, 2)
    assert load_registry(acra.warehouse, [b], complete=False, now=LATER).gone == 0


def test_a_load_that_would_lose_a_large_part_is_refused(acra: Acra) -> None:
    acra.write([company(str(n), f"Company {n}") for n in range(1000)])
    acra.load()
    acra.write([company(str(n), f"Other {n}") for n in range(700)])
    with pytest.raises(IngestError, match=r"300 of the 1,000 entities of acra are in none .* --partial.*--complete"):
        acra.load()
    assert acra.count("name like 'Other%'") == 0
    assert acra.connection.execute("select status from raw.loads order by load_id").fetchall()[-1] == ("failed",)
    assert acra.load(complete=True).gone == 300


def test_letters_gz_and_globs_are_one_registry(acra: Acra) -> None:
    acra.write([company("1", "A")], "CorporateEntitiesA.csv")
    b = acra.write([company("2", "B")], "CorporateEntitiesB.csv")
    (acra.folder / "CorporateEntitiesB.csv.gz").write_bytes(gzip.compress(b.read_bytes()))
    b.unlink()
    (acra.folder / "readme.txt").write_text("not a list")
    report = acra.load()
    assert [file.file for file in report.files] == ["CorporateEntitiesA.csv", "CorporateEntitiesB.csv.gz"]
    assert acra.all("registration_number") == ["1", "2"]
    by_glob = acra.load(acra.folder / "Corporate*", again=True)
    assert (by_glob.counts.unchanged, by_glob.is_complete) == (2, True)


def test_column_names_may_be_written_in_capitals(acra: Acra) -> None:
    header = [column.upper().replace("_", " ") for column in COLUMNS]
    acra.write([company("1", "A", former_entity_name2="B")], header=header)
    acra.load()
    assert acra.one("name", "former_names", "industry_code") == ("A", ["B"], "62011")


def test_a_file_without_some_column_is_loaded_and_says_so(acra: Acra) -> None:
    acra.write([company("1", "A")], header=[c.replace("secondary_ssic_code", "something") for c in COLUMNS])
    assert acra.load().missing_columns == ("secondary_ssic_code",)


# -- bad files: one sentence, and nothing is loaded -----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "A.csv is empty: not even a header"),
        (b"name;number\nA;1\n", "single column with ',' as delimiter"),
        (b"number,name\n1,A\n", "A.csv is no file of acra: it has no column 'uen' .there are: name, number"),
        (b"uen,entity_nam,entity_status_description\n1,A,Live\n", "no column 'entity_name'; did you mean 'entity_nam'"),
        ("uen,entity_name,entity_status_description\n1,Caf\xe9,Live\n".encode("latin-1"), "not utf-8 .byte 0xE9 in"),
        (b'uen,entity_name,entity_status_description\n1,"A,Live\n', "is never closed"),
    ],
)
def test_a_bad_file_stops_the_whole_load(acra: Acra, content: bytes, sentence: str) -> None:
    acra.write([company("9", "Good")], "0.csv")
    (acra.folder / "A.csv").write_bytes(content)
    with pytest.raises(IngestError, match=sentence):
        acra.load()
    assert acra.count() == 0


def test_a_latin_1_file_is_read_when_its_encoding_is_said(acra: Acra) -> None:
    acra.write([company("1", "Café Müller")], encoding="latin-1")
    acra.load(encoding="latin-1")
    assert acra.one("name", "name_key") == ("Café Müller", "cafe muller")


def test_other_formats_say_the_same(acra: Acra) -> None:
    rows = [company("1", "Alpha"), company("2", "Beta", registration_incorporation_date="2020-02-29")]
    acra.load(acra.write(rows))
    before = acra.all("registration_number", "name", "incorporated_on", "postal_code", "row_hash")
    table = pl.DataFrame(rows)
    table.write_ndjson(acra.folder / "A.ndjson")
    table.with_columns(pl.col("registration_incorporation_date").str.to_date()).write_parquet(acra.folder / "A.parquet")
    for name in ("A.ndjson", "A.parquet"):
        counts = acra.load(acra.folder / name, complete=True).counts
        assert (counts.read, counts.unchanged) == (2, 2)
    assert acra.all("registration_number", "name", "incorporated_on", "postal_code", "row_hash") == before


def test_packed_files_that_are_broken_or_too_large_are_refused(acra: Acra, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = acra.folder / "A.csv.gz"
    packed.write_bytes(gzip.compress(b"uen,entity_name,entity_status_description\n1,A,Live\n")[:-9])
    with pytest.raises(IngestError, match=r"A\.csv\.gz is not a whole gzip file"):
        acra.load()
    monkeypatch.setattr(opening, "MOST_UNPACKED", 2**20)
    packed.write_bytes(gzip.compress(b"0" * 2**22))
    with pytest.raises(IngestError, match="unpacks to more than"):
        acra.load()


def test_paths_that_are_not_there(acra: Acra) -> None:
    for paths, sentence in (
        ([acra.folder / "none.csv"], "There is no file"),
        ([acra.folder], "holds no .csv"),
        ([acra.folder / "*.csv"], "No file matches"),
        ([], "Say which files of the registry acra"),
    ):
        with pytest.raises(IngestError, match=sentence):
            load_registry(acra.warehouse, paths, now=NOW)
    with pytest.raises(IngestError, match="layout of the registry 'handelsregister' is not known"):
        load_registry(acra.warehouse, [acra.folder], registry="handelsregister", now=NOW)


def test_the_name_of_another_kind_of_source_is_refused(acra: Acra) -> None:
    acra.connection.execute("insert into raw.sources (source, kind, mapping_path) values ('acra', 'outcomes', 'x')")
    acra.write([company("1", "A")])
    with pytest.raises(IngestError, match="belongs to a source of outcomes"):
        acra.load()


def test_a_load_that_fails_midway_leaves_nothing(acra: Acra, monkeypatch: pytest.MonkeyPatch) -> None:
    acra.write([company("1", "A")])
    acra.load()
    acra.write([company("1", "Renamed"), company("2", "B")])

    def fail(loader: RegistryLoader) -> None:
        raise psycopg.OperationalError("the server went away")

    with monkeypatch.context() as patch, pytest.raises(psycopg.OperationalError):
        patch.setattr(RegistryLoader, "finish", fail)
        acra.load()
    assert acra.all("registration_number", "name") == [("1", "A")]
    assert acra.connection.execute("select status, message from raw.loads order by load_id").fetchall() == [
        ("done", None),
        ("failed", "the server went away"),
    ]
    assert acra.load().counts.updated == 1  # and can be done again


# -- bad rows ---------------------------------------------------------------------------------------------------


def test_rows_without_number_or_name_or_with_a_code_that_is_none_are_rejected(acra: Acra) -> None:
    acra.write(
        [
            company("na", "No number"),
            company("2", " "),
            company("3", "Bad code", primary_ssic_code="6201X1"),
            company("4", "Words", primary_ssic_code="ABCDE"),
            company("5", "NUL \x00 in it"),
            company("6", "x" * 501),
            company("7", "Good"),
        ]
    )
    report = acra.load()
    assert (report.counts.rejected, report.counts.inserted) == (6, 1)
    assert acra.rejects() == [
        (None, "registration_number is empty"),
        ("2", "name is empty"),
        ("3", "industry_code '6201X1' is no industry code: five characters are"),
        ("4", "industry_code 'ABCDE' is no industry code: five characters are"),
        ("5", "name 'NUL \\0 in it' is longer than 500 characters or holds a NUL character"),
        ("6", f"name '{'x' * 60}' is longer than 500 characters or holds a NUL character"),
    ]
    assert acra.connection.execute("select rows_read, rows_inserted, rows_rejected from raw.loads").fetchall() == [
        (7, 1, 6)
    ]


def test_a_reject_is_closed_when_its_row_is_mended_or_gone(acra: Acra) -> None:
    acra.write([company("1", "na"), company("2", "na"), company("3", "na")])
    acra.load()
    acra.write([company("1", "A"), company("3", "na")])
    acra.load()
    assert acra.connection.execute(
        "select record_key, resolved_because from raw.rejected_rows order by record_key"
    ).fetchall() == [("1", "loaded"), ("2", "gone from the file"), ("3", None)]


def test_a_part_leaves_the_rejects_of_other_files_open_and_the_whole_closes_them(acra: Acra) -> None:
    acra.write([company("1", "na")], "A.csv")
    b = acra.write([company("2", "B")], "B.csv")
    acra.load()
    acra.load(b, again=True)
    assert acra.rejects() == [("1", "name is empty")]
    (acra.folder / "A.csv").rename(acra.folder / "A2.csv")
    acra.write([company("1", "A")], "A2.csv")
    acra.load(complete=True)
    assert acra.rejects() == []


def test_an_entity_whose_row_is_rejected_is_not_gone(acra: Acra) -> None:
    acra.write([company("1", "A"), company("2", "B")])
    acra.load()
    acra.write([company("1", "A"), company("2", "B", primary_ssic_code="?")])
    report = acra.load(now=LATER)
    assert (report.gone, report.counts.rejected) == (0, 1)
    assert acra.all("name", where="gone_at is null") == ["A", "B"]


def test_a_number_that_comes_twice(acra: Acra) -> None:
    acra.write([company("1", "A"), company("1", "A"), company("1", "Another")], "A.csv")
    acra.write([company("1", "A"), company("1", "Third"), company("2", "B")], "B.csv")
    report = acra.load()
    total = report.counts
    assert (total.read, total.inserted, total.repeated, total.rejected) == (6, 2, 2, 2)
    assert acra.all("registration_number", "name") == [("1", "A"), ("2", "B")]
    assert acra.rejects() == [
        ("1", "the number 1 is in row 2 already, with other values; the first one counts"),
        ("1", "the number 1 is in row 2 of A.csv already, with other values; the first one counts"),
    ]


def test_a_date_that_cannot_be_costs_the_date_and_not_the_entity(acra: Acra) -> None:
    dates = ["2014-02-30", "-0044-03-15", "0000-00-00", "9999-12-31", "0014-01-10", "soon", "31/12/2013", "1905-06-07"]
    acra.write([company(str(n), "A", registration_incorporation_date=date) for n, date in enumerate(dates)])
    report = acra.load()
    assert acra.all("incorporated_on") == [None] * 6 + [dt.date(2013, 12, 31), dt.date(1905, 6, 7)]
    (note,) = report.notes
    assert (note.field, note.rows, note.example) == ("incorporated_on", 6, "2014-02-30")
    message = acra.connection.execute("select message from raw.loads").fetchone()
    assert message == ("incorporated_on: no date of 1600-2100, left empty (6 rows, such as '2014-02-30')",)


def test_a_lost_leading_zero_is_put_back_where_it_can_only_be_that(acra: Acra, add_codes: AddCodes) -> None:
    rows = [company("1", "A", primary_ssic_code="1111"), company("2", "B", primary_ssic_code="9999.0")]
    acra.write(rows)
    report = acra.load()
    assert acra.all("industry_code") == ["01111", "09999"]  # nothing to look it up in
    assert report.notes[0].complaint == "its leading zero was lost and is put back"
    add_codes("2020", ["01111", "62011"])
    report = acra.load()  # the list is new, so the files are read again
    assert acra.rejects() == [("2", "industry_code '9999.0' is no industry code: five characters are")]
    assert report.counts.unchanged == 1


def test_sql_in_a_name_is_a_name(acra: Acra) -> None:
    names = ["'); drop table raw.registry_entities; --", "\\.", '"quoted", "twice"', "a\tb\\N", '{curly,"}']
    acra.write([company(f"{n}' or '1'='1", name, former_entity_name1=name + " x") for n, name in enumerate(names)])
    acra.load()
    acra.write([company(f"{n}' or '1'='1", name, former_entity_name1=name + " y") for n, name in enumerate(names)])
    assert acra.load().counts.updated == 5
    assert acra.all("name") == names
    assert acra.all("former_names[1]") == [name + " y" for name in names]


def test_a_field_of_ten_megabytes_costs_its_own_row_or_text_only(acra: Acra) -> None:
    huge = "x" * 10_000_000
    acra.write(
        [
            company("1", huge),
            company("2", "B", primary_user_described_activity=huge),
            company("3", "C", former_entity_name1=huge),
        ]
    )
    report = acra.load()
    assert acra.all("registration_number", "length(industry_description)", "former_names") == [
        ("2", 500, []),
        ("3", None, []),
    ]
    assert report.counts.rejected == 1
    assert acra.connection.execute("select length(content) from raw.rejected_rows").fetchall() == [(20_000,)]


def test_names_that_unfold_to_many_times_their_length_fit_the_index(acra: Acra) -> None:
    acra.write([company("1", "\ufdfa" * 500, former_entity_name1="\ufdfb" * 400), company("2", "!!!")])
    acra.load()
    assert acra.all("length(name_key) <= 500", "name_key <> ''") == [(True, True), (True, True)]


def test_rows_of_another_length_are_rejected(acra: Acra) -> None:
    path = acra.write([company("1", "A")])
    path.write_text(path.read_text() + "2,too short\n")
    report = acra.load()
    assert (report.counts.inserted, report.counts.rejected) == (1, 1)
    assert acra.rejects() == [(None, f"has 2 fields where the header has {len(COLUMNS)}")]


# -- which version the codes are in ---------------------------------------------------------------------------


def test_the_version_is_the_list_that_the_codes_fit(acra: Acra, add_codes: AddCodes) -> None:
    add_codes("2020", ["62011", "47910"])
    add_codes("2025", ["62011", "47101"])
    acra.write([company("1", "A"), company("2", "B", primary_ssic_code="47910")])
    assert acra.load().code_version.version == "2020"  # type: ignore[union-attr]
    assert acra.all("industry_code_version") == ["2020", "2020"]
    acra.write([company("1", "A"), company("2", "B", primary_ssic_code="47101")])
    report = acra.load()
    assert report.code_version is not None
    assert report.code_version.reason == "2025: its list fits the codes best (50.0% in 2020, 100.0% in 2025)"
    assert acra.all("industry_code_version") == ["2025", "2025"]
    asked = acra.load(industry_version="2020", again=True)
    assert asked.code_version is not None
    assert "the codes fit 2025 better" in asked.code_version.reason
    assert acra.all("industry_code_version") == ["2020", "2020"]


def test_progress_is_told_by_file(acra: Acra) -> None:
    acra.write([company("1", "A"), company("2", "B")])
    told: list[tuple[str, int, int]] = []
    acra.load(progress=lambda *said: told.append(said))
    assert told == [("A.csv", 2, 2)]


def test_a_file_that_is_read_otherwise_than_it_was_counted_is_refused(
    acra: Acra, monkeypatch: pytest.MonkeyPatch
) -> None:
    acra.write([company("1", "A")])
    monkeypatch.setattr(load_module, "batches", lambda file: iter(()))
    with pytest.raises(IngestError, match="1 rows were counted and 0 read"):
        acra.load()
    assert acra.count() == 0


def test_files_of_one_name_in_two_folders_are_told_apart(acra: Acra, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    first = acra.write([company("1", "A")])
    second = other / "A.csv"
    second.write_text(first.read_text().replace("\n1,", "\n2,", 1))
    report = acra.load(first, second)
    assert len({file.file for file in report.files}) == 2
