"""Lists of industry codes: levels, parents, leading zeros, differences between loads, links between versions."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingest.errors import IngestError
from ingest.registry.code_lists import CodeList, read_code_list
from ingest.registry.load_codes import load_code_table, load_industry_codes, registered_codes
from warehouse.connection import Warehouse

# A made-up list of 2020 with all levels, sections by their place.
LIST_2020 = """SSIC 2020,SSIC 2020 Title,Detailed Definitions,Examples of Activities
A,Crops and animals,,
01,Growing things,,
011,Growing plants,,
0111,Growing plants one can eat,,
01111,Growing of beans,Beans of all kinds,"runner beans, broad beans"
01112,Growing of mushrooms,,
J,Information,,
62,Computer things,,
620,Computer things of all kinds,,
6201,Software,,
62011,Writing software,,
62019,Writing software n.e.c.,,
"""


def listed(tmp_path: Path, text: str, name: str = "codes.csv", encoding: str = "utf-8") -> CodeList:
    path = tmp_path / name
    path.write_text(text, encoding=encoding)
    return read_code_list(path)


def test_levels_and_parents_come_from_length_and_place(tmp_path: Path) -> None:
    read = listed(tmp_path, LIST_2020)
    assert read.levels == {"section": 2, "division": 2, "group": 2, "class": 2, "subclass": 4}
    assert {code.code: code.parent_code for code in read.codes} == {
        "A": None,
        "01": "A",
        "011": "01",
        "0111": "011",
        "01111": "0111",
        "01112": "0111",
        "J": None,
        "62": "J",
        "620": "62",
        "6201": "620",
        "62011": "6201",
        "62019": "6201",
    }
    beans = next(code for code in read.codes if code.code == "01111")
    assert (beans.definition, beans.examples) == ("Beans of all kinds", "runner beans, broad beans")


def test_sections_may_stand_in_a_column_and_parents_be_missing(tmp_path: Path) -> None:
    text = "code;section;title\n01;A;Growing\nA;;Crops\n01111;A;Beans\n99999;;Alone\n"
    assert {code.code: code.parent_code for code in listed(tmp_path, text).codes} == {
        "01": "A",
        "A": None,
        "01111": "01",  # the nearest that there is
        "99999": None,
    }


def test_a_leading_zero_that_a_spreadsheet_took_is_put_back(tmp_path: Path) -> None:
    only_subclasses = "ssic,name\n1111,Beans\n1112,Mushrooms\n62011,Software\n"
    read = listed(tmp_path, only_subclasses)
    assert [code.code for code in read.codes] == ["01111", "01112", "62011"]
    assert read.notes == ("2 codes had lost their leading zero, such as 01111",)
    with_level = "code,level,title\n1,division,Growing\n11,group,Plants\n111,class,Food\n1111,sub-class,Beans\n"
    assert [code.code for code in listed(tmp_path, with_level).codes] == ["01", "011", "0111", "01111"]
    with pytest.raises(IngestError, match="'1' in row 2 is no code; a spreadsheet seems to have taken"):
        listed(tmp_path, "code,title\n1,Growing\n11,Plants\n111,Food\n1111,Beans\n")


def test_a_class_beside_its_subclasses_is_a_class(tmp_path: Path) -> None:
    read = listed(tmp_path, "code,title\n6201,Software\n62011,Writing software\n")
    assert [(code.code, code.level) for code in read.codes] == [("6201", "class"), ("62011", "subclass")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",No code,", "code is empty"),
        ("62011,,", "title is empty"),
        ("6201111,Too long,", "code '6201111' is neither the letter"),
        ("62.01,Dotted,", "code '62.01' is neither the letter"),
        ("SALES,Word,", "code 'SALES' is neither the letter"),
        ("62011,Software,division", "code '62011' has the length of a subclass, but its level is division"),
        ("01111,Something else,", "code '01111' is in row 2 already, with another title"),
        ("1,2,3,4,5", "has 5 fields where the header has 3"),
    ],
)
def test_a_bad_row_is_rejected_with_its_reason(tmp_path: Path, row: str, reason: str) -> None:
    read = listed(tmp_path, f"code,title,level\n01111,Beans,subclass\n{row}\n")
    assert [code.code for code in read.codes] == ["01111"]
    assert (read.bad.height, read.rows) == (1, 2)
    assert str(read.bad["reason"][0]).startswith(reason)


def test_a_title_with_the_delimiter_is_one_title(tmp_path: Path) -> None:
    read = listed(tmp_path, "id;ssic;name\n1;35201;Making gas; piping gas\n2;35202;Other\n")
    assert [code.title for code in read.codes] == ["Making gas;piping gas".replace(";", "; "), "Other"]
    assert read.bad.height == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"number,words\n1,2\n", "no list of industry codes: it has no column of codes"),
        (b"code,words\n01111,Beans\n", "no column of titles"),
        (b"code,title\n", "holds not one code"),
        (b"code,title\n01111,Caf\xe9\n", "not utf-8"),
    ],
)
def test_a_bad_list_loads_nothing(
    warehouse: Warehouse, clean: psycopg.Connection, tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "codes.csv"
    path.write_bytes(content)
    with pytest.raises(IngestError, match=sentence):
        load_industry_codes(warehouse, path, version="2020")
    assert clean.execute("select count(*) from raw.industry_codes").fetchone() == (0,)


def versions(connection: psycopg.Connection) -> dict[str, int]:
    rows = connection.execute("select relation, version from intermediate.tenant_versions").fetchall()
    return {relation: version for relation, version in rows if "industry" in relation}


def links(connection: psycopg.Connection, old: str, new: str) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select from_code, to_code, basis, weight from raw.industry_code_links"
        " where from_version = %s and to_version = %s and length(from_code) = 5 order by 1, 2",
        (old, new),
    ).fetchall()


def test_a_list_again_changes_nothing_and_a_new_one_only_its_difference(
    warehouse: Warehouse, clean: psycopg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "codes.csv"
    path.write_text(LIST_2020)
    first = load_industry_codes(warehouse, path, version="2020")
    assert (first.status, first.inserted, first.levels["subclass"]) == ("loaded", 12, 4)
    before = versions(clean)
    assert load_industry_codes(warehouse, path, version="2020").status == "unchanged"
    again = load_industry_codes(warehouse, path, version="2020", again=True)
    assert (again.status, again.changed, versions(clean)) == ("loaded", False, before)
    path.write_text(
        LIST_2020.replace("Growing of beans", "Growing of peas").replace("62019,Writing software n.e.c.,,\n", "")
    )
    report = load_industry_codes(warehouse, path, version="2020")
    assert (report.inserted, report.updated, report.removed) == (0, 1, 1)
    assert all(versions(clean)[relation] > before[relation] for relation in before) and before
    assert [(item.version, item.path) for item in registered_codes(clean)] == [("2020", path)]


def test_versions_stand_side_by_side_and_are_linked(
    warehouse: Warehouse, clean: psycopg.Connection, tmp_path: Path
) -> None:
    then, now = tmp_path / "2020.csv", tmp_path / "2025.csv"
    then.write_text(LIST_2020.replace("Writing software n.e.c.", "Web portals"))
    now.write_text(
        "code,title\n01111,Growing of mushrooms\n01112,Rearing of cattle\n"
        "62011,Writing of software\n62019,Data centres\n"
    )
    load_industry_codes(warehouse, then, version="2020")
    report = load_industry_codes(warehouse, now, version="2025")
    assert clean.execute("select version, count(*) from raw.industry_codes group by 1 order by 1").fetchall() == [
        ("2020", 12),
        ("2025", 4),
    ]
    found = links(clean, "2020", "2025")
    # Mushrooms moved to the code that beans had: nobody else may claim it by number.
    assert [row[:3] for row in found] == [
        ("01112", "01111", "same title"),
        ("62011", "62011", "similar title"),
        ("62019", "62019", "same code"),
    ]
    assert report.unlinked == {"2020": 1}
    sums = clean.execute(
        "select max(total) from (select sum(weight) as total from raw.industry_code_links"
        " group by from_version, from_code, to_version) as sums"
    ).fetchone()
    assert sums is not None and sums[0] <= 1 + 1e-9


def test_an_official_table_goes_before_what_is_computed_and_stays(
    warehouse: Warehouse, clean: psycopg.Connection, tmp_path: Path
) -> None:
    then, now, table = (tmp_path / name for name in ("2020.csv", "2025.csv", "table.csv"))
    then.write_text("code,title\n01111,Beans\n62011,Software\n")
    now.write_text("code,title\n01111,Beans\n62011,Games\n62012,Apps\n")
    table.write_text("SSIC 2020;SSIC 2020 title;SSIC 2025\n62011;Software;62011\n62011;Software;62012\n99999;?;62011\n")
    with pytest.raises(IngestError, match="codes of version 2020 are not loaded"):
        load_code_table(warehouse, table, from_version="2020", to_version="2025")
    load_industry_codes(warehouse, then, version="2020")
    load_industry_codes(warehouse, now, version="2025")
    report = load_code_table(warehouse, table, from_version="2020", to_version="2025")
    official = [("62011", "62011", "official", 0.5), ("62011", "62012", "official", 0.5)]
    assert links(clean, "2020", "2025") == [("01111", "01111", "same code and title", 1.0), *official]
    assert [row[:3] for row in links(clean, "2025", "2020")][1:] == [
        ("62011", "62011", "official"),
        ("62012", "62011", "official"),
    ]
    assert report.notes == ("1 pairs name a code that is not loaded and were left out",)
    before = versions(clean)
    assert load_code_table(warehouse, table, from_version="2020", to_version="2025").inserted == 0
    assert versions(clean) == before
    now.write_text("code,title\n01111,Broad beans\n62011,Games\n62012,Apps\n")
    load_industry_codes(warehouse, now, version="2025")
    assert links(clean, "2020", "2025")[1:] == official
    with pytest.raises(IngestError, match="no column of codes of version 2015"):
        load_code_table(warehouse, table, from_version="2015", to_version="2025")


def test_real_ssic_lists(warehouse: Warehouse, clean: psycopg.Connection, shared_data: Path, tmp_path: Path) -> None:
    for version in ("2015", "2025"):
        shutil.copy(shared_data / "ssic" / f"ssic{version}.csv", tmp_path)
        report = load_industry_codes(warehouse, tmp_path / f"ssic{version}.csv", version=version)
        assert report.rejected == 0
    with (tmp_path / "ssic2025.csv").open(newline="", encoding="utf-8") as file:
        published = {row["code"]: (row["level"], " ".join(row["title"].split())) for row in csv.DictReader(file)}
    known = {
        code: (level, title, parent)
        for code, level, title, parent in clean.execute(
            "select code, level, title, parent_code from raw.industry_codes where version = '2025'"
        )
    }
    assert {code: row[:2] for code, row in known.items()} == published
    assert sum(len(code) == 5 for code in known) == 988
    section = None
    for code in published:  # in the order of the file: a division belongs to the section above it
        section = code if len(code) == 1 else section
        expected = {1: None, 2: section}.get(len(code), code[:-1])
        assert known[code][2] == expected, code
    lines = (tmp_path / "ssic2015.csv").read_text(encoding="utf-8").splitlines()[1:]
    wanted = {line.split(";", 2)[1]: " ".join(line.split(";", 2)[2].split()) for line in lines}
    found = dict(clean.execute("select code, title from raw.industry_codes where version = '2015'").fetchall())
    assert len(found) == 1063
    assert found == wanted
    same = sum(wanted.get(code, "").lower() == title.lower() for code, (_, title) in published.items())
    linked = [row for row in links(clean, "2015", "2025") if row[2] == "same code and title"]
    assert len(linked) >= same  # and those that differ in spelling only
    assert {row[0] for row in linked} >= {
        c for c, (_, t) in published.items() if wanted.get(c, "").lower() == t.lower()
    }


def test_an_encoding_that_refuses_everything_is_no_encoding(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("code,title\n01111,Vegetables\n")
    with pytest.raises(IngestError, match="no encoding 'undefined'"):
        read_code_list(path, encoding="undefined")
