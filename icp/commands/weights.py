"""`icp weights`: the live weights, their history, and going back."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from icp.console import JSON_OPTION, chance, out, print_json, table
from warehouse import publication, tenants
from warehouse.connection import Warehouse

app = typer.Typer(no_args_is_help=True, help="Show score weights and their history, roll back, release.")

NAMES = ("data_quality", "authority", "company_fit", "timing")


@app.command()
def show(
    tenant: Annotated[str | None, typer.Argument(help="Slug or external id; none: all tenants.")] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Show what tenants are scored with now, and why."""
    with Warehouse().connect() as connection:
        only = tenants.get(connection, tenant).tenant_id if tenant else None
        rows = connection.execute(
            "select live.slug, live.source, live.version, live.data_quality::float8, live.authority::float8,"
            " live.company_fit::float8, live.timing::float8, live.reason, holds.reason"
            " from learned.current_weights as live left join learned.weight_holds as holds using (tenant_id)"
            " where %(only)s::int is null or live.tenant_id = %(only)s order by live.slug",
            {"only": only},
        ).fetchall()
    if as_json:
        names = ("tenant", "source", "version", *NAMES, "reason", "held_because")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    if not rows:
        out.print("There are no tenants yet. Add one: icp tenant add SLUG")
        return
    out.print(
        table(
            None,
            ("tenant", "source", ">version", *(f">{name}" for name in NAMES)),
            [(*row[:3], *(f"{weight:.3f}" for weight in row[3:7])) for row in rows],
        )
    )
    for row in rows:
        held = f" [yellow]Held: {escape(row[8])} (icp weights release {row[0]})[/]" if row[8] else ""
        out.print(f"[bold]{row[0]}[/]: {escape(row[7])}{held}")


@app.command()
def history(
    tenant: Annotated[str, typer.Argument(help="Slug or external id.")],
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Show all versions of a tenant's weights, the newest first."""
    with Warehouse().connect() as connection:
        versions = publication.weight_history(connection, tenants.get(connection, tenant))
    if as_json:
        print_json(versions)
        return
    if not versions:
        out.print(f"{tenant} has no versions yet: it is scored with the defaults. Learn with: icp run")
        return
    out.print(
        table(
            None,
            (">version", "status", "source", *(f">{name}" for name in NAMES), ">leads", ">bookings", ">P(better)")
            + (">signal p", "created"),
            [
                (v.version, v.status, v.source, *(f"{getattr(v, name):.3f}" for name in NAMES), v.leads, v.bookings)
                + (chance(v.probability_better), v.signal_p, v.created_at)
                for v in versions
            ],
        )
    )
    for version in versions:
        ended = f" Ended: {version.ended_because}." if version.ended_because else ""
        out.print(f"[bold]{version.version}[/] {escape(version.reason + ended)}")


@app.command()
def rollback(
    tenant: Annotated[str, typer.Argument(help="Slug or external id.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")],
    to: Annotated[int | None, typer.Option(help="Version to go back to; 0: the defaults.")] = None,
) -> None:
    """Make an earlier version live again and hold it there.

    Learning goes on proposing; nothing is published for the tenant until `icp weights release`. Scores follow
    with the next run.
    """
    warehouse = Warehouse().open()
    with warehouse.pipeline_lock("weights rollback"), warehouse.connect(autocommit=True) as connection:
        found = tenants.get(connection, tenant)
        version = publication.rollback(connection, found, to_version=to, reason=reason)
    what = f"version {version}" if version else "the defaults"
    out.print(f"{found.slug} is on {what} now, and held there. Release: icp weights release {found.slug}")


@app.command()
def release(tenant: Annotated[str, typer.Argument(help="Slug or external id.")]) -> None:
    """Let learning publish again for a tenant whose weights were rolled back."""
    warehouse = Warehouse().open()
    with warehouse.pipeline_lock("weights release"), warehouse.connect(autocommit=True) as connection:
        found = tenants.get(connection, tenant)
        was_held = publication.release(connection, found)
    out.print(f"{found.slug} is {'released' if was_held else 'not held'}; the next run decides on its evidence.")
