"""What every format gives: a header, a number of records, and the records in batches.

Does not belong here: how one format is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import polars as pl

from ingest.errors import IngestError

BATCH_ROWS = 100_000
BATCH_BYTES = 64 * 2**20  # of text, so that a hundred thousand long records do not fill the memory
BATCH_CELLS = 16_000_000  # an empty cell takes memory too
LONGEST_RECORD = 64 * 2**20  # bytes; a quote that is never closed must not fill the memory
MOST_COLUMNS = 10_000
ROW = "row number"  # with a space: no clash with a column that a mapping can name twice


class Broken(NamedTuple):
    """A record that has no columns: its row number, what is there of it, and what is wrong with it."""

    row: int
    cells: list[str]
    reason: str


class Batch(NamedTuple):
    """Records in order.

    Attributes:
        frame: ``ROW`` and a column per header name. All are text, except that a format with types keeps dates and
            times (``Date``, ``Datetime``).
        broken: records that are in no frame.
    """

    frame: pl.DataFrame
    broken: Sequence[Broken] = ()


class SourceFile(Protocol):
    """A file whose records were counted.

    Attributes:
        name: as the person knows it.
        header: names of its columns.
        rows: records, broken ones included.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def header(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def rows(self) -> int: ...  # noqa: D102

    def read(self) -> Iterator[Batch]:
        """All records; batches may be larger than ``batches`` allows."""
        ...


def batches(file: SourceFile) -> Iterator[Batch]:
    """All records of a file, in order, at most ``batch_rows`` and ``BATCH_BYTES`` at a time.

    One empty batch where there are no records.
    """
    empty = True
    for batch in file.read():
        empty = False
        size = max(batch.frame.height, 1)
        # The length of a text is kept beside it: this reads no text.
        texts = batch.frame.select(pl.col(pl.String).str.len_bytes().sum().cast(pl.Int64))
        most = max(
            1,
            min(batch_rows(batch.frame.width), BATCH_BYTES * size // max(1, sum(texts.row(0) if texts.width else ()))),
        )
        if size <= most:
            yield batch
        else:
            yield from (Batch(part) for part in batch.frame.iter_slices(most))
            if batch.broken:
                yield Batch(batch.frame.clear(), batch.broken)
    if empty:
        yield Batch(pl.DataFrame(schema={ROW: pl.Int64} | dict.fromkeys(file.header, pl.String)))


def batch_rows(columns: int) -> int:
    """How many rows of so many columns a batch may have, however short they are."""
    return max(1, min(BATCH_ROWS, BATCH_CELLS // max(1, columns)))


def as_text(column: pl.Series) -> pl.Series:
    """Text as it is; dates and times as ISO 8601 says."""
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.strftime("%Y-%m-%d %H:%M:%S%.f" + ("%:z" if column.dtype.time_zone else ""))
    return column.cast(pl.String)


def checked_header(name: str, header: Sequence[str]) -> tuple[str, ...]:
    """The header, if every column has a name of its own.

    Raises:
        IngestError: a name twice, or more columns than any table of leads has.
    """
    if len(header) > MOST_COLUMNS:
        raise IngestError(f"{name} has {len(header):,} columns, more than {MOST_COLUMNS:,}: is it a table?")
    twice = sorted(column for column, times in Counter(header).items() if times > 1)
    if twice:
        raise IngestError(f"{name} has the column {twice[0]!r} twice; rename one.")
    return tuple(header)
