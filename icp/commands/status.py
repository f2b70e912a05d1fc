"""`icp status`: what is loaded, how fresh, what was rejected, what was learned, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import psycopg
from psycopg.rows import class_row
from rich.markup import escape

from icp.console import JSON_OPTION, out, percent, print_json, table
from warehouse.connection import Warehouse
from warehouse.migrate import current


@dataclass(frozen=True)
class TenantStatus:
    """One tenant's line. Counts of outcomes are None until dbt has run."""

    tenant: str
    leads: int
    open_rejects: int
    contacted: int | None
    matured: int | None
    bookings: int | None
    last_event: Any
    source: str
    version: int
    findings: int
    missing: list[str]


@dataclass(frozen=True)
class EvidenceStatus:
    """One tenant's way from intake to rules."""

    tenant: str
    intake_version: int
    state: str
    seeds: int
    matched: int
    in_review: int
    sites_read: int
    sites_not_read: int
    facts: int
    suggestions: int
    rules: int
    waiting: int
    message: str | None


def status(as_json: Annotated[bool, JSON_OPTION] = False) -> None:
    """Show what is loaded, fresh, rejected and learned, where it lies, and what to do next."""
    warehouse = Warehouse().open()
    with warehouse.connect() as connection:
        tenants = _tenants(connection)
        evidence = _evidence(connection)
        loads = connection.execute(
            "select source, max(finished_at), count(*) filter (where status = 'failed' and not exists ("
            "select from raw.loads as later where later.source = loads.source and later.file = loads.file"
            " and later.load_id > loads.load_id)) from raw.loads group by source order by source"
        ).fetchall()
        run = connection.execute("select as_of, run_id from intermediate.run_settings").fetchone()
        migration = current(connection)
    assert run is not None
    places = _places(warehouse)
    next_steps = _next_steps(tenants, loads, has_run=run[1] is not None) + _next_of_evidence(evidence)
    if as_json:
        print_json(
            {
                "places": places,
                "migration": migration,
                "as_of": run[0],
                "sources": [dict(zip(("source", "last_load", "failed_files"), row, strict=True)) for row in loads],
                "tenants": tenants,
                "evidence": evidence,
                "next": next_steps,
            }
        )
        return
    for name, place in places.items():
        out.print(f"{name:<12} {place}", soft_wrap=True)
    out.print(f"{'as-of date':<12} {run[0]}\n")
    if tenants:
        out.print(
            table(
                None,
                ("tenant", ">leads", ">matured", ">booked", ">rate", ">rejects", "last event", "weights", ">findings"),
                [
                    (t.tenant, t.leads, t.matured, t.bookings)
                    + (percent(t.bookings / t.matured if t.matured and t.bookings is not None else None),)
                    + (t.open_rejects, t.last_event and f"{t.last_event:%Y-%m-%d}")
                    + (f"{t.source} {t.version}" if t.version else t.source, t.findings)
                    for t in tenants
                ],
            )
        )
        for tenant in tenants:
            for note in tenant.missing:
                out.print(f"[yellow]{tenant.tenant}[/]: {escape(note)}")
    if evidence:
        out.print()
        _show_evidence(evidence)
    if loads:
        out.print()
        out.print(table(None, ("source", "last load", ">failed files"), loads))
    out.print("\n[bold]Next[/]")
    for step in next_steps:
        out.print(f"  {step}")


def _places(warehouse: Warehouse) -> dict[str, str]:
    settings = warehouse.settings
    if warehouse.server is None:
        database = "the server of ICP_DATABASE_URL"
    else:
        over = f", also on 127.0.0.1:{settings.port} (user icp, password in {warehouse.server.base / 'password'})"
        database = f"embedded Postgres in {warehouse.server.data}{over if settings.port else ''}"
    return {"database": database, "DAGSTER_HOME": str(settings.dagster_home)}


def _tenants(connection: psycopg.Connection) -> list[TenantStatus]:
    built = connection.execute(
        "select to_regclass('marts.lead_outcomes') is not null and to_regclass('marts.pipeline_health') is not null"
    ).fetchone()
    outcomes = (
        "(select tenant_id, count(*) filter (where contacted_at is not null) as contacted,"
        " count(*) filter (where is_matured) as matured,"
        " count(*) filter (where is_matured and is_booked_in_window) as bookings"
        " from marts.lead_outcomes group by tenant_id)"
        if built and built[0]
        else "(select null::int as tenant_id, null::int as contacted, null::int as matured, null::int as bookings)"
    )
    missing = (
        "(select tenant_id, array_agg(note order by measure) as notes from marts.pipeline_health"
        " where not holds group by tenant_id)"
        if built and built[0]
        else "(select null::int as tenant_id, null::text[] as notes)"
    )
    with connection.cursor(row_factory=class_row(TenantStatus)) as cursor:
        return cursor.execute(
            (
                "select live.slug as tenant, coalesce(leads.leads, 0) as leads,"
                " coalesce(rejects.open_rejects, 0) as open_rejects, outcomes.contacted, outcomes.matured,"
                " outcomes.bookings, events.last_event, live.source, live.version,"
                " coalesce(findings.findings, 0) as findings, coalesce(missing.notes, '{}') as missing"
                " from learned.current_weights as live"
                " left join (select tenant_id, count(*) as leads from raw.leads where deleted_at is null"
                " group by tenant_id) as leads using (tenant_id)"
                " left join (select tenant_id, count(*) as open_rejects from raw.rejected_rows"
                " where resolved_at is null group by tenant_id) as rejects using (tenant_id)"
                f" left join {outcomes} as outcomes using (tenant_id)"
                f" left join {missing} as missing using (tenant_id)"
                " left join (select tenant_id, max(at) as last_event from ("
                " select tenant_id, max(occurred_at) as at from raw.activities group by tenant_id union all"
                " select tenant_id, max(occurred_at) from raw.lead_status_events group by tenant_id union all"
                " select tenant_id, max(least(created_at, first_contact_at)) from raw.leads group by tenant_id"
                " ) as all_events group by tenant_id) as events using (tenant_id)"
                " left join (select tenant_id, count(*) as findings from learned.rate_estimates"
                " where label <> 'no_evidence' group by tenant_id) as findings using (tenant_id)"
                " order by live.slug"
            ).encode()
        ).fetchall()


def _evidence(connection: psycopg.Connection) -> list[EvidenceStatus]:
    with connection.cursor(row_factory=class_row(EvidenceStatus)) as cursor:
        return cursor.execute(
            "select tenants.slug as tenant, coalesce(intakes.version, 0) as intake_version,"
            " coalesce(flow.state, 'in the inbox') as state, flow.message,"
            " coalesce(seeds.seeds, 0) as seeds, coalesce(matches.matched, 0) as matched,"
            " coalesce(matches.in_review, 0) as in_review, coalesce(sites.read, 0) as sites_read,"
            " coalesce(sites.not_read, 0) as sites_not_read, coalesce(facts.facts, 0) as facts,"
            " coalesce(made.suggestions, 0) as suggestions, coalesce(rules.rules, 0) as rules,"
            " coalesce(inbox.waiting, 0) as waiting from raw.tenants as tenants"
            " left join raw.icp_flow as flow using (tenant_id)"
            " left join (select tenant_id, max(version) as version from raw.icp_intake_responses group by 1)"
            " as intakes using (tenant_id)"
            " left join (select tenant_id, count(*) as seeds from raw.customer_seeds where is_active group by 1)"
            " as seeds using (tenant_id)"
            " left join (select tenant_id, count(*) filter (where path not in ('review', 'none')) as matched,"
            " count(*) filter (where path = 'review') as in_review from learned.company_matches group by 1)"
            " as matches using (tenant_id)"
            " left join (select tenant_id, count(*) filter (where outcome in ('ok', 'degraded')) as read,"
            " count(*) filter (where outcome not in ('ok', 'degraded')) as not_read from raw.crawl_runs group by 1)"
            " as sites using (tenant_id)"
            " left join (select tenant_id, count(*) as facts from raw.icp_evidence group by 1) as facts"
            " using (tenant_id)"
            " left join (select made.tenant_id, count(*) as suggestions from learned.icp_suggestions as made"
            " where generation = (select max(generation) from learned.icp_suggestion_sets as sets"
            " where sets.tenant_id = made.tenant_id) group by 1) as made using (tenant_id)"
            " left join (select tenant_id, count(*) as rules from learned.icp_rules where is_active group by 1)"
            " as rules using (tenant_id)"
            " left join (select tenant_id, count(*) as waiting from raw.icp_intake_inbox where processed_at is null"
            " group by 1) as inbox using (tenant_id)"
            " where flow.tenant_id is not null or inbox.waiting > 0 order by tenants.slug"
        ).fetchall()


def _show_evidence(evidence: list[EvidenceStatus]) -> None:
    names = ("tenant", ">intake", "state", ">matched", ">review", ">sites read", ">not read", ">facts")
    out.print(
        table(
            None,
            (*names, ">suggestions", ">rules"),
            [
                (one.tenant, one.intake_version, one.state, f"{one.matched} of {one.seeds}", one.in_review)
                + (one.sites_read, one.sites_not_read, one.facts, one.suggestions, one.rules)
                for one in evidence
            ],
        )
    )
    for one in evidence:
        if one.message:
            out.print(f"[yellow]{one.tenant}[/]: {escape(one.message)}")


def _next_of_evidence(evidence: list[EvidenceStatus]) -> list[str]:
    steps = []
    if any(one.waiting or one.state not in ("suggestions_ready", "failed") for one in evidence):
        steps.append("Bring intakes to suggestions: icp run intake_process")
    if review := [one.tenant for one in evidence if one.in_review]:
        steps.append(f"Say which company doubtful seeds are: icp matches list {review[0]}")
    if waiting := [one.tenant for one in evidence if one.suggestions and not one.rules]:
        steps.append(f"Look at suggestions and adopt: icp suggestions list {waiting[0]}")
    return steps


def _next_steps(tenants: list[TenantStatus], loads: list[Any], *, has_run: bool) -> list[str]:
    steps = []
    if not tenants:
        return ["Add a tenant: icp tenant add SLUG     or see it work on simulated data: icp demo"]
    if not any(tenant.leads for tenant in tenants):
        steps.append("Load leads and outcomes: icp load outcomes MAPPING.yaml   (examples/ shows mappings)")
    elif not has_run:
        steps.append("Learn from what is loaded: icp run")
    if any(failed for *_, failed in loads):
        steps.append(
            "A file could not be loaded: icp psql -- -c \"select file, message from raw.loads where status = 'failed'\""
        )
    if any(tenant.open_rejects for tenant in tenants):
        steps.append(
            'Look at rejected rows: icp psql -- -c "select reason, count(*) from raw.rejected_rows group by 1"'
        )
    if has_run:
        steps.append("Load new files and learn again: icp run     look at it: icp ui")
    return steps
