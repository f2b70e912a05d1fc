"""Which files a load is about."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ingest.errors import IngestError
from ingest.mapping_files import files_like


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
            files = [file for file in files_like(base or Path.cwd(), str(given)) if file.is_file()]
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
