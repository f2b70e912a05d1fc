"""Bringing a database up to date: roles and schemas where missing, then the numbered migrations."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import psycopg

from warehouse.errors import WarehouseError

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_KEY = 4_927_001  # one migrating process at a time per database


@cache
def head() -> str:
    """The newest migration's number."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.sql"))


def current(connection: psycopg.Connection) -> str | None:
    """The number of the newest migration in the database, or None in an empty one."""
    (known,) = connection.execute("select to_regclass('access.alembic_version') is not null").fetchone() or (False,)
    if not known:
        return None
    row = connection.execute("select version_num from access.alembic_version").fetchone()
    return row[0] if row else None


def migrate(conninfo: str) -> bool:
    """Bring the database at ``conninfo`` up to date; returns whether there was anything to do.

    Raises:
        WarehouseError: the database is of a newer version of this project, or the login lacks rights.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        have = current(connection)
        if have == head():
            return False
        if have is not None and have > head():
            raise WarehouseError(
                f"The database is at migration {have}, and this checkout knows {head()} at most: update the checkout."
            )
        connection.execute("select pg_advisory_lock(%s)", (_LOCK_KEY,))
        try:
            connection.execute((MIGRATIONS / "bootstrap.sql").read_bytes())
            _run_alembic(conninfo)
        except psycopg.errors.InsufficientPrivilege as error:
            raise WarehouseError(
                f"The database login may not set up the warehouse: {error}. It needs CREATE on the database and, "
                "unless an administrator has created the icp_* roles and granted icp_pipeline to it, CREATEROLE."
            ) from error
    return True


def _run_alembic(conninfo: str) -> None:
    # Imported here: an up-to-date database, the usual case, does not pay half a second for them.
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo))
    with engine.connect() as connection:
        connection.exec_driver_sql("set role icp_pipeline")
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        command.upgrade(config, "head")
        connection.commit()
    engine.dispose()
