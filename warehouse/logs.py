"""Structured logs: what was done when, under which run and load; never what a row says.

A line has a time (UTC), a level, a logger, a message, and the run, load and tenant it belongs to where they are
known. Messages are our own words: values go into fields, and of an error only its type and place are kept where its
text could quote a row. Does not belong here: what a person at the terminal reads (``icp.console``), Dagster's events.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import logging.handlers
import re
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO

import psycopg

from warehouse.errors import WarehouseError
from warehouse.settings import PROJECT_ROOT, Settings

ROOMS = ("icp", "dagster_defs", "ingest", "models_py", "warehouse")
LONGEST_MESSAGE = 2_000
# Errors of these classes tell of connections, resources and the server itself, and quote no row.
_SERVER_FAULTS = ("08", "28", "3D", "53", "57", "58", "XX")
# A net below the rule above: addresses, and the user part of connection strings. Bounded, so linear on any text.
_ADDRESS = re.compile(r"[^\s@'\"<>]{1,250}@[\w-]{1,250}(?:\.[\w-]{1,250}){1,5}")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

_bound: ContextVar[Mapping[str, Any]] = ContextVar("icp_log_fields", default={})  # noqa: B039 (never written to)


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Lines within carry these fields: ``run_id``, ``load_id``, ``tenant``."""
    before = _bound.get()
    _bound.set({**before, **fields})
    try:
        yield
    finally:
        _bound.set(before)  # no token: a Dagster resource may end in another context than it began in


@contextmanager
def span(log: logging.Logger, what: str, **fields: Any) -> Iterator[dict[str, Any]]:
    """Log that something begins and how it ended, after how many seconds; lines within carry the fields too.

    What the caller puts into the yielded dictionary stands in the last line.
    """
    results: dict[str, Any] = {}
    began = time.monotonic()
    with bound(**fields):
        log.info("%s started", what)
        try:
            yield results
        except BaseException as error:
            level = logging.ERROR if isinstance(error, Exception) else logging.WARNING
            log.log(level, "%s failed", what, exc_info=True, extra={"seconds": round(time.monotonic() - began, 3)})
            raise
        log.info("%s ended", what, extra={"seconds": round(time.monotonic() - began, 3), **results})


def configure(settings: Settings) -> None:
    """Write the lines of our rooms to ``ICP_LOG_FILE``, else to standard error, as the settings say.

    Calling it again changes the settings. Other libraries' warnings go where Python puts them, but ours stay here:
    a library that logs to the root gives it a handler that would print our tracebacks, and the rows they quote.

    Raises:
        WarehouseError: the file cannot be written.
    """
    handler: logging.Handler
    if settings.log_file:
        try:
            # Reopens a file that logrotate has moved away.
            handler = logging.handlers.WatchedFileHandler(settings.log_file, encoding="utf-8")
        except OSError as error:
            raise WarehouseError(f"ICP_LOG_FILE {settings.log_file} cannot be written: {error.strerror}.") from error
    else:
        handler = _Terminal()
    handler.setLevel(settings.log_level.upper())
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else TextFormatter())
    handler.set_name("icp")
    for room in ROOMS:
        logger = logging.getLogger(room)
        for old in [known for known in logger.handlers if known.name == "icp"]:
            logger.removeHandler(old)
            old.close()
        # At the front: Dagster's handler rewrites the message it sees.
        logger.handlers.insert(0, handler)
        logger.propagate = False
        logger.setLevel(min(handler.level, logging.INFO))  # Dagster's log shows INFO whatever the file gets


class _Terminal(logging.StreamHandler[TextIO]):
    """To standard error as it is at that moment, below :class:`Sentences`."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr.terminal if isinstance(sys.stderr, Sentences) else sys.stderr


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Everything a line says, in its order; values are plain."""
    said: dict[str, Any] = {
        "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": without_addresses(record.getMessage())[:LONGEST_MESSAGE],
        **_bound.get(),
    }
    said.update(
        (name, value)
        for name, value in vars(record).items()
        if name not in _STANDARD and isinstance(value, str | int | float | bool | list)
    )
    if record.exc_info and record.exc_info[1]:
        said["error"] = _described(record.exc_info[1])
    return said


def without_addresses(text: str) -> str:
    """The text without e-mail addresses and without users and passwords of connection strings."""
    return _ADDRESS.sub("[address]", text)


def _described(error: BaseException) -> dict[str, Any]:
    """Type and place of an error and of its cause; its words only where they cannot quote a row."""
    said: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
    if isinstance(error, psycopg.Error) and error.sqlstate:
        said["sqlstate"] = error.sqlstate
        if error.sqlstate.startswith(_SERVER_FAULTS):
            said["words"] = error.diag.message_primary
        for name in ("schema_name", "table_name", "column_name", "constraint_name"):
            if value := getattr(error.diag, name):
                said[name] = value
    elif isinstance(error, WarehouseError | psycopg.OperationalError):
        said["words"] = without_addresses(str(error).strip())[:LONGEST_MESSAGE]
    elif isinstance(error, OSError):
        said["words"] = error.strerror
    said["at"] = [f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in _frames(error)]
    if error.__cause__:
        said["cause"] = _described(error.__cause__)
    return said


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))[-5:]


def _short(filename: str) -> str:
    path = Path(filename)
    return str(path.relative_to(PROJECT_ROOT)) if path.is_relative_to(PROJECT_ROOT) else path.name


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        return json.dumps(fields(record), ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A line for people: time, level, logger, message, then ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        said = fields(record)
        head = (said.pop("time"), said.pop("level").upper(), f"{said.pop('logger')}:", said.pop("message"))
        return " ".join((*head, *(f"{name}={json.dumps(value, default=str)}" for name, value in said.items())))


class Sentences(io.TextIOBase):
    """Standard error where its reader expects JSON: every line that is printed there becomes a log line."""

    def __init__(self, terminal: TextIO) -> None:
        self.terminal = terminal
        self._begun = ""

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Take text; whole lines go out."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in filter(None, (line.strip() for line in lines)):
            record = logging.makeLogRecord(
                {"name": "stderr", "levelno": logging.WARNING, "levelname": "WARNING", "msg": line}
            )
            self.terminal.write(f"{JsonFormatter().format(record)}\n")
        return len(text)

    def flush(self) -> None:
        """Lines go out when they end."""
        self.terminal.flush()
