"""`icp demo` and `icp simulate`: the whole loop on simulated tenants whose truth is known."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.markup import escape

from icp.commands.demo_evidence import evidence_loaded, show_evidence
from icp.commands.run import exit_code, run_with_progress
from icp.commands.run import summarize as summarize_run
from icp.console import chance, err, out, percent, table
from ingest.outcomes.load import load_outcomes
from ingest.simulation.files import write_world
from ingest.simulation.spec import World
from ingest.simulation.worlds import demo_world
from ingest.simulation.worlds import world as random_world
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError

_WRITTEN = "written.json"  # last thing written: a killed simulation is repeated
FINDINGS_SHOWN = 12


def simulate(
    directory: Annotated[Path, typer.Argument(help="Where to write; one folder per tenant.")],
    tenants: Annotated[int, typer.Option(min=1, help="Tenants; their truths are drawn at random.")] = 10,
    leads: Annotated[int, typer.Option(min=1, help="Leads per tenant, about five touches each.")] = 1_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 1,
    null: Annotated[bool, typer.Option("--null", help="Plant nothing: whatever is then found is noise.")] = False,
) -> None:
    """Write simulated tenants as the CSV files a customer would bring, with mapping.yaml and truth.json.

    Example: icp simulate /tmp/world --tenants 3 && icp tenant add tenant-00000 && icp load outcomes
    /tmp/world/tenant-00000/mapping.yaml
    """
    made = random_world(tenants=tenants, leads=leads, seed=seed, effects=not null)
    with err.status("simulating …") as status:
        for number, (spec, _) in enumerate(write_world(made, directory), start=1):
            status.update(f"{number} of {tenants} tenants: {spec.slug}")
    out.print(f"{tenants} tenants with {leads:,} leads each are in {directory}; they are known up to {made.as_of}.")


def demo(
    seed: Annotated[int, typer.Option(help="Another seed is another world.")] = 7,
) -> None:
    """Run the whole loop on eight simulated tenants and show what was learned against what was planted.

    Simulates, loads, builds the marts, learns, publishes and scores, in the warehouse of ICP_HOME. Run again:
    nothing doubles. Refuses to mix with tenants of your own.
    """
    began = time.monotonic()
    warehouse = Warehouse().open()
    world = demo_world(seed)
    _refuse_company(warehouse)
    folder = warehouse.settings.home / "demo" / f"seed-{seed}"
    mappings = _simulate_once(world, folder)
    _load(warehouse, world, mappings)
    with evidence_loaded(warehouse, folder / "evidence", seed=seed) as evidence:
        report = run_with_progress("everything", as_of=world.as_of.isoformat(), settings=warehouse.settings)
    summarize_run(report)
    if report.success:
        with warehouse.connect() as connection:
            truths = {spec.slug: json.loads((folder / spec.slug / "truth.json").read_text()) for spec in world.tenants}
            _show_weights(connection, truths)
            _show_findings(connection, truths)
            show_evidence(connection, evidence)
    out.print(f"\nThe whole demo took {time.monotonic() - began:.0f} s. Its files are in {folder}", soft_wrap=True)
    out.print("See the graph, the checks and the plots:  [bold]make ui[/]   (or: icp ui)")
    out.print(
        "Ask further:  icp status    icp weights history acme-digital    icp suggestions show acme-digital    icp psql"
    )
    raise typer.Exit(exit_code(report))


def _refuse_company(warehouse: Warehouse) -> None:
    with warehouse.connect() as connection:
        real = [tenant.slug for tenant in tenants.list_tenants(connection) if not tenant.simulated]
    if real:
        raise WarehouseError(
            f"This warehouse holds real tenants ({', '.join(real[:3])}{' …' if len(real) > 3 else ''}); the demo would "
            "put simulated ones beside them. Give it a warehouse of its own: ICP_HOME=~/icp-demo icp demo"
        )


def _simulate_once(world: World, folder: Path) -> list[Path]:
    """The demo's files, written where they are not there yet."""
    mappings = [folder / spec.slug / "mapping.yaml" for spec in world.tenants]
    if (folder / _WRITTEN).exists():
        out.print(f"Simulated before: {len(mappings)} tenants in {folder}", soft_wrap=True)
        return mappings
    with err.status("simulating …") as status:
        for spec, _ in write_world(world, folder):
            status.update(f"simulated {spec.name} ({spec.leads:,} leads)")
    (folder / _WRITTEN).write_text(json.dumps([spec.slug for spec in world.tenants]))
    out.print(f"Simulated {len(mappings)} tenants.")
    return mappings


def _load(warehouse: Warehouse, world: World, mappings: list[Path]) -> None:
    with warehouse.pipeline_lock("demo"), warehouse.connect(autocommit=True) as connection:
        for spec in world.tenants:
            tenants.add_tenant(
                connection,
                slug=spec.slug,
                name=spec.name,
                external_id=spec.external_id,
                timezone=spec.timezone,
                simulated=True,
            )
        with err.status("loading …") as status:
            reports = [
                load_outcomes(
                    warehouse,
                    mapping,
                    progress=lambda entity, file, done, total, name=mapping.parent.name: status.update(  # type: ignore[misc]
                        f"{name}: {done:,} of {total:,} {entity}"
                    ),
                )
                for mapping in mappings
            ]
    files = [file for report in reports for file in report.files]
    new = [file for file in files if file.status == "loaded"]
    rows = sum(file.counts.inserted for file in new)
    rejected = sum(file.counts.rejected for file in new)
    out.print(
        f"Loaded {len(new)} files with {rows:,} new rows, {rejected:,} rejected."
        if new
        else f"Loaded before: all {len(files)} files are as they were."
    )


def _show_weights(connection: psycopg.Connection, truths: dict[str, Any]) -> None:
    rows = connection.execute(
        "select live.slug, live.source, live.data_quality::float8, live.authority::float8, live.company_fit::float8,"
        " live.timing::float8, decisions.leads, decisions.bookings, decisions.probability_better, decisions.signal_p,"
        " decisions.reason from learned.current_weights as live"
        " left join learned.weight_decisions as decisions using (tenant_id) order by live.slug"
    ).fetchall()

    def four(weights: Any) -> str:
        return " ".join(f"{weight:.2f}".lstrip("0") for weight in weights) if weights else "–"

    out.print()
    out.print(
        table(
            "Weights of data quality, authority, company fit, timing (defaults .20 .25 .25 .15)",
            ("tenant", ">booked of", "live", "weights", "planted", ">P(better)", ">signal p"),
            [
                (row[0], f"{row[7]:,} of {row[6]:,}", row[1], four(row[2:6]), four(_planted(truths.get(row[0]))))
                + (chance(row[8]), _p(row[9]))
                for row in rows
            ],
        )
    )
    for row in rows:
        out.print(f"[bold]{row[0]}[/]: {escape(row[10] or '')}")


def _p(value: float | None) -> str | None:
    if value is None:
        return None
    return "< .001" if value < 0.001 else f"{value:.3f}".lstrip("0")


def _planted(truth: dict[str, Any] | None) -> list[float] | None:
    """The weights that the tenant's truth amounts to; none where nothing was planted or no components come."""
    if truth is None or not truth["spec"]["components"] or truth["spec"]["effects"]["component_slope"] == 0:
        return None
    return list(truth["component_weights"].values())


def _show_findings(connection: psycopg.Connection, truths: dict[str, Any]) -> None:
    rows = connection.execute(
        "select tenants.slug, rates.attribute, rates.value, rates.label, rates.n, rates.booked, rates.raw_rate,"
        " rates.shrunk_rate, rates.interval_low, rates.interval_high, rates.shrunk_lift"
        " from learned.rate_estimates as rates join learned.tenants as tenants using (tenant_id)"
        " where rates.label <> 'no_evidence' and not rates.is_missing"
        " order by abs(ln(greatest(rates.shrunk_lift, 0.01))) desc"
    ).fetchall()
    out.print()
    out.print(
        table(
            f"The {min(FINDINGS_SHOWN, len(rows))} strongest of {len(rows)} labelled findings"
            " (rate: shrunk, with 90 % interval; true: as simulated)",
            ("tenant", "finding", "label", ">booked of", ">rate", "90 %", ">true"),
            [
                (row[0], f"{row[1]}: {row[2]}", row[3], f"{row[5]:,} of {row[4]:,}", percent(row[7]))
                + (f"{100 * row[8]:.0f}–{100 * row[9]:.0f}", percent(_true_rate(truths.get(row[0]), row[1], row[2])))
                for row in rows[:FINDINGS_SHOWN]
            ],
        )
    )
    for slug, truth in truths.items():
        effects = truth["spec"]["effects"]
        if not effects["component_slope"] and not any(effects[name] for name in ("titles", "industries", "sources")):
            found = sum(row[0] == slug for row in rows)
            out.print(f"{slug} is a null world, where nothing matters: {found} findings.")


def _true_rate(truth: dict[str, Any] | None, attribute: str, value: str) -> float | None:
    rate: float | None = (truth or {}).get("rates", {}).get(attribute, {}).get(value)
    return rate
