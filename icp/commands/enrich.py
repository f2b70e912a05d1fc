"""`icp enrich`: fill in the companies that look like a tenant's best customers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.markup import escape

from icp.console import JSON_OPTION, err, out, print_json, table
from ingest.crawl.settings import ProfileName
from ingest.enrichment.companies import FIELDS
from ingest.enrichment.domains import Supplied, read_supplied
from ingest.enrichment.enrichment import EnrichmentReport, drain_queue, enrich_batch
from ingest.enrichment.lookalikes import ensure_lookalikes
from ingest.enrichment.progress import Note, Progress
from ingest.enrichment.settings import VendorSettings
from ingest.enrichment.tools import standard_tools
from ingest.errors import IngestError
from warehouse import suggestions, tenants
from warehouse.connection import Warehouse

_SHORT = {"about_text": "about", "hq_city": "city", "hq_country": "country", "website_domain": "site"} | {
    "linkedin_url": "linkedin",
    "tech_stack": "stack",
    "phone_number": "phone",
}


def enrich(
    tenant: Annotated[str | None, typer.Argument(help="Slug or external id; with --queue none means all.")] = None,
    suggestion: Annotated[str | None, typer.Option(help="This suggestion only; default: all accepted ones.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Companies to do now (default: RUN_NOW_LIMIT, 10).")] = None,
    profile: Annotated[
        str | None, typer.Option(help="interactive (reader services first) or nightly (the sites themselves first).")
    ] = None,
    domains: Annotated[
        Path | None, typer.Option(help="CSV with name,domain: websites you know; they are believed.")
    ] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Work off what earlier calls left for the night.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also companies that are done already.")] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Find website, description, place, stack, address, phone and contacts of look-alike companies.

    Ten are done now, the rest waits in a queue (icp enrich --queue, or the nightly job). Without keys of vendors
    the companies' own sites are read and nothing else; what was left out, and why, is said in the table.

    Example: icp enrich acme --domains websites.csv
    """
    if tenant is None and not queue:
        raise typer.BadParameter("name a tenant, or use --queue to work off the queue of all tenants")
    chosen = _profile(profile or ("nightly" if queue else "interactive"))
    supplied = read_supplied(domains) if domains is not None else Supplied({})
    for problem in supplied.problems:
        err.print(f"[yellow]{escape(str(domains))}[/] {escape(problem)}")
    warehouse = Warehouse().open()
    if queue:
        report = _work_off_queue(warehouse, tenant, chosen, limit, supplied)
    else:
        assert tenant is not None
        asked = [suggestion] if suggestion is not None else None
        report = _enrich(warehouse, tenant, asked, chosen, limit, supplied, again)
    if as_json:
        print_json(report)
    else:
        summarize(report, tenant)


def enrich_suggestions(
    warehouse: Warehouse, tenant: str, suggestion_ids: Sequence[str], limit: int | None = None
) -> EnrichmentReport:
    """Enrich a first batch of the look-alikes of these suggestions; prints progress, not the report.

    Raises:
        IngestError: they have no look-alikes.
        Busy: another run is at work.
    """
    return _enrich(warehouse.open(), tenant, suggestion_ids, "interactive", limit, Supplied({}), again=False)


def _enrich(
    warehouse: Warehouse,
    tenant: str,
    asked: Sequence[str] | None,
    profile: ProfileName,
    limit: int | None,
    supplied: Supplied,
    again: bool,
) -> EnrichmentReport:
    settings = VendorSettings.from_environment()
    with _at_work(warehouse) as (connection, show):
        who = tenants.get(connection, tenant)
        now = dt.datetime.now(dt.UTC)
        ids = suggestions.resolve(connection, who.tenant_id, asked) if asked is not None else None
        wanted = ensure_lookalikes(connection, tenant_id=who.tenant_id, suggestion_ids=ids)
        if not wanted and ids is not None:
            raise IngestError(f"Suggestion {', '.join(ids)} has no look-alike companies; a registry gives them.")
        if not wanted:
            raise IngestError(
                f"{who.slug} has accepted no suggestion with look-alike companies. "
                f"Accept one (icp suggestions accept {who.slug} ID) or name one with --suggestion."
            )
        return enrich_batch(
            connection,
            tenant_id=who.tenant_id,
            company_ids=[company.company_id for company in wanted],
            open_tools=standard_tools(
                warehouse, connection, profile=profile, now=now, settings=settings, progress=show
            ),
            now=now,
            limit=limit or settings.run_now_limit,
            reason=f"look-alike of {', '.join(ids) if ids is not None else 'an accepted suggestion'}",
            supplied=supplied.domains,
            again=again,
            progress=show,
        )


def _work_off_queue(
    warehouse: Warehouse, tenant: str | None, profile: ProfileName, limit: int | None, supplied: Supplied
) -> EnrichmentReport:
    with _at_work(warehouse) as (connection, show):
        now = dt.datetime.now(dt.UTC)
        return drain_queue(
            connection,
            open_tools=standard_tools(warehouse, connection, profile=profile, now=now, progress=show),
            now=now,
            tenant_ids=[tenants.get(connection, tenant).tenant_id] if tenant is not None else None,
            limit=limit,
            supplied=supplied.domains,
            progress=show,
        )


@contextmanager
def _at_work(warehouse: Warehouse) -> Iterator[tuple[psycopg.Connection, Progress]]:
    """The pipeline lock, a connection, and a line of progress on standard error."""
    with (
        warehouse.pipeline_lock("enrich"),
        warehouse.connect(autocommit=True, application="icp enrich") as connection,
        err.status("enriching …") as status,
    ):

        def show(note: Note) -> None:
            status.update(escape(note.message))
            if note.event == "enrich:cap":
                err.print(f"[yellow]{escape(note.message)}[/]")

        yield connection, show


def summarize(report: EnrichmentReport, tenant: str | None) -> None:
    """A line per company, then everything that was left out and why."""
    rows = [
        (
            company.name,
            company.domain,
            company.state,
            company.pages,
            f"{len(company.filled)}/{len(FIELDS)}",
            ", ".join(_SHORT.get(name, name) for name in company.filled),
            company.contacts,
            f"{company.seconds:.1f}",
        )
        for company in report.companies
    ]
    if rows:
        names = ("company", "website", "state", ">pages", ">fields", "filled", ">contacts", ">seconds")
        out.print(table(None, names, rows))
    reasons: dict[str, list[str]] = {}
    for company in report.companies:
        for reason in company.degraded_reasons:
            reasons.setdefault(reason, []).append(company.name)
    for reason, named in reasons.items():
        which = "all" if len(named) == len(report.companies) > 1 else ", ".join(named[:3])
        more = f" and {len(named) - 3} more" if which != "all" and len(named) > 3 else ""
        out.print(f"[yellow]{escape(which)}{more}[/]: {escape(reason)}")
    for note in report.notes:
        out.print(f"[yellow]{escape(note)}[/]")
    if report.used:
        out.print(f"Asked today: {', '.join(map(str, report.used))}.")
    if report.companies and report.skipped:
        out.print(f"Not used: {escape('; '.join(report.skipped))}.")
    if report.recovered:
        out.print(f"{report.recovered} companies of a killed run were taken up again.")
    if report.already_done:
        out.print(f"{report.already_done} companies were done already (--again does them anew).")
    if any(company.domain is None for company in report.companies):
        out.print(
            f"Known websites can be supplied: icp enrich {tenant or 'TENANT'} --domains websites.csv (name,domain)"
        )
    if report.queued:
        out.print(f"{report.queued} wait for the night. Now: icp enrich --queue")
    elif not report.companies and not report.already_done:
        out.print("Nothing waits in the queue.")


def _profile(name: str) -> ProfileName:
    if name == "interactive":
        return "interactive"
    if name == "nightly":
        return "nightly"
    raise typer.BadParameter(f"--profile is interactive or nightly, not {name!r}")
