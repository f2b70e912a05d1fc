"""Parquet: typed columns. Its rows are numbered by record, the first is 1.

Dates and times stay what they are. Everything else becomes the text that CSV would hold, exactly: whole numbers,
decimals, the shortest text of a floating-point number, true and false, JSON for what is nested.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ingest.errors import IngestError
from ingest.files.source import ROW, Batch, batch_rows, checked_header

FEW_ROWS = 1_000_000
MOST_ROWS_PER_BYTE = 20  # of more than a few rows: where every row has an id, a row takes a byte or more
_Errors = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file."""

    name: str
    path: Path
    header: tuple[str, ...]
    rows: int

    def read(self) -> Iterator[Batch]:
        """All records."""
        scan = _scan(self.path).with_row_index(ROW, offset=1)
        try:
            for frame in scan.collect_batches(chunk_size=batch_rows(len(self.header))):
                yield Batch(frame.select(pl.col(ROW).cast(pl.Int64), *map(as_cells, frame.drop(ROW).iter_columns())))
        except _Errors as error:
            raise _unreadable(self.name, error) from error


def survey_parquet(name: str, path: Path) -> ParquetFile:
    """Read what a file says of itself: its columns, how many records.

    Raises:
        IngestError: not whole, or so many records for its size that it would never end.
    """
    try:
        scan = _scan(path)
        header = scan.collect_schema().names()
        rows = int(scan.select(pl.len()).collect().item())
    except _Errors as error:
        raise _unreadable(name, error) from error
    if rows > max(FEW_ROWS, MOST_ROWS_PER_BYTE * path.stat().st_size):
        raise IngestError(
            f"{name} says that it has {rows:,} rows in {path.stat().st_size:,} bytes; no table of leads is like that."
        )
    return ParquetFile(name, path, checked_header(name, header), rows)


def as_cells(column: pl.Series) -> pl.Series:
    """A typed column as text; dates and times as they are."""
    dtype = column.dtype
    if dtype == pl.String:
        return column
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return _within_calendars(column)
    if isinstance(dtype, pl.Duration):
        return column.dt.to_string("iso")
    if dtype == pl.Binary:
        return _decoded(column)
    if dtype.is_nested():
        return _as_json(column)
    return column.cast(pl.String)


def _within_calendars(column: pl.Series) -> pl.Series:
    """Dates and times; those outside of all calendars as their edges, since nothing can show them."""
    edges = pl.Series([dt.date(1, 1, 1), dt.date(9999, 12, 31)]).cast(column.dtype, strict=False)
    earliest, latest = edges.to_physical()
    if earliest is None or latest is None or earliest > latest:  # nanoseconds do not reach as far
        return column
    return column.to_physical().clip(earliest, latest).cast(column.dtype)


def _decoded(column: pl.Series) -> pl.Series:
    """Bytes as the text that they are (old writers do not mark text as such), or as hexadecimal digits."""
    return pl.Series(column.name, [_text(value) for value in column], dtype=pl.String)


def _text(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


def _as_json(column: pl.Series) -> pl.Series:
    if "Binary" in str(column.dtype):  # polars writes no bytes as JSON
        values = column.to_list()
        texts = [None if value is None else json.dumps(value, default=_plain, ensure_ascii=False) for value in values]
        return pl.Series(column.name, texts, dtype=pl.String)
    wrapped = pl.select(pl.struct(column.alias("")).struct.json_encode())[:, 0]  # {"":…}
    text = wrapped.str.slice(4, wrapped.str.len_chars() - 5)
    return text.set(column.is_null(), None).alias(column.name)


def _plain(value: object) -> object:
    return _text(value) if isinstance(value, bytes) else str(value)


def _scan(path: Path) -> pl.LazyFrame:
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def _unreadable(name: str, error: BaseException) -> IngestError:
    words = (str(error).splitlines() or [type(error).__name__])[0]
    return IngestError(f"{name} is not a whole Parquet file: {words}.")
