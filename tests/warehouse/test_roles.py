"""Logins: who may be given what, and what they see then."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from tests.servers import conninfo_of
from warehouse import roles, tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError


@pytest.fixture
def login(warehouse: Warehouse) -> Iterator[str]:
    """A login's name, and the login gone afterwards: logins belong to the server, not to one database."""
    with warehouse.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug="acme")
        tenants.add_tenant(connection, slug="other")
    name = f't_{uuid.uuid4().hex[:8]}"; drop table raw.tenants; --'
    yield name
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("set role none")
        connection.execute(psycopg.sql.SQL("drop role if exists {}").format(psycopg.sql.Identifier(name)))
        connection.execute("set role icp_pipeline")
        connection.execute("delete from access.tenant_logins")


def seen(warehouse: Warehouse, login: str) -> list[str]:
    with psycopg.connect(conninfo_of(warehouse, login)) as connection:
        return [row[0] for row in connection.execute("select slug from learned.tenants order by slug")]


def test_a_viewer_reads_its_tenant_until_it_is_revoked(warehouse: Warehouse, login: str) -> None:
    password = roles.add_login(warehouse, login, role="icp_viewer", tenant="acme")
    assert password is not None and len(password) >= 32
    assert seen(warehouse, login) == ["acme"]
    assert roles.add_login(warehouse, login, role="icp_viewer", tenant="acme") is None
    with warehouse.connect() as connection:
        assert roles.Login(login, "icp_viewer", "acme", False) in roles.list_logins(connection)
    assert roles.revoke_login(warehouse, login) == ["icp_viewer"]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        seen(warehouse, login)


def test_a_login_moves_to_another_tenant_and_keeps_nothing_of_the_first(warehouse: Warehouse, login: str) -> None:
    roles.add_login(warehouse, login, role="icp_ops", tenant="acme")
    roles.add_login(warehouse, login, role="icp_ops", tenant="other")
    assert seen(warehouse, login) == ["other"]


def test_a_login_that_gets_another_role_loses_the_first(warehouse: Warehouse, login: str) -> None:
    roles.add_login(warehouse, login, role="icp_bi")
    assert seen(warehouse, login) == ["acme", "other"]
    roles.add_login(warehouse, login, role="icp_viewer", tenant="acme")
    assert seen(warehouse, login) == ["acme"]
    with warehouse.connect() as connection:
        assert [known.role for known in roles.list_logins(connection) if known.login == login] == ["icp_viewer"]


def test_every_change_is_in_the_audit_log(warehouse: Warehouse, login: str) -> None:
    roles.add_login(warehouse, login, role="icp_bi")
    roles.revoke_login(warehouse, login, drop=True)
    with warehouse.connect() as connection:
        noted = connection.execute("select action from learned.audit_log where object = %s order by 1", (login,))
        assert [row[0] for row in noted] == ["add_login", "revoke_login"]
        assert connection.execute("select from pg_roles where rolname = %s", (login,)).fetchone() is None


@pytest.mark.parametrize(
    ("role", "tenant", "application", "complaint"),
    [
        ("icp_viewer", None, False, "reads one tenant"),
        ("icp_viewer", "acme", True, "reads one tenant"),
        ("icp_bi", "acme", False, "reads every tenant"),
        ("icp_pipeline", None, False, "There is no role"),
        ("icp_ops", "nobody", False, "There is no tenant 'nobody'"),
    ],
)
def test_what_does_not_fit_is_refused_and_creates_no_login(
    warehouse: Warehouse, login: str, role: roles.Role, tenant: str | None, application: bool, complaint: str
) -> None:
    with pytest.raises(WarehouseError, match=complaint):
        roles.add_login(warehouse, login, role=role, tenant=tenant, application=application)
    with warehouse.connect() as connection:
        assert connection.execute("select from pg_roles where rolname = %s", (login,)).fetchone() is None


@pytest.mark.parametrize("name", ["", "pg_mine", "x" * 64, "icp_viewer"])
def test_names_that_cannot_be_logins_are_refused(warehouse: Warehouse, name: str) -> None:
    with pytest.raises(WarehouseError):
        roles.add_login(warehouse, name, role="icp_bi")


def test_revoking_a_stranger_is_a_sentence(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="has no role"):
        roles.revoke_login(warehouse, "stranger")
