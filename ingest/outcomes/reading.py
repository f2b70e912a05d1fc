"""CSV files into batches of strings, with every record accounted for.

The standard library's reader decides what the records are (one pass, constant memory); polars, many times
faster at making columns, reads the file only if it finds the same number of them. Does not belong here:
what a column means (``parsing``).
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ingest.errors import IngestError

BATCH_ROWS = 100_000
LONGEST_FIELD = 64 * 2**20  # bytes; a quote that is never closed must not fill the memory
csv.field_size_limit(LONGEST_FIELD)
ROW = "row number"  # with a space: no clash with a column that a mapping can name twice


@dataclass(frozen=True)
class SourceFile:
    """One readable CSV file: header checked, encoding checked, records counted.

    Attributes:
        name: as the person knows it.
        path: UTF-8 without byte order mark (a temporary copy where the original is not).
        rows: data records, blank lines apart.
        uneven: how many of them have another number of fields than the header.
    """

    name: str
    path: Path
    delimiter: str
    header: tuple[str, ...]
    rows: int
    uneven: int


@dataclass(frozen=True)
class Batch:
    """Records as strings, one column per header name plus ``ROW`` (the header is row 1).

    ``uneven``: records with another number of fields than the header, by row number.
    """

    frame: pl.DataFrame
    uneven: tuple[tuple[int, list[str]], ...] = ()


@contextmanager
def open_source(path: Path, *, encoding: str, delimiter: str) -> Iterator[SourceFile]:
    """Check a file from beginning to end and hand it over.

    Raises:
        IngestError: not there, empty, not in that encoding, a header with a name twice, a quote never closed.
    """
    try:
        start = _first_bytes(path)
    except FileNotFoundError:
        raise IngestError(f"There is no file {path}.") from None
    except OSError as error:
        raise IngestError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not start:
        raise IngestError(f"{path.name} is empty: not even a header.")
    plain = _is_utf8(encoding) and not start.startswith(b"\xef\xbb\xbf")
    with tempfile.TemporaryDirectory(prefix="icp-") as scratch:
        readable = path if plain else _transcode(path, encoding, Path(scratch) / "utf8.csv")
        header, rows, uneven = _survey(path.name, readable, encoding, delimiter)
        yield SourceFile(path.name, readable, delimiter, header, rows, uneven)


def checksum(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        IngestError: not there, or not readable.
    """
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise IngestError(f"{path} cannot be read: {error.strerror or error}.") from error


def batches(file: SourceFile) -> Iterator[Batch]:
    """All records of a file, in order, about 100,000 at a time; one empty batch where there are none."""
    if file.rows == 0:
        yield Batch(pl.DataFrame(schema={ROW: pl.Int64} | dict.fromkeys(file.header, pl.String)))
    elif file.uneven == 0 and _polars_agrees(file):
        for frame in _scan(file).collect_batches(chunk_size=BATCH_ROWS):
            yield Batch(frame.with_columns(pl.col(ROW).cast(pl.Int64)))
    else:
        yield from _read_with_stdlib(file)


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig", "ascii")


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as content:
        return content.read(4)


def _wrong_encoding(name: str, encoding: str, path: Path) -> IngestError:
    start = _first_bytes(path)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        guess = "utf-16"
    else:
        guess = "cp1252" if _is_utf8(encoding) else "utf-8"
    return IngestError(
        f"{name} is not {encoding}{_where_it_breaks(path, encoding)}. Say its encoding in the mapping, "
        f"for example 'encoding: {guess}'."
    )


def _where_it_breaks(path: Path, encoding: str) -> str:
    with path.open("rb") as content:
        for number, line in enumerate(content, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return f" (byte 0x{line[error.start]:02X} in line {number})"
            except LookupError:
                return " (Python knows no such encoding)"
    return ""


def _transcode(path: Path, encoding: str, target: Path) -> Path:
    source_encoding = "utf-8-sig" if _is_utf8(encoding) else encoding
    try:
        with (
            path.open(encoding=source_encoding, newline="") as source,
            target.open("w", encoding="utf-8", newline="") as copy,
        ):
            while block := source.read(2**20):
                copy.write(block)
    except (UnicodeError, LookupError) as error:
        raise _wrong_encoding(path.name, encoding, path) from error
    return target


def _survey(name: str, path: Path, encoding: str, delimiter: str) -> tuple[tuple[str, ...], int, int]:
    """One pass over all records: header, number of records, number of uneven ones."""
    rows = uneven = begins = ends = 0
    try:
        with path.open(encoding="utf-8", newline="") as content:
            reader = csv.reader(content, delimiter=delimiter)
            header = _header(name, next(reader, []), delimiter)
            width = len(header)
            for record in reader:
                begins, ends = ends, reader.line_num
                if record:
                    rows += 1
                    uneven += len(record) != width
    except UnicodeDecodeError as error:
        raise _wrong_encoding(name, encoding, path) from error
    except csv.Error as error:
        raise IngestError(f"{name} is not readable as CSV after row {rows + 1}: {error}.") from error
    if _ends_within_quotes(path, begins, delimiter):
        raise IngestError(f'{name}: a quote (") opened in row {rows + 1} is never closed.')
    return header, rows, uneven


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
    header = tuple(cell.strip() or f"column {number}" for number, cell in enumerate(record, start=1))
    if not header:
        raise IngestError(f"{name} is empty: its first line, the header, is blank.")
    twice = sorted({cell for cell in header if header.count(cell) > 1})
    if twice:
        raise IngestError(f"{name} has the column {twice[0]!r} twice; rename one.")
    if len(header) == 1:
        other = next((mark for mark in ";\t|," if mark != delimiter and mark in header[0]), None)
        if other:
            shown = "tab" if other == "\t" else other
            raise IngestError(
                f"{name} has a single column with {delimiter!r} as delimiter; its header looks separated by "
                f"{shown!r}: say 'delimiter: \"{shown}\"' in the mapping."
            )
    return header


def _scan(file: SourceFile) -> pl.LazyFrame:
    return pl.scan_csv(
        file.path,
        separator=file.delimiter,
        infer_schema=False,
        empty_string_is_null=False,
        with_column_names=lambda _: list(file.header),
        row_index_name=ROW,
        row_index_offset=2,
        low_memory=True,
        glob=False,
    )


def _polars_agrees(file: SourceFile) -> bool:
    try:
        read = sum(frame.height for frame in _scan(file).collect_batches(chunk_size=BATCH_ROWS))
    except pl.exceptions.PolarsError:
        return False
    return read == file.rows


def _read_with_stdlib(file: SourceFile) -> Iterator[Batch]:
    width = len(file.header)
    with file.path.open(encoding="utf-8", newline="") as content:
        reader = csv.reader(content, delimiter=file.delimiter)
        next(reader)
        records = enumerate((record for record in reader if record), start=2)
        while block := list(itertools.islice(records, BATCH_ROWS)):
            even = [(number, record) for number, record in block if len(record) == width]
            uneven = tuple((number, record) for number, record in block if len(record) != width)
            columns = zip(*(record for _, record in even), strict=True) if even else ([] for _ in file.header)
            frame = pl.DataFrame(
                [pl.Series(ROW, [number for number, _ in even], dtype=pl.Int64)]
                + [pl.Series(name, cells, dtype=pl.String) for name, cells in zip(file.header, columns, strict=True)]
            )
            yield Batch(frame, uneven)
