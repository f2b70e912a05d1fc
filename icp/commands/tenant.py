"""`icp tenant`: who is learned for."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from icp.console import JSON_OPTION, out, print_json, table
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError

app = typer.Typer(no_args_is_help=True, help="Add and list tenants (the customers that are learned for).")


@app.command()
def add(
    slug: Annotated[str, typer.Argument(help="Short name: small letters, digits, '-' and '_'.")],
    name: Annotated[str | None, typer.Option(help="Name as people know it.")] = None,
    external_id: Annotated[str | None, typer.Option(help="The application's own id, a uuid for example.")] = None,
    timezone: Annotated[str, typer.Option(help="Zone of the tenant's days, for example Asia/Singapore.")] = "UTC",
    setting: Annotated[
        list[str] | None,
        typer.Option(help="name=value, repeatable: maturity_days=90, pooling=false, risk_credit=15, tiers={…}."),
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Add a tenant, or change the one with this slug. Twice is the same as once.

    Example: icp tenant add acme --timezone Asia/Singapore --setting maturity_days=60
    """
    with Warehouse().connect(autocommit=True) as connection:
        tenant = tenants.add_tenant(
            connection,
            slug=slug,
            name=name,
            external_id=external_id,
            timezone=timezone,
            settings=_settings(setting or []),
        )
    if as_json:
        print_json(tenant)
    else:
        out.print(f"Tenant [bold]{tenant.slug}[/] (id {tenant.tenant_id}, {tenant.timezone}) is there.")
        out.print("Next: icp load outcomes MAPPING.yaml   (what a mapping looks like: examples/)")


def _settings(given: list[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for item in given:
        name, mark, value = item.partition("=")
        if not mark:
            raise WarehouseError(f"--setting takes name=value, not {item!r}.")
        try:
            settings[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            settings[name.strip()] = value
    return settings


@app.command("list")
def list_(as_json: Annotated[bool, JSON_OPTION] = False) -> None:
    """List all tenants with their settings."""
    with Warehouse().connect() as connection:
        known = tenants.list_tenants(connection)
    if as_json:
        print_json(known)
    elif not known:
        out.print("There are no tenants yet. Add one: icp tenant add SLUG")
    else:
        rows = [
            (t.tenant_id, t.slug, t.name, t.external_id, t.timezone, t.settings["maturity_days"])
            + (t.settings["pooling"], t.simulated)
            for t in known
        ]
        names = (">id", "slug", "name", "external id", "time zone", ">maturity days", "pools", "simulated")
        out.print(table(None, names, rows))
