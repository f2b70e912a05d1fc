"""`icp retention`: deleting what is older than its time."""

from __future__ import annotations

from typing import Annotated

import typer

from icp.console import JSON_OPTION, out, print_json, table
from warehouse import retention
from warehouse.connection import Warehouse

app = typer.Typer(no_args_is_help=True, help="How long rows are kept, and deleting what is older.")


@app.callback()
def _group() -> None:
    """How long rows are kept, and deleting what is older."""


@app.command()
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and change nothing.")] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Delete rows that are older than their settings say; the nightly job does the same.

    ICP_RETAIN_REJECTED_DAYS, _PAGES_, _SNAPSHOTS_, _INBOX_, _MODEL_CALLS_: days, or 'forever'. Scores that weights are
    learned from stay, however old they are.
    """
    days = retention.days_from_environment()
    warehouse = Warehouse().open()
    with (
        warehouse.pipeline_lock("retention"),
        warehouse.connect(autocommit=True, application="icp retention") as connection,
    ):
        done = retention.apply(connection, days, dry_run=dry_run)
    if as_json:
        print_json(done)
        return
    rows = [
        (one.kind, one.setting, "for ever" if one.days is None else f"{one.days} days", one.deleted, one.needed or None)
        for one in done
    ]
    gone = ">would go" if dry_run else ">deleted"
    out.print(table(None, ("rows", "setting", "kept", gone, ">kept for learning"), rows))
