"""A language model reads along: no crawl waits for it, what it read stands with its site, and killed runs go on."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import json
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from icp.commands.crawl import crawl
from ingest.crawl.settings import CrawlSettings, Profile, Target
from ingest.gathering.gather import Gatherer
from ingest.gathering.keeping import ModelFor
from ingest.intake import store_intake
from ingest.models.client import ModelClient
from ingest.models.settings import ModelSettings
from tests.ingest.crawl.local_web import LocalWeb, Request, page
from tests.ingest.enrichment.conftest import NOW
from tests.ingest.models.stand_in import Reply, stand_in
from tests.ingest.models.stand_in import StandIn as Model
from tests.loop import Rows
from tests.vendors.stand_in import JinaPage, StandIn
from warehouse import tenants
from warehouse.connection import Warehouse

QUICK = ("arrow.sg", "birch.sg", "cedar.sg")
TEXT = "Boxes for food stalls all over Singapore. Our system integrates with Xero, and Cargowise gets the papers."
SAID = json.dumps(
    {
        "facts": [
            {"kind": "integration", "value": value, "snippet": snippet, "confidence": 0.9}
            for value, snippet in (("Xero", "integrates with Xero"), ("Cargowise", "Cargowise gets the papers"))
        ]
    }
)
SETTINGS = Profile("nightly", max_seconds=3.0, delay=0.0)


@pytest.fixture
def model() -> Iterator[Model]:
    with stand_in() as model:
        model.otherwise = Reply(content=SAID)
        yield model


@pytest.fixture
def web() -> Iterator[LocalWeb]:
    with LocalWeb().running() as web:
        for domain in QUICK:
            web.add(domain, {"/": f"<h1>{domain}</h1><p>{TEXT}</p>"})
        yield web


@pytest.fixture
def model_for(model: Model, connection: psycopg.Connection) -> ModelFor:
    settings = ModelSettings(api_key="sk-test-12345678", base_url=model.base_url)
    return functools.cache(lambda tenant_id: ModelClient(settings, connection, tenant_id=tenant_id))


def tenant_with(connection: psycopg.Connection, slug: str, *domains: str) -> int:
    tenant = tenants.add_tenant(connection, slug=slug)
    customers = [f"{domain.split('.')[0].title()} — {domain}" for domain in domains]
    payload = {"best_customers": customers}
    store_intake(connection, tenant=tenant, payload=payload, submitted_by="x", now=NOW)
    return tenant.tenant_id


def gatherer(warehouse: Warehouse, web: LocalWeb, model_for: ModelFor | None, *, days: float = 0) -> Gatherer:
    settings = CrawlSettings(connect_to={"*": Target("127.0.0.1", web.port)}, nightly=SETTINGS)
    return Gatherer(warehouse, settings, NOW + dt.timedelta(days=days), model_for=model_for)


def integrations(rows: Rows, tenant: int) -> list[tuple[Any, ...]]:
    return rows(
        "select name, value_key, is_model_only from raw.icp_evidence join raw.companies using (company_id)"
        " where tenant_id = %s and signal_key = 'integration' order by 1, 2",
        tenant,
    )


def test_no_site_runs_out_of_time_while_a_model_thinks(
    warehouse: Warehouse,
    connection: psycopg.Connection,
    rows: Rows,
    web: LocalWeb,
    model: Model,
    model_for: ModelFor,
) -> None:
    """The model answers when the slow site is read to its end; that goes on when the model is being asked."""
    read_to_its_end = threading.Event()
    model.otherwise.wait_for = read_to_its_end

    async def about(request: Request, writer: asyncio.StreamWriter) -> None:
        while len(model.requests) < len(QUICK):
            await asyncio.sleep(0.01)
        await page(f"<p>{TEXT}</p><a href='/customers'>Customers</a>")(request, writer)

    async def customers(request: Request, writer: asyncio.StreamWriter) -> None:
        read_to_its_end.set()
        await page(f"<p>{TEXT}</p>")(request, writer)

    web.add("dune.sg", {"/": f"<p>{TEXT}</p><a href='/about'>About</a>", "/about": about, "/customers": customers})
    tenant = tenant_with(connection, "thinks", *QUICK, "dune.sg")
    report = gatherer(warehouse, web, model_for).gather([tenant])
    assert report.outcomes == {"ok": 4, "unresolved": 1}, report.notes
    assert read_to_its_end.is_set()
    names = ("Arrow", "Birch", "Cedar", "Dune")
    expected = [(name, tool, tool == "cargowise") for name in names for tool in ("cargowise", "xero")]
    assert integrations(rows, tenant) == expected
    facts = rows("select sum(evidence_items) from raw.crawl_runs where tenant_id = %s", tenant)
    assert facts == [(report.items,)]
    calls, used = rows("select count(*), sum(prompt_tokens) from raw.model_calls where tenant_id = %s", tenant)[0]
    assert (calls, used) == (len(model.requests), 100 * len(model.requests)) and calls == 6
    assert gatherer(warehouse, web, model_for, days=1.1).gather([tenant]).outcomes == {"unresolved": 1}


def test_a_site_that_waited_for_the_model_when_the_run_ended_is_read_again_from_the_cache(
    warehouse: Warehouse,
    connection: psycopg.Connection,
    rows: Rows,
    web: LocalWeb,
    model_for: ModelFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenant = tenant_with(connection, "ended", *QUICK)
    ask = ModelClient.ask

    def ends(self: ModelClient, *, text: str, **given: Any) -> Any:
        if "birch" in text:
            raise KeyboardInterrupt
        return ask(self, text=text, **given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ModelClient, "ask", ends)
        gatherer(warehouse, web, model_for).gather([tenant])
    marked = rows("select domain from raw.crawl_runs where tenant_id = %s and domain is not null order by 1", tenant)
    assert marked == [("arrow.sg",), ("cedar.sg",)]
    assert {name for name, _, _ in integrations(rows, tenant)} == {"Arrow", "Cedar"}
    asked = len(web.requests)
    again = gatherer(warehouse, web, model_for, days=0.1).gather([tenant])
    assert again.outcomes == {"ok": 1} and again.pages_fetched == 0 and len(web.requests) == asked
    assert integrations(rows, tenant)[2:4] == [("Birch", "cargowise", True), ("Birch", "xero", False)]


def test_a_failing_model_costs_its_facts_and_no_site(
    warehouse: Warehouse, connection: psycopg.Connection, rows: Rows, web: LocalWeb, model: Model, model_for: ModelFor
) -> None:
    model.otherwise = Reply(refusal="no")
    tenant = tenant_with(connection, "refused", *QUICK)
    report = gatherer(warehouse, web, model_for).gather([tenant])
    assert report.outcomes["ok"] == 3
    assert [tool for _, tool, _ in integrations(rows, tenant)] == ["xero"] * 3
    assert any("The model gave no facts (refused)" in note for note in report.notes)


def test_the_interactive_crawl_asks_readers_and_the_model(
    connection: psycopg.Connection,
    rows: Rows,
    sites: dict[str, str],
    world: StandIn,
    model: Model,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenant = tenant_with(connection, "waits", "elm.sg", "fern.sg", "gone.sg")
    for name, value in (world.environment() | {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": model.base_url}).items():
        monkeypatch.setenv(name, value)
    world.pages["https://elm.sg"] = JinaPage("Elm", TEXT * 3)  # behind the reader alone
    sites["fern.sg"] = f"<h1>Fern</h1><p>{TEXT}</p>"  # the reader does not know it
    alone = typer.Typer()
    alone.command()(crawl)
    done = CliRunner().invoke(alone, ["--tenant", "waits", "--profile", "interactive", "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    report = json.loads(done.stdout)
    assert report["outcomes"]["failed"] == 1 and report["sites"] == 4
    assert integrations(rows, tenant) == [
        (name, tool, tool == "cargowise") for name in ("Elm", "Fern") for tool in ("cargowise", "xero")
    ]
    runs = rows(
        "select domain, profile, outcome in ('ok', 'degraded') from raw.crawl_runs where tenant_id = %s"
        " and domain is not null order by 1",
        tenant,
    )
    assert runs == [
        ("elm.sg", "interactive", True),
        ("fern.sg", "interactive", True),
        ("gone.sg", "interactive", False),
    ]
    pages = rows(
        "select domain, fetched_via from raw.crawl_pages where outcome = 'ok' and domain in ('elm.sg', 'fern.sg')"
        " order by 1"
    )
    assert pages == [("elm.sg", "jina"), ("fern.sg", "http")]
    (used,) = rows("select calls from raw.vendor_usage where tenant_id = %s and vendor = 'jina'", tenant)
    assert used == (len(world.asked("jina")),)
