"""From a name to a website: found by every way, never by somebody else's page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingest.companies import ensure_companies
from ingest.crawl.page import Page
from ingest.enrichment.candidates import guesses
from ingest.enrichment.confirmation import confirm
from ingest.enrichment.domains import NamedCompany, Resolution, read_supplied, resolve_domains
from ingest.enrichment.tavily import SearchHit
from ingest.enrichment.vendor import VendorFailure
from ingest.errors import IngestError
from tests.ingest.enrichment.conftest import NOW
from tests.ingest.enrichment.sites import page
from tests.loop import Rows

NAME = "Greenpack Pte. Ltd."
ABOUT = "<p>We design and make compostable boxes for food stalls and caterers across the island.</p>" * 3


def organisation(name: str, url: str = "") -> str:
    return (
        f'<script type="application/ld+json">{{"@context": "https://schema.org", "@graph": [{{"@type": "Organization",'
        f' "name": "{name}", "url": "{url}"}}]}}</script>'
    )


CONFIRMED = {
    "the title of a domain named alike": page("greenpack.sg", f"<title>Greenpack | Eco boxes</title>{ABOUT}"),
    "structured data": page("gpk.sg", organisation("GreenPack Pte Ltd", "https://www.gpk.sg") + ABOUT),
    "the name of the site": page("gpk.sg", f'<meta property="og:site_name" content="Green Pack">{ABOUT}'),
    "the copyright sign": page("gpk.sg", f"{ABOUT}<footer>© 2019–2026 Greenpack Pte Ltd. All rights reserved.</p>"),
    "the copyright in words": page("gpk.sg", f"{ABOUT}<footer>Copyright (c) 2026 by Greenpack Singapore</footer>"),
    "the text of a domain named alike": page("greenpack.com.sg", f"<h1>Boxes</h1>{ABOUT}<p>Call Greenpack today.</p>"),
    "a reader's text": page("greenpack.sg", f"<title>Home - Greenpack</title>{ABOUT}", as_text=True),
    "a group": page("greenpack.asia", f"<title>Greenpack Group</title>{ABOUT}<p>© Greenpack Group Holdings</p>"),
}


@pytest.mark.parametrize("where", CONFIRMED)
def test_a_site_that_names_itself_is_the_companys(where: str) -> None:
    judged = confirm(CONFIRMED[where], NAME)
    assert judged.confirmed, judged.reason


LISTING = f"<p>Greenpack Pte Ltd, 12 Tuas Link. Greenleaf Pte Ltd, 3 Kallang Way. 4,201 more companies.</p>{ABOUT}"
TRAPS = {
    "a directory on the list": (page("yellowpages.com.sg", f"<title>Greenpack Pte Ltd</title>{LISTING}"), "directory"),
    "a directory nobody listed": (
        page("bizfinder-sg.example.com", f"<title>Greenpack Pte Ltd | BizFinder</title>{LISTING}"),
        "mentions the name",
    ),
    "a directory with its subject's structured data": (
        page("bizfinder.sg", organisation("Greenpack Pte Ltd", "https://greenpack.sg") + LISTING),
        "mentions the name",
    ),
    "a directory with data of both": (
        page("bizfinder.sg", organisation("BizFinder", "https://bizfinder.sg") + organisation("Greenpack") + LISTING),
        "another owner",
    ),
    "a newspaper": (
        page(
            "harbourtimes.sg",
            f"<title>Greenpack raises S$5m - Harbour Times</title><h1>Greenpack raises S$5m</h1>{ABOUT}"
            "<p>Greenpack, a maker of boxes, said …</p><footer>© 2026 Harbour Times Pte Ltd</footer>",
        ),
        "another owner",
    ),
    "a newspaper without a copyright line": (
        page("harbourtimes.sg", f"<title>Greenpack raises S$5m - Harbour Times</title>{ABOUT}<p>Greenpack said.</p>"),
        "mentions the name",
    ),
    "a customer's page": (
        page("kopi.sg", f"<title>Kopi</title>{ABOUT}<p>Our boxes come from Greenpack.</p><p>© Kopi 2026</p>"),
        "another owner",
    ),
    "a domain for sale": (
        page("greenpack.com", "<title>greenpack.com is for sale</title><p>Buy this domain. Greenpack.com</p>"),
        "parked",
    ),
    "a domain for sale that says so in its title": (
        page("greenpack.com", "<title>greenpack.com is for sale</title><p>Greenpack</p>"),
        "parked",
    ),
    "a page with nothing but the name": (page("greenpack.com", "<title>Home</title><p>Greenpack</p>"), "mentions"),
    "a parked domain with the name on it": (
        page("greenpack.com", "<title>Greenpack</title><h1>Greenpack</h1><p>Related searches: boxes</p>"),
        "parked",
    ),
    "an empty server": (page("greenpack.com", "<title>Welcome to nginx!</title><p>Greenpack</p>"), "parked"),
    "another company of a similar name": (
        page("greenpack.com", f"<title>Home</title>{ABOUT}<p>GreenPack boxes</p><p>© Verdant Box Industries Inc</p>"),
        "another owner",
    ),
    "the domain's name alone": (
        page("greenpack.com", f"<title>Home</title>{ABOUT}<p>info@greenpack.com</p>"),
        "does not",
    ),
    "a longer name": (page("greenpackers.sg", f"<title>Greenpackers</title>{ABOUT}"), "does not stand"),
    "another trade": (
        page("greenpack-it.sg", f"<title>Greenpack Consulting</title>{ABOUT}<p>© Greenpack Consulting</p>"),
        "mentions the name",
    ),
    "a site that cannot be read": (page("greenpack.sg", outcome="blocked", reason="robots.txt forbids it"), "robots"),
    "a page that leads to a platform": (
        page("greenpack.sg", f"<title>Greenpack</title>{ABOUT}", url="https://www.facebook.com/greenpack"),
        "directory",
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_a_site_that_only_speaks_of_the_company_is_not_its_own(trap: str) -> None:
    site, why = TRAPS[trap]
    judged = confirm(site, NAME)
    assert not judged.confirmed and why in judged.reason, judged


@pytest.mark.parametrize("name", ["Services Pte Ltd", "Global Trading Holdings", "88", "A1", "!!!"])
def test_a_name_that_says_nothing_has_no_candidates(name: str) -> None:
    assert guesses(name, "SG") == []


def test_guesses_follow_the_customs_of_the_country() -> None:
    assert guesses(NAME, "SG") == ["greenpack.com.sg", "greenpack.sg", "greenpack.com"]
    assert guesses("Müller & Söhne GmbH", "DE")[:2] == ["mullersohne.de", "mullersohne.com"]
    assert guesses(NAME, None) == ["greenpack.com"]
    assert "greenpack.com.sg" in guesses("Greenpack Engineering Services (Singapore) Pte Ltd", "SG")


class Web:
    """Sites by domain; what is asked of it is noted."""

    def __init__(self, *sites: Page) -> None:
        self.sites = {site.domain: site for site in sites}
        self.fetched: list[str] = []
        self.queries: list[str] = []
        self.hits: list[str] | VendorFailure = []

    async def fetch(self, domain: str) -> Page:
        self.fetched.append(domain)
        return self.sites.get(domain) or page(domain, outcome="failed", reason="no such host")

    async def search(self, query: str) -> list[SearchHit] | VendorFailure:
        self.queries.append(query)
        if isinstance(self.hits, VendorFailure):
            return self.hits
        return [SearchHit(url, "…") for url in self.hits]


def named(connection: psycopg.Connection, name: str, country: str | None = "SG") -> NamedCompany:
    (company_id,) = ensure_companies(connection, [(name, None)])
    return NamedCompany(company_id, name, country)


def resolve(connection: psycopg.Connection, web: Web, *companies: NamedCompany, **more: Any) -> list[Resolution]:
    more = {"search": web.search} | more
    return asyncio.run(resolve_domains(connection, companies, fetch=web.fetch, now=NOW, **more))


def own_site(domain: str, name: str) -> Page:
    return page(domain, f"<title>{name}</title>{ABOUT}<footer>© 2026 {name}</footer>")


def test_a_supplied_website_is_believed_and_stored(connection: psycopg.Connection, rows: Rows) -> None:
    web, company = Web(), named(connection, "Supplied Pte Ltd")
    (found,) = resolve(connection, web, company, supplied={"supplied": "supplied.sg"})
    assert (found.domain, found.source) == ("supplied.sg", "supplied")
    assert web.fetched == []
    assert rows(
        "select website_domain, domain_source from raw.companies where company_id = %s", company.company_id
    ) == [("supplied.sg", "supplied")]


def test_a_company_of_the_same_name_is_asked_first(connection: psycopg.Connection) -> None:
    ensure_companies(connection, [("Cachet Foods Pte Ltd", "cachet-foods.io"), ("Cachet Food Court", "court.io")])
    web, company = Web(own_site("cachet-foods.io", "Cachet Foods")), named(connection, "CACHET FOODS (PTE.) LTD.")
    (found,) = resolve(connection, web, company)
    assert (found.domain, found.source) == ("cachet-foods.io", "crawl cache")
    assert web.fetched == ["cachet-foods.io"] and web.queries == []


def test_a_cached_home_page_whose_title_is_the_name_is_a_candidate(connection: psycopg.Connection) -> None:
    connection.execute(
        "insert into raw.crawl_pages (url, domain, page_type, fetched_via, outcome, title, fetched_at, expires_at)"
        " values ('https://tuasbox.io/', 'tuasbox.io', 'home', 'http', 'ok', 'Tuasbox – boxes', now(), now()),"
        " ('https://news.io/', 'news.io', 'home', 'http', 'ok', 'Tuasbox raises money | News', now(), now())"
    )
    web = Web(own_site("tuasbox.io", "Tuasbox"))
    (found,) = resolve(connection, web, named(connection, "Tuasbox Pte Ltd"))
    assert (found.domain, found.source, web.fetched) == ("tuasbox.io", "crawl cache", ["tuasbox.io"])


def test_the_registrys_website_must_confirm_the_name_too(connection: psycopg.Connection) -> None:
    connection.execute(
        "insert into raw.registry_entities (registry, registration_number, name, name_key, is_live, website_domain,"
        " row_hash, load_id) values ('acra', 'R1', 'REGISTAR PTE. LTD.', 'registar', true, 'registar-old.sg', 1, 1),"
        " ('acra', 'R2', 'STALEMATE PTE. LTD.', 'stalemate', true, 'stalemate-old.sg', 1, 1)"
    )
    web = Web(own_site("registar-old.sg", "Registar"), own_site("stalemate-old.sg", "Pawnshop Nine"))
    found = resolve(connection, web, named(connection, "Registar"), named(connection, "Stalemate"))
    assert [(one.domain, one.source) for one in found] == [("registar-old.sg", "registry"), (None, None)]


def test_the_search_is_asked_before_guessing_and_its_directories_are_passed_over(
    connection: psycopg.Connection, rows: Rows
) -> None:
    web = Web(own_site("searchfound.io", "Searchfound"), own_site("searchfound.sg", "Searchfound"))
    web.hits = [
        "https://www.facebook.com/searchfound",
        "https://sg.linkedin.com/company/x",
        "https://www.searchfound.io/",
    ]
    (found,) = resolve(connection, web, named(connection, "Searchfound Pte Ltd"))
    assert (found.domain, found.source) == ("searchfound.io", "search")
    assert web.fetched == ["searchfound.io"] and len(web.queries) == 1


def test_a_guess_counts_only_where_its_site_confirms_it(connection: psycopg.Connection, rows: Rows) -> None:
    web = Web(
        page("guessing.com.sg", "<title>Guessing</title><p>This domain is parked</p>"),
        own_site("guessing.sg", "Guessing"),
    )
    (found,) = resolve(connection, web, named(connection, "Guessing Pte Ltd"))
    assert (found.domain, found.source) == ("guessing.sg", "guess")
    assert web.fetched == ["guessing.com.sg", "guessing.sg"]
    assert "parked" in found.tried[0]


def test_where_a_guess_leads_is_the_companys_site(connection: psycopg.Connection) -> None:
    moved = page("moving.com.sg", f"<title>Moving</title>{ABOUT}<p>© Moving</p>", url="https://www.moving-group.com/")
    (found,) = resolve(connection, Web(moved), named(connection, "Moving Pte Ltd"))
    assert found.domain == "moving-group.com"


def test_an_unresolved_name_stays_without_a_website_and_says_why(connection: psycopg.Connection, rows: Rows) -> None:
    web = Web()
    web.hits = VendorFailure("tavily", "no_key", "tavily: not used, TAVILY_API_KEY is not set")
    company = named(connection, "Nowhere To Be Found Pte Ltd")
    general = named(connection, "Trading Services Pte Ltd")
    lost, vague = resolve(connection, web, company, general)
    assert lost.domain is None and "none confirmed" in lost.reason and "TAVILY_API_KEY is not set" in lost.reason
    assert vague.domain is None and "too general" in vague.reason
    assert rows(
        "select website_domain from raw.companies where company_id = any(%s)",
        [company.company_id, general.company_id],
    ) == [(None,), (None,)]


def test_a_known_website_is_kept_and_nothing_is_fetched(connection: psycopg.Connection) -> None:
    (company_id,) = ensure_companies(connection, [("Known", "known.sg")])
    web = Web()
    (found,) = resolve(connection, web, NamedCompany(company_id, "Known"), supplied={"known": "other.sg"})
    assert (found.domain, found.source, web.fetched) == ("known.sg", "named", [])


def test_tenants_that_named_the_company_are_told(connection: psycopg.Connection, fresh_tenant: int, rows: Rows) -> None:
    company = named(connection, "Seedling Works Pte Ltd")
    connection.execute(
        "insert into raw.customer_seeds (tenant_id, kind, seed_key, seed_name, company_id, first_version,"
        " last_version, is_active) values (%s, 'best', 'seedling works', 'Seedling Works', %s, 1, 1, true)",
        (fresh_tenant, company.company_id),
    )
    resolve(connection, Web(), company, supplied={"seedling works": "seedling.sg"})
    assert rows("select tenant_id from intermediate.tenant_versions where relation = 'raw.companies'") == [
        (fresh_tenant,)
    ]


def test_a_list_of_websites_is_read_with_its_bad_rows_named(tmp_path: Path) -> None:
    listed = tmp_path / "websites.csv"
    listed.write_text(
        "Name,Domain,note\nGreenpack Pte Ltd,https://www.greenpack.sg/home,x\nKopi,none,\n,kopi.sg,\n"
        "Teh,facebook.com/teh,\nGREENPACK,greenpack.com,\n",
        encoding="utf-8-sig",
    )
    supplied = read_supplied(listed)
    assert supplied.domains == {"greenpack": "greenpack.sg"}
    assert [problem.split(":")[0] for problem in supplied.problems] == ["row 3", "row 4", "row 5", "row 6"]


@pytest.mark.parametrize("content", [None, b"", b"company,site\nx,y\n", b"name,domain\n\xff\xfe,x\n"])
def test_a_list_that_cannot_be_used_is_refused_in_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    listed = tmp_path / "websites.csv"
    if content is not None:
        listed.write_bytes(content)
    with pytest.raises(IngestError, match=r"websites\.csv"):
        read_supplied(listed)
