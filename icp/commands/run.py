"""`icp run`: run a job in this process, with progress and a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from icp.console import CHECK_FAILED, FAILED, JSON_OPTION, err, out, print_json
from warehouse import faults
from warehouse.settings import Settings

if TYPE_CHECKING:
    from dagster_defs.runs import RunReport

STEPS = {
    "load_outcomes": "load new files",
    "intermediate__run_settings": "settle date and tenants",
    "load_industry_codes": "load industry codes that changed",
    "raw__registry_entities": "load registries that changed",
    "process_intake": "take in new intakes",
    "match_seeds": "match customers to the registry",
    "crawl_sites": "read company sites",
    "raw__company_enrichment_runs": "enrich companies that wait",
    "dbt_stage_1": "dbt: outcomes, rates, training cells, patterns",
    "learn_suggestions": "suggest micro-ICPs",
    "learn_weights": "learn weights",
    "learn_who": "learn rates, write WHO patterns",
    "dbt_stage_2": "dbt: scores, bands, health",
    "raw__warehouse_score_snapshots": "append score snapshots",
}


def run(
    job: Annotated[
        str, typer.Argument(help="everything, learning_weekly, intake_process, patterns_nightly, or rescore.")
    ] = "everything",
    tenant: Annotated[list[str] | None, typer.Option(help="Only this tenant (slug); repeatable.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="The last day known to the run, YYYY-MM-DD, to replay the past; default: today.")
    ] = None,
    full_refresh: Annotated[bool, typer.Option(help="Rebuild every mart from nothing.")] = False,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Load what is new, rebuild what it touches, learn, publish, score. What is as it was is left alone.

    Runs on the Dagster instance of this warehouse, so `icp ui` shows it.

    Examples: icp run     icp run --tenant acme     icp run learning_weekly --as-of 2026-03-31
    """
    report = run_with_progress(
        job, tenants=tenant or [], as_of=as_of, full_refresh=full_refresh, settings=Settings.from_environment()
    )
    if as_json:
        print_json(report)
    else:
        summarize(report)
    raise typer.Exit(exit_code(report))


def run_with_progress(
    job: str,
    *,
    settings: Settings,
    tenants: list[str] | None = None,
    as_of: str | None = None,
    full_refresh: bool = False,
) -> RunReport:
    """Run a job and show each step while it runs."""
    from dagster_defs.runs import run_job  # a second of imports that the other commands do not need

    ops: dict[str, dict[str, Any]] = {
        "load_outcomes": {"tenants": tenants or []},
        "intermediate__run_settings": {"tenants": tenants or [], **({"as_of": as_of} if as_of else {})},
        "dbt_stage_1": {"full_refresh": full_refresh},
        "dbt_stage_2": {"full_refresh": full_refresh},
    }
    with err.status("starting …") as status:
        report = run_job(
            job,
            settings=settings,
            ops=ops,
            on_step=lambda step: status.update(f"{STEPS.get(step, step)} …"),
        )
    return report


def exit_code(report: RunReport) -> int:
    """As `icp --help` explains them."""
    if not report.success:
        return FAILED
    return CHECK_FAILED if any(not check.passed and check.blocking for check in report.checks) else 0


def summarize(report: RunReport) -> None:
    """What was new, what was done, what was left alone, and which checks do not hold."""
    done = report.materialized
    if report.failure:
        err.print(f"[red]{report.job} failed:[/] {escape(report.failure)}", soft_wrap=True)
        if faults.tells_of_a_full_disk(report.failure):
            err.print(faults.full(Settings.from_environment().home), soft_wrap=True)
    loads = done.get("raw.leads", {})
    if loads:
        out.print(f"Files: {loads.get('files_loaded', 0)} loaded, {loads.get('files_unchanged', 0)} unchanged.")
    rebuilt = {name: data["tenants_rebuilt"] for name, data in done.items() if "tenants_rebuilt" in data}
    if rebuilt:
        touched = {name: count for name, count in rebuilt.items() if count}
        said = ", ".join(f"{name.removeprefix('marts.')} {count}" for name, count in touched.items())
        out.print(
            f"Marts, by tenants rebuilt: {said}." if touched else "Marts: nothing to rebuild, all are up to date."
        )
    learned = done.get("learned.weight_versions", {})
    if learned:
        out.print(f"Weights: {learned.get('summary', '')}")
    rates = done.get("learned.rate_estimates", {})
    if rates:
        out.print(f"Rates: {rates.get('summary', '')}")
    sites = done.get("raw.crawl_runs", {})
    if sites:
        out.print(f"Sites: {sites.get('summary', '')}")
    failed = [check for check in report.checks if not check.passed]
    out.print(f"Checks: {len(report.checks) - len(failed)} of {len(report.checks)} hold.")
    for check in failed:
        colour = "red" if check.blocking else "yellow"
        numbers = ", ".join(
            f"{name} {check.metadata[name]}" for name in ("value", "threshold", "failures") if name in check.metadata
        )
        out.print(f"  [{colour}]{check.asset}[/] {check.check}: {escape(numbers)}", soft_wrap=True)
    out.print(f"{'Done' if report.success else 'Ended'} in {report.seconds:.1f} s. Look at it: icp ui")
