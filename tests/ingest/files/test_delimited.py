"""CSV files: every record accounted for, every refusal one sentence."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.errors import IngestError
from ingest.files import delimited, source
from ingest.files.delimited import CsvFile
from ingest.files.opening import open_source
from ingest.files.source import ROW, batches


def read(path: Path, *, encoding: str = "utf-8", delimiter: str = ",") -> tuple[list[tuple[object, ...]], list[int]]:
    """All even records with their row numbers, and the row numbers of uneven ones."""
    with open_source(path, encoding=encoding, delimiter=delimiter) as file:
        rows: list[tuple[object, ...]] = []
        uneven: list[int] = []
        for batch in batches(file):
            rows.extend(batch.frame.rows())
            uneven.extend(record.row for record in batch.broken)
            assert batch.frame.columns == [ROW, *file.header]
        assert len(rows) + len(uneven) == file.rows
    return rows, uneven


def is_regular(path: Path) -> bool:
    with open_source(path, encoding="utf-8", delimiter=",") as file:
        assert isinstance(file, CsvFile)
        return file.regular


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
        (b"a" + b",a" * 10_000, "utf-8", "10,001 columns, more than 10,000"),
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


def test_long_records_come_in_smaller_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BATCH_BYTES", 1_000)
    path = tmp_path / "long.csv"
    path.write_text("a,b\n" + f"1,{'x' * 300}\n" * 10)
    with open_source(path, encoding="utf-8", delimiter=",") as file:
        assert [batch.frame.height for batch in batches(file)] == [3, 3, 3, 1]


REGULAR = 'a,b\n1,"x ""y"", z"\n"","multi\r\nline\r"\r\né,🎉'


@pytest.mark.parametrize(
    "irregular",
    [
        'a,b\n1,x "quoted" y\n',  # a quote within a field
        'a,b\n1,"x"y\n',
        'a,b\n"1" ,x\n',
        "a,b\n1,2\n\n3,4\n",  # a blank line
        "a,b\n1\n",
        "a,b\n1,2\r3,4\n",  # a line's end that not every reader takes for one
        "a,b\n1,2\r",
        "a,b\n1,\x00\n",
    ],
)
def test_what_readers_could_disagree_about_is_left_to_the_careful_one(tmp_path: Path, irregular: str) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(irregular.encode())
    assert not is_regular(path)
    path.write_bytes(REGULAR.encode())
    assert is_regular(path)


def by_stdlib(content: str) -> list[tuple[object, ...]]:
    records = [record for record in csv.reader(io.StringIO(content, newline="")) if record]
    return [(number, *record) for number, record in enumerate(records[1:], start=2) if len(record) == len(records[0])]


PIECES = [*'",\n\r', '""', ',"', '",', '\n"', '"\n', "x", " ", "é", "\x00", "\ufeff"]


@settings(max_examples=150)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=24), width=st.integers(1, 3), block=st.integers(1, 40))
@example(pieces=['""', "\n", "\n"], width=1, block=4)
def test_no_reader_sees_other_records_than_the_standard_library(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str], width: int, block: int
) -> None:
    content = ",".join("abc"[:width]) + "\n" + "".join(pieces)
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_bytes(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "_BLOCK", block)
        try:
            rows, _ = read(path)
        except IngestError as refusal:
            assert "never closed" in str(refusal)
        else:
            assert rows == by_stdlib(content)


cell = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), max_size=8)


@settings(max_examples=60)
@given(rows=st.lists(st.tuples(cell, cell, cell), max_size=20))
def test_whatever_a_csv_writer_writes_is_read_back_by_the_fast_reader(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("a", "b", "c"), *rows])
    path = tmp_path_factory.mktemp("any") / "any.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    assert is_regular(path)
    assert [row[1:] for row in read(path)[0]] == rows
