"""CSV: every record accounted for.

A file that is so regular that every reader sees the same records in it is counted in blocks of bytes and read by
polars. Any other is read by the standard library, many times slower, which decides what the records are.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from ingest.errors import IngestError
from ingest.files.source import BATCH_BYTES, LONGEST_RECORD, ROW, Batch, Broken, batch_rows, checked_header

csv.field_size_limit(LONGEST_RECORD)
_BLOCK = 4 * 2**20
_LONGEST_REGULAR = 2 * _BLOCK  # bytes of a record
_QUOTE, _NEWLINE, _RETURN = b'"\n\r'


class NotText(Exception):
    """The bytes are no UTF-8."""


@dataclass(frozen=True)
class CsvFile:
    """A CSV file in UTF-8 without byte order mark; blank lines are no records. Its header is row 1.

    Attributes:
        path: of the text (a temporary copy where the original is packed or in another encoding).
        regular: every reader sees the same records in it.
    """

    name: str
    path: Path
    delimiter: str
    header: tuple[str, ...]
    rows: int
    regular: bool

    def read(self) -> Iterator[Batch]:
        """All records."""
        if self.rows == 0:
            return iter(())
        return self._read_regular() if self.regular else self._read_any()

    def _read_regular(self) -> Iterator[Batch]:
        scan = pl.scan_csv(
            self.path,
            separator=self.delimiter,
            infer_schema=False,
            empty_string_is_null=False,
            with_column_names=lambda _: list(self.header),
            row_index_name=ROW,
            row_index_offset=2,
            low_memory=True,
            glob=False,
        )
        for frame in scan.collect_batches(chunk_size=self._batch_rows()):
            yield Batch(frame.with_columns(pl.col(ROW).cast(pl.Int64)))

    def _batch_rows(self) -> int:
        return max(1, min(batch_rows(len(self.header)), BATCH_BYTES * self.rows // max(1, self.path.stat().st_size)))

    def _read_any(self) -> Iterator[Batch]:
        width = len(self.header)
        most = self._batch_rows()
        with self.path.open(encoding="utf-8", newline="") as content:
            reader = csv.reader(content, delimiter=self.delimiter)
            next(reader)
            records = enumerate((record for record in reader if record), start=2)
            while block := list(itertools.islice(records, most)):
                even = [(number, record) for number, record in block if len(record) == width]
                columns = zip(*(record for _, record in even), strict=True) if even else ([] for _ in self.header)
                frame = pl.DataFrame(
                    [pl.Series(ROW, [number for number, _ in even], dtype=pl.Int64)]
                    + [
                        pl.Series(name, cells, dtype=pl.String)
                        for name, cells in zip(self.header, columns, strict=True)
                    ]
                )
                yield Batch(
                    frame,
                    [
                        Broken(number, record, f"has {len(record)} fields where the header has {width}")
                        for number, record in block
                        if len(record) != width
                    ],
                )


def survey_csv(name: str, path: Path, delimiter: str) -> CsvFile:
    """Read a file from beginning to end: its header, how many records, how regular.

    Args:
        path: of UTF-8 text without byte order mark.

    Raises:
        NotText: it is no UTF-8.
        IngestError: no header, a column twice, a quote that is never closed.
    """
    try:
        with path.open(encoding="utf-8", newline="") as content:
            header = _header(name, next(csv.reader(content, delimiter=delimiter), []), delimiter)
        records = _regular_records(path, delimiter.encode(), len(header))
        rows = _count_records(name, path, delimiter) if records is None else records - 1
    except UnicodeDecodeError as error:
        raise NotText from error
    except csv.Error as error:
        raise IngestError(f"{name} is not readable as CSV: {error}.") from error
    return CsvFile(name, path, delimiter, header, rows, records is not None)


# -- regular files ----------------------------------------------------------------------------------------------


def _regular_records(path: Path, delimiter: bytes, width: int) -> int | None:
    """How many records a file has, its header included; None if readers could differ about them.

    Regular: all records have the same number of fields, none is blank, lines end alike for all readers, and quotes
    stand around whole fields or doubled within them. Then a line break ends a record if the number of quotes before
    it is even.
    """
    records = 0
    rest = b""
    with path.open("rb") as content:
        while block := content.read(_BLOCK):
            found = _regular_block(rest + block, delimiter, width)
            if found is None or len(rest) + len(block) - found.end > _LONGEST_REGULAR:
                return None
            records += found.records
            rest = (rest + block)[found.end :]
    if not rest:
        return records
    found = None if rest.endswith(b"\r") else _regular_block(rest + b"\n", delimiter, width)
    return None if found is None or found.end <= len(rest) else records + found.records


class _Whole(NamedTuple):
    """The whole records at the beginning of a block: how many, and where they end."""

    records: int
    end: int


def _regular_block(block: bytes, delimiter: bytes, width: int) -> _Whole | None:
    """The whole records at the beginning of a block; None if they are not regular."""
    data = np.frombuffer(block, dtype=np.uint8)
    quotes = np.flatnonzero(data == _QUOTE)
    newlines = _outside(np.flatnonzero(data == _NEWLINE), quotes)
    if not len(newlines):
        return _Whole(0, 0)
    end = int(newlines[-1]) + 1
    block[:end].decode()  # raises where it is no UTF-8
    data, quotes = data[:end], quotes[: np.searchsorted(quotes, end)]
    if b"\0" in block or not _quotes_are_regular(data, quotes, delimiter[0]):
        return None
    lengths = np.diff(newlines, prepend=-1)
    if b"\r" in block:
        returns = _outside(np.flatnonzero(data == _RETURN), quotes)
        if (data[returns + 1] != _NEWLINE).any():
            return None
        lengths -= data[newlines - 1] == _RETURN
    delimiters = _outside(np.flatnonzero(data == delimiter[0]), quotes)
    fields = np.diff(np.searchsorted(delimiters, newlines), prepend=0) + 1
    return _Whole(len(newlines), end) if (lengths > 1).all() and (fields == width).all() else None


def _quotes_are_regular(data: npt.NDArray[np.uint8], quotes: npt.NDArray[np.intp], mark: int) -> bool:
    """Whether quotes open after a field's beginning and close before its end, or stand doubled."""
    if not len(quotes):
        return True
    opening, closing = quotes[::2], quotes[1::2]
    before, after = data[opening - 1], data[closing + 1]  # the last byte of a block is a line break
    begins = (before == mark) | (before == _NEWLINE) | (opening == 0)
    ends = (after == mark) | (after == _NEWLINE) | (after == _RETURN)
    doubled = closing[:-1] + 1 == opening[1:]
    begins[1:] |= doubled
    ends[:-1] |= doubled
    return bool(begins.all() and ends.all())


def _outside(places: npt.NDArray[np.intp], quotes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The places that have an even number of quotes before them."""
    if not len(quotes):
        return places
    found: npt.NDArray[np.intp] = places[np.searchsorted(quotes, places) % 2 == 0]
    return found


# -- any file ---------------------------------------------------------------------------------------------------


def _count_records(name: str, path: Path, delimiter: str) -> int:
    rows = begins = ends = 0
    with path.open(encoding="utf-8", newline="") as content:
        reader = csv.reader(content, delimiter=delimiter)
        next(reader)
        try:
            for record in reader:
                begins, ends = ends, reader.line_num
                rows += bool(record)
        except csv.Error as error:
            raise IngestError(f"{name} is not readable as CSV after row {rows + 1}: {error}.") from error
    if _ends_within_quotes(path, begins, delimiter):
        raise IngestError(f'{name}: a quote (") opened in row {rows + 1} is never closed.')
    return rows


def _ends_within_quotes(path: Path, last_record_at: int, delimiter: str) -> bool:
    """Whether the last record runs into the end of the file: the reader then takes the rest as one field."""
    with path.open(encoding="utf-8", newline="") as content:
        lines = itertools.islice(content, last_record_at, None)
        try:
            for _ in csv.reader(lines, delimiter=delimiter, strict=True):
                pass
        except csv.Error as error:
            return "unexpected end" in str(error)
    return False


def _header(name: str, record: list[str], delimiter: str) -> tuple[str, ...]:
    header = checked_header(name, [cell.strip() or f"column {number}" for number, cell in enumerate(record, start=1)])
    if not header:
        raise IngestError(f"{name} is empty: its first line, the header, is blank.")
    if len(header) == 1:
        other = next((mark for mark in ";\t|," if mark != delimiter and mark in header[0]), None)
        if other:
            shown = "tab" if other == "\t" else other
            raise IngestError(
                f"{name} has a single column with {delimiter!r} as delimiter; its header looks separated by "
                f"{shown!r}: say 'delimiter: \"{shown}\"' in the mapping."
            )
    return header
