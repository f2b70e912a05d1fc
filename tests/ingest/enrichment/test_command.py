"""`icp enrich` from look-alikes to filled rows, with the real crawler, the real clients and sites on 127.0.0.1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from icp.commands.enrich import enrich
from icp.commands.suggestions import app
from ingest.companies import ensure_companies
from ingest.enrichment.lookalikes import ensure_lookalikes
from ingest.errors import IngestError
from tests.ingest.enrichment.test_enrichment import HOME
from tests.loop import Rows
from tests.vendors.stand_in import JinaPage, StandIn
from warehouse import tenants
from warehouse.errors import WarehouseError


@pytest.fixture
def vendors_set_up(world: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    for name, value in world.environment().items():
        monkeypatch.setenv(name, value)
    return world


def run(*arguments: str, code: int = 0) -> Any:
    alone = typer.Typer()
    alone.command()(enrich)
    done = CliRunner().invoke(alone, list(arguments))
    if code == 0:
        assert done.exit_code == 0, (done.output, done.exception)
        return json.loads(done.stdout) if "--json" in arguments else done.stdout
    assert done.exit_code == code or isinstance(done.exception, IngestError | WarehouseError), done.output
    return done.exception or done.output


def suggest(connection: psycopg.Connection, tenant_id: int, suggestion: str, *names: str, accept: bool = True) -> None:
    """A suggestion with look-alikes of the registry."""
    connection.execute(
        "insert into learned.icp_suggestion_sets (tenant_id, generation, inputs_hash, best_seeds, seeds_with_evidence,"
        " reduced_evidence, negative_icp) values (%s, 1, 'x', 5, 5, false, '{}') on conflict do nothing",
        (tenant_id,),
    )
    connection.execute(
        "insert into learned.icp_suggestions (tenant_id, generation, suggestion_id, rank, title, score, evidence_count,"
        " evidence_ids, reduced_evidence, card, targeting_pack, rule_payload)"
        " select %s, 1, %s, 1 + count(*), %s, 1, 1, '{1}', false, '{}', '{}', '{\"ssic_codes\": []}'"
        " from learned.icp_suggestions where tenant_id = %s",
        (tenant_id, suggestion, suggestion, tenant_id),
    )
    for rank, name in enumerate(names, start=1):
        row = connection.execute(
            "insert into raw.registry_entities (registry, registration_number, name, name_key, is_live, city, country,"
            " row_hash, load_id) values ('acra', %s, %s, lower(%s), true, 'Singapore', 'SG', 1, 1)"
            " on conflict (registry, registration_number) do update set name = excluded.name returning entity_id",
            (f"R-{name}", f"{name} PTE. LTD.", name),
        ).fetchone()
        assert row is not None
        connection.execute(
            "insert into learned.lookalikes (tenant_id, suggestion_id, rank, entity_id, name,"
            " registration_number, score, why) values (%s, %s, %s, %s, %s, %s, 0.9, 'same industry')",
            (tenant_id, suggestion, rank, row[0], f"{name} PTE. LTD.", f"R-{name}"),
        )
    if accept:
        connection.execute("select learned.accept_suggestion(%s, %s, 'test')", (tenant_id, suggestion))


def site(domain: str, name: str) -> str:
    return HOME.format(domain=domain, name=name, label=domain.split(".")[0])


def test_lookalikes_are_found_crawled_and_filled(
    connection: psycopg.Connection, sites: dict[str, str], rows: Rows, tmp_path: Path
) -> None:
    tenant_id = tenants.add_tenant(connection, slug="direct").tenant_id
    suggest(connection, tenant_id, "s1", "KELPHARBOUR", "TIDELANTERN", "MOSSGRANITE")
    sites["kelpharbour.com.sg"] = site("kelpharbour.com.sg", "Kelpharbour")
    sites["tidelantern.com"] = "<title>tidelantern.com is for sale</title>Tidelantern"
    report = run("direct", "--profile", "nightly", "--json")
    found, lost, lost_too = report["companies"]
    assert (found["state"], found["domain"], found["pages"]) == ("done", "kelpharbour.com.sg", 1)
    assert set(found["filled"]) >= {"about_text", "hq_city", "hq_country", "website_domain", "email"}
    assert [lost["state"], lost_too["state"]] == ["failed", "failed"]
    assert "none confirmed" in lost["degraded_reasons"][0]
    assert rows(
        "select website_domain, domain_source, email, entity_id is not null from raw.companies where name like 'KELP%%'"
    ) == [("kelpharbour.com.sg", "guess", "info@kelpharbour.com.sg", True)]
    assert report["skipped"] == [
        "jina: not used, JINA_API_KEY is not set",
        "tavily: not used, TAVILY_API_KEY is not set",
        "apify: not used, APIFY_TOKEN is not set",
        "verifier: not used, ICP_VERIFIER_URL and ICP_VERIFIER_KEY is not set",
    ]
    listed = tmp_path / "websites.csv"
    listed.write_text("name,domain\nTidelantern Pte Ltd,tidelantern.io\nMossgranite,not a domain\n")
    sites["tidelantern.io"] = site("tidelantern.io", "Tidelantern")
    said = run("direct", "--profile", "nightly", "--domains", str(listed))
    assert "tidelantern.io" in said and "done already" in said and "--domains" in said


def test_the_interactive_way_reads_by_the_readers_first_and_counts_them(
    connection: psycopg.Connection, sites: dict[str, str], vendors_set_up: StandIn, rows: Rows
) -> None:
    tenant_id = tenants.add_tenant(connection, slug="readers").tenant_id
    suggest(connection, tenant_id, "s2", "CINDERPLUM", accept=False)
    sites["cinderplum.sg"] = site("cinderplum.sg", "Cinderplum")
    world = vendors_set_up
    world.hits = [("https://www.facebook.com/cinderplum", "Cinderplum"), ("https://cinderplum.sg/", "Cinderplum")]
    text = "Cinderplum designs and makes compostable boxes for food stalls and caterers in Singapore.\n\n© Cinderplum"
    world.pages["https://cinderplum.sg/about"] = JinaPage("Cinderplum", text)
    world.actors["harvestapi~linkedin-company"] = [
        {"website": "https://cinderplum.sg", "linkedinUrl": "https://www.linkedin.com/company/cinderplum"}
    ]
    world.actors["harvestapi~linkedin-company-employees"] = [
        {"publicIdentifier": "amir", "firstName": "Amir", "emails": [{"email": "amir@cinderplum.sg"}]}
    ]
    world.verdicts["amir@cinderplum.sg"] = "deliverable"
    report = run("readers", "--suggestion", "s2", "--json")
    (company,) = report["companies"]
    assert (company["domain"], company["state"], company["contacts"]) == ("cinderplum.sg", "done", 1)
    assert "linkedin_url" in company["filled"]
    assert rows("select domain_source from raw.companies where website_domain = 'cinderplum.sg'") == [("search",)]
    # The front page was read to confirm the name and is in the cache; the reader is asked for the rest.
    assert rows(
        "select fetched_via, page_type from raw.crawl_pages"
        " where domain = 'cinderplum.sg' and outcome = 'ok' order by 1"
    ) == [("http", "home"), ("jina", "about")]
    assert rows("select contact_key, work_email, email_status from raw.contacts where tenant_id = %s", tenant_id) == [
        ("in:amir", "amir@cinderplum.sg", "verified")
    ]
    usage = dict(rows("select vendor, calls from raw.vendor_usage where tenant_id = %s", tenant_id))
    assert usage == {
        "jina": len(world.asked("jina")),
        "tavily": len(world.asked("tavily")),
        "apify": 1,  # the site names its LinkedIn page
        "verifier": 1,
    }
    assert "amir" not in json.dumps(report)


@pytest.mark.parametrize("profile", ["nightly", "interactive"])
def test_a_site_that_says_nothing_new_is_left_early(
    connection: psycopg.Connection, sites: dict[str, str], rows: Rows, profile: str
) -> None:
    slug = f"early-{profile}"
    tenant_id = tenants.add_tenant(connection, slug=slug).tenant_id
    label = f"larch{profile}"
    suggest(connection, tenant_id, f"e-{profile}", label.upper(), accept=False)
    paths = ("clients", "partners", "industries", "jobs", "pricing", "contact", "team", "case-studies")
    menu = "".join(f'<a href="/{path}">{path}</a>' for path in paths)
    home = site(f"{label}.sg", label.title())
    sites[f"{label}.sg"] = home.replace("</h1>", f"</h1>{menu}")
    sites.update({f"{label}.sg/{path}": home.replace("</h1>", f" {path}</h1>") for path in paths})
    (company,) = run(slug, "--suggestion", f"e-{profile}", "--profile", profile, "--json")["companies"]
    assert company["state"] == "done" and company["pages"] <= 5
    assert "left early: the last pages said nothing new" in company["degraded_reasons"]
    assert rows("select count(*) from raw.crawl_pages where domain = %s and outcome = 'ok'", f"{label}.sg") == [
        (company["pages"],)
    ]


def test_the_last_resort_stays_the_last_where_its_key_is_the_only_one(
    connection: psycopg.Connection,
    sites: dict[str, str],
    vendors_set_up: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A site that can be read costs no credit."""
    tenant_id = tenants.add_tenant(connection, slug="lastly").tenant_id
    suggest(connection, tenant_id, "s9", "HOLLYGANTRY", accept=False)
    sites["hollygantry.sg"] = site("hollygantry.sg", "Hollygantry")
    monkeypatch.delenv("JINA_API_KEY")
    vendors_set_up.hits = [("https://hollygantry.sg/", "Hollygantry")]
    (company,) = run("lastly", "--suggestion", "s9", "--json")["companies"]
    assert company["state"] == "done"
    assert [call.path for call in vendors_set_up.asked("tavily") if "extract" in call.path] == []


def test_the_sites_beyond_the_head_say_that_no_reader_was_asked(
    connection: psycopg.Connection,
    sites: dict[str, str],
    vendors_set_up: StandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tenant_id = tenants.add_tenant(connection, slug="headless").tenant_id
    names = ("IVYQUARRY", "JUNIPERLOCK")
    suggest(connection, tenant_id, "s10", *names, accept=False)
    for name in names:
        sites[f"{name.lower()}.sg"] = site(f"{name.lower()}.sg", name.title())
    monkeypatch.setenv("INTERACTIVE_HEAD", "1")
    report = run("headless", "--suggestion", "s10", "--json")
    said = [
        [reason for reason in each["degraded_reasons"] if "INTERACTIVE_HEAD" in reason] for each in report["companies"]
    ]
    assert sorted(map(len, said)) == [0, 1]


def test_the_queue_is_worked_off(connection: psycopg.Connection, sites: dict[str, str], rows: Rows) -> None:
    tenant_id = tenants.add_tenant(connection, slug="queued").tenant_id
    names = ("OTTERFLINT", "PLUMVESPER", "RAVENQUARTZ")
    suggest(connection, tenant_id, "s3", *names)
    for name in names:
        sites[f"{name.lower()}.sg"] = site(f"{name.lower()}.sg", name.title())
    said = run("queued", "--limit", "1", "--profile", "nightly")
    assert "2 wait for the night" in said
    report = run("queued", "--queue", "--json")
    assert [company["state"] for company in report["companies"]] == ["done", "done"]
    assert "Nothing waits" in run("--queue")
    assert rows("select count(*) from raw.company_enrichment_runs where tenant_id = %s and state = 'done'", tenant_id)


def test_companies_of_an_industry_that_was_excluded_are_left_alone(connection: psycopg.Connection) -> None:
    tenant_id = tenants.add_tenant(connection, slug="excludes").tenant_id
    suggest(connection, tenant_id, "s9", "WRENHOLM", "YARROWGATE", accept=False)
    connection.execute(
        "update raw.registry_entities set industry_code = case name when 'WRENHOLM PTE. LTD.' then '47211' else '46412'"
        " end, industry_code_version = '2020' where name in ('WRENHOLM PTE. LTD.', 'YARROWGATE PTE. LTD.')"
    )
    connection.execute(
        "select learned.accept_suggestion(%s, 's9', 'test', '{\"exclude_ssic_codes\": [\"47\"]}')", (tenant_id,)
    )
    (left,) = ensure_lookalikes(connection, tenant_id=tenant_id)
    assert left.name == "YARROWGATE PTE. LTD."


def test_accepting_with_enrich_does_the_first_batch_and_leaves_the_rest_for_the_night(
    connection: psycopg.Connection, sites: dict[str, str], rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = tenants.add_tenant(connection, slug="adopts").tenant_id
    suggest(connection, tenant_id, "s7", "SAGEHOLLOW", "TARNBRIDGE", "UMBERFOLD", accept=False)
    suggest(connection, tenant_id, "s8", "VALEWICKER", accept=False)  # not accepted: nobody reads its companies
    for name in ("Sagehollow", "Tarnbridge", "Umberfold"):
        sites[f"{name.lower()}.sg"] = site(f"{name.lower()}.sg", name)
    monkeypatch.setenv("RUN_NOW_LIMIT", "2")
    done = CliRunner().invoke(app, ["accept", "adopts", "s7", "--by", "maya", "--enrich", "--json"])
    assert done.exit_code == 0, (done.output, done.exception)
    adopted = json.loads(done.stdout)
    assert rows("select rule_id from learned.icp_rules where tenant_id = %s and is_active", tenant_id) == [
        (adopted["rules"][0]["rule_id"],)
    ]
    first = [(company["name"], company["state"]) for company in adopted["enrichment"]["companies"]]
    assert first == [("SAGEHOLLOW PTE. LTD.", "done"), ("TARNBRIDGE PTE. LTD.", "done")]
    assert rows(
        "select name, state, reason from raw.company_enrichment_runs join raw.companies using (company_id)"
        " where tenant_id = %s order by name",
        tenant_id,
    ) == [
        ("SAGEHOLLOW PTE. LTD.", "done", "look-alike of s7; now"),
        ("TARNBRIDGE PTE. LTD.", "done", "look-alike of s7; now"),
        ("UMBERFOLD PTE. LTD.", "queued", "look-alike of s7; for the night"),
    ]
    assert rows(
        "select distinct source from raw.icp_evidence join raw.companies using (company_id)"
        " where tenant_id = %s and name = 'SAGEHOLLOW PTE. LTD.'",
        tenant_id,
    ) == [("crawl",)]


def test_what_cannot_be_done_is_said(connection: psycopg.Connection) -> None:
    tenant_id = tenants.add_tenant(connection, slug="nothing").tenant_id
    assert "accepted no suggestion" in str(run("nothing", code=2))
    assert "There is no suggestion 'zz'" in str(run("nothing", "--suggestion", "zz", code=2))
    suggest(connection, tenant_id, "s4", accept=False)
    assert "has no look-alike companies" in str(run("nothing", "--suggestion", "s4", code=2))
    assert "not used" not in str(run("nothing", "--profile", "daily", code=2))


def test_lookalikes_are_rows_once_and_the_registrys_website_is_not_believed(
    connection: psycopg.Connection, rows: Rows
) -> None:
    tenant_id = tenants.add_tenant(connection, slug="rows").tenant_id
    (known,) = ensure_companies(connection, [("Basalt Kiln", "basaltkiln.sg")])
    suggest(connection, tenant_id, "s5", "WILLOWANVIL", "BASALTKILN")
    suggest(connection, tenant_id, "s6", "WILLOWANVIL")
    connection.execute(
        "update learned.lookalikes set website_domain = lower(split_part(name, ' ', 1)) || '.sg' where tenant_id = %s",
        (tenant_id,),
    )
    first = ensure_lookalikes(connection, tenant_id=tenant_id)
    assert [company.name for company in first] == ["WILLOWANVIL PTE. LTD.", "BASALTKILN PTE. LTD."]
    assert first[1].company_id == known
    assert ensure_lookalikes(connection, tenant_id=tenant_id) == first
    assert rows("select website_domain from raw.companies where company_id = %s", first[0].company_id) == [(None,)]
