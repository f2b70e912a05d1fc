"""Faults of the machine in a sentence: a full disk, a place that cannot be written. Not of data, not of settings."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg

from warehouse.settings import Settings

_FULL = ("No space left on device", "database or disk is full", "Disk quota exceeded", "File too large")
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)
_SQLITE = ("disk I/O error", "readonly database", "unable to open database file")
# Postgres writes its log in segments of 16 MB: with less it stops, and says only that the connection was lost.
ROOM_FOR_POSTGRES = 64_000_000


def sentence(error: BaseException, settings: Settings) -> str | None:
    """What happened to the machine and what to do; None where the error is of another kind."""
    no_room = room(settings.home) < ROOM_FOR_POSTGRES
    for cause in _causes(error):
        words = str(cause)
        if isinstance(cause, psycopg.errors.DiskFull):
            return (
                f"The disk of the database server is full. {_REPEAT}" if settings.database_url else full(settings.home)
            )
        lost = isinstance(cause, psycopg.OperationalError) and not settings.database_url
        if tells_of_a_full_disk(words) or (no_room and (lost or any(text in words for text in _SQLITE))):
            return full(Path(str(cause.filename)) if isinstance(cause, OSError) and cause.filename else settings.home)
        if any(text in words for text in _SQLITE[1:]):
            return _closed(settings.dagster_home, "Dagster's files are closed to this user", settings)
        if isinstance(cause, OSError) and cause.errno in _CLOSED and cause.filename:
            return _closed(Path(str(cause.filename)), str(cause.strerror), settings)
    return None


def tells_of_a_full_disk(text: str) -> bool:
    """Whether a message, of whatever program, says that a disk is full."""
    return any(words in text for words in _FULL)


def full(place: Path) -> str:
    """The sentence for a full disk."""
    return f"The disk is full: {room(place) / 1e6:,.0f} MB are free for {place}. {_REPEAT}"


def room(place: Path) -> int:
    """Bytes that this user can still write where the path lies or would lie."""
    lies_in = next(path for path in (place, *place.absolute().parents) if os.path.exists(path))  # noqa: PTH110
    return shutil.disk_usage(lies_in).free  # Path.exists raises where a directory is closed


_REPEAT = (
    "Make room, then repeat the command: what was committed is there, what was not was rolled back, and the repeated "
    "command goes on from there."
)


def _closed(place: Path, why: str, settings: Settings) -> str:
    if place.is_relative_to(settings.home) or settings.home.is_relative_to(place):
        return (
            f"{place}: {why}. Everything this project stores lies in ICP_HOME ({settings.home}): give this user the "
            "right to write there, or set ICP_HOME to a directory where it may."
        )
    return f"{place}: {why}. Give this user the right to use it, or name another."


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
