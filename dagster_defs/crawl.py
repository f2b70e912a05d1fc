"""Reading company sites: the tenants' own, their customers', the background sample's; and the enrichment queue."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
import psycopg
from pydantic import Field

from dagster_defs.checks import check_number, number
from dagster_defs.metadata import markdown_table, table_metadata
from dagster_defs.resources import WarehouseResource
from ingest.enrichment.enrichment import drain_queue
from ingest.enrichment.tools import standard_tools
from ingest.gathering.keeping import GatherReport
from ingest.gathering.standard import standard_gatherer
from warehouse.flow import set_state
from warehouse.versions import run_scope

GROUP = "crawl"
READ = {
    "crawl_runs": "One row per tenant and company: what the last crawl of its site came to.",
    "crawl_pages": "One row per public page: the crawler's cache, shared by all tenants.",
    "icp_evidence": "One row per tenant and fact found about a company, with where it was found.",
    "company_signals": "One row per fact found about a company of the background sample, for base rates.",
    "background_crawls": "One row per company of the background sample: what the last crawl of its site came to.",
}
MOST_BLOCKED = 0.3
FEWEST_ITEMS = 3.0
LEAST_OF_THE_SAMPLE = 0.7  # companies without a site that can be read differ from those with one
_TOLD_EVERY = 50  # sites


class CrawlConfig(dg.Config):
    """How sites are read."""

    profile: str = Field(default="nightly", description="nightly, or interactive (reader services first).")


@dg.multi_asset(
    name="crawl_sites",
    specs=[
        dg.AssetSpec(
            ["raw", table],
            deps=[
                ["raw", "customer_seeds"],
                ["raw", "icp_intake_responses"],
                ["raw", "companies"],
                ["raw", "industry_codes"],
                ["learned", "company_matches"],
                ["intermediate", "run_settings"],
            ],
            group_name=GROUP,
            description=text,
            kinds={"python", "postgres"},
        )
        for table, text in READ.items()
    ],
)
def crawl_sites(
    context: dg.AssetExecutionContext, config: CrawlConfig, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult]:
    """Read the sites that are new, changed their address or were read a month ago; the others are left alone."""
    if config.profile not in ("nightly", "interactive"):
        raise dg.Failure(f"profile is {config.profile!r}; it takes nightly or interactive.", allow_retries=False)
    now = dt.datetime.now(dt.UTC)
    with warehouse.connect(autocommit=True) as connection:
        _, tenant_ids = run_scope(connection)
        on_the_way = _states(connection, tenant_ids, ("intake_saved", "mapping"))
        set_state(connection, on_the_way, "crawl")
        with standard_gatherer(
            warehouse.warehouse,
            now=now,
            profile=config.profile,  # type: ignore[arg-type]  # checked above
            run_id=context.run.run_id,
            progress=lambda done, total, domain: (
                context.log.info(f"{done:,} of {total:,} sites read, {domain} the last")
                if done == total or done % _TOLD_EVERY == 0
                else None
            ),
        ) as gatherer:
            report = gatherer.gather(tenant_ids)
            background = gatherer.gather_background()
        set_state(connection, on_the_way, "pattern_mining")
        for table in READ:
            metadata = table_metadata(connection, "raw", table)
            if table == "crawl_runs":
                metadata |= _describe(report, background)
            yield dg.MaterializeResult(asset_key=["raw", table], metadata=metadata)


@dg.asset(
    key=["raw", "company_enrichment_runs"],
    deps=[["raw", "companies"], ["raw", "crawl_pages"]],
    group_name=GROUP,
    kinds={"python", "postgres"},
    description="One row per tenant and company to enrich: queued, or what came of it; `icp enrich`.",
)
def company_enrichment_runs(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> dg.MaterializeResult:
    """Work off what `icp enrich` left for the night."""
    now = dt.datetime.now(dt.UTC)
    with warehouse.connect(autocommit=True) as connection:
        _, tenant_ids = run_scope(connection)
        report = drain_queue(
            connection,
            open_tools=standard_tools(warehouse.warehouse, connection, profile="nightly", now=now),
            now=now,
            tenant_ids=tenant_ids,
            run_id=context.run.run_id,
        )
        metadata = table_metadata(connection, "raw", "company_enrichment_runs")
        metadata["enriched"] = sum(company.state == "done" for company in report.companies)
        metadata["not_enriched"] = sum(company.state == "failed" for company in report.companies)
        metadata["queued"] = report.queued
        metadata["notes"] = "; ".join(report.notes)
        metadata["vendors"] = ", ".join(map(str, report.used))
    return dg.MaterializeResult(metadata=metadata)


def _states(connection: psycopg.Connection, tenant_ids: list[int] | None, states: tuple[str, ...]) -> list[int]:
    rows = connection.execute(
        "select tenant_id from raw.icp_flow where state = any(%s) and (%s::int[] is null or tenant_id = any(%s))",
        (list(states), tenant_ids, tenant_ids),
    ).fetchall()
    return [row[0] for row in rows]


def _describe(report: GatherReport, background: GatherReport) -> dict[str, object]:
    summary = (
        f"{report.sites} sites read ({_said(report)}); {report.items} facts" if report.sites else "no site was due"
    )
    sample = f" ({_said(background)})" if background.background else ""
    return {
        "summary": f"{summary}; background: {background.background} sites{sample}.",
        "pages_fetched": report.pages_fetched + background.pages_fetched,
        "pages_cached": report.pages_cached + background.pages_cached,
        "notes": markdown_table(
            ["what went wrong, or which cap was reached", "sites"], (report.notes + background.notes).most_common(30)
        ),
    }


def _said(report: GatherReport) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(report.outcomes.items()))


checks = [
    check_number(
        ("raw", "crawl_runs"),
        "Share of the customers' sites that were blocked or could not be read at the last attempt.",
        number(
            "select avg((outcome in ('blocked', 'failed'))::int)::float8 from raw.crawl_runs where domain is not null"
        ),
        at_most=MOST_BLOCKED,
        severity=dg.AssetCheckSeverity.WARN,
        name="few_sites_are_blocked",
    ),
    check_number(
        ("raw", "icp_evidence"),
        "Facts per company whose site was read.",
        number("select avg(evidence_items)::float8 from raw.crawl_runs where outcome in ('ok', 'degraded')"),
        at_least=FEWEST_ITEMS,
        severity=dg.AssetCheckSeverity.WARN,
        name="sites_give_evidence",
    ),
    check_number(
        ("raw", "background_crawls"),
        "Share of the background sample whose site could be read at the last attempt.",
        number("select avg((outcome in ('ok', 'degraded'))::int)::float8 from raw.background_crawls"),
        at_least=LEAST_OF_THE_SAMPLE,
        severity=dg.AssetCheckSeverity.WARN,
        name="the_background_sample_can_be_read",
    ),
    check_number(
        ("raw", "company_enrichment_runs"),
        "Hours that the oldest company waits to be enriched.",
        number(
            "select extract(epoch from clock_timestamp() - min(queued_at))::float8 / 3600"
            " from raw.company_enrichment_runs where state = 'queued'"
        ),
        at_most=48,
        severity=dg.AssetCheckSeverity.WARN,
        name="the_enrichment_queue_moves",
    ),
]
