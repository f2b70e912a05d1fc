"""`icp load`: files into the warehouse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from icp.console import JSON_OPTION, err, out, print_json, table
from ingest.outcomes.entities import ENTITIES
from ingest.outcomes.load import LoadReport, close_interrupted_loads, load_outcomes
from warehouse.connection import Warehouse

app = typer.Typer(no_args_is_help=True, help="Load files through a mapping.")


@app.callback()
def _group() -> None:
    """Load files through a mapping."""


@app.command()
def outcomes(
    mappings: Annotated[list[Path] | None, typer.Argument(help="YAML mapping files; see examples/.")] = None,
    again: Annotated[
        bool, typer.Option(help="Load files also where they are unchanged, and queries from their beginning.")
    ] = False,
    complete: Annotated[
        bool, typer.Option(help="Mark leads as deleted that a full extract lacks, also if they are many.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="List the fields that a mapping can fill, and stop.")
    ] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Load leads, status events, activities and score snapshots from CSV, NDJSON and Parquet files or another Postgres.

    A mapping says what the columns of your files and queries mean. It is remembered: later runs (`icp run`) load
    what is new in them. A bad row goes to raw.rejected_rows with its reason and the good ones in; a bad file stops
    with one sentence and nothing of it is loaded.
    """
    if explain:
        for entity in ENTITIES:
            rows = [(field.name, field.kind, field.required, field.help) for field in entity.fields]
            out.print(table(entity.name, ("field", "kind", "required", "meaning"), rows))
            out.print()
        return
    if not mappings:
        raise typer.BadParameter("name at least one mapping file, or use --explain to see what one can say")
    warehouse = Warehouse().open()
    reports = []
    with warehouse.pipeline_lock("load outcomes"), err.status("reading …") as status:
        with warehouse.connect(autocommit=True) as connection:
            close_interrupted_loads(connection)
        for path in mappings:
            reports.append(
                load_outcomes(
                    warehouse,
                    path,
                    again=again,
                    however_many_gone=complete,
                    progress=lambda entity, file, done, total: status.update(f"{file}: {done:,} of {total:,} {entity}"),
                )
            )
    if as_json:
        print_json(reports)
    else:
        summarize(reports)


def summarize(reports: list[LoadReport]) -> None:
    """A line per file, and what to do about rejects."""
    rows = [
        (report.source, file.entity, file.file, file.status, file.counts.read, file.counts.inserted)
        + (file.counts.updated, file.counts.unchanged, file.counts.rejected, f"{file.seconds:.1f}")
        for report in reports
        for file in report.files
    ]
    names = ("source", "entity", "file", "status", ">read", ">new", ">updated", ">same", ">rejected", ">seconds")
    out.print(table(None, names, rows))
    for note in (file.note for report in reports for file in report.files if file.note):
        out.print(f"[yellow]{note[0].upper()}{note[1:]}.[/]")
    suppressed = sum(file.counts.suppressed for report in reports for file in report.files)
    if suppressed:
        out.print(f"{suppressed:,} rows were left out: the people asked to be forgotten.")
    older = sum(file.counts.older for report in reports for file in report.files)
    if older:
        out.print(f"{older:,} rows were older than what is known, and left alone.")
    gone = sum(file.counts.gone for report in reports for file in report.files)
    if gone:
        out.print(f"{gone:,} leads are not in their full extract any more, and marked as deleted.")
    rejected = sum(file.counts.rejected for report in reports for file in report.files)
    if rejected:
        out.print(f"[yellow]{rejected:,} rows were rejected[/]; their reasons:")
        out.print(
            '  icp psql -- -c "select reason, count(*) from raw.rejected_rows where resolved_at is null group by 1"'
        )
    waiting = sum(file.counts.waiting for report in reports for file in report.files)
    if waiting:
        out.print(f"{waiting:,} of them wait for leads that are not there; they go in when the leads have come.")
    if any(report.changed for report in reports):
        out.print("Next: icp run")
