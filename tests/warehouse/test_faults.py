"""Faults of the machine become sentences; anything else stays what it is."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import psycopg
import pytest

from warehouse import faults
from warehouse.errors import ServerError
from warehouse.settings import Settings

LOST = psycopg.OperationalError("server closed the connection unexpectedly")


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        psycopg.errors.DiskFull('could not extend file "base/5/1"'),
        ServerError("initdb could not create …: could not write: No space left on device"),
        caused(RuntimeError("a step failed"), sqlite3.OperationalError("database or disk is full")),
    ],
    ids=repr,
)
def test_a_full_disk_is_said_so_whoever_found_it(error: Exception, tmp_path: Path) -> None:
    words = faults.sentence(error, Settings(home=tmp_path / "not yet there"))
    assert words is not None and words.startswith("The disk is full: ") and "repeat the command" in words


def test_a_lost_connection_or_sqlite_file_is_the_disks_fault_only_where_it_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    unwell = sqlite3.OperationalError("disk I/O error")
    assert faults.sentence(LOST, settings) is None and faults.sentence(unwell, settings) is None
    monkeypatch.setattr("warehouse.faults.room", lambda place: 3_000_000)
    for error in (LOST, unwell):
        assert "3 MB are free" in (faults.sentence(error, settings) or "")
    assert faults.sentence(ValueError("a defect"), settings) is None


def test_of_an_external_server_only_its_own_words_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warehouse.faults.room", lambda place: 3_000_000)
    settings = Settings(home=tmp_path, database_url="postgresql://icp@db.example.com/icp")
    assert faults.sentence(LOST, settings) is None
    assert "disk of the database server" in (faults.sentence(psycopg.errors.DiskFull("full"), settings) or "")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "{home}/postgres"), "ICP_HOME ({home})"),
        (OSError(errno.EROFS, "Read-only file system", "{home}"), "ICP_HOME ({home})"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "{home}/x"), "ICP_HOME ({home})"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "{home}/dagster"),
        (PermissionError(errno.EACCES, "Permission denied", "/files/leads.csv"), "/files/leads.csv: Permission denied"),
    ],
    ids=str,
)
def test_a_closed_place_is_named(error: Exception, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    if isinstance(error, OSError):
        error.filename = str(error.filename).replace("{home}", str(tmp_path))
    told = faults.sentence(error, Settings(home=tmp_path))
    assert told is not None and words.replace("{home}", str(tmp_path)) in told
    assert ("ICP_HOME" in told) is ("leads.csv" not in words)
