"""`icp crawl`: read company sites now."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from icp.console import JSON_OPTION, err, out, print_json, table
from ingest.companies import ensure_companies
from ingest.enrichment.domains import read_supplied_rows
from ingest.errors import IngestError
from ingest.gathering.keeping import GatherReport
from ingest.gathering.standard import standard_gatherer
from warehouse import tenants
from warehouse.connection import Warehouse


def crawl(
    tenant: Annotated[list[str] | None, typer.Option(help="Only these tenants' sites (slugs).")] = None,
    profile: Annotated[str, typer.Option(help="nightly, or interactive (reader services first).")] = "nightly",
    background: Annotated[
        Path | None,
        typer.Option(help="CSV with name,domain: companies at large, whose shares are the base rates. Read these."),
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Read the sites that are due: tenants' own and their customers', new ones or those read a month ago.

    robots.txt is honoured, pages are kept for thirty days, every cap that was reached is said. `icp run` does the
    same on its way; this is for reading now and for the background sample.

    Examples: icp crawl --tenant acme --profile interactive     icp crawl --background companies.csv
    """
    if profile not in ("nightly", "interactive"):
        raise IngestError(f"--profile is {profile!r}; it takes nightly or interactive.")
    warehouse = Warehouse().open()
    now = dt.datetime.now(dt.UTC)
    with warehouse.pipeline_lock("crawl"), err.status("looking for sites that are due …") as status:
        with warehouse.connect(autocommit=True) as connection:
            ids = [tenants.get(connection, slug).tenant_id for slug in tenant] if tenant else None
            sample = None
            if background is not None:
                rows, problems = read_supplied_rows(background)
                for problem in problems:
                    err.print(f"[yellow]{escape(str(background))}[/] {escape(problem)}")
                sample = list(zip(ensure_companies(connection, rows), (domain for _, domain in rows), strict=True))
        with standard_gatherer(
            warehouse,
            now=now,
            profile=profile,  # type: ignore[arg-type]  # checked above
            progress=lambda done, total, domain: status.update(f"{done:,} of {total:,} sites: {escape(domain)}"),
        ) as gatherer:
            report = gatherer.gather_background(sample) if sample is not None else gatherer.gather(ids)
    if as_json:
        print_json(report)
    else:
        summarize(report)


def summarize(report: GatherReport) -> None:
    """Sites by outcome, and what kept pages from being read."""
    read = report.sites + report.background
    if not read:
        out.print("No site was due: what is known is younger than its thirty days.")
        return
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(report.outcomes.items()))
    out.print(
        f"{read:,} sites ({outcomes}); {report.pages_fetched:,} pages fetched, {report.pages_cached:,} from the cache;"
        f" {report.items:,} facts."
    )
    if report.notes:
        rows = report.notes.most_common(12)
        out.print(table(None, ("what went wrong, or which cap was reached", ">sites"), rows))
