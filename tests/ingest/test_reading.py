"""CSV files: every record accounted for, every refusal one sentence."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import IngestError
from ingest.outcomes import reading
from ingest.outcomes.reading import ROW, batches, open_source


def read(path: Path, *, encoding: str = "utf-8", delimiter: str = ",") -> tuple[list[tuple[object, ...]], list[int]]:
    """All even records with their row numbers, and the row numbers of uneven ones."""
    with open_source(path, encoding=encoding, delimiter=delimiter) as file:
        rows: list[tuple[object, ...]] = []
        uneven: list[int] = []
        for batch in batches(file):
            rows.extend(batch.frame.rows())
            uneven.extend(number for number, _ in batch.uneven)
            assert batch.frame.columns == [ROW, *file.header]
        assert len(rows) + len(uneven) == file.rows
    return rows, uneven


@pytest.mark.parametrize(
    ("content", "encoding", "sentence"),
    [
        (b"", "utf-8", "empty: not even a header"),
        (b"\n\n", "utf-8", "header, is blank"),
        (b"id,id\n1,2\n", "utf-8", "column 'id' twice"),
        (b"id;name\n1;x\n", "utf-8", "separated by ';'"),
        ("id,name\n1,é\n".encode("latin-1"), "utf-8", r"byte 0xE9 in line 2.*encoding: cp1252"),
        ("id,name\n1,é\n".encode("utf-16"), "utf-8", "encoding: utf-16"),
        (b"id,name\n1,x\n", "utf-99", "knows no such encoding"),
        (b'id,name\n1,x\n2,"never closed\n3,y\n', "utf-8", r"opened in row 3 is never closed"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(
    tmp_path: Path, content: bytes, encoding: str, sentence: str
) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(content)
    with pytest.raises(IngestError, match=sentence) as refusal:
        read(path, encoding=encoding)
    assert "leads.csv" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"no file .*nowhere\.csv"):
        read(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_the_same_rows_come_out_of_every_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,name\r\n1,café\r\n2,\r\n", encoding=encoding, newline="")
    # a byte order mark is found without being named
    said = "utf-8" if encoding == "utf-8-sig" else encoding
    assert read(path, encoding=said) == ([(2, "1", "café"), (3, "2", "")], [])


def test_records_with_too_many_or_too_few_fields_are_told_apart_from_the_good_ones(tmp_path: Path) -> None:
    path = tmp_path / "uneven.csv"
    path.write_text('a,b\n1,2\n1\n1,2,3\n"x, y","multi\nline"\n\n7,8\n')
    assert read(path) == ([(2, "1", "2"), (5, "x, y", "multi\nline"), (6, "7", "8")], [3, 4])


def test_a_field_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    path.write_text("a,b\n1," + "x" * 10_000_000 + "\n")
    rows, _ = read(path)
    assert len(str(rows[0][2])) == 10_000_000


def test_both_readers_give_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "both.csv"
    path.write_text("a,b\n" + "".join(f'{i},"value ""{i}"", 🎉"\n' for i in range(1000)), encoding="utf-8")
    fast = read(path)
    monkeypatch.setattr(reading, "_polars_agrees", lambda file: False)
    assert read(path) == fast


cell = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00\r"), max_size=8)


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(cell, cell, cell), max_size=20))
def test_whatever_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("a", "b", "c"), *rows])
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    assert [row[1:] for row in read(path)[0]] == rows
