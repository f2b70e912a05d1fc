"""Logins of people, BI tools and applications: which group role they have and which tenant they see.

Does not belong here: the rules themselves (migrations), connections of the pipeline (``connection``).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Literal, get_args

import psycopg
from psycopg import sql

from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError

Role = Literal["icp_viewer", "icp_ops", "icp_bi", "icp_scorer"]
ROLES: tuple[Role, ...] = get_args(Role)
OF_ONE_TENANT: tuple[Role, ...] = ("icp_viewer", "icp_ops")


@dataclass(frozen=True)
class Login:
    """A login with a role of this warehouse.

    Attributes:
        tenant: the tenant it always reads; None for an application and for roles that read every tenant.
        is_application: whether it names a tenant per transaction.
    """

    login: str
    role: Role
    tenant: str | None
    is_application: bool


def add_login(
    warehouse: Warehouse, login: str, *, role: Role, tenant: str | None = None, application: bool = False
) -> str | None:
    """Give a login its role, creating it where there is none. Twice is the same as once.

    A login has one role: another one that it had is taken away, or who moved from ``icp_bi`` to one tenant would go on
    reading all of them.

    Args:
        tenant: slug of the tenant that it reads; ``icp_viewer`` and ``icp_ops`` need it, or ``application``.
        application: trusted to name the tenant in every transaction.

    Returns:
        The new login's password, known to nobody else; None where the login existed.

    Raises:
        WarehouseError: role and tenant do not fit, or the warehouse's own login may not create roles.
    """
    if role not in ROLES:
        raise WarehouseError(f"There is no role {role!r}; there are {', '.join(ROLES)}.")
    if role in OF_ONE_TENANT and (tenant is None) != application:
        raise WarehouseError(f"{role} reads one tenant: name it, or say that the login is a trusted application.")
    if role not in OF_ONE_TENANT and (tenant is not None or application):
        raise WarehouseError(f"{role} reads every tenant; leave the tenant out.")
    if not login or login.startswith("pg_") or len(login.encode()) > 63 or "\x00" in login:
        raise WarehouseError(f"{login!r} cannot be a login: 1-63 bytes, not beginning with pg_.")
    if login in ROLES or login == "icp_pipeline":
        raise WarehouseError(f"{login} is a group role; choose another name for the login.")
    with warehouse.connect(application="icp roles") as connection:
        tenant_id = tenants.get(connection, tenant).tenant_id if tenant is not None else None
        others = [known.role for known in list_logins(connection) if known.login == login and known.role != role]
        connection.execute("set local role none")  # the login itself may create roles, the pipeline may not
        try:
            password = _ensure_login(connection, login)
            for other in others:
                connection.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(other), sql.Identifier(login)))
            connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(login)))
        except psycopg.errors.InsufficientPrivilege as error:
            raise WarehouseError(
                f"The warehouse's login may not do that: {error.diag.message_primary}. Give it CREATEROLE (and, "
                "where an administrator made the icp_* roles, ADMIN OPTION on them), or let an administrator run: "
                f'create role "{login}" login password \'…\'; grant {role} to "{login}"'
            ) from error
        connection.execute("set local role icp_pipeline")
        connection.execute("delete from access.tenant_logins where login = %s", (login,))
        if role in OF_ONE_TENANT:
            connection.execute(
                "insert into access.tenant_logins (login, tenant_id) values (%s, %s)", (login, tenant_id)
            )
        _note(connection, tenant_id, "add_login", login, role)
    return password


def revoke_login(warehouse: Warehouse, login: str, *, drop: bool = False) -> list[str]:
    """Take every role of this warehouse from a login, and its tenant.

    Args:
        drop: delete the login too (refused by the server while it owns something elsewhere).

    Returns:
        The roles it had.
    """
    with warehouse.connect(application="icp roles") as connection:
        had = [known.role for known in list_logins(connection) if known.login == login]
        row = connection.execute("select tenant_id from access.tenant_logins where login = %s", (login,)).fetchone()
        if not had and row is None:
            raise WarehouseError(f"{login!r} has no role of this warehouse.")
        connection.execute("delete from access.tenant_logins where login = %s", (login,))
        _note(connection, row[0] if row else None, "revoke_login", login, ", ".join(had))
        connection.execute("set local role none")
        for role in had:
            connection.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(role), sql.Identifier(login)))
        if drop:
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(login)))
    return [str(role) for role in had]


def list_logins(connection: psycopg.Connection) -> list[Login]:
    """Logins that were given a role directly, by name."""
    rows = connection.execute(
        "select logins.rolname, roles.rolname, tenants.slug, mapped.login is not null and mapped.tenant_id is null"
        " from pg_auth_members as members"
        " join pg_roles as roles on roles.oid = members.roleid and roles.rolname = any(%s)"
        " join pg_roles as logins on logins.oid = members.member and logins.rolcanlogin"
        " left join access.tenant_logins as mapped on mapped.login = logins.rolname"
        " left join raw.tenants as tenants on tenants.tenant_id = mapped.tenant_id"
        " where not pg_has_role(logins.oid, 'icp_pipeline', 'member')"
        " group by 1, 2, 3, 4 order by 1, 2",
        (list(ROLES),),
    ).fetchall()
    return [Login(*row) for row in rows]


def _ensure_login(connection: psycopg.Connection, login: str) -> str | None:
    if connection.execute("select from pg_roles where rolname = %s", (login,)).fetchone() is not None:
        return None
    password = secrets.token_urlsafe(24)
    # Hashed here: the server's log never holds the words.
    hashed = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("create role {} login password {}").format(sql.Identifier(login), sql.Literal(hashed)))
    return password


def _note(connection: psycopg.Connection, tenant_id: int | None, action: str, login: str, role: str) -> None:
    connection.execute(
        "insert into learned.audit_log (tenant_id, actor, action, object, detail)"
        " values (%s, session_user, %s, %s, jsonb_build_object('role', %s::text))",
        (tenant_id, action, login, role),
    )
