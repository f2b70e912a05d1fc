"""One warehouse: its server, its database, and connections to it as the pipeline."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import conninfo, pq, sql

from warehouse.errors import Busy, WarehouseError
from warehouse.migrate import migrate
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import Settings

log = logging.getLogger(__name__)

DATABASE = "icp"
LOGIN = "icp"
OLDEST_SERVER = 150000  # PostgreSQL 15
_PIPELINE_LOCK = 4_927_002
# sslrootcert → PGSSLROOTCERT, connect_timeout → PGCONNECT_TIMEOUT, …: what every program that uses libpq reads.
_LIBPQ_NAMES = {
    option.keyword.decode(): option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar
}


def _joined(connection: str, options: str) -> str:
    """Server options after those that the connection string names."""
    return f"{conninfo.conninfo_to_dict(connection).get('options') or ''} {options}".strip()


class Warehouse:
    """The door. ``open`` starts what must run and migrates; after that ``connect`` as often as needed.

    Args:
        settings: where the warehouse lies; by default what the environment says.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.from_environment()
        self.server = None if self.settings.database_url else EmbeddedServer(self.settings)
        self._opened = False
        self._lock: psycopg.Connection | None = None

    @property
    def conninfo(self) -> str:
        """Connection string of the pipeline's login; connections switch to the role ``icp_pipeline``."""
        if self.server is None:
            assert self.settings.database_url is not None
            return self.settings.database_url
        return self.server.dsn(user=LOGIN, dbname=DATABASE)

    def open(self) -> Warehouse:
        """Start the embedded server where that is used, create what is missing, migrate.

        Raises:
            WarehouseError: the server cannot be started or reached, is too old, or lacks rights.
        """
        if self.server is not None:
            self.server.acquire()
            self._ensure_database()
        self._check_server()
        if migrate(self.conninfo):
            log.info("database migrated")
        self._opened = True
        return self

    def close(self) -> None:
        """Stop using the embedded server (the end of the process does it too)."""
        if self.server is not None:
            self.server.release()
        self._opened = False

    def connect(self, *, autocommit: bool = False, application: str = "icp") -> psycopg.Connection:
        """A new connection as ``icp_pipeline``, in UTC. Use it as a context manager: it commits or rolls back."""
        if not self._opened:
            self.open()
        self._must_hold_what_it_held()
        try:
            return self._connect(autocommit, application)
        except psycopg.OperationalError:
            if self.server is None:
                raise
            self.server.acquire()  # the server was killed: start it again, recovery included
            return self._connect(autocommit, application)

    def _must_hold_what_it_held(self) -> None:
        """A server that was restarted has forgotten the pipeline lock, and somebody else may have it by now."""
        try:
            if self._lock is not None:
                self._lock.execute("select 1")
        except psycopg.OperationalError as error:
            raise WarehouseError(
                "The server was restarted meanwhile, and with it went the hold on the warehouse. What was committed "
                "stays; start the same again to go on."
            ) from error

    def _connect(self, autocommit: bool, application: str) -> psycopg.Connection:
        options = _joined(self.conninfo, "-c role=icp_pipeline -c timezone=UTC")
        return psycopg.connect(
            conninfo.make_conninfo(self.conninfo, options=options, application_name=application),
            autocommit=autocommit,
        )

    def for_programs(self, options: str = "") -> tuple[str, dict[str, str]]:
        """Connection string for programs such as psql, and their environment with the password.

        Arguments can be read by everybody on the machine.
        """
        parts = conninfo.conninfo_to_dict(self.conninfo)
        password = parts.pop("password", None)
        if options:
            parts["options"] = _joined(self.conninfo, options)
        environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
        return conninfo.make_conninfo("", **parts), environment

    def dbt_environment(self) -> dict[str, str]:
        """Variables for dbt: what its profile takes, and the rest (TLS, time-outs, options) by libpq's own names.

        The password goes under a name that dbt hides in its logs.
        """
        parts = {name: str(value) for name, value in conninfo.conninfo_to_dict(self.conninfo).items() if value}
        return {
            "ICP_DBT_HOST": parts.pop("host", "") or os.environ.get("PGHOST", ""),
            "ICP_DBT_PORT": parts.pop("port", "") or os.environ.get("PGPORT", "5432"),
            "ICP_DBT_USER": (user := parts.pop("user", "") or os.environ.get("PGUSER", "")),
            "ICP_DBT_DBNAME": parts.pop("dbname", "") or os.environ.get("PGDATABASE", user),
            "DBT_ENV_SECRET_ICP_PASSWORD": parts.pop("password", "") or os.environ.get("PGPASSWORD", ""),
            **{_LIBPQ_NAMES[name]: value for name, value in parts.items() if name in _LIBPQ_NAMES},
        }

    @contextmanager
    def pipeline_lock(self, holder: str) -> Iterator[None]:
        """Hold the one lock under which raw, marts and learned are written.

        Args:
            holder: who to name to the next one who asks, for example ``learning_weekly 4f2a``.

        Raises:
            Busy: somebody else holds it; says who and since when. Nothing was done.
        """
        with self.connect(autocommit=True, application=f"icp: {holder}"[:63]) as connection:
            connection.execute("set role none")  # as the login itself, which may see its other sessions
            row = connection.execute("select pg_try_advisory_lock(%s)", (_PIPELINE_LOCK,)).fetchone()
            if row is None or not row[0]:
                other = connection.execute(
                    "select activity.application_name, activity.backend_start from pg_locks as locks"
                    " join pg_stat_activity as activity using (pid)"
                    " where locks.locktype = 'advisory' and locks.objid = %s and locks.granted"
                    " and locks.database = (select oid from pg_database where datname = current_database())",
                    (_PIPELINE_LOCK,),
                ).fetchone()
                who = "it does not say which"
                if other is not None and other[1] is not None:
                    who = f"{other[0].removeprefix('icp: ')}, since {other[1]:%H:%M:%S} UTC"
                raise Busy(f"Another run is at work ({who}). Nothing was done; try again when it has ended.")
            self._lock = connection
            try:
                yield
            finally:
                self._lock = None

    def is_busy(self, connection: psycopg.Connection) -> bool:
        """Whether somebody holds the pipeline lock now."""
        held = connection.execute(
            "select from pg_locks where locktype = 'advisory' and objid = %s and granted"
            " and database = (select oid from pg_database where datname = current_database())",
            (_PIPELINE_LOCK,),
        )
        return held.fetchone() is not None

    def _check_server(self) -> None:
        try:
            with psycopg.connect(self.conninfo, connect_timeout=10) as connection:
                version = connection.info.server_version
        except psycopg.OperationalError as error:
            where = "ICP_DATABASE_URL" if self.server is None else "the embedded server"
            raise WarehouseError(f"Cannot connect to {where}: {str(error).strip()}") from error
        if version < OLDEST_SERVER:
            raise WarehouseError(f"The server is Postgres {version // 10000}; this project needs 15 or newer.")

    def _ensure_database(self) -> None:
        """Create the pipeline's login and database in the embedded server. The login is no superuser."""
        assert self.server is not None
        try:
            psycopg.connect(self.conninfo).close()
            return
        except psycopg.OperationalError as error:
            if "does not exist" not in str(error):
                raise WarehouseError(f"Cannot connect to the embedded server: {str(error).strip()}") from error
        superuser = self.server.dsn(user=SUPERUSER, dbname="postgres")
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute("select pg_advisory_lock(%s)", (_PIPELINE_LOCK,))
            if connection.execute("select from pg_roles where rolname = %s", (LOGIN,)).fetchone() is None:
                connection.execute(
                    sql.SQL("create role {} login createrole createdb password {}").format(
                        sql.Identifier(LOGIN), sql.Literal(self.server.password)
                    )
                )
            if connection.execute("select from pg_database where datname = %s", (DATABASE,)).fetchone() is None:
                connection.execute(
                    sql.SQL("create database {} owner {}").format(sql.Identifier(DATABASE), sql.Identifier(LOGIN))
                )
