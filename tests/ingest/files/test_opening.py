"""Which format a file has, and what is packed in it."""

from __future__ import annotations

import errno
import gzip
import io
import os
import zipfile
from pathlib import Path

import polars as pl
import pytest

from ingest.errors import IngestError
from ingest.files import opening
from ingest.files.delimited import CsvFile
from ingest.files.ndjson import NdjsonFile
from ingest.files.opening import open_source
from ingest.files.parquet import ParquetFile
from ingest.files.source import batches

CSV, LINES = b"id,name\n1,x\n", b'{"id": 1, "name": "x"}\n'


def parquet() -> bytes:
    content = io.BytesIO()
    pl.DataFrame({"id": [1], "name": ["x"]}).write_parquet(content)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv", CSV, CsvFile),
        ("a.txt", CSV, CsvFile),
        ("a.CSV.GZ", gzip.compress(CSV), CsvFile),
        ("packed.csv", gzip.compress(CSV), CsvFile),
        ("a.ndjson", LINES, NdjsonFile),
        ("a.jsonl.gz", gzip.compress(LINES), NdjsonFile),
        ("a.json", LINES, NdjsonFile),
        ("a.parquet", parquet(), ParquetFile),
        ("a.pq.gz", gzip.compress(parquet()), ParquetFile),
    ],
)
def test_the_name_says_the_format_and_the_bytes_whether_it_is_packed(
    tmp_path: Path, name: str, content: bytes, kind: type
) -> None:
    (tmp_path / name).write_bytes(content)
    with open_source(tmp_path / name, encoding="utf-8", delimiter=",") as file:
        assert isinstance(file, kind)
        assert file.name == name
        assert [batch.frame.select("id", "name").rows() for batch in batches(file)] == [[("1", "x")]]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(IngestError, match=r"no file .*nowhere\.csv"),
        open_source(tmp_path / "nowhere.csv", encoding="utf-8", delimiter=","),
    ):
        pass


def zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("leads.csv", CSV)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (gzip.compress(CSV)[:-9], "is not a whole gzip file"),
        (b"\x1f\x8bnonsense", "is not a whole gzip file"),
        (zipped(), "a ZIP archive or an Excel file; unpack it"),
        (gzip.compress(zipped()), "a ZIP archive or an Excel file; unpack it"),
        (b"\x28\xb5\x2f\xfd....", "packed by zstd; unpack it, or pack it by gzip"),
        (gzip.compress(b""), "is empty"),
    ],
)
def test_what_cannot_be_unpacked_is_said_in_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "leads.csv").write_bytes(content)
    with (
        pytest.raises(IngestError, match=rf"leads\.csv .*{sentence}") as refusal,
        open_source(tmp_path / "leads.csv", encoding="utf-8", delimiter=","),
    ):
        pass
    assert "\n" not in str(refusal.value)


def test_a_file_that_unpacks_without_end_is_refused_before_it_fills_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "FEW_UNPACKED", 2**20)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"id\n" + b"0" * 2**24))
    with (
        pytest.raises(IngestError, match=r"bomb\.csv\.gz unpacks to more than 3 MB, .* times its size"),
        open_source(tmp_path / "bomb.csv.gz", encoding="utf-8", delimiter=","),
    ):
        pass


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leads.csv.gz").write_bytes(gzip.compress(CSV))

    def fill(path: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(opening, "_unpack", fill)
    with (
        pytest.raises(IngestError, match=r"leads\.csv\.gz cannot be unpacked in .*No space left.*TMPDIR"),
        open_source(tmp_path / "leads.csv.gz", encoding="utf-8", delimiter=","),
    ):
        pass
