"""`icp score`: one lead from JSON, or a tenant."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from rich.markup import escape

from icp.commands.run import run_with_progress
from icp.console import FAILED, JSON_OPTION, err, out, print_json, table
from models_py.components import COMPONENTS
from models_py.scoring import contributions
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError

POINTS = {"data_quality": 20, "authority": 25, "company_fit": 25, "timing": 15, "risk": 15}


def score(
    tenant: Annotated[str, typer.Argument(help="Slug or external id.")],
    lead: Annotated[
        str | None, typer.Option(help="A lead as JSON, a file with it, or - for standard input; none: all leads.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many of the tenant's leads to show, best first.")] = 20,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Score one lead under the tenant's live weights, or all of its leads.

    A lead is {"data_quality": 16, "authority": 22, "company_fit": 18, "timing": 9, "risk": 0}; a component that
    is missing counts as the tenant's average. Without --lead the scores are brought up to date first.

    Examples: icp score acme --lead '{"authority": 25, "timing": 6}'     icp score acme --limit 50 --json
    """
    warehouse = Warehouse().open()
    if lead is not None:
        with warehouse.connect() as connection:
            result = score_lead(connection, tenants.get(connection, tenant).tenant_id, _read_lead(lead))
        if as_json:
            print_json(result)
        else:
            _show_lead(result)
        return
    with warehouse.connect() as connection:
        found = tenants.get(connection, tenant)
    report = run_with_progress("rescore", tenants=[found.slug], settings=warehouse.settings)
    if not report.success:
        err.print(f"[red]Scoring failed:[/] {escape(report.failure or '')}", soft_wrap=True)
        raise typer.Exit(FAILED)
    with warehouse.connect() as connection:
        _show_tenant(connection, found, limit, as_json)


def score_lead(connection: psycopg.Connection, tenant_id: int, lead: dict[str, float | None]) -> dict[str, Any]:
    """Score, tier, weights and what each component adds against the tenant's average lead."""
    points = [lead.get(name) for name in POINTS]
    row = connection.execute(
        "select scored.score, scored.tier, scored.weights_version, scored.weights_source,"
        " live.data_quality::float8, live.authority::float8, live.company_fit::float8, live.timing::float8,"
        " live.mean_data_quality, live.mean_authority, live.mean_company_fit, live.mean_timing"
        " from learned.score_lead(%s, %s, %s, %s, %s, %s) as scored"
        " join learned.current_weights as live on live.tenant_id = %s",
        (tenant_id, *points, tenant_id),
    ).fetchone()
    assert row is not None
    nan = float("nan")
    added = contributions(
        [[nan if value is None else value for value in points[:4]]],
        row[4:8],
        [nan if mean is None else mean for mean in row[8:12]],
    )[0]
    return {
        "score": row[0],
        "tier": row[1],
        "weights_version": row[2],
        "weights_source": row[3],
        "contributions": dict(zip(COMPONENTS, map(float, added), strict=True)) | {"risk": -(lead.get("risk") or 0.0)},
    }


def _read_lead(given: str) -> dict[str, float | None]:
    text = given
    if given == "-":
        text = sys.stdin.read()
    elif not given.lstrip().startswith("{"):
        try:
            text = Path(given).read_text(encoding="utf-8")
        except OSError as error:
            raise WarehouseError(f"--lead is neither JSON nor a readable file: {error}.") from error
    try:
        lead = json.loads(text)
    except json.JSONDecodeError as error:
        raise WarehouseError(f"The lead is not JSON: {error}.") from error
    lead = lead.get("als_components", lead) if isinstance(lead, dict) else lead
    if not isinstance(lead, dict):
        raise WarehouseError('The lead must be a JSON object of components, such as {"authority": 25}.')
    for name, value in lead.items():
        if name not in POINTS:
            raise WarehouseError(f"A lead has no component {name!r}; there are: {', '.join(POINTS)}.")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and 0 <= value <= POINTS[name]):
            raise WarehouseError(f"{name} is {value!r}; it takes 0 to {POINTS[name]} points, or null.")
    return lead


def _show_lead(result: dict[str, Any]) -> None:
    source = f"{result['weights_source']} weights, version {result['weights_version']}"
    out.print(f"[bold]{result['score']:.1f}[/] of 100, {result['tier']} ({source})")
    for name, points in result["contributions"].items():
        out.print(
            f"  {name:<13} {points:+6.1f}  against the tenant's average lead"
            if name != "risk"
            else f"  risk          {points:+6.1f}"
        )


def _show_tenant(connection: psycopg.Connection, tenant: tenants.Tenant, limit: int, as_json: bool) -> None:
    tiers = connection.execute(
        "select tier, count(*) from marts.lead_scores where tenant_id = %s group by tier order by min(score) desc",
        (tenant.tenant_id,),
    ).fetchall()
    leads = connection.execute(
        "select lead_source_id, score, tier, contribution_data_quality, contribution_authority,"
        " contribution_company_fit, contribution_timing, contribution_risk from marts.lead_scores"
        " where tenant_id = %s order by score desc, lead_id limit %s",
        (tenant.tenant_id, limit),
    ).fetchall()
    names = ("lead", "score", "tier", *COMPONENTS, "risk")
    if as_json:
        print_json({"tiers": dict(tiers), "leads": [dict(zip(names, row, strict=True)) for row in leads]})
        return
    out.print(f"{tenant.slug}: " + ", ".join(f"{count:,} {tier}" for tier, count in tiers))
    out.print(
        table(
            f"The best {len(leads)}, with what each component adds against the average lead",
            ("lead", ">score", "tier", *(f">{name}" for name in (*COMPONENTS, "risk"))),
            [(row[0], f"{row[1]:.1f}", row[2], *(f"{added:+.1f}" for added in row[3:])) for row in leads],
        )
    )
