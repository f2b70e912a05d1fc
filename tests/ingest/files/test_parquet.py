"""Parquet files: typed columns go through as they are."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ingest.errors import IngestError
from ingest.files import parquet
from ingest.files.opening import open_source
from ingest.files.source import ROW, as_text, batches

EDGES = ["9999-12-31 00:00:00", "0001-01-01 00:00:00"]
MOMENT = dt.datetime(2026, 1, 31, 9, 30, 0, 123456)


def read(path: Path) -> pl.DataFrame:
    with open_source(path, encoding="utf-8", delimiter=",") as file:
        frame = pl.concat([batch.frame for batch in batches(file)])
        assert frame.height == file.rows
        assert frame.columns == [ROW, *file.header]
    return frame


def column(folder: Path, values: list[Any], dtype: Any) -> list[Any]:
    """What comes of a column that is written with a type."""
    path = folder / "leads.parquet"
    pl.DataFrame({"c": pl.Series(values, dtype=dtype)}).write_parquet(path)
    return read(path)["c"].to_list()


@pytest.mark.parametrize(
    ("values", "dtype", "texts"),
    [
        (["é", "", None], pl.String, ["é", "", None]),
        ([2**63, None], pl.UInt64, ["9223372036854775808", None]),
        ([-5, None], pl.Int8, ["-5", None]),
        ([0.1, 1e20, 12.0], pl.Float64, ["0.1", "1e20", "12.0"]),
        ([Decimal("1234567890123456789.50")], pl.Decimal(38, 2), ["1234567890123456789.50"]),
        ([True, False, None], pl.Boolean, ["true", "false", None]),
        (["a", "b", None], pl.Categorical, ["a", "b", None]),
        (["a", None], pl.Enum(["a"]), ["a", None]),
        ([b"text", b"\xff\x00", None], pl.Binary, ["text", "ff00", None]),
        ([dt.time(9, 30)], pl.Time, ["09:30:00"]),
        ([None, None], pl.Null, [None, None]),
    ],
)
def test_a_typed_value_is_its_exact_text(tmp_path: Path, values: list[Any], dtype: Any, texts: list[Any]) -> None:
    found = column(tmp_path, values, dtype)
    assert found == texts if dtype != pl.Float64 else list(map(float, found)) == values


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (pl.Datetime("us"), MOMENT),
        (pl.Datetime("ns"), MOMENT),
        (pl.Datetime("ms"), MOMENT.replace(microsecond=123000)),
        (pl.Datetime("us", "Asia/Singapore"), MOMENT.replace(tzinfo=dt.UTC)),
        (pl.Date, MOMENT.date()),
    ],
)
def test_dates_and_times_stay_what_they_are(tmp_path: Path, dtype: Any, value: Any) -> None:
    assert column(tmp_path, [value, None], dtype) == [value, None]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_dates_outside_of_all_calendars_are_their_edge(tmp_path: Path, unit: Any) -> None:
    path = tmp_path / "leads.parquet"
    absurd = pl.Series("c", [2**62, -(2**62), None]).cast(pl.Datetime(unit))
    pl.DataFrame([absurd]).write_parquet(path)
    shown = as_text(read(path)["c"]).to_list()[:2]
    assert shown == (["2116-02-20 23:53:38.427387904", "1823-11-12 00:06:21.572612096"] if unit == "ns" else EDGES)
    pl.DataFrame({"c": pl.Series([2**31 - 1, -(2**31)], dtype=pl.Int32).cast(pl.Date)}).write_parquet(path)
    assert read(path)["c"].to_list() == [dt.date(9999, 12, 31), dt.date(1, 1, 1)]


def test_what_is_nested_is_json(tmp_path: Path) -> None:
    record = {"cta": "call", "pain_points": ["a", 'b"'], "sent": None}
    assert json.loads(column(tmp_path, [record, None], None)[0]) == record
    assert column(tmp_path, [record, None], None)[1] is None
    assert column(tmp_path, [[1, 2], [], None], pl.List(pl.Int64)) == ["[1,2]", "[]", None]
    assert column(tmp_path, [[b"x", b"\xff"], None], pl.List(pl.Binary)) == ['["x", "ff"]', None]


def test_rows_are_numbered_from_one_over_all_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "leads.parquet"
    pl.DataFrame({"id": range(2_500)}).write_parquet(path, row_group_size=1_000)
    frame = read(path)
    assert frame[ROW].to_list() == list(range(1, 2_501))
    assert frame["id"].to_list() == [str(number) for number in range(2_500)]


def test_a_file_without_rows_has_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "leads.parquet"
    pl.DataFrame(schema={"id": pl.Int64}).write_parquet(path)
    assert read(path).columns == [ROW, "id"]


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"id\n1\n", b"PAR1" + b"\x00" * 100 + b"PAR1"])
def test_a_file_that_is_not_whole_is_refused_in_one_sentence(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "leads.parquet"
    path.write_bytes(damage)
    with pytest.raises(IngestError, match=r"leads\.parquet is not a whole Parquet file") as refusal:
        read(path)
    assert "\n" not in str(refusal.value)


def test_a_page_that_is_damaged_is_found_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "leads.parquet"
    pl.DataFrame({"id": [f"lead {number * 7919}" for number in range(10_000)]}).write_parquet(path)
    content = bytearray(path.read_bytes())
    content[100:2_000] = bytes(1_900)
    path.write_bytes(content)
    with pytest.raises(IngestError, match=r"leads\.parquet is not a whole Parquet file"):
        read(path)


def test_a_small_file_of_endless_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "leads.parquet"
    pl.DataFrame({"id": pl.Series([1]).new_from_index(0, 100_000)}).write_parquet(path)
    monkeypatch.setattr(parquet, "FEW_ROWS", 1_000)
    with pytest.raises(IngestError, match=r"100,000 rows in .* bytes; no table of leads is like that"):
        read(path)
