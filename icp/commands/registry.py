"""`icp load registry` and `icp load industry-codes`: company registries and classifications of industries."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from icp.console import JSON_OPTION, err, out, percent, print_json, table
from ingest.errors import IngestError
from ingest.outcomes.load import close_interrupted_loads
from ingest.registry.fields import FIELDS
from ingest.registry.load import load_registry
from ingest.registry.load_codes import CodesReport, load_code_table, load_industry_codes
from ingest.registry.report import RegistryReport
from warehouse.connection import Warehouse

_SHOWN_FILES = 30


def registry(
    paths: Annotated[
        list[str] | None, typer.Argument(help="CSV files (.gz too), folders or globs; default: those of the mapping.")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--registry", help="A built-in registry (acra), or with a mapping another name.")
    ] = None,
    mapping: Annotated[Path | None, typer.Option(help="YAML mapping of another registry.")] = None,
    industry_version: Annotated[
        str | None, typer.Option(help="Version of the classification its codes are in; default: told by the lists.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of the files, such as cp1252; default: UTF-8.")] = None,
    complete: Annotated[
        bool | None,
        typer.Option(
            "--complete/--partial",
            help="Whether the files are all of the registry: what is in none of them is then gone. Default: they are "
            "if the files of the last load are among them.",
        ),
    ] = None,
    again: Annotated[bool, typer.Option(help="Load files also where they are unchanged.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="List the fields that a mapping can fill, and stop.")
    ] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Load a registry of companies: ACRA's published files as they are, any other by a mapping.

    Only what differs from the last load is written. The files are remembered: later runs load them again when they
    have changed. A row that cannot be loaded goes to raw.rejected_rows with its reason; a bad file stops with one
    sentence and nothing is loaded.
    """
    if explain:
        rows = [(field.name, field.kind, field.required, field.help) for field in FIELDS]
        out.print(table("registry", ("field", "kind", "required", "meaning"), rows))
        return
    warehouse = Warehouse().open()
    with warehouse.pipeline_lock("load registry"), err.status("reading …") as status:
        with warehouse.connect(autocommit=True) as connection:
            close_interrupted_loads(connection)
        report = load_registry(
            warehouse,
            paths or [],
            registry=name,
            mapping_path=mapping,
            industry_version=industry_version,
            encoding=encoding,
            complete=complete,
            now=dt.datetime.now(dt.UTC),
            again=again,
            progress=lambda file, done, total: status.update(f"{file}: {done:,} of {total:,} rows"),
        )
    if as_json:
        counts = report.counts
        print_json({**vars(report), "total": {**vars(counts), "unchanged": counts.unchanged}})
    else:
        summarize_registry(report)


def industry_codes(
    path: Annotated[Path, typer.Argument(help="CSV with columns of codes and titles; level, section, … if it has.")],
    version: Annotated[str, typer.Option(help="Name of the version, such as 2025.")],
    correspondence_from: Annotated[
        str | None,
        typer.Option(help="The file is an official table of what the codes of this version became in --version."),
    ] = None,
    encoding: Annotated[str, typer.Option(help="Of the file.")] = "utf-8",
    again: Annotated[bool, typer.Option(help="Load the file also where it is unchanged.")] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Load a version of a classification of industries, and link its codes with those of the other versions."""
    warehouse = Warehouse().open()
    with warehouse.pipeline_lock("load industry codes"), err.status("reading …"):
        with warehouse.connect(autocommit=True) as connection:
            close_interrupted_loads(connection)
        if correspondence_from:
            if correspondence_from == version:
                raise IngestError("A table of correspondence is from one version to another, not to itself.")
            report = load_code_table(
                warehouse, path, from_version=correspondence_from, to_version=version, encoding=encoding
            )
        else:
            report = load_industry_codes(warehouse, path, version=version, encoding=encoding, again=again)
    if as_json:
        print_json(report)
    else:
        summarize_codes(report)


def summarize_registry(report: RegistryReport) -> None:
    """A line per file, what became of the entities, and what to do about rejects."""
    rows = [
        (file.file, file.counts.read, file.counts.inserted, file.counts.updated, file.counts.unchanged)
        + (file.counts.repeated, file.counts.rejected, f"{file.seconds:.1f}")
        for file in report.files
    ]
    names = ("file", ">read", ">new", ">updated", ">same", ">repeated", ">rejected", ">seconds")
    if rows:
        out.print(table(report.registry, names, rows[:_SHOWN_FILES]))
    if report.status == "unchanged":
        out.print(f"{report.registry}: the files are as they were loaded; nothing was done.")
    share = percent(report.live / report.entities if report.entities else None)
    out.print(f"{report.registry}: {report.entities:,} entities, {report.live:,} live ({share}).")
    if report.code_version and report.code_version.version:
        out.print(f"Version of the industry codes: {escape(report.code_version.reason)}.")
    if report.gone:
        out.print(f"{report.gone:,} entities are in no file any more and were marked as gone.")
    if report.missing:
        out.print(
            f"{report.missing:,} entities are in none of these files and stay: the files are only a part. "
            "If they are all, say --complete."
        )
    for note in report.notes:
        out.print(f"[yellow]note[/] {escape(str(note))}")
    if report.missing_columns:
        out.print(f"[yellow]note[/] columns that some file lacks: {escape(', '.join(report.missing_columns))}")
    rejected = report.counts.rejected
    if rejected:
        out.print(f"[yellow]{rejected:,} rows were rejected[/]; their reasons:")
        out.print(
            '  icp psql -- -c "select reason, count(*) from raw.rejected_rows where resolved_at is null group by 1"'
        )


def summarize_codes(report: CodesReport) -> None:
    """What is there now, by level, and how it is linked with the other versions."""
    if report.status == "unchanged":
        out.print(f"{report.file} is as it was loaded; nothing was done.")
    else:
        out.print(
            f"{report.file}: {report.read:,} rows read, {report.inserted:,} new, {report.updated:,} updated, "
            f"{report.removed:,} removed, {report.rejected:,} rejected ({report.seconds:.1f} s)."
        )
    out.print(table(f"Version {report.version}", ("level", ">codes"), list(report.levels.items())))
    if report.links:
        out.print(table("Five-character codes found in other versions", ("by", ">links"), list(report.links.items())))
    for version, number in report.unlinked.items():
        out.print(f"{number:,} five-character codes of {report.version} have nothing to become in {version}.")
    for note in report.notes:
        out.print(f"[yellow]note[/] {escape(note)}.")
