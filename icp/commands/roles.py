"""`icp roles`: who else may read, and whose rows."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from icp.console import JSON_OPTION, out, print_json, table
from warehouse import roles
from warehouse.connection import Warehouse

app = typer.Typer(no_args_is_help=True, help="Logins for people, BI tools and applications.")


@app.command()
def add(
    login: Annotated[str, typer.Argument(help="Name of the login; created if there is none.")],
    role: Annotated[str, typer.Option(help="icp_viewer or icp_ops (one tenant), icp_bi or icp_scorer (all).")],
    tenant: Annotated[str | None, typer.Option(help="The tenant that it always reads.")] = None,
    application: Annotated[
        bool, typer.Option("--application", help="Trusted to name a tenant in every transaction, instead of --tenant.")
    ] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Give a login a role. A new login gets a password, shown once.

    Examples: icp roles add acme_dashboard --role icp_viewer --tenant acme     icp roles add app --role icp_ops
    --application     icp roles add metabase --role icp_bi
    """
    password = roles.add_login(
        Warehouse().open(),
        login,
        role=role,  # type: ignore[arg-type]  # checked there, with a sentence
        tenant=tenant,
        application=application,
    )
    if as_json:
        print_json({"login": login, "role": role, "tenant": tenant, "password": password})
        return
    out.print(f"[bold]{escape(login)}[/] has {role}{f' of {tenant}' if tenant else ''}.")
    if password:
        out.print(f"Its password, shown this once: {password}", soft_wrap=True)
    if application:
        out.print("In every transaction: select set_config('app.tenant_id', '<tenant_id>', true)")


@app.command("list")
def list_(as_json: Annotated[bool, JSON_OPTION] = False) -> None:
    """Show who has which role."""
    with Warehouse().connect() as connection:
        known = roles.list_logins(connection)
    if as_json:
        print_json(known)
        return
    out.print(
        table(
            None,
            ("login", "role", "reads"),
            [
                (one.login, one.role, one.tenant or ("the tenant it names" if one.is_application else _whole(one.role)))
                for one in known
            ],
        )
        if known
        else "Nobody but the pipeline. Next: icp roles add LOGIN --role icp_viewer --tenant SLUG"
    )


def _whole(role: str) -> str:
    return "nothing: it is mapped to no tenant" if role in roles.OF_ONE_TENANT else "all tenants"


@app.command()
def revoke(
    login: Annotated[str, typer.Argument(help="The login.")],
    drop: Annotated[bool, typer.Option("--drop", help="Delete the login too.")] = False,
) -> None:
    """Take its roles and its tenant from a login; open sessions lose them at once."""
    had = roles.revoke_login(Warehouse().open(), login, drop=drop)
    out.print(escape(f"{login} has lost {', '.join(had) or 'its tenant'}{' and is deleted' if drop else ''}."))
