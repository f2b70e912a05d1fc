"""Domain → LinkedIn page → employees → contacts: one attempt, one fallback, work addresses only."""

from __future__ import annotations

import asyncio
import copy
import json
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from ingest.companies import ensure_companies
from ingest.enrichment.apify import ApifyClient
from ingest.enrichment.budget import Budget
from ingest.enrichment.contacts import Contact, ContactSearch, find_contacts, store_contacts
from ingest.enrichment.linkedin import Person, company_page, people
from ingest.enrichment.settings import VendorSettings
from ingest.enrichment.verifier import VerifierClient
from tests.ingest.enrichment.conftest import NOW, TLS
from tests.loop import Rows
from tests.vendors.stand_in import Fault, StandIn

PAGE = "https://www.linkedin.com/company/greenpack"
COMPANY = "harvestapi~linkedin-company"
EMPLOYEES = "harvestapi~linkedin-company-employees"
SEARCH = "harvestapi~linkedin-profile-search"


def employee(handle: str, *, email: str | None = None, at: str = "greenpack", ended: bool = False) -> dict[str, Any]:
    """In the shape of the employees actor's recorded sample."""
    return {
        "publicIdentifier": handle,
        "linkedinUrl": f"https://sg.linkedin.com/in/{handle}?trk=x",
        "firstName": handle.title(),
        "lastName": "Tan",
        "headline": "Building things",
        "currentPosition": [{"companyName": at.title()}],
        "experience": [
            {
                "position": "Head of Sales",
                "companyName": at.title(),
                "companyLinkedinUrl": f"https://www.linkedin.com/company/{at}/",
                "companyUniversalName": at,
                "endDate": {"month": "May", "year": 2020, "text": "May 2020"} if ended else {"text": "Present"},
            }
        ],
        "emails": [{"email": email}] if email else [],
    }


@pytest.fixture
def market(world: StandIn) -> StandIn:
    """A company with two employees, one of whom has a work address."""
    world.actors[COMPANY] = [
        {
            "name": "Greenpack Sdn Bhd",
            "website": "https://greenpack.my",
            "linkedinUrl": "https://linkedin.com/company/x",
        },
        {"name": "Greenpack", "website": "http://www.greenpack.sg/?utm=li", "linkedinUrl": f"{PAGE}/about"},
    ]
    world.actors[EMPLOYEES] = [employee("jane", email="Jane.Tan@greenpack.sg"), employee("amir")]
    world.verdicts["jane.tan@greenpack.sg"] = "valid"
    return world


@pytest.fixture
def find(world: StandIn, connection: psycopg.Connection, fresh_tenant: int) -> Any:
    def run(linkedin_url: str | None = None, **env: str) -> ContactSearch:
        settings = VendorSettings.from_environment(world.environment() | env)

        async def pause(seconds: float) -> None:
            return None

        async def main() -> ContactSearch:
            budget = Budget(connection, tenant_id=fresh_tenant, settings=settings, now=NOW)
            async with httpx.AsyncClient(trust_env=False, verify=TLS) as http:
                return await find_contacts(
                    name="Greenpack Pte Ltd",
                    domain="greenpack.sg",
                    linkedin_url=linkedin_url,
                    apify=ApifyClient(http, settings=settings, budget=budget, pause=pause),
                    verifier=VerifierClient(http, settings=settings, budget=budget, pause=pause),
                    settings=settings,
                )

        return asyncio.run(main())

    return run


def actors(world: StandIn) -> list[str]:
    return [call.path.split("/")[3] for call in world.asked("apify")]


def test_the_chain_goes_from_the_domain_to_people(market: StandIn, find: Any) -> None:
    found = find()
    assert found.linkedin_url == PAGE and found.degraded == ()
    assert found.contacts == (
        Contact(
            Person("in:jane", "Jane Tan", "Head of Sales", "https://www.linkedin.com/in/jane", "jane.tan@greenpack.sg"),
            "verified",
        ),
        Contact(Person("in:amir", "Amir Tan", "Head of Sales", "https://www.linkedin.com/in/amir", None), "none"),
    )
    assert actors(market) == [COMPANY, EMPLOYEES]
    asked = market.asked("apify")[1].body
    assert asked["companies"] == [PAGE] and asked["maxItems"] == 30
    assert [call.body for call in market.asked("verifier")] == [{"email": "jane.tan@greenpack.sg"}]


def test_a_page_the_companys_site_names_saves_a_run(market: StandIn, find: Any) -> None:
    assert len(find("https://sg.linkedin.com/company/greenpack/").contacts) == 2
    assert actors(market) == [EMPLOYEES]
    assert len(find("javascript:void(0)").contacts) == 2
    assert actors(market)[1:] == [COMPANY, EMPLOYEES]


def test_a_namesakes_page_is_never_taken(market: StandIn, find: Any) -> None:
    market.actors[COMPANY] = market.actors[COMPANY][:1]  # type: ignore[index]
    found = find()
    assert (found.linkedin_url, found.contacts) == (None, ())
    assert found.degraded == ("no contacts: no LinkedIn page names greenpack.sg as its website",)
    assert actors(market) == [COMPANY]


def test_nobody_listed_means_one_search_and_only_one(market: StandIn, find: Any) -> None:
    market.actors[EMPLOYEES] = []
    market.actors[SEARCH] = [employee("jane", email="jane@greenpack.sg")]
    found = find(PAGE)
    assert [contact.person.key for contact in found.contacts] == ["in:jane"]
    assert actors(market) == [EMPLOYEES, SEARCH]
    assert market.asked("apify")[1].body["currentCompanies"] == [PAGE]
    assert "search for profiles was tried" in found.degraded[0]
    market.actors[SEARCH] = []
    assert find(PAGE).contacts == ()
    assert actors(market)[2:] == [EMPLOYEES, SEARCH]


def test_a_vendor_that_is_down_is_not_asked_for_the_fallback(market: StandIn, find: Any) -> None:
    market.plan("apify", Fault("status", 408))
    found = find(PAGE)
    assert found.contacts == () and "408" in found.degraded[0]
    assert actors(market) == [EMPLOYEES]


def test_without_a_key_nobody_is_looked_for(market: StandIn, find: Any) -> None:
    found = find(PAGE, APIFY_TOKEN="")
    assert found == ContactSearch(PAGE, (), ("no contacts: apify: not used, APIFY_TOKEN is not set",))
    assert market.calls == []


@pytest.mark.parametrize(
    ("fault", "env", "why"),
    [
        (None, {"ICP_VERIFIER_KEY": ""}, "ICP_VERIFIER_KEY is not set"),
        (Fault("status", 401), {}, "status 401"),
        (Fault("wrong_schema"), {}, "no status"),
        (None, {"ICP_VERIFIER_DAILY_CAP": "0"}, "daily cap of 0"),
    ],
)
def test_an_address_that_cannot_be_verified_is_kept_as_unverified(
    market: StandIn, find: Any, fault: Fault | None, env: dict[str, str], why: str
) -> None:
    if fault is not None:
        market.plan("verifier", fault)
    found = find(PAGE, **env)
    assert [contact.email_status for contact in found.contacts] == ["unverified", "none"]
    assert len(found.degraded) == 1 and why in found.degraded[0]
    assert "jane" not in found.degraded[0]


def test_private_addresses_and_former_employees_are_left_behind(market: StandIn, find: Any) -> None:
    market.actors[EMPLOYEES] = [
        employee("jane", email="jane.tan@gmail.com"),
        employee("amir", email="amir@otherfirm.sg"),
        employee("gone", email="gone@greenpack.sg", ended=True),
        employee("namesake", email="n@greenpack.sg", at="otherpack"),
        employee("office", email="info@greenpack.sg"),
        {"linkedinUrl": "javascript:alert(1)", "emails": "x"},
        {"firstName": "Nur", "emails": [{"email": "nur@greenpack.sg"}, "nur@hotmail.com"], "currentPosition": 3},
    ]
    found = {contact.person.key: contact.person.work_email for contact in find(PAGE).contacts}
    assert found == {"in:jane": None, "in:amir": None, "in:office": None, "mail:nur@greenpack.sg": "nur@greenpack.sg"}


@pytest.mark.parametrize(
    ("position", "here"),
    [
        ({"companyName": "Greenpack Pte Ltd"}, True),
        ({"companyName": "Greenpack Group"}, True),
        ({"companyName": "Greenpack Ventures"}, False),
        ({"companyName": "Something", "companyUniversalName": "greenpack"}, True),
        ({"companyName": "Greenpack", "companyUniversalName": "greenpack-my"}, False),
        ({"companyName": "Greenpack", "companyLinkedinUrl": "https://my.linkedin.com/company/greenpack-my"}, False),
        ({"companyName": "Renamed", "companyLinkedinUrl": "https://sg.linkedin.com/company/Greenpack/life"}, True),
        ({"companyName": "Greenpack", "companyLinkedinUrl": "https://www.linkedin.com/company/4680/"}, True),
        ({"companyName": "Greenpack", "endDate": {"month": "May", "year": 2020}}, False),
        ({"companyName": "Greenpack", "endDate": {}}, True),
        ({"companyName": "Greenpack", "timePeriod": {"endDate": {"year": 2020}}}, False),
        ({"companyName": None}, False),
    ],
)
def test_who_works_there_now_is_told_by_page_then_by_name(position: dict[str, Any], here: bool) -> None:
    item = {"publicIdentifier": "jane", "experience": [position]}
    assert bool(people([item], company_page=PAGE, name="Greenpack Pte. Ltd.", domain="greenpack.sg")) == here


def test_addresses_and_numbers_in_a_headline_are_left_behind() -> None:
    item = {"publicIdentifier": "jane", "headline": "CEO | jane@gmail.com | +65 9123 4567", "fullName": "j@gmail.com"}
    (found,) = people([item], company_page=None, name="Greenpack", domain="greenpack.sg")
    assert (found.title, found.full_name) == ("CEO | [e-mail] | [phone]", "[e-mail]")


def test_the_recorded_samples_are_understood(shared_data: Path) -> None:
    folder = shared_data / "linkedin_apify"

    def read(name: str) -> Any:
        return json.loads((folder / name).read_text())

    sample = read("HarvestAPI+apify-linkedin-company-employees_1.json")
    at = {"company_page": "https://www.linkedin.com/company/cvshealth", "name": "CVS Health", "domain": "cvshealth.com"}
    (person,) = people([sample, sample], **at)
    assert (person.key, person.full_name) == ("in:alex-example", "Alex Example")
    assert person.title is not None and person.title.startswith("Staff Pharmacist | Prescription")
    assert people([sample], company_page=PAGE, name="Greenpack", domain="greenpack.sg") == []
    assert people([read("HarvestAPI+apify-linkedin-profile_0.json")], **at) == [person]
    company = read("HarvestAPI+apify-linkedin-company_0.json")
    assert company_page([company], domain="netflix.com") == "https://www.linkedin.com/company/netflix"
    assert company_page([company], domain="netflix.io") is None
    (other,) = people(
        read("extramileclub+linkedin-profile-scraper_1.json"), company_page=None, name="Arez Armada", domain="arez.io"
    )
    assert (other.full_name, other.title) == ("Alex Example", "Project Manager")


def test_items_of_any_shape_are_people_or_nothing(shared_data: Path) -> None:
    """Every value of a real item replaced by one of another type, one at a time."""
    path = shared_data / "linkedin_apify" / "HarvestAPI+apify-linkedin-company-employees_1.json"
    sample = json.loads(path.read_text())
    odd: list[Any] = [None, 7, "", "\x00\ud800", [], {}, [[]], [None], {"text": 3}, True]
    for key in [*sample, "email", "emails"]:
        for value in odd:
            item = copy.deepcopy(sample) | {key: value}
            people([item], company_page="https://www.linkedin.com/company/cvshealth", name="CVS", domain="cvs.com")
    for key in sample["experience"][0]:
        for value in odd:
            item = copy.deepcopy(sample)
            item["experience"][0][key] = value
            people([item], company_page="https://www.linkedin.com/company/cvshealth", name="CVS", domain="cvs.com")


def person(key: str = "in:jane", **values: str | None) -> Person:
    known: dict[str, str | None] = {"full_name": "Jane Tan", "title": "CEO", "linkedin_url": None, "work_email": None}
    return Person(key, **(known | values))


def test_contacts_are_upserted_and_nothing_known_is_lost(
    connection: psycopg.Connection, fresh_tenant: int, rows: Rows
) -> None:
    (company_id,) = ensure_companies(connection, [("Greenpack", "greenpack.sg")])

    def store(*contacts: Contact) -> int:
        return store_contacts(connection, tenant_id=fresh_tenant, company_id=company_id, contacts=contacts, now=NOW)

    def stored() -> list[tuple[Any, ...]]:
        return rows(
            "select contact_key, full_name, title, work_email, email_status from raw.contacts where tenant_id = %s",
            fresh_tenant,
        )

    def version() -> int:
        return rows(
            "select coalesce(max(version), 0) from intermediate.tenant_versions where relation = 'raw.contacts'"
            " and tenant_id = %s",
            fresh_tenant,
        )[0][0]

    assert store(Contact(person(work_email="jane@greenpack.sg"), "verified")) == 1
    whole = [("in:jane", "Jane Tan", "CEO", "jane@greenpack.sg", "verified")]
    first = version()
    assert stored() == whole and first > 0
    assert store(Contact(person(title=None), "none")) == 0
    assert store(Contact(person(work_email="jane@greenpack.sg"), "unverified")) == 0
    assert (stored(), version()) == (whole, first)
    assert store(Contact(person(work_email="jt@greenpack.sg", title="COO"), "unverified")) == 1
    assert stored() == [("in:jane", "Jane Tan", "COO", "jt@greenpack.sg", "unverified")]
    assert version() > first
    assert store() == 0
