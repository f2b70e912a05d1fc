"""Servers that the suite runs on: the embedded one, or one as somebody else's administrator would run it.

Does not belong here: tests of the embedded server itself, which start their own.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from warehouse.connection import Warehouse
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import Settings

PASSWORD = "a pass%word: with @ signs/"


class ExternalServer(EmbeddedServer):
    """A Postgres on a free port of 127.0.0.1, reached over TCP with a password; its administrator sits beside it."""

    def __init__(self, home: Path, bindir: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        super().__init__(Settings(home=home, bindir=bindir, port=port, durable=False), linger=0)

    def dsn(self, *, user: str, dbname: str) -> str:
        """Over TCP, but for the administrator."""
        if user == SUPERUSER:
            return super().dsn(user=user, dbname=dbname)
        return conninfo.make_conninfo("", host="127.0.0.1", port=self.port, user=user, password=PASSWORD, dbname=dbname)


def session_server(home: Path) -> EmbeddedServer:
    """The session's Postgres. Not durable: tests do not outlive a crash.

    ICP_TEST_SERVER=/usr/lib/postgresql/15/bin runs the suite on those binaries as on an external server; PG_BINDIR on
    others as on the embedded one.
    """
    if bindir := os.environ.get("ICP_TEST_SERVER"):
        return ExternalServer(home, Path(bindir))
    return EmbeddedServer(Settings(home=home, bindir=Settings.from_environment().bindir, durable=False), linger=0)


def create_login(server: EmbeddedServer, name: str) -> None:
    """The warehouse's login: as the embedded server makes it, or with what docs/deploy.md asks for and no more."""
    role, password = sql.Identifier(name), sql.Literal(PASSWORD)
    with psycopg.connect(server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
        if isinstance(server, ExternalServer):
            connection.execute(sql.SQL("create role {} login createrole password {}").format(role, password))
            # for tests that look at a server from all sides
            connection.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(SUPERUSER), password))
        else:
            connection.execute(sql.SQL("create role {} login createrole createdb").format(role))


def creating(server: EmbeddedServer, name: str, *, login: str, template: str = "template1") -> list[sql.Composed]:
    """Statements of the administrator that make a database for the login.

    By files: in a copy by the log (the default) sequences count as logged that are not. A crash then turns them back,
    and they give numbers again whose rows were committed.
    """
    made = sql.SQL("create database {} template {} strategy file_copy").format(
        sql.Identifier(name), sql.Identifier(template)
    )
    rights = (
        "grant connect, create on database {} to {}"
        if isinstance(server, ExternalServer)
        else "alter database {} owner to {}"
    )
    return [made, sql.SQL(rights).format(sql.Identifier(name), sql.Identifier(login))]


def conninfo_of(warehouse: Warehouse, login: str) -> str:
    """Connection string of a login that the warehouse's own made; with the same password, where the server asks."""
    if password := conninfo.conninfo_to_dict(warehouse.conninfo).get("password"):
        with warehouse.connect(autocommit=True) as connection:
            connection.execute("set role none")
            connection.execute(
                sql.SQL("alter role {} password {}").format(sql.Identifier(login), sql.Literal(password))
            )
    return conninfo.make_conninfo(warehouse.conninfo, user=login)
