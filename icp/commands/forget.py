"""`icp forget`: a person who asks for it is removed, and not loaded again."""

from __future__ import annotations

import getpass
from typing import Annotated, Any

import typer

from icp.console import JSON_OPTION, out, print_json, table
from warehouse import forget as forgetting
from warehouse.connection import Warehouse
from warehouse.forget import Report


def forget(
    person: Annotated[
        list[str] | None,
        typer.Option(
            help="E-mail address or LinkedIn profile; with --tenant also the source's lead id or a full name. Several "
            "are one person's."
        ),
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Only at this tenant; default: at all of them.")] = None,
    erase: Annotated[
        bool, typer.Option("--erase", help="Delete leads whole; else an anonymous one keeps outcome and days.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Instead: remove everybody on the list once more, as after a restore.")
    ] = False,
    by: Annotated[str | None, typer.Option(help="Who does it, for the audit log; default: your login.")] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Remove a person from the warehouse, and remember (as a keyed hash) not to load them again.

    Examples: icp forget --person jane@acme.com --dry-run     icp forget --person 00Q5e --tenant acme
    icp forget --person jane@acme.com --person 'Jane Tan' --tenant acme     icp forget --again
    """
    if again == bool(person):
        raise typer.BadParameter("say who: --person ADDRESS, PROFILE, ID or NAME; or --again")
    warehouse = Warehouse().open()
    actor = by or getpass.getuser()
    if again:
        reports = forgetting.again(warehouse, actor=actor)
        print_json([_for_programs(report) for report in reports]) if as_json else _show_again(reports)
        return
    texts = person or []
    if dry_run or not yes:
        report = forgetting.forget(warehouse, texts, tenant=tenant, erase=erase, dry_run=True, actor=actor)
        if not as_json:
            _show(report)
        if dry_run:
            if as_json:
                print_json(_for_programs(report))
            return
        typer.confirm("Go on? There is no way back.", abort=True, err=True)
    report = forgetting.forget(warehouse, texts, tenant=tenant, erase=erase, actor=actor)
    if as_json:
        print_json(_for_programs(report))
        return
    _show(report)


def _for_programs(report: Report) -> dict[str, Any]:
    removed = [{"table": one.table, "action": one.action, "rows": one.rows} for one in report.removed]
    return {**vars(report), "removed": removed}


def _show(report: Report) -> None:
    would = " would be" if report.is_dry_run else ""
    if not report.rows:
        left = "Nothing of this person is here."
        out.print(left if not report.remembered else f"{left} The next loads will leave them out.")
        return
    rows = [(one.table, f"{one.action}{would and ' (would be)'}", one.rows) for one in report.removed]
    out.print(table(None, ("table", "what", ">rows"), rows))
    if report.is_dry_run:
        return
    out.print(f"Forgotten, as request {report.request_id} in the audit log. Loads leave the person out from now on.")
    if report.tenants:
        out.print(f"Next: icp run (rebuilds the marts of {', '.join(report.tenants)})")
    out.print("Older backups still hold the person: docs/data-rights.md")


def _show_again(reports: list[Report]) -> None:
    if not reports:
        out.print("Nobody on the list is here.")
        return
    rows = [(report.request_id, report.rows, ", ".join(report.tenants) or None) for report in reports]
    out.print(table(None, ("request", ">rows", "tenants"), rows))
    out.print("Next: icp run")
