"""Forgetting a person: nothing of them is left anywhere, everybody else stays, and no load brings them back."""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from icp.main import app
from ingest.crawl.cache import CachedPage, save_pages
from ingest.crawl.page import Page
from ingest.enrichment.contacts import Contact, store_contacts
from ingest.enrichment.linkedin import Person
from ingest.outcomes.load import LoadReport, load_outcomes
from tests.conftest import make_database
from tests.loop import Rows
from tests.planting import everything, plant
from warehouse import backup, forget, suppression, tenants
from warehouse.connection import Warehouse
from warehouse.errors import Busy
from warehouse.person import NotOnePerson
from warehouse.server import EmbeddedServer
from warehouse.settings import Settings

JANE = "jane.tan@acme.example"
PROFILE = "https://sg.linkedin.com/in/jane-tan-7b/"
NAME = "Jane Q. Tan"
# Whoever is only alike stays: a longer address, another profile, another name.
OTHERS = ("mary-jane.tan@acme.example", "jane.tan@acme.example.org", "linkedin.com/in/jane-tan-7bc", "Jane Q. Tanaka")

LEADS = [
    # id, mail, name, title, contacted, head-count
    ("L1", JANE, NAME, "Head of Data", "2026-01-05 09:30:10", "4817"),
    ("L2", "omar@beta.example", "Omar Said", "CTO", "2026-01-06 10:00:00", "12"),
    ("L3", OTHERS[0], OTHERS[3], "CFO", "2026-01-07 11:00:00", "80"),
]
MAPPING = """
name: crm
tenant: acme
leads:
  files: leads.csv
  columns: {lead_id: id, title: title, first_contact_at: contacted, employee_count: staff, scored_at: scored,
            data_quality: dq, authority: au, company_fit: cf, timing: ti}
  attributes: {address: mail, profile: link}
status_events:
  files: statuses.csv
  columns: {lead_id: id, occurred_at: at, status: status}
activities:
  files: touches.csv
  columns: {activity_id: touch, lead_id: id, action: action, occurred_at: at, content_snapshot: said}
"""


@pytest.fixture
def warehouse(server: EmbeddedServer, template: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse per test, with a tenant and its neighbour."""
    url = make_database(server, template)
    monkeypatch.setenv("ICP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ICP_DATABASE_URL", url)
    made = Warehouse(Settings.from_environment()).open()
    with made.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug="acme", timezone="Asia/Singapore")
        tenants.add_tenant(connection, slug="other")
    return made


@pytest.fixture
def rows(warehouse: Warehouse) -> Iterator[Rows]:
    with warehouse.connect(autocommit=True) as connection:

        def fetch(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

        yield fetch


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """Three leads with a score, two with an end, touches; one touch has no lead, one lead no date that can be."""
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    leads = [
        [key, mail, PROFILE if key == "L1" else "", name, title, at, staff, at, "12", "20", "15", "9"]
        for key, mail, name, title, at, staff in LEADS
    ]
    leads.append(["L9", JANE.upper(), NAME, "", "Head", "31 February", "1", "", "", "", "", ""])
    header = ["id", "mail", "link", "name", "title", "contacted", "staff", "scored", "dq", "au", "cf", "ti"]
    write(tmp_path / "leads.csv", header, leads)
    statuses = [
        ["L1", "2026-02-03 15:00:00", "converted"],
        ["L2", "2026-02-04 15:00:00", "dead"],
        ["L1", "2026-02-03 18:00:00", "handed over"],
    ]
    write(tmp_path / "statuses.csv", ["id", "at", "status"], statuses)
    touches = [
        ["T1", "L1", "email_sent", "2026-01-05 09:30:10", f'{{"to": "{JANE}", "text": "Dear\\n{NAME}"}}'],
        ["T2", "L1", "email_sent", "2026-02-03 11:00:00", "{}"],
        ["T3", "L2", "email_sent", "2026-01-06 10:00:00", f'{{"text": "as I wrote to {NAME},\\n{JANE}"}}'],
        ["T4", "L77", "email_sent", "2026-01-06 10:00:00", f'{{"cc": "{JANE}"}}'],
    ]
    write(tmp_path / "touches.csv", ["touch", "id", "action", "at", "said"], touches)
    return tmp_path / "mapping.yaml"


def write(path: Path, header: list[str], records: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as content:
        csv.writer(content).writerows([header, *records])


@pytest.fixture
def loaded(warehouse: Warehouse, mapping: Path) -> LoadReport:
    return load_outcomes(warehouse, mapping)


def traces(rows: Rows, *words: str) -> dict[str, str]:
    """Tables in which any of these is left, whatever the case, of a person who is not merely alike."""
    left = {}
    for table, text in everything(rows).items():
        text = text.lower()
        for other in OTHERS:
            text = text.replace(other.lower(), "")
        if any(word.lower() in text for word in words):
            left[table] = text
    return left


ALL = (JANE, "jane-tan-7b", NAME)


def test_nothing_is_left_of_a_person_in_any_column_of_any_table(warehouse: Warehouse, rows: Rows) -> None:
    """A mention is planted in every text of every table that takes one; tables added later are among them."""
    words = f"To {NAME} <{JANE}>, https://www.linkedin.com/in/jane-tan-7b?x. Not " + ", ".join(OTHERS)
    ((acme,),) = rows("select tenant_id from raw.tenants where slug = 'acme'")
    planted = plant(warehouse, rows, words=words, tenant_id=acme, apart_from=("raw.contacts",))
    assert len(planted) >= 25
    assert traces(rows, *ALL).keys() >= planted
    forget.forget(warehouse, [JANE, PROFILE, NAME], tenant="acme", actor="maya")
    assert traces(rows, JANE, "jane-tan-7b") == {}
    assert set(traces(rows, NAME)) <= {"raw.registry_entities", "raw.industry_codes", "raw.sources"} | shared(rows)
    after = everything(rows)
    for other in OTHERS:
        assert sum(other in text for text in after.values()) >= 20, other


def shared(rows: Rows) -> set[str]:
    """Tables without a tenant: a name there may be anybody's."""
    return {
        table
        for (table,) in rows(
            "select oid::regclass::text from pg_class as c where relkind = 'r' and not exists (select from pg_attribute"
            " where attrelid = c.oid and attname = 'tenant_id')"
        )
    }


# -- leads ----------------------------------------------------------------------------------------------------------

OUTCOME = (
    "select (first_contact_at at time zone 'Asia/Singapore')::date, employee_count, title, attributes::text,"
    " (select array_agg(status order by occurred_at) from raw.lead_status_events as e where e.lead_id = leads.lead_id),"
    " (select array_agg(kind order by occurred_at) from raw.activities as a where a.lead_id = leads.lead_id),"
    " (select array_agg(coalesce(content_snapshot::text, '-')) from raw.activities as a"
    " where a.lead_id = leads.lead_id), (select array_agg(data_quality) from raw.lead_score_snapshots as s"
    " where s.lead_id = leads.lead_id) from raw.leads as leads where source_id like 'forgotten %'"
)


def test_a_lead_becomes_a_stranger_with_the_same_outcome(warehouse: Warehouse, loaded: LoadReport, rows: Rows) -> None:
    before = rows("select lead_id from raw.leads where source_id = 'L1'")
    report = forget.forget(warehouse, [JANE, NAME], tenant="acme", actor="maya")
    assert report.rows >= 7 and report.tenants == ("acme",)
    assert traces(rows, *ALL, "L1", "Head of Data", "T1") == {}
    day = rows("select date '2026-01-05'")[0][0]
    assert rows(OUTCOME) == [
        (day, 4900, None, "{}", ["converted", "handed_over"], [1, 1], ["-", "-"], [12]),
    ]
    assert rows("select source_id from raw.leads where lead_id = %s", *before[0]) == []
    moments = rows(
        "select extract(epoch from occurred_at at time zone 'Asia/Singapore')::numeric % 86400 from raw.activities"
        " join raw.leads using (tenant_id, lead_id) where leads.source_id like 'forgotten %'"
        " union all select extract(epoch from occurred_at at time zone 'Asia/Singapore')::numeric % 86400"
        " from raw.lead_status_events join raw.leads using (tenant_id, lead_id)"
        " where leads.source_id like 'forgotten %'"
    )
    assert all(second < 1 for (second,) in moments)  # the day, and the order within it
    assert rows("select count(*) from raw.leads where source_id in ('L2', 'L3') and title is not null") == [(2,)]
    # what somebody else was written stays, without the words
    (said,) = rows("select content_snapshot ->> 'text' from raw.activities where source_id = 'T3'")
    assert said[0].startswith("as I wrote to [forgotten]") and JANE not in said[0]


def test_a_lead_can_go_as_a_whole(warehouse: Warehouse, loaded: LoadReport, rows: Rows) -> None:
    forget.forget(warehouse, ["L1"], tenant="acme", actor="maya", erase=True)
    assert rows("select source_id from raw.leads order by 1") == [("L2",), ("L3",)]
    assert rows("select source_id from raw.activities") == [("T3",)]
    assert rows("select count(*) from raw.lead_status_events") == [(1,)]


def test_the_same_files_do_not_bring_a_person_back(
    warehouse: Warehouse, loaded: LoadReport, mapping: Path, rows: Rows
) -> None:
    forget.forget(warehouse, [JANE], actor="maya")
    before = everything(rows)
    report = load_outcomes(warehouse, mapping, again=True)
    suppressed = {file.entity: file.counts.suppressed for file in report.files}
    assert suppressed == {"leads": 2, "status_events": 2, "activities": 2}
    assert all(file.counts.unchanged >= 0 for file in report.files)
    assert rows("select sum(rows_suppressed) from raw.loads") == [(6,)]
    after = everything(rows)
    for table in ("raw.leads", "raw.activities", "raw.lead_status_events", "raw.lead_score_snapshots"):
        assert after[table] == before[table], table
    assert traces(rows, JANE, "jane-tan-7b", "L1") == {}
    assert rows("select content::jsonb ->> 'content_snapshot' from raw.rejected_rows") == [('{"cc": "[forgotten]"}',)]


def test_a_person_is_known_again_under_another_id(
    warehouse: Warehouse, loaded: LoadReport, mapping: Path, rows: Rows
) -> None:
    forget.forget(warehouse, [JANE], actor="maya")
    leads = mapping.with_name("leads.csv")
    leads.write_text(leads.read_text().replace("L1,", "N1,").replace(f",{JANE},", f",Mail: {JANE.upper()} (old),"))
    touches = mapping.with_name("touches.csv")
    touches.write_text("touch,id,action,at,said\nT5,N1,replied,2026-03-01,{}\nT6,L2,replied,2026-03-01,{}\n")
    report = load_outcomes(warehouse, mapping)
    assert {file.entity: file.counts.suppressed for file in report.files} == {
        "leads": 2, "status_events": 0, "activities": 1,
    }  # fmt: skip
    assert rows("select count(*) from raw.leads where source_id = 'N1'") == [(0,)]
    assert rows("select count(*) from raw.activities where source_id in ('T5', 'T6')") == [(1,)]


def test_who_is_not_here_is_remembered_all_the_same(warehouse: Warehouse, mapping: Path, rows: Rows) -> None:
    report = forget.forget(warehouse, [f"Jane <{JANE}>"], actor="maya")
    assert (report.rows, report.remembered) == (0, 1)
    load_outcomes(warehouse, mapping)
    assert rows("select source_id from raw.leads order by 1") == [("L2",), ("L3",)]
    assert traces(rows, JANE, "jane-tan-7b") == {}


def test_a_tenant_forgets_for_itself_alone(warehouse: Warehouse, loaded: LoadReport, mapping: Path, rows: Rows) -> None:
    mapping.write_text(MAPPING.replace("tenant: acme", "tenant: other").replace("name: crm", "name: theirs"))
    load_outcomes(warehouse, mapping)
    forget.forget(warehouse, [JANE], tenant="acme", actor="maya")
    assert rows("select slug from raw.leads join raw.tenants using (tenant_id) where source_id = 'L1'") == [("other",)]
    load_outcomes(warehouse, mapping, again=True)
    assert rows("select title from raw.leads where source_id = 'L1'") == [("Head of Data",)]


# -- contacts, pages, suggestions -----------------------------------------------------------------------------------


def test_a_contact_is_deleted_and_its_company_s_pages_with_the_name(warehouse: Warehouse, rows: Rows) -> None:
    company(rows, "acme.example")
    forget.forget(warehouse, [JANE], actor="maya")
    assert traces(rows, *ALL) == {}
    assert rows("select url from raw.crawl_pages order by 1") == [
        ("https://acme.example/b",),
        ("https://else.example/a",),
    ]
    assert rows("select count(*) from raw.contacts") == [(1,)]
    assert rows("select value_key, snippet from raw.icp_evidence") == [("sap", "[forgotten] runs SAP")]


def company(rows: Rows, domain: str) -> None:
    """A company with two contacts, pages of which one names the person, and evidence from it."""
    ((acme,),) = rows("select tenant_id from raw.tenants where slug = 'acme'")
    ((company_id,),) = rows(
        "insert into raw.companies (company_key, name, website_domain) values (%s, 'Acme', %s) returning company_id",
        domain, domain,
    )  # fmt: skip
    for key, name, mail in (("in:jane-tan-7b", NAME, JANE), ("mail:o@acme.example", OTHERS[3], "o@acme.example")):
        rows(
            "insert into raw.contacts (tenant_id, company_id, contact_key, full_name, work_email, email_status, source,"
            " observed_at) values (%s, %s, %s, %s, %s, 'verified', 'apify', now())", acme, company_id, key, name, mail,
        )  # fmt: skip
    for url, text in (("a", f"Team: Jane Q.\n Tan, {OTHERS[3]}"), ("b", f"Team: {OTHERS[3]}")):
        rows(
            "insert into raw.crawl_pages (url, domain, page_type, fetched_via, outcome, text, fetched_at, expires_at)"
            " values (%s, %s, 'about', 'http', 'ok', %s, now(), now())", f"https://{domain}/{url}", domain, text,
        )  # fmt: skip
    rows(
        "insert into raw.crawl_pages (url, domain, page_type, fetched_via, outcome, text, fetched_at, expires_at)"
        " values ('https://else.example/a', 'else.example', 'about', 'http', 'ok', 'Another Jane Q Tan', now(), now())"
    )
    rows(
        "insert into raw.icp_evidence (tenant_id, company_id, signal_key, value_key, value, source, snippet,"
        " confidence, observed_at, content_hash)"
        " values (%s, %s, 'integration', 'sap', '{}', 'crawl', %s, 1, now(), 'x')",
        acme, company_id, f"{NAME} runs SAP",
    )  # fmt: skip


# -- who is meant ---------------------------------------------------------------------------------------------------


@pytest.mark.timeout(60)
def test_who_is_nobody_or_a_crowd_is_refused_and_nothing_is_done(
    warehouse: Warehouse, loaded: LoadReport, rows: Rows
) -> None:
    ((acme, load_id),) = rows("select tenant_id, max(load_id) from raw.leads group by 1")
    for key, count, said in (("A", 30, '{"owner": "rep@vendor.example"}'), ("B", 2, '{"who": "Wei  Lim"}')):
        rows(
            "insert into raw.leads (tenant_id, source_id, attributes, load_id)"
            " select %s, %s || n, %s::jsonb, %s from generate_series(1, %s) as n", acme, key, said, load_id, count,
        )  # fmt: skip
    before = everything(rows)
    for text, tenant, complaint in (
        ("L1", None, "add --tenant"),
        (NAME, None, "add --tenant"),
        ("L999", "acme", "no lead and no contact 'L999'"),
        ("  ", "acme", "is named by"),
        ("x" * 600, "acme", "is named by"),
        ("rep@vendor.example", "acme", "not one person"),
        ("Wei Lim", "acme", "2 people have this name"),
    ):
        with pytest.raises(NotOnePerson, match=complaint):
            forget.forget(warehouse, [text], tenant=tenant, actor="maya")
    assert everything(rows) == before


def test_a_dry_run_counts_and_changes_nothing(warehouse: Warehouse, loaded: LoadReport, rows: Rows) -> None:
    before = everything(rows)
    dry = forget.forget(warehouse, [JANE], actor="maya", dry_run=True)
    assert dry.is_dry_run
    assert everything(rows) == before
    assert not suppression.key_file(warehouse.settings).exists()
    real = forget.forget(warehouse, [JANE], actor="maya")
    assert real.removed == dry.removed


# -- once, whole, and known again -----------------------------------------------------------------------------------


def test_twice_is_once_and_the_audit_log_names_nobody(warehouse: Warehouse, loaded: LoadReport, rows: Rows) -> None:
    first = forget.forget(warehouse, [JANE], actor="maya")
    before = everything(rows)
    second = forget.forget(warehouse, [JANE.upper()], actor="maya")
    assert (second.rows, second.remembered, second.request_id) == (0, 0, None)
    assert everything(rows) == before
    ((actor, action, subject, detail),) = rows("select actor, action, object, detail::text from learned.audit_log")
    assert (actor, action, subject) == ("maya", "forget_person", first.request_id)
    assert not any(word.lower() in detail.lower() for word in (*ALL, "L1"))


def test_the_next_run_rebuilds_the_tenant_and_no_other(warehouse: Warehouse, loaded: LoadReport, rows: Rows) -> None:
    versions = "select relation, tenant_id, version from intermediate.tenant_versions"
    before = set(rows(versions))
    forget.forget(warehouse, [JANE], actor="maya")
    ((acme,),) = rows("select tenant_id from raw.tenants where slug = 'acme'")
    changed = {(relation, tenant) for relation, tenant, _ in set(rows(versions)) - before}
    assert changed >= {("raw.leads", acme), ("raw.activities", acme), ("raw.lead_status_events", acme)}
    assert {tenant for _, tenant in changed} == {acme}


def icp(*arguments: str, answer: str = "") -> Result:
    done = CliRunner().invoke(app, list(arguments), input=answer)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_the_command_asks_and_shows_what_goes(warehouse: Warehouse, loaded: LoadReport, rows: Rows) -> None:
    before = everything(rows)
    assert icp("forget", "--person", JANE, answer="n\n").exit_code == 1
    dry = json.loads(icp("forget", "--person", JANE, "--dry-run", "--json").stdout)
    assert ("raw.leads", "made anonymous", 1) in [(one["table"], one["action"], one["rows"]) for one in dry["removed"]]
    assert everything(rows) == before
    assert icp("forget", "--person", JANE, "--by", "maya", answer="y\n").exit_code == 0
    assert traces(rows, JANE, "jane-tan-7b", "L1") == {}
    assert icp("forget", "--again").exit_code == 0
    for wrong in ([], ["--again", "--person", JANE]):
        assert icp("forget", *wrong).exit_code == 2


@pytest.mark.slow  # two processes that start
def test_a_person_killed_half_way_is_there_whole_and_goes_the_next_time(
    warehouse: Warehouse, loaded: LoadReport, rows: Rows
) -> None:
    before = everything(rows)
    command = [sys.executable, "-m", "icp.main", "forget", "--person", JANE, "--yes"]
    with psycopg.connect(warehouse.conninfo, options="-c role=icp_pipeline") as blocker:
        blocker.execute("lock table learned.audit_log in share mode")  # the last thing it writes
        victim = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ))
        deadline = time.monotonic() + 60
        waiting = "select count(*) from pg_locks where not granted and relation = 'learned.audit_log'::regclass"
        while rows(waiting) == [(0,)]:
            assert victim.poll() is None and time.monotonic() < deadline, victim.communicate()
            time.sleep(0.05)
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
    while rows("select count(*) from pg_stat_activity where application_name = 'icp forget'") != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert everything(rows) == before
    assert subprocess.run(command, capture_output=True, env=dict(os.environ)).returncode == 0
    assert traces(rows, JANE, "jane-tan-7b", "L1") == {}


def test_it_waits_for_no_run_but_says_so(warehouse: Warehouse) -> None:
    with warehouse.pipeline_lock("a test"), pytest.raises(Busy, match="a test"):
        forget.forget(warehouse, [JANE], actor="maya")


def test_enrichment_and_crawls_do_not_bring_a_person_back(warehouse: Warehouse, rows: Rows) -> None:
    company(rows, "acme.example")
    ((acme, company_id),) = rows("select distinct tenant_id, company_id from raw.contacts")
    forget.forget(warehouse, [JANE], actor="maya")
    now = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
    people = [
        Person("in:jane-tan-7b", NAME, None, None, None),  # by the deleted row
        Person("name:jane tan", NAME, None, None, JANE),
        Person("in:x", NAME, None, PROFILE, None),
        Person("mail:new@acme.example", "New One", None, None, "new@acme.example"),
    ]
    with warehouse.connect() as connection:
        contacts = [Contact(person, "unverified") for person in people]
        stored = store_contacts(connection, tenant_id=acme, company_id=company_id, contacts=contacts, now=now)
        text = f"Write to {JANE.upper()}, {OTHERS[0]} or {PROFILE}"
        page = Page(
            "https://acme.example/a", "acme.example", "about", f"<p>{text}", text, None, "http", 200, "ok", None, None,
            None, "h", now, 9,
        )  # fmt: skip
        save_pages(connection, [CachedPage(page, now)])
    assert stored == 1
    assert traces(rows, JANE, "jane-tan-7b", NAME) == {}
    assert rows("select text from raw.crawl_pages where url = 'https://acme.example/a'") == [
        (f"Write to [forgotten], {OTHERS[0]} or https://sg.[forgotten]/",)
    ]


@pytest.fixture
def tools(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{server.bindir}:{os.environ['PATH']}")


@pytest.mark.slow  # three programs that start
def test_a_restored_backup_is_forgotten_in_again(
    warehouse: Warehouse, loaded: LoadReport, rows: Rows, tools: None, tmp_path: Path
) -> None:
    company(rows, "acme.example")
    backup.backup(warehouse, tmp_path / "before.dump")
    forget.forget(warehouse, [JANE], actor="maya")
    backup.restore(warehouse, tmp_path / "before.dump", replace=True)
    assert traces(rows, *ALL, "L1") == {}  # the name too, by the contact
    assert rows("select count(*) from raw.leads") == [(3,)]
    assert rows("select actor, action from learned.audit_log") == [("restore", "forget_person_again")]
    assert forget.again(warehouse, actor="maya") == []


def test_without_the_key_nothing_is_loaded_and_nobody_forgotten(
    warehouse: Warehouse, loaded: LoadReport, mapping: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget.forget(warehouse, [JANE], actor="maya")
    file = suppression.key_file(warehouse.settings)
    assert file.stat().st_mode & 0o077 == 0
    key = file.read_text()
    file.unlink()
    for _ in range(2):
        with pytest.raises(suppression.KeyMissing, match="ICP_SUPPRESSION_KEY"):
            load_outcomes(warehouse, mapping)
        with pytest.raises(suppression.KeyMissing):
            forget.forget(warehouse, ["somebody@else.example"], actor="maya")
        monkeypatch.setenv("ICP_SUPPRESSION_KEY", "00" * 32)
    monkeypatch.setenv("ICP_SUPPRESSION_KEY", key)
    load_outcomes(warehouse, mapping, again=True)
