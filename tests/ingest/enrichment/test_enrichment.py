"""Companies filled in: ten now, the rest at night, killed runs taken up again, no personal data where none belongs."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
import pytest

from ingest.companies import ensure_companies
from ingest.crawl.extract import IndustryVocabulary, extract, profile
from ingest.crawl.page import Page
from ingest.enrichment import queue
from ingest.enrichment.apify import ApifyClient
from ingest.enrichment.budget import Budget
from ingest.enrichment.enrichment import EnrichmentReport, drain_queue, enrich_batch, resolve_companies
from ingest.enrichment.progress import Note
from ingest.enrichment.settings import VendorSettings
from ingest.enrichment.tools import Tools
from ingest.enrichment.verifier import VerifierClient
from tests.ingest.enrichment.conftest import NOW, TLS
from tests.ingest.enrichment.sites import page
from tests.loop import Rows
from tests.vendors.stand_in import StandIn
from warehouse.connection import Warehouse
from warehouse.settings import PROJECT_ROOT

VOCABULARY = IndustryVocabulary("", ())
HOME = """
<html><head><title>{name}</title>
<meta name="description" content="{name} designs and makes compostable boxes for food stalls in Singapore.">
<script type="application/ld+json">{{"@context": "https://schema.org", "@type": "Organization", "name": "{name}",
 "address": {{"@type": "PostalAddress", "addressLocality": "Singapore", "addressCountry": "SG"}}}}</script></head>
<body><h1>{name}</h1>
<p>{name} designs and makes compostable boxes for food stalls and caterers across the whole island of Singapore.</p>
<p>Call us at +65 6123 4567 or write to <a href="mailto:info@{domain}">info@{domain}</a>.</p>
<p>Our founder Jane Tan: <a href="mailto:jane.tan@{domain}">jane.tan@{domain}</a>, mobile +65 9123 4567</p>
<a href="https://sg.linkedin.com/company/{label}/">LinkedIn</a>
<footer>© 2026 {name}. 1 Tuas Link, Singapore 638589</footer></body></html>
"""


def home(domain: str, name: str) -> Page:
    return page(domain, HOME.format(domain=domain, name=name, label=domain.split(".")[0]))


@dataclass
class Site:
    """A crawl's result, as enrichment reads it."""

    pages: Sequence[Page]
    outcome: str = "ok"
    degraded_reasons: Sequence[str] = ()


@dataclass
class Web:
    """The sites there are, and what was asked for; ``at_crawl`` is called first and may raise."""

    sites: dict[str, Site] = field(default_factory=dict)
    crawled: list[str] = field(default_factory=list)
    at_crawl: Callable[[str], None] | None = None

    def add(self, domain: str, name: str) -> None:
        self.sites[domain] = Site([home(domain, name)])

    async def crawl(self, domain: str) -> Site:
        self.crawled.append(domain)
        if self.at_crawl is not None:
            self.at_crawl(domain)
        await asyncio.sleep(0)  # as a network does: others get their turn, and an interruption its chance
        return self.sites.get(domain) or Site([], "failed", [f"{domain} has no address"])

    async def fetch_home(self, domain: str) -> Page:
        site = self.sites.get(domain)
        return site.pages[0] if site and site.pages else page(domain, outcome="failed", reason="no such host")


@dataclass
class Bench:
    """One tenant with the tools of a run."""

    connection: psycopg.Connection
    tenant_id: int
    web: Web
    world: StandIn
    environment: dict[str, str] = field(default_factory=lambda: {"APIFY_TOKEN": "", "ICP_VERIFIER_KEY": ""})
    notes: list[Note] = field(default_factory=list)

    @asynccontextmanager
    async def open_tools(self, tenant_id: int) -> AsyncIterator[Tools]:
        settings = VendorSettings.from_environment(self.world.environment() | self.environment)
        budget = Budget(self.connection, tenant_id=tenant_id, settings=settings, now=NOW, progress=self.notes.append)
        async with httpx.AsyncClient(trust_env=False, verify=TLS) as http:
            yield Tools(
                crawl=self.web.crawl,
                fetch_home=self.web.fetch_home,
                profile=profile,
                evidence=lambda pages, name: extract(pages, vocabulary=VOCABULARY, company_name=name),
                search=None,
                apify=ApifyClient(http, settings=settings, budget=budget),
                verifier=VerifierClient(http, settings=settings, budget=budget),
                budget=budget,
                settings=settings,
            )

    def companies(self, count: int, prefix: str, *, known: bool = True) -> list[int]:
        """Companies with sites of their own; ``known``: their websites are known already."""
        named = []
        for number in range(count):
            label = f"{prefix}{chr(97 + number)}works"
            self.web.add(f"{label}.sg", label.title())
            named.append((f"{label.title()} Pte Ltd", f"{label}.sg" if known else None))
        return ensure_companies(self.connection, named)

    def enrich(self, company_ids: list[int], **more: Any) -> EnrichmentReport:
        return enrich_batch(
            self.connection,
            tenant_id=self.tenant_id,
            company_ids=company_ids,
            open_tools=self.open_tools,
            now=NOW,
            progress=self.notes.append,
            **more,
        )

    def drain(self, **more: Any) -> EnrichmentReport:
        more = {"tenant_ids": [self.tenant_id], "now": NOW} | more
        return drain_queue(self.connection, open_tools=self.open_tools, progress=self.notes.append, **more)

    def states(self) -> list[str]:
        return [
            state
            for (state,) in self.connection.execute(
                "select state from raw.company_enrichment_runs where tenant_id = %s order by company_id",
                (self.tenant_id,),
            )
        ]


@pytest.fixture
def bench(connection: psycopg.Connection, fresh_tenant: int, world: StandIn) -> Bench:
    return Bench(connection, fresh_tenant, Web(), world)


def test_a_company_is_filled_in_from_its_site(bench: Bench, rows: Rows) -> None:
    (company_id,) = bench.companies(1, "fill")
    report = bench.enrich([company_id])
    ((about, city, country, domain, linkedin, email, phone),) = rows(
        "select about_text, hq_city, hq_country, website_domain, linkedin_url, email, phone_number"
        " from raw.companies where company_id = %s",
        company_id,
    )
    assert "compostable boxes" in about
    assert (city, country, domain, email) == ("Singapore", "SG", "fillaworks.sg", "info@fillaworks.sg")
    assert linkedin == "https://www.linkedin.com/company/fillaworks"
    assert "6123" in phone
    (company,) = report.companies
    assert company.state == "done"
    assert set(company.filled) >= {"about_text", "hq_city", "hq_country", "website_domain", "linkedin_url", "email"}
    assert company.degraded_reasons == ("no contacts: apify: not used, APIFY_TOKEN is not set",)
    assert rows(
        "select state, filled, degraded_reasons, contacts from raw.company_enrichment_runs where tenant_id = %s",
        bench.tenant_id,
    ) == [("done", list(company.filled), list(company.degraded_reasons), 0)]


def test_ten_are_done_now_and_the_rest_at_night(bench: Bench) -> None:
    company_ids = bench.companies(12, "night")
    report = bench.enrich(company_ids)
    assert [company.company_id for company in report.companies] == company_ids[:10]
    assert (report.queued, len(bench.web.crawled)) == (2, 10)
    assert bench.states() == ["done"] * 10 + ["queued"] * 2
    events = [note.event for note in bench.notes]
    assert events == ["enrich:start", *["enrich:company_tick"] * 10, "enrich:summary"]
    assert bench.notes[-1].message == "Enriched 10 of 10 companies; 2 wait in the queue."
    again = bench.enrich(company_ids)
    assert (again.companies, again.already_done, again.queued, len(bench.web.crawled)) == ((), 10, 2, 10)
    night = bench.drain()
    assert sorted(company.company_id for company in night.companies) == company_ids[10:]
    assert (night.queued, bench.states()) == (0, ["done"] * 12)
    assert bench.drain().companies == ()


def test_repeating_changes_no_row_and_no_version(bench: Bench, rows: Rows) -> None:
    company_ids = bench.companies(2, "same")
    bench.enrich(company_ids)

    def everything() -> list[Any]:
        return [
            rows(f"select t::text from {table} as t order by 1")
            for table in ("raw.companies", "raw.company_enrichment_runs", "raw.contacts")
        ] + rows(
            "select relation, version from intermediate.tenant_versions where relation like 'raw.comp%' order by 1"
        )

    before = everything()
    bench.enrich(company_ids)
    assert everything() == before


def test_a_field_is_never_overwritten_with_nothing(bench: Bench, rows: Rows) -> None:
    (company_id,) = bench.companies(1, "keep")
    bench.enrich([company_id])
    columns = "about_text, hq_city, hq_country, website_domain, linkedin_url, tech_stack, email, phone_number"
    query = f"select {columns} from raw.companies where company_id = %s"
    before = rows(query, company_id)
    bench.web.sites["keepaworks.sg"] = Site([page("keepaworks.sg", "<title>Maintenance</title>")])
    bench.enrich([company_id], again=True)
    assert len(bench.web.crawled) == 2
    assert rows(query, company_id) == before


def test_a_blocked_site_falls_back_to_the_registry(bench: Bench, rows: Rows) -> None:
    (company_id,) = bench.companies(1, "blocked")
    bench.web.sites["blockedaworks.sg"] = Site([], "blocked", ["robots.txt forbids /"])
    bench.connection.execute(
        "insert into raw.registry_entities (registry, registration_number, name, name_key, is_live, city, country,"
        " row_hash, load_id) values ('acra', 'B1', 'BLOCKEDAWORKS PTE. LTD.', 'blockedaworks', true, 'Singapore',"
        " 'SG', 1, 1)"
    )
    bench.connection.execute(
        "update raw.companies set entity_id = (select entity_id from raw.registry_entities"
        " where registration_number = 'B1') where company_id = %s",
        (company_id,),
    )
    (company,) = bench.enrich([company_id]).companies
    assert company.state == "failed" and company.filled == ("hq_city", "hq_country", "website_domain")
    assert company.degraded_reasons[0] == "robots.txt forbids /"
    assert "could not be read (blocked)" in company.degraded_reasons[1]
    assert rows("select enriched_at from raw.companies where company_id = %s", company_id) == [(None,)]


def test_a_site_that_is_down_is_tried_again_by_itself_at_growing_distances(bench: Bench, rows: Rows) -> None:
    (company_id,) = bench.companies(1, "down")
    up = bench.web.sites.pop("downaworks.sg")
    bench.environment = {"ICP_VERIFIER_KEY": ""}

    def row() -> tuple[Any, ...]:
        (found,) = rows(
            "select state, attempts, retry_at, degraded_reasons[1] from raw.company_enrichment_runs"
            " where tenant_id = %s",
            bench.tenant_id,
        )
        return found

    (company,) = bench.enrich([company_id]).companies
    assert company.retry_at == NOW + dt.timedelta(days=1)
    assert row() == ("failed", 1, company.retry_at, "downaworks.sg has no address")
    assert "tried again after 2026-07-01" in company.degraded_reasons[1]
    paid = len(bench.world.asked("apify"))
    days = 0
    for attempt, wait in enumerate((1, 3, 9, 27), start=1):
        days += wait
        assert bench.drain(now=NOW + dt.timedelta(days=days, seconds=-1)).companies == ()
        (company,) = bench.drain(now=NOW + dt.timedelta(days=days)).companies
        assert (company.state, len(bench.web.crawled)) == ("failed", attempt + 1)
    assert row()[:3] == ("failed", 5, None)
    assert "only when asked" in company.degraded_reasons[1]
    assert len(bench.world.asked("apify")) == paid  # nobody pays again for a site that stays down
    assert bench.drain(now=NOW + dt.timedelta(days=400)).companies == ()
    bench.web.sites["downaworks.sg"] = up
    assert bench.enrich([company_id]).companies[0].state == "done"
    assert row()[:3] == ("done", 0, None)


def test_a_site_that_comes_back_is_read_without_being_asked(bench: Bench, rows: Rows) -> None:
    company_ids = bench.companies(2, "back")
    up = bench.web.sites.pop("backaworks.sg")
    assert [company.state for company in bench.enrich(company_ids).companies] == ["failed", "done"]
    bench.web.sites["backaworks.sg"] = up
    (company,) = bench.drain(now=NOW + dt.timedelta(days=1)).companies
    assert (company.company_id, company.state, company.pages) == (company_ids[0], "done", 1)
    assert rows(
        "select state, attempts, retry_at, degraded_reasons from raw.company_enrichment_runs where company_id = %s",
        company_ids[0],
    ) == [("done", 0, None, list(company.degraded_reasons))]
    assert not any("could not be read" in reason for reason in company.degraded_reasons)


def test_what_sites_say_is_evidence_of_the_tenant_that_asked_and_no_base_rate(bench: Bench, rows: Rows) -> None:
    (company_id,) = bench.companies(1, "facts")
    bench.enrich([company_id])
    found = rows("select tenant_id, source, signal_key, url from raw.icp_evidence where company_id = %s", company_id)
    assert ("location", "https://factsaworks.sg/") in {row[2:] for row in found}
    assert {row[:2] for row in found} == {(bench.tenant_id, "crawl")}
    assert rows("select count(*) from raw.company_signals where company_id = %s", company_id) == [(0,)]
    bench.web.sites["factsaworks.sg"] = Site([], "failed", ["it is down"])
    bench.enrich([company_id], again=True)  # a site that is down takes nothing back
    assert len(rows("select signal_key from raw.icp_evidence where company_id = %s", company_id)) == len(found)
    bench.web.sites["factsaworks.sg"] = Site([page("factsaworks.sg", "<p>Nothing to say.</p>")])
    bench.enrich([company_id], again=True)
    assert rows("select signal_key from raw.icp_evidence where company_id = %s", company_id) == []


def test_a_name_is_resolved_first_and_an_unresolved_one_is_not_enriched(bench: Bench, rows: Rows) -> None:
    (found,) = bench.companies(1, "named", known=False)
    bench.connection.execute("update raw.companies set hq_country = 'SG' where company_id = %s", (found,))
    (lost,) = ensure_companies(bench.connection, [("Vanished Harbour Pte Ltd", None)])
    report = bench.enrich([found, lost])
    assert [(company.state, company.domain) for company in report.companies] == [
        ("done", "namedaworks.sg"),
        ("failed", None),
    ]
    assert "none confirmed" in report.companies[1].degraded_reasons[0]
    assert rows("select about_text, enriched_at from raw.companies where company_id = %s", lost) == [(None, None)]
    bench.web.add("vanished.io", "Vanished Harbour")
    again = bench.enrich([found, lost], supplied={"vanished harbour": "vanished.io"})
    assert [(company.company_id, company.state) for company in again.companies] == [(lost, "done")]


def test_resolving_alone_crawls_nothing(bench: Bench) -> None:
    company_ids = bench.companies(1, "alone", known=False)
    (found,) = resolve_companies(
        bench.connection,
        tenant_id=bench.tenant_id,
        company_ids=company_ids,
        open_tools=bench.open_tools,
        now=NOW,
        supplied={"aloneaworks": "aloneaworks.sg"},
    )
    assert (found.domain, bench.web.crawled, bench.states()) == ("aloneaworks.sg", [], [])


def test_a_defect_on_one_site_does_not_keep_the_others_waiting(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    company_ids = bench.companies(3, "odd")

    def fail(domain: str) -> None:
        if domain.startswith("oddb"):
            raise ZeroDivisionError("jane.tan@oddbworks.sg")

    bench.web.at_crawl = fail
    report = bench.enrich(company_ids)
    assert [company.state for company in report.companies] == ["done", "failed", "done"]
    assert report.companies[1].degraded_reasons == ("stopped by a defect (ZeroDivisionError); see the log",)
    assert "ZeroDivisionError at" in caplog.text and "jane" not in caplog.text


def staff(world: StandIn, domain: str, label: str) -> None:
    world.actors["harvestapi~linkedin-company-employees"] = [
        {
            "publicIdentifier": "jane-tan",
            "firstName": "Jane",
            "lastName": "Tan",
            "headline": "Founder",
            "experience": [{"position": "Founder", "companyUniversalName": label, "endDate": {"text": "Present"}}],
            "emails": [{"email": f"jane.tan@{domain}"}, {"email": "jane@gmail.com"}],
        }
    ]


def test_people_stay_in_contacts_and_nowhere_else(bench: Bench, rows: Rows, caplog: pytest.LogCaptureFixture) -> None:
    (company_id,) = bench.companies(1, "people")
    bench.environment = {}
    staff(bench.world, "peopleaworks.sg", "peopleaworks")
    caplog.set_level("DEBUG")
    report = bench.enrich([company_id])
    assert report.companies[0].contacts == 1
    assert rows(
        "select contact_key, full_name, title, work_email, email_status, source from raw.contacts where tenant_id = %s",
        bench.tenant_id,
    ) == [("in:jane-tan", "Jane Tan", "Founder", "jane.tan@peopleaworks.sg", "unverified", "apify")]
    tables = ("raw.companies", "raw.company_enrichment_runs", "raw.vendor_usage")
    elsewhere = repr([rows(f"select t::text from {table} as t") for table in tables])
    elsewhere += repr(report) + repr(bench.notes) + caplog.text
    for personal in ("jane", "Jane", "gmail"):
        assert personal not in elsewhere


def test_a_site_that_gives_a_person_as_its_address_gives_the_company_none(bench: Bench, rows: Rows) -> None:
    (company_id,) = bench.companies(1, "solo")
    bench.environment = {}
    staff(bench.world, "soloaworks.sg", "soloaworks")

    @dataclass(frozen=True)
    class Facts:
        about_text: str | None = "Boxes."
        hq_city: str | None = None
        hq_country: str | None = None
        linkedin_url: str | None = "https://www.linkedin.com/company/soloaworks"
        tech_stack: tuple[str, ...] = ()
        email: str | None = "jane.tan@soloaworks.sg"
        phone_number: str | None = None

    original = bench.open_tools

    @asynccontextmanager
    async def gullible(tenant_id: int) -> AsyncIterator[Tools]:
        import dataclasses

        async with original(tenant_id) as tools:
            yield dataclasses.replace(tools, profile=lambda pages: Facts())

    enrich_batch(bench.connection, tenant_id=bench.tenant_id, company_ids=[company_id], open_tools=gullible, now=NOW)
    assert rows("select email from raw.companies where company_id = %s", company_id) == [(None,)]


def test_contacts_are_looked_for_once(bench: Bench) -> None:
    (company_id,) = bench.companies(1, "once")
    bench.environment = {}
    staff(bench.world, "onceaworks.sg", "onceaworks")
    bench.enrich([company_id])
    assert len(bench.world.asked("apify")) == 1
    bench.enrich([company_id], again=True)
    assert len(bench.world.asked("apify")) == 1


def test_a_cap_that_bites_is_in_the_report_the_notes_and_the_rows(bench: Bench) -> None:
    company_ids = bench.companies(3, "capped")
    bench.environment = {"ICP_APIFY_DAILY_CAP": "1", "ICP_VERIFIER_KEY": ""}
    staff(bench.world, "cappedaworks.sg", "cappedaworks")
    report = bench.enrich(company_ids)
    note = "apify: the daily cap of 1 calls is used up (ICP_APIFY_DAILY_CAP sets it)"
    assert report.notes == (note,)
    assert [said.message for said in bench.notes if said.event == "enrich:cap"] == [note]
    assert sum(f"no contacts: {note}" in company.degraded_reasons for company in report.companies) == 3 - 1
    assert [company.state for company in report.companies] == ["done"] * 3


def test_two_processes_share_the_queue(bench: Bench, warehouse: Warehouse) -> None:
    company_ids = bench.companies(8, "shared")
    queue.enqueue(bench.connection, tenant_id=bench.tenant_id, company_ids=company_ids, reason="test", now=NOW)
    reports: list[EnrichmentReport] = []

    def work() -> None:
        with warehouse.connect(autocommit=True) as own:
            reports.append(Bench(own, bench.tenant_id, bench.web, bench.world).drain())

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [company.company_id for report in reports for company in report.companies]
    assert sorted(done) == company_ids and len(bench.web.crawled) == 8


def terminate(connection: psycopg.Connection, pid: int) -> None:
    """End another session of the same login."""
    connection.execute("set role none")
    connection.execute("select pg_terminate_backend(%s, 5000)", (pid,))
    connection.execute("set role icp_pipeline")


KILLED = """
import os, signal, sys
from ingest.enrichment import queue
from warehouse.connection import Warehouse
with Warehouse().connect(autocommit=True) as connection:
    with queue.run_lock(connection, "a run that dies"):
        for _ in range(2):
            assert queue.claim(connection, run_id="a run that dies", tenant_id=int(sys.argv[1]))
        print("claimed", flush=True)
        sys.stdin.read()
"""


def test_a_killed_run_is_taken_up_again_and_a_living_one_is_not(bench: Bench) -> None:
    company_ids = bench.companies(3, "killed")
    queue.enqueue(bench.connection, tenant_id=bench.tenant_id, company_ids=company_ids, reason="test", now=NOW)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(bench.tenant_id)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_ROOT,
        env=dict(os.environ),
    )
    assert process.stdout is not None and process.stdout.readline() == "claimed\n"
    assert bench.states() == ["running", "running", "queued"]
    assert queue.recover(bench.connection) == 0  # it lives
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.communicate()
    # The server notices the dead client when it next looks at the socket.
    for (pid,) in bench.connection.execute("select pid from pg_locks where classid = 4927003").fetchall():
        terminate(bench.connection, pid)
    report = bench.enrich(company_ids)
    assert (report.recovered, [company.state for company in report.companies]) == (2, ["done"] * 3)
    assert bench.states() == ["done"] * 3


def test_an_interrupted_run_gives_back_what_it_took(bench: Bench) -> None:
    company_ids = bench.companies(6, "stopped")

    def interrupt(domain: str) -> None:
        if len(bench.web.crawled) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    bench.web.at_crawl = interrupt
    with pytest.raises(KeyboardInterrupt):
        bench.enrich(company_ids)
    assert "running" not in bench.states() and "queued" in bench.states()
    bench.web.at_crawl = None
    bench.enrich(company_ids)
    assert bench.states() == ["done"] * 6


def test_a_lost_connection_is_not_taken_for_a_bad_site(bench: Bench, warehouse: Warehouse) -> None:
    company_ids = bench.companies(1, "lost")
    with warehouse.connect(autocommit=True) as own:
        lost = Bench(own, bench.tenant_id, bench.web, bench.world)
        pid = own.info.backend_pid
        bench.web.at_crawl = lambda domain: terminate(bench.connection, pid)
        with pytest.raises(psycopg.OperationalError):
            lost.enrich(company_ids)
    bench.web.at_crawl = None
    assert bench.enrich(company_ids).companies[0].state == "done"


def test_a_company_that_another_run_is_taking_is_passed_over(bench: Bench, warehouse: Warehouse) -> None:
    company_ids = bench.companies(2, "taken")
    queue.enqueue(bench.connection, tenant_id=bench.tenant_id, company_ids=company_ids, reason="test", now=NOW)
    bench.connection.execute("set lock_timeout = '2s'")
    with warehouse.connect() as other:  # its claim is not committed yet
        first = queue.claim(other, run_id="other", tenant_id=bench.tenant_id)
        second = queue.claim(bench.connection, run_id="mine", tenant_id=bench.tenant_id)
        assert (first, second) == tuple(queue.Job(bench.tenant_id, company_id) for company_id in company_ids)
        assert queue.claim(bench.connection, run_id="mine", tenant_id=bench.tenant_id) is None
