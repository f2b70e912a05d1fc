"""Helpers of tests about everything that is stored: a row in every table, and all rows of all tables."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import conninfo
from psycopg.types.json import Jsonb

from tests.loop import Rows
from warehouse.connection import Warehouse
from warehouse.removal import SCHEMAS
from warehouse.server import SUPERUSER

# Not rows about anybody: the customers themselves, hashes, codes.
_NOT_PLANTED = ("raw.tenants", "raw.suppressions", "raw.activity_kinds")
_SOME = {
    "boolean": "true",
    "date": "2026-01-01",
    "timestamp with time zone": "2026-01-01",
    "bytea": "",
    "uuid": "00000000-0000-0000-0000-000000000000",
}


def everything(rows: Rows) -> dict[str, str]:
    """All rows of all tables of ours, as text."""
    names = rows(
        "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace::regnamespace::text = any(%s)",
        list(SCHEMAS),
    )
    return {name: "\n".join(row[0] for row in rows(f"select t::text from {name} as t order by 1")) for (name,) in names}


def plant(
    warehouse: Warehouse, rows: Rows, *, words: str, tenant_id: int, apart_from: tuple[str, ...] = ()
) -> set[str]:
    """Insert a row of the tenant into every table, these words in every text; returns the tables that took one.

    Foreign keys and checks are out of the way: what counts is where things are stored, not what they mean.
    """
    made = set()
    for table in sorted(set(everything(rows)) - {*_NOT_PLANTED, *apart_from}):
        columns = rows(
            "select quote_ident(attname), atttypid::regtype::text, attnotnull from pg_attribute"
            " where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''"
            " and attidentity = ''",
            table,
        )
        values: dict[str, Any] = {}
        for column, kind, is_needed in columns:
            if column == "tenant_id":
                values[column] = tenant_id
            elif kind == "text":
                values[column] = words
            elif kind == "jsonb":
                values[column] = Jsonb({"said": [words, {words: 1}]})
            elif kind == "text[]":
                values[column] = [words, "x"]
            elif is_needed:
                values[column] = _SOME.get(kind, "{}" if kind.endswith("[]") else "1")
        with psycopg.connect(conninfo.make_conninfo(warehouse.conninfo, user=SUPERUSER)) as connection:
            connection.execute("set session_replication_role = replica")
            for (name,) in connection.execute(
                "select quote_ident(conname) from pg_constraint where conrelid = %s::regclass and contype = 'c'",
                (table,),
            ).fetchall():
                connection.execute(f"alter table {table} drop constraint {name}".encode())
            done = connection.execute(
                f"insert into {table} ({', '.join(values)}) values ({', '.join(['%s'] * len(values))})"
                " on conflict do nothing".encode(),
                list(values.values()),
            )
        if done.rowcount:
            made.add(table)
    return made
