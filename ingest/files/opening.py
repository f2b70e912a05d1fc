"""A path → a readable file: unpacked, in UTF-8, its format found, its records counted.

Does not belong here: how one format is read; which files there are.
"""

from __future__ import annotations

import gzip
import hashlib
import tempfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import IngestError
from ingest.files.delimited import NotText, survey_csv
from ingest.files.ndjson import survey_ndjson
from ingest.files.parquet import survey_parquet
from ingest.files.source import SourceFile
from ingest.mapping_files import known_encoding

NDJSON = (".ndjson", ".jsonl", ".json")
PARQUET = (".parquet", ".pq")
MOST_UNPACKED = 32 * 2**30  # bytes; a file that unpacks to more is a trap, or needs splitting
FEW_UNPACKED = 64 * 2**20
MOST_RATIO = 200  # of unpacked to packed, of more than a few bytes; tables of leads are at 5 to 30
_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Packed in a way that is not read here, by first bytes.
_FOREIGN = {
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it, or pack it by gzip",
    b"BZh": "packed by bzip2; unpack it, or pack it by gzip",
    b"\xfd7zXZ": "packed by xz; unpack it, or pack it by gzip",
    b"PK\x03\x04": "a ZIP archive or an Excel file; unpack it, or save it as CSV",
    b"\xd0\xcf\x11\xe0": "an old Excel file; save it as CSV",
}
_BLOCK = 2**20


@contextmanager
def open_source(path: Path, *, encoding: str, delimiter: str, wanted: Collection[str] = ()) -> Iterator[SourceFile]:
    """Check a file from beginning to end and hand it over.

    Its name says its format: .ndjson, .jsonl and .json, .parquet and .pq, anything else is CSV; its first bytes say
    whether it is gzipped.

    Args:
        encoding: of text; a UTF-8 byte order mark is found by itself.
        delimiter: of CSV.
        wanted: columns that matter, see ``survey_ndjson``.

    Raises:
        IngestError: not there, empty, not in that encoding, not readable in its format.
    """
    try:
        known_encoding(encoding)
    except ValueError as error:
        raise IngestError(f"{path.name}: {error}.") from error
    with tempfile.TemporaryDirectory(prefix="icp-") as scratch:
        suffix = Path(path.name.lower().removesuffix(".gz")).suffix
        plain = _unpacked(path, Path(scratch))
        if suffix in PARQUET:
            yield survey_parquet(path.name, plain)
            return
        plain = _in_utf8(path.name, plain, encoding, Path(scratch))
        if suffix in NDJSON:
            yield survey_ndjson(path.name, plain, wanted)
            return
        try:
            found = survey_csv(path.name, plain, delimiter)
        except NotText as error:
            raise _wrong_encoding(path.name, plain, encoding) from error
        yield found


def checksum(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        IngestError: not there, or not readable.
    """
    try:
        _refuse_endless(path)
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise IngestError(f"{path} cannot be read: {error.strerror or error}.") from error


def _first_bytes(path: Path) -> bytes:
    try:
        _refuse_endless(path)
        with path.open("rb") as content:
            return content.read(8)
    except FileNotFoundError:
        raise IngestError(f"There is no file {path}.") from None
    except OSError as error:
        raise IngestError(f"{path} cannot be read: {error.strerror or error}.") from error


def _refuse_endless(path: Path) -> None:
    """A device or a pipe may have no end, and cannot be read twice."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise IngestError(f"{path} is no file; save what it gives as one.")


def _unpacked(path: Path, scratch: Path) -> Path:
    """The file, or what a gzipped one holds."""
    plain = path
    if _first_bytes(path).startswith(_GZIP):
        plain = scratch / "unpacked"
        with _room_for(path.name, scratch):
            _unpack(path, plain)
    start = _first_bytes(plain)
    foreign = next((said for magic, said in _FOREIGN.items() if start.startswith(magic)), None)
    if foreign:
        raise IngestError(f"{path.name} is {foreign}.")
    return plain


def _in_utf8(name: str, path: Path, encoding: str, scratch: Path) -> Path:
    """The file, or a copy of its text in UTF-8 without byte order mark."""
    start = _first_bytes(path)
    if not start:
        raise IngestError(f"{name} is empty: not even a header.")
    if _is_utf8(encoding) and not start.startswith(_BYTE_ORDER_MARK):
        return path
    with _room_for(name, scratch):
        return _transcode(name, path, encoding, scratch / "utf8")


@contextmanager
def _room_for(name: str, scratch: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise IngestError(
            f"{name} cannot be unpacked in {scratch.parent}: {error.strerror or error}. "
            "Set TMPDIR to a folder with room."
        ) from error


def _unpack(path: Path, target: Path) -> None:
    most = min(MOST_UNPACKED, max(FEW_UNPACKED, MOST_RATIO * path.stat().st_size))
    size = 0
    with target.open("wb") as plain, gzip.open(path, "rb") as packed:
        while block := _read_packed(path.name, packed):
            size += len(block)
            if size > most:
                raise IngestError(
                    f"{path.name} unpacks to more than {most / 2**20:,.0f} MB, {size / path.stat().st_size:,.0f} times "
                    "its size; if that is right, unpack it first."
                )
            plain.write(block)


def _read_packed(name: str, packed: gzip.GzipFile) -> bytes:
    try:
        return packed.read(_BLOCK)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise IngestError(f"{name} is not a whole gzip file: {error}.") from error


# -- encodings --------------------------------------------------------------------------------------------------


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig", "ascii")


def _transcode(name: str, path: Path, encoding: str, target: Path) -> Path:
    source_encoding = "utf-8-sig" if _is_utf8(encoding) else encoding
    try:
        with (
            path.open(encoding=source_encoding, newline="") as source,
            target.open("w", encoding="utf-8", newline="") as copy,
        ):
            while block := source.read(_BLOCK):
                copy.write(block)
    except UnicodeError as error:
        raise _wrong_encoding(name, path, encoding) from error
    return target


def _wrong_encoding(name: str, path: Path, encoding: str) -> IngestError:
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
    return ""
