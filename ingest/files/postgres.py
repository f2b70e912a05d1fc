"""Queries to another Postgres as files of records: copied to a temporary CSV in one read-only transaction.

All queries of a load see the same moment, and the transaction is over before anything is loaded. The connection
string comes from an environment variable and is told to nobody. Does not belong here: up to where a query was read.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import psycopg
from psycopg import conninfo, sql

from ingest.errors import IngestError
from ingest.files.delimited import CsvFile, NotText, survey_csv
from ingest.files.source import ROW, Batch, checked_header

_WHOLE = {oid: "int8" for oid in (20, 21, 23)}
_TIMES = {1082: "date", 1114: "timestamp", 1184: "timestamptz"}
_DTYPES = {"date": pl.Date(), "timestamp": pl.Datetime("us"), "timestamptz": pl.Datetime("us", "UTC")}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Since:
    """Only rows whose ``column`` is at least ``value`` or null; a date or time in microseconds since 1970."""

    column: str
    value: int | None


@dataclass(frozen=True)
class QueryFile:
    """The result of a query. Its first row is 1.

    Attributes:
        types: of columns that hold dates and times.
        since: which column tells what is new, if one does.
        now: the other server's clock, in microseconds since 1970.
    """

    name: str
    header: tuple[str, ...]
    rows: int
    content: CsvFile
    types: dict[str, str]
    since: Since | None
    now: int

    def read(self) -> Iterator[Batch]:
        """All records."""
        typed = [
            pl.col(name).cast(pl.Int64, strict=False).cast(pl.Datetime("us")).cast(_DTYPES[kind])
            for name, kind in self.types.items()
        ]
        for frame, broken in self.content.read():
            yield Batch(frame.with_columns(pl.col(ROW) - 1, *typed).select(ROW, *self.header), broken)

    def marks(self, frame: pl.DataFrame) -> pl.DataFrame:
        """``ROW`` and ``mark``: the values of the column that tells what is new; none later than now."""
        assert self.since is not None
        column = frame[self.since.column]
        if column.dtype.is_temporal():
            marks = column.cast(pl.Datetime("us")).to_physical()
            # A row from the future would hide all that come before it.
            marks = marks.clip(upper_bound=self.now)
        else:
            marks = column.cast(pl.Int64, strict=False)
        return pl.DataFrame([frame[ROW], marks.alias("mark")])


class Server:
    """Another Postgres, in one read-only transaction.

    Args:
        connection: within the transaction.
        name: the environment variable that it was found by.
        folder: for the results.
    """

    def __init__(self, connection: psycopg.Connection, name: str, folder: Path) -> None:
        self.connection = connection
        self.name = name
        self.folder = folder

    def is_time(self, query: str, column: str, *, what: str) -> bool:
        """Whether a column of a query tells what is new by time; otherwise it does by whole numbers.

        Raises:
            IngestError: no such column, or one that cannot tell.
        """
        types = dict(self._columns(query, what))
        if column not in types:
            raise IngestError(f"{what} has no column {column!r} for its watermark (there are: {', '.join(types)}).")
        if types[column] not in {**_TIMES, **_WHOLE}:
            raise IngestError(f"{what}: its watermark {column!r} must be a date, a timestamp or a whole number.")
        return types[column] in _TIMES

    def run(self, query: str, *, what: str, since: Since | None = None) -> QueryFile:
        """Copy what a query gives into a temporary file.

        Args:
            what: to name it by in messages.

        Raises:
            IngestError: it cannot be run, takes too long, names a column twice.
        """
        columns = self._columns(query, what)
        header = checked_header(what, [name for name, _ in columns])
        types = {name: _TIMES[oid] for name, oid in columns if oid in _TIMES}
        selected = [_as_microseconds(name) if name in types else sql.Identifier(name) for name in header]
        # The last column: a row of a single null would be a blank line.
        statement = sql.SQL("copy (select {}, 1 from ({}\n) as source {}) to stdout (format csv, header)").format(
            sql.SQL(", ").join(selected),
            sql.SQL(_bare(query)),
            _where(since, types),
        )
        path = self.folder / f"{len(list(self.folder.iterdir()))}.csv"
        with self._told(what), self.connection.cursor().copy(statement) as copy, path.open("wb") as target:
            for block in copy:
                target.write(block)
        with self._told(what):
            now = self.connection.execute("select (extract(epoch from now()) * 1000000)::int8").fetchone()
        assert now is not None
        try:
            content = survey_csv(what, path, ",")
        except NotText as error:
            raise IngestError(f"{what} gives text that is no UTF-8; convert it in the query.") from error
        return QueryFile(what, header, content.rows, content, types, since, now[0])

    def _columns(self, query: str, what: str) -> list[tuple[str, int]]:
        """Names and types. One statement: the extended protocol takes no second one."""
        described = f"select * from ({_bare(query)}\n) as source limit 0"
        with self._told(what):
            cursor = psycopg.Cursor(self.connection).execute(described.encode(), binary=True)
        return [(column.name, column.type_code) for column in cursor.description or ()]

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except psycopg.errors.QueryCanceled as error:
            raise IngestError(
                f"{what} took too long on the Postgres of {self.name} ({_words(error)}); make it faster, or say "
                "'timeout: 1 hour' under postgres in the mapping."
            ) from error
        except psycopg.Error as error:
            raise IngestError(f"{what} cannot be run on the Postgres of {self.name}: {_words(error)}.") from error


@contextmanager
def connect(variable: str, *, timeout: dt.timedelta, folder: Path) -> Iterator[Server]:
    """The Postgres whose connection string an environment variable holds.

    Args:
        timeout: of each query.
        folder: an empty one for the results.

    Raises:
        IngestError: the variable is not set or no connection string, the server not reachable.
    """
    dsn = os.environ.get(variable)
    if not dsn:
        raise IngestError(
            f"The environment variable {variable} is not set; it holds the connection string of the Postgres that the "
            f"mapping queries: export {variable}='postgresql://user:password@host/database'."
        )
    try:
        parts = conninfo.conninfo_to_dict(dsn)
    except psycopg.Error:
        parts = {}
    if not parts or _is_ambiguous(dsn):
        # Not shown, nor what libpq says of it: either may hold the password.
        raise IngestError(
            f"{variable} is not a connection string such as postgresql://user:password@host/database; signs such as "
            "@ : / in a password are written %40 %3A %2F."
        )
    defaults = {"connect_timeout": _CONNECT_SECONDS, "application_name": "icp load", "client_encoding": "UTF8"}
    try:
        connection = psycopg.connect(**{**defaults, **parts})  # type: ignore[arg-type]
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        password = str(parts.get("password") or "")
        said = said.replace(password, "***") if password else said
        raise IngestError(f"Cannot connect to the Postgres of {variable}: {said}.") from None
    with connection:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for name, value in (
            ("statement_timeout", f"{int(timeout.total_seconds() * 1000)}"),
            ("timezone", "UTC"),
            ("datestyle", "ISO"),
            ("client_encoding", "UTF8"),
        ):
            connection.execute("select set_config(%s, %s, true)", (name, value))
        yield Server(connection, variable, folder)


def _is_ambiguous(dsn: str) -> bool:
    """Whether a part of the password could be taken for the host, which messages show."""
    url = re.match(r"postgres(?:ql)?://([^/?]*)([^?]*)", dsn)
    return url is not None and (url[1].count("@") > 1 or "@" in url[2])


def _bare(query: str) -> str:
    return query.strip().rstrip(";")


def _as_microseconds(name: str) -> sql.Composed:
    """A date or time as a number; what lies outside of all calendars as their edge, which no field takes."""
    return sql.SQL(
        "case when {0} is not null then"
        " (extract(epoch from least(greatest({0}, '0001-01-01'), '9999-12-31')) * 1000000)::int8 end as {0}"
    ).format(sql.Identifier(name))


def _where(since: Since | None, types: dict[str, str]) -> sql.Composable:
    if since is None or since.value is None:
        return sql.SQL("")
    value: object = since.value
    kind = types.get(since.column)
    if kind:
        moment = _EPOCH + dt.timedelta(microseconds=since.value)
        value = {"date": moment.date(), "timestamp": moment.replace(tzinfo=None)}.get(kind, moment)
    return sql.SQL("where {0} >= {1} or {0} is null").format(sql.Identifier(since.column), sql.Literal(value))


def _words(error: psycopg.Error) -> str:
    return (error.diag.message_primary or str(error) or type(error).__name__).strip().rstrip(".")
