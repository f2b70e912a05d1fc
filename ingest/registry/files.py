"""Which files a load is about, and plain CSV from packed ones."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ingest.errors import IngestError
from ingest.outcomes.reading import SourceFile, open_source

MOST_UNPACKED = 32 * 2**30  # bytes; a file that unpacks to more is a trap, or needs splitting
_BLOCK = 2**20


def find_files(paths: Sequence[Path | str], *, base: Path | None = None) -> list[Path]:
    """The CSV files that paths, folders and globs name, sorted, each once.

    Args:
        base: what relative paths are relative to; default: the working directory.

    Raises:
        IngestError: a path is not there, a folder holds no CSV, a glob matches nothing.
    """
    found: dict[Path, None] = {}
    for given in paths:
        path = (base or Path.cwd()) / given
        if path.is_dir():
            files = [file for file in path.iterdir() if _is_csv(file)]
            if not files:
                raise IngestError(f"The folder {path} holds no .csv or .csv.gz file.")
        elif any(mark in str(given) for mark in "*?[") and not path.exists():
            files = [file for file in _glob(path) if file.is_file()]
            if not files:
                raise IngestError(f"No file matches {str(given)!r}.")
        else:
            if not path.exists():
                raise IngestError(f"There is no file {path}.")
            files = [path]
        found.update(dict.fromkeys(file.absolute() for file in sorted(files)))
    if not found:
        raise IngestError("No file was named.")
    return list(found)


@contextmanager
def open_csv(path: Path, *, encoding: str, delimiter: str) -> Iterator[SourceFile]:
    """Like ``open_source``, for .gz too: unpacked into a temporary file, up to ``MOST_UNPACKED``.

    Raises:
        IngestError: as ``open_source``, or not a whole gzip file.
    """
    if path.suffix.lower() != ".gz":
        with open_source(path, encoding=encoding, delimiter=delimiter) as file:
            yield file
        return
    with tempfile.TemporaryDirectory(prefix="icp-") as scratch:
        plain = Path(scratch) / path.stem
        _unpack(path, plain)
        with open_source(plain, encoding=encoding, delimiter=delimiter) as file:
            yield file


def fingerprint(paths: Sequence[Path], *settings: str) -> str:
    """One checksum of files and of the settings they are read with."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
        except OSError as error:
            raise IngestError(f"{path} cannot be read: {error.strerror or error}.") from error
    for text in settings:
        digest.update(f"\n{text}".encode())
    return digest.hexdigest()


def _is_csv(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith((".csv", ".csv.gz"))


def _glob(pattern: Path) -> list[Path]:
    root = Path(pattern.anchor)
    return sorted(root.glob(str(pattern.relative_to(root))))


def _unpack(path: Path, target: Path) -> None:
    size = 0
    try:
        with gzip.open(path, "rb") as packed, target.open("wb") as plain:
            while block := packed.read(_BLOCK):
                size += len(block)
                if size > MOST_UNPACKED:
                    raise IngestError(f"{path.name} unpacks to more than {MOST_UNPACKED / 2**30:.0f} GB.")
                plain.write(block)
    except FileNotFoundError:
        raise IngestError(f"There is no file {path}.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise IngestError(f"{path.name} is not a whole gzip file: {error}.") from error
