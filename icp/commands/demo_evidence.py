"""The evidence side of `icp demo`: simulated registry, intakes and sites; what was found beside what was planted."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from icp.console import err, out, table
from ingest.companies import ensure_companies
from ingest.gathering.standard import standard_gatherer
from ingest.intake import load_intake
from ingest.registry.load import load_registry
from ingest.registry.load_codes import load_industry_codes
from ingest.simulation.evidence import VERSION, EvidenceWorld, demo_evidence_world, serve_sites
from warehouse import tenants
from warehouse.connection import Warehouse


@contextmanager
def evidence_loaded(warehouse: Warehouse, folder: Path, *, seed: int) -> Iterator[EvidenceWorld]:
    """Load the world's registry, background sample and intakes; while the block runs its sites answer on 127.0.0.1."""
    with err.status("simulating a registry, customers and their sites …"):
        world = demo_evidence_world(seed)
        if not (folder / "truth.json").exists():
            world.write(folder, sites=False)
    with serve_sites(world) as port:
        # Every host name of the demo leads to the local server: no request leaves this machine.
        os.environ["ICP_CONNECT_TO"] = f"* = 127.0.0.1:{port}"
        os.environ["ICP_CRAWL_DELAY_S"] = "0"
        try:
            with warehouse.pipeline_lock("demo"), err.status("loading …") as status:
                _load(warehouse, world, folder, status.update)
            yield world
        finally:
            del os.environ["ICP_CONNECT_TO"], os.environ["ICP_CRAWL_DELAY_S"]


def _load(warehouse: Warehouse, world: EvidenceWorld, folder: Path, say: Any) -> None:
    now = dt.datetime.now(dt.UTC)
    say("loading the registry …")
    load_industry_codes(warehouse, folder / "industry_codes.csv", version=VERSION)
    registry = load_registry(warehouse, [folder / "registry"], registry="acra", industry_version=VERSION, now=now)
    known = registry.status == "unchanged"
    out.print(f"Registry: {registry.entities:,} entities, {registry.live:,} live{' (loaded before)' if known else ''}.")
    intakes = [
        load_intake(
            warehouse,
            folder / "intake" / f"{tenant.spec.slug}.json",
            tenant=tenant.spec.slug,
            submitted_by="demo",
            now=now,
        )
        for tenant in world.tenants
    ]
    stored = sum(report.status == "stored" for report in intakes)
    out.print(f"Intakes: {stored} taken in, {len(intakes) - stored} as they were.")
    with warehouse.connect(autocommit=True) as connection:
        sampled = connection.execute("select count(distinct company_id) from raw.company_signals").fetchone()
        if sampled and sampled[0]:
            out.print(f"Background sample: {sampled[0]} companies (read before).")
            return
        rows = [(company.name, company.domain) for company in world.background]
        sample = [
            (company_id, domain)
            for company_id, (_, domain) in zip(ensure_companies(connection, rows), rows, strict=True)
            if domain is not None
        ]
    with standard_gatherer(
        warehouse, now=now, progress=lambda done, total, _: say(f"background sample: {done} of {total} sites read")
    ) as gatherer:
        report = gatherer.gather_background(sample)
    out.print(f"Background sample: {report.background} companies, {report.pages_fetched:,} pages read.")


def show_evidence(connection: psycopg.Connection, world: EvidenceWorld) -> None:
    """Planted segments beside the strongest signals, and the first suggestion of each tenant."""
    rows, cards = [], []
    for truth in world.tenants:
        tenant = tenants.get(connection, truth.spec.slug)
        segment = truth.spec.segment
        planted = (
            f"{segment.code}; {', '.join(segment.integrations)}; {', '.join(segment.titles)}; {segment.headcount_band}"
            if segment
            else "nothing: random customers"
        )
        found = "; ".join(
            ", ".join(values)
            for key in ("ssic", "integration", "buyer_title")
            if (values := _labelled(connection, tenant.tenant_id, key))
        )
        rows.append((truth.spec.slug, _matched(connection, tenant.tenant_id), planted, found or "no evidence"))
        cards += _cards(connection, tenant.tenant_id, truth.spec.slug)
    out.print()
    out.print(
        table(
            "What best customers have in common, against companies at large (false discovery rate 10 %)",
            ("tenant", ">matched", "planted", "found"),
            rows,
        )
    )
    out.print()
    out.print(table("Suggested micro-ICPs", ("tenant", "suggestion", ">evidence", ">in registry", "why"), cards))


def _labelled(connection: psycopg.Connection, tenant_id: int, key: str) -> list[str]:
    rows = connection.execute(
        "select case when signal_key = 'ssic' then value_key else label_text end from learned.signal_estimates"
        " where tenant_id = %s and signal_key = %s and label = 'characteristic' order by p_value limit 2",
        (tenant_id, key),
    ).fetchall()
    return [row[0] for row in rows]


def _matched(connection: psycopg.Connection, tenant_id: int) -> str:
    row = connection.execute(
        "select count(*) filter (where path not in ('review', 'none')), count(*) from learned.company_matches"
        " where tenant_id = %s",
        (tenant_id,),
    ).fetchone()
    return f"{row[0]} of {row[1]}" if row else "–"


def _cards(connection: psycopg.Connection, tenant_id: int, slug: str) -> list[tuple[Any, ...]]:
    rows = connection.execute(
        "select rank || '. ' || title || case when reduced_evidence then ' (may be chance)' else '' end,"
        " evidence_count, card -> 'registry' ->> 'total', card ->> 'rationale'"
        " from learned.icp_suggestions where tenant_id = %(tenant)s and generation ="
        " (select max(generation) from learned.icp_suggestion_sets where tenant_id = %(tenant)s) order by rank limit 2",
        {"tenant": tenant_id},
    ).fetchall()
    return [(slug, title, count, total, why or "") for title, count, total, why in rows]
