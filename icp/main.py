"""The entry of `icp`: its commands, and one place where errors become sentences and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable

import psycopg
import typer

from icp import console
from icp.commands import (
    admin,
    crawl,
    demo,
    enrich,
    intake,
    load,
    matches,
    registry,
    roles,
    run,
    score,
    status,
    suggestions,
    tenant,
    weights,
)
from ingest.errors import IngestError
from warehouse.errors import Busy, WarehouseError

app = typer.Typer(
    name="icp",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Learn from booked meetings and best customers who to target, and say how sure that is.\n\n"
        "First steps: [bold]icp demo[/] shows the whole loop on simulated data. With your own: "
        "[bold]icp tenant add acme[/], [bold]icp load outcomes mapping.yaml[/], [bold]icp run[/], "
        "[bold]icp status[/], [bold]icp ui[/]."
    ),
    epilog=(
        "Exit codes: 0 done; 1 a run failed; 2 bad input or a refused request; 3 another run is at work; "
        "4 done, but a check does not hold. Where data lie and how to use another server: icp status, README."
    ),
)
app.add_typer(tenant.app, name="tenant")
app.add_typer(load.app, name="load")
load.app.command("registry")(registry.registry)
load.app.command("industry-codes")(registry.industry_codes)
load.app.command("intake")(intake.intake)
app.add_typer(weights.app, name="weights")
app.add_typer(matches.app, name="matches")
app.add_typer(suggestions.app, name="suggestions")
app.add_typer(roles.app, name="roles")
_PLAIN: list[Callable[..., None]] = [
    demo.demo,
    demo.simulate,
    run.run,
    status.status,
    crawl.crawl,
    enrich.enrich,
    score.score,
    admin.ui,
    admin.backup,
    admin.restore,
    admin.reset,
]
_PASSING_ON: list[Callable[..., None]] = [admin.psql, admin.dbt]
for command in _PLAIN:
    app.command()(command)
for command in _PASSING_ON:
    app.command(context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True})(command)


def main() -> None:
    """Run the command line; every refusal is one sentence on standard error, without a traceback."""
    try:
        app()
    except Busy as error:
        _say(error, console.BUSY)
    except (WarehouseError, IngestError) as error:
        _say(error, console.BAD_INPUT)
    except psycopg.OperationalError as error:
        _say(error, console.FAILED)
    except KeyboardInterrupt:
        _say("Interrupted. What was not committed was rolled back; start it again to go on.", 130)


def _say(error: Exception | str, code: int) -> None:
    console.err.print(f"[red]icp:[/] {str(error).strip()}", soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
