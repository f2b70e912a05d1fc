"""The entry of `icp`: its commands, and one place where errors become sentences and exit codes."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

import psycopg
import typer
from rich.markup import escape

from icp import console
from icp.commands import (
    admin,
    crawl,
    demo,
    enrich,
    forget,
    intake,
    load,
    matches,
    registry,
    retention,
    roles,
    run,
    score,
    status,
    suggestions,
    tenant,
    weights,
)
from ingest.errors import IngestError
from warehouse import faults, logs
from warehouse.errors import Busy, WarehouseError
from warehouse.settings import Settings

log = logging.getLogger("icp.main")  # also where this module is run as a script

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
app.add_typer(retention.app, name="retention")
_PLAIN: list[Callable[..., None]] = [
    demo.demo,
    demo.simulate,
    run.run,
    status.status,
    crawl.crawl,
    enrich.enrich,
    score.score,
    forget.forget,
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
    code: object = console.OK
    began = time.monotonic()
    try:
        settings = Settings.from_environment()
        logs.configure(settings)
        if settings.log_format == "json" and not settings.log_file:
            sys.stderr = logs.Sentences(sys.stderr)
        with logs.bound(command=_command(sys.argv[1:])):
            log.info("command started")
            try:
                code = _run(settings)
            finally:
                log.info("command ended", extra={"exit_code": code, "seconds": round(time.monotonic() - began, 3)})
    except WarehouseError as error:  # the environment is not valid
        code = _refused(error, console.BAD_INPUT)
    sys.exit(code)  # type: ignore[arg-type]


def _run(settings: Settings) -> object:
    """The command; returns its exit code."""
    if any(map(_is_no_text, sys.argv[1:])):
        return _refused("An argument is not UTF-8. Nothing was done.", console.BAD_INPUT)
    try:
        app()
    except SystemExit as end:
        return end.code
    except KeyboardInterrupt:
        return _refused("Interrupted. What was not committed was rolled back; start it again to go on.", 130)
    except Exception as error:
        if fault := faults.sentence(error, settings):
            return _refused(fault, console.FAILED)
        if isinstance(error, Busy):
            return _refused(error, console.BUSY)
        if isinstance(error, WarehouseError | IngestError):
            return _refused(error, console.BAD_INPUT)
        if isinstance(error, psycopg.OperationalError):
            return _refused(error, console.FAILED)
        if settings.log_file or isinstance(sys.stderr, logs.Sentences):
            log.exception("unexpected error")
        if isinstance(sys.stderr, logs.Sentences):  # a traceback may quote rows; its places are in that line
            return console.FAILED
        raise
    return console.OK


def _is_no_text(argument: str) -> bool:
    """Whether it holds bytes that Python could not read; no database takes them."""
    return any("\ud800" <= character <= "\udfff" for character in argument)


def _command(arguments: list[str]) -> str:
    """The names of the command and its group, without arguments: those may name persons."""
    names: list[str] = []
    command: object = typer.main.get_command(app)
    for argument in arguments:
        command = getattr(command, "commands", {}).get(argument)
        if command is None:
            break
        names.append(argument)
    return " ".join(names)


def _refused(error: Exception | str, code: int) -> int:
    console.err.print(f"[red]icp:[/] {escape(str(error).strip())}", soft_wrap=True)
    return code


if __name__ == "__main__":
    main()
