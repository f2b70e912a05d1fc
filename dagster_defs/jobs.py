"""Jobs and their schedules."""

from __future__ import annotations

import dagster as dg

from dagster_defs.crawl import company_enrichment_runs
from dagster_defs.outcomes import run_settings
from dagster_defs.scoring import warehouse_score_snapshots
from dagster_defs.transform import dbt_stage_2
from warehouse.settings import Settings

learning_weekly = dg.define_asset_job(
    "learning_weekly",
    selection=dg.AssetSelection.groups("outcomes", "conversion", "learning", "scoring", "health"),
    description="The closed loop: new outcomes of the registered sources → marts → learned versions → scores.",
)
everything = dg.define_asset_job(
    "everything", selection=dg.AssetSelection.all(), description="All assets, in the order of the graph."
)

rescore = dg.define_asset_job(
    "rescore",
    selection=dg.AssetSelection.assets(run_settings, dbt_stage_2, warehouse_score_snapshots),
    description="Scores, bands and health under the weights that are live now; nothing is loaded or learned.",
)

intake_process = dg.define_asset_job(
    "intake_process",
    # Without the enrichment queue: what waits there waits for the night, and its vendors cost money.
    selection=dg.AssetSelection.groups("intake", "crawl", "icp") - dg.AssetSelection.assets(company_enrichment_runs)
    | dg.AssetSelection.assets(run_settings),
    description="New intakes: mapping to the registry, sites, patterns, suggestions; what is done already stays.",
)

patterns_nightly = dg.define_asset_job(
    "patterns_nightly",
    selection=dg.AssetSelection.groups("registry", "intake", "crawl", "icp", "retention")
    | dg.AssetSelection.assets(run_settings),
    description="Registry files that changed, sites whose cache ran out, the enrichment queue, patterns, suggestions; "
    "what is older than its retention goes.",
)

jobs = [learning_weekly, intake_process, patterns_nightly, everything, rescore]


def schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Off unless the environment opts in (ICP_SCHEDULES=on): a new installation starts nothing by itself."""
    status = dg.DefaultScheduleStatus.RUNNING if settings.schedules else dg.DefaultScheduleStatus.STOPPED
    return [
        dg.ScheduleDefinition(
            name="learning_weekly_on_mondays",
            job=learning_weekly,
            cron_schedule="0 5 * * 1",
            default_status=status,
            description="Mondays at 05:00 UTC.",
        ),
        dg.ScheduleDefinition(
            name="patterns_nightly_at_two",
            job=patterns_nightly,
            cron_schedule="0 2 * * *",
            default_status=status,
            description="Every night at 02:00 UTC.",
        ),
    ]
