"""Migrations: from nothing, twice, and never backwards."""

from __future__ import annotations

import psycopg
import pytest

from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError
from warehouse.migrate import current, head, migrate


def test_a_migrated_database_is_at_head_and_needs_nothing(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        assert current(connection) == head()
    assert migrate(warehouse.conninfo) is False


def test_everything_belongs_to_the_pipeline_role(connection: psycopg.Connection) -> None:
    owners = connection.execute(
        "select distinct pg_get_userbyid(relowner) from pg_class join pg_namespace as n on n.oid = relnamespace"
        " where nspname in ('access', 'raw', 'intermediate', 'marts', 'learned')"
    ).fetchall()
    assert owners == [("icp_pipeline",)]


def test_the_pipeline_login_is_no_superuser(connection: psycopg.Connection) -> None:
    row = connection.execute("select rolsuper, rolbypassrls from pg_roles where rolname = session_user").fetchone()
    assert row == (False, False)


def test_every_table_says_what_one_row_is(connection: psycopg.Connection) -> None:
    silent = connection.execute(
        "select oid::regclass::text from pg_class where relkind in ('r', 'v') and relnamespace::regnamespace::text in"
        " ('access', 'raw', 'learned', 'intermediate') and relname <> 'alembic_version'"
        " and coalesce(obj_description(oid), '') !~ '^One row'"
    ).fetchall()
    assert silent == []


def test_a_database_of_a_newer_checkout_is_refused(warehouse: Warehouse, connection: psycopg.Connection) -> None:
    connection.execute("update access.alembic_version set version_num = '9999'")
    try:
        with pytest.raises(WarehouseError, match="update the checkout"):
            migrate(warehouse.conninfo)
    finally:
        connection.execute("update access.alembic_version set version_num = %s", (head(),))
