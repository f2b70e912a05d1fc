"""The real clients against a server that answers as documented, and then as badly as it can."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import json
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.crawl.readers import Reader, ReadFailure, Reading
from ingest.enrichment.apify import ApifyClient
from ingest.enrichment.jina import JinaClient, ReadPage
from ingest.enrichment.readers import JinaReader, TavilyReader
from ingest.enrichment.settings import Vendor, VendorSettings
from ingest.enrichment.tavily import SearchHit, TavilyClient
from ingest.enrichment.vendor import VendorFailure
from ingest.enrichment.verifier import VerifierClient
from ingest.errors import IngestError
from tests.ingest.enrichment.conftest import Clients
from tests.loop import Rows
from tests.vendors.stand_in import KEY, Fault, JinaPage, StandIn

Use = Callable[[Any], Awaitable[Any]]


async def read_home(client: JinaClient) -> Any:
    return await client.read("https://acme.example/")


async def extract_one(client: TavilyClient) -> Any:
    return (await client.extract(["https://acme.example/"]))["https://acme.example/"]


async def search_acme(client: TavilyClient) -> Any:
    return await client.search("acme")


async def run_actor(client: ApifyClient) -> Any:
    return await client.run("owner~actor", {"maxItems": 3}, most_items=3)


async def verify_one(client: VerifierClient) -> Any:
    return await client.verify("jane@acme.example")


CALLS: dict[str, tuple[Any, Use, str]] = {
    "jina": (JinaClient, read_home, "jina"),
    "tavily extract": (TavilyClient, extract_one, "tavily"),
    "tavily search": (TavilyClient, search_acme, "tavily"),
    "apify": (ApifyClient, run_actor, "apify"),
    "verifier": (VerifierClient, verify_one, "verifier"),
}
EVERY_CALL = pytest.mark.parametrize("call", CALLS)


@pytest.fixture
def good(world: StandIn) -> StandIn:
    """A world in which every call succeeds."""
    world.pages["https://acme.example"] = JinaPage("Acme", "We make anvils.")
    world.hits = [("https://acme.example/", "Acme")]
    world.actors["owner~actor"] = [{"n": 1}, {"n": 2}, {"n": 3}, {"n": 4}]
    world.verdicts["jane@acme.example"] = "valid"
    return world


GOOD_ANSWERS: dict[str, Any] = {
    "jina": ReadPage("https://acme.example/", "Acme", "We make anvils.", None, 3),
    "tavily extract": ReadPage("https://acme.example/", None, "We make anvils."),
    "tavily search": [SearchHit("https://acme.example/", "Acme")],
    "apify": [{"n": 1}, {"n": 2}, {"n": 3}],
    "verifier": "verified",
}


@EVERY_CALL
def test_a_good_answer_is_understood_and_counted(good: StandIn, ask: Clients, rows: Rows, call: str) -> None:
    kind, use, vendor = CALLS[call]
    one_dollar = dict.fromkeys((f"ICP_{name.upper()}_COST_USD" for name in get_args(Vendor)), "1")
    assert ask(kind, use, **one_dollar) == GOOD_ANSWERS[call]
    units = {"tavily extract": 0.2, "apify": 3}  # a page is a fifth of a credit; a run may return three
    assert rows(
        "select vendor, day::text, calls, failures, refused_by_cap, cost_usd from raw.vendor_usage"
        " where tenant_id = (select max(tenant_id) from raw.tenants)"
    ) == [(vendor, "2026-06-30", 1, 0, 0, units.get(call, 1))]


FAULTS = {
    "429": (Fault("status", 429), "limited", 2),
    "429 that is soon over": (Fault("status", 429, retry_after="1"), "limited", 2),
    "429 for an hour": (Fault("status", 429, retry_after="3600"), "limited", 1),
    "408": (Fault("status", 408), "timeout", 2),
    "500": (Fault("status", 500), "unavailable", 2),
    "503": (Fault("status", 503, body="<html>"), "unavailable", 2),
    "401": (Fault("status", 401), "refused", 1),
    "404": (Fault("status", 404), "refused", 1),
    "a redirect": (Fault("redirect"), "refused", 1),
    "hanging": (Fault("hang"), "timeout", 2),
    "a closed connection": (Fault("reset"), "truncated", 2),
    "a body that breaks off": (Fault("truncated"), "truncated", 2),
    "a false encoding": (Fault("gzip_lie"), "truncated", 2),
    "a bomb": (Fault("gzip_bomb"), "too_large", 1),
    "30 MB": (Fault("huge"), "too_large", 1),
    "nothing": (Fault("empty"), "empty", 1),
    "HTML": (Fault("garbage"), "wrong_schema", 1),
    "another shape": (Fault("wrong_schema"), "wrong_schema", 1),
    "a number": (Fault("wrong_schema", body=7), "wrong_schema", 1),
    "half a JSON": (Fault("half"), "wrong_schema", 1),
}
# Where a vendor differs, and why.
OTHERWISE = {
    ("apify", "408"): ("timeout", 1),  # the run was paid for; another is not started
    ("apify", "hanging"): ("timeout", 1),
    ("apify", "a closed connection"): ("truncated", 1),
    ("apify", "a body that breaks off"): ("truncated", 1),
    ("apify", "a false encoding"): ("truncated", 1),
    ("apify", "HTML"): ("truncated", 1),  # a list that is no JSON is taken for one that broke off
    ("apify", "half a JSON"): ("truncated", 1),
    ("jina", "half a JSON"): ("truncated", 1),
}
FAST = {"JINA_TIMEOUT_S": "0.2", "ICP_APIFY_TIMEOUT_S": "10"}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time limits that a test can wait for."""
    import dataclasses

    from ingest.enrichment import apify, tavily, verifier

    monkeypatch.setattr(tavily, "_EXTRACT", dataclasses.replace(tavily._EXTRACT, seconds=0.2))
    monkeypatch.setattr(tavily, "_SEARCH", dataclasses.replace(tavily._SEARCH, seconds=0.2))
    monkeypatch.setattr(verifier, "_MANNERS", dataclasses.replace(verifier._MANNERS, seconds=0.2))
    monkeypatch.setattr(apify, "_GRACE", -9.8)


@EVERY_CALL
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_a_typed_failure(
    good: StandIn, ask: Clients, request: pytest.FixtureRequest, rows: Rows, call: str, fault: str
) -> None:
    if fault == "hanging":
        request.getfixturevalue("impatient")
    kind, use, vendor = CALLS[call]
    what, expected, attempts = FAULTS[fault]
    expected, attempts = OTHERWISE.get((vendor, fault), (expected, attempts))
    good.plan(vendor, *[what] * 5)
    failure = ask(kind, use, **(FAST if fault == "hanging" else {}))
    assert isinstance(failure, VendorFailure)
    assert (failure.kind, len(good.asked(vendor))) == (expected, attempts), failure.reason
    assert failure.reason.startswith(f"{vendor}: ") and KEY not in failure.reason
    assert rows("select calls from raw.vendor_usage where tenant_id = (select max(tenant_id) from raw.tenants)") == [
        (attempts,)
    ]


@EVERY_CALL
@pytest.mark.parametrize("fault", ["429", "500"])
def test_one_retry_saves_a_call(good: StandIn, ask: Clients, rows: Rows, call: str, fault: str) -> None:
    kind, use, vendor = CALLS[call]
    good.plan(vendor, FAULTS[fault][0])
    assert ask(kind, use) == GOOD_ANSWERS[call]
    assert rows(
        "select calls, failures from raw.vendor_usage where tenant_id = (select max(tenant_id) from raw.tenants)"
    ) == [(2, 1)]


def test_a_vendor_is_waited_for_as_long_as_it_asks(good: StandIn, ask: Clients) -> None:
    pauses: list[float] = []
    good.plan("jina", Fault("status", 429, retry_after="4"))
    ask(JinaClient, read_home, pauses=pauses)
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=3)
    good.plan("jina", Fault("status", 503, retry_after=email.utils.format_datetime(soon, usegmt=True)))
    ask(JinaClient, read_home, pauses=pauses)
    assert pauses[0] == 4
    assert 0 < pauses[1] <= 3


@pytest.mark.parametrize("status", [432, 433])
def test_tavilys_own_limits_are_limits(good: StandIn, ask: Clients, status: int) -> None:
    good.plan("tavily", Fault("status", status, body={"detail": {"error": "This request exceeds your plan's limit."}}))
    failure = ask(TavilyClient, extract_one)
    assert (failure.kind, failure.is_lasting) == ("limited", True)
    assert "exceeds your plan's limit" in failure.reason


@EVERY_CALL
def test_without_a_key_nothing_is_asked_and_the_variable_is_named(good: StandIn, ask: Clients, call: str) -> None:
    kind, use, vendor = CALLS[call]
    names = {"jina": "JINA_API_KEY", "tavily": "TAVILY_API_KEY", "apify": "APIFY_TOKEN", "verifier": "ICP_VERIFIER_KEY"}
    failure = ask(kind, use, **{names[vendor]: ""})
    assert failure.kind == "no_key" and names[vendor] in failure.reason
    assert good.calls == []


def test_what_a_failure_says_holds_no_address_and_no_key(good: StandIn, ask: Clients) -> None:
    message = f"jane.tan@acme.example (+65 9123 4567) with {KEY} has no credit"
    good.plan("apify", Fault("status", 403, body={"error": {"type": "no-credit", "message": message}}))
    reason = ask(ApifyClient, run_actor).reason
    assert "has no credit" in reason
    assert not any(secret in reason for secret in ("jane", "9123", KEY))


# Jina Reader


@pytest.mark.parametrize("as_text", [False, True], ids=["json", "text"])
@pytest.mark.parametrize(
    ("page", "kind"),
    [
        (JinaPage("Oops", "Page not found", "Target URL returned error 404: Not Found"), "not_found"),
        (JinaPage("Oops", "Gone", "Target URL returned error 410: Gone"), "not_found"),
        (JinaPage("No", "Forbidden", "Target URL returned error 403: Forbidden"), "blocked"),
        (JinaPage("No", "…", "Target URL returned error 500: Server Error"), "unavailable"),
        (JinaPage("Wait", "…", "This page maybe requiring CAPTCHA, please make sure you are authorized."), "blocked"),
        (JinaPage("Acme", "  \n "), "empty"),
        (JinaPage("Acme", ""), "empty"),
    ],
)
def test_a_reader_that_answers_200_is_not_believed_blindly(
    good: StandIn, ask: Clients, page: JinaPage, kind: str, as_text: bool
) -> None:
    good.as_text = as_text
    good.pages["https://acme.example"] = page
    assert ask(JinaClient, read_home).kind == kind


def test_the_text_form_gives_the_same_page_and_keeps_harmless_warnings(good: StandIn, ask: Clients) -> None:
    content = "# Acme\n\nTitle: not the head\nMarkdown Content:\nWe make anvils."
    good.pages["https://acme.example"] = JinaPage(
        "Acme: home", content, "This is a cached snapshot.", "https://acme.io/"
    )
    as_json = ask(JinaClient, read_home)
    good.as_text = True
    as_text = ask(JinaClient, read_home)
    assert as_text == ReadPage("https://acme.io/", "Acme: home", content, "This is a cached snapshot.")
    assert (as_json.url, as_json.title, as_json.text, as_json.warning) == (
        as_text.url,
        as_text.title,
        as_text.text,
        as_text.warning,
    )


def test_an_address_with_a_query_reaches_the_reader_whole(good: StandIn, ask: Clients) -> None:
    target = "https://acme.example/über uns?a=1&b=#frag%20ment"
    good.pages["https://acme.example/über uns?a=1&b=#frag ment"] = JinaPage("Acme", "Found.")

    async def read(client: JinaClient) -> Any:
        return await client.read(target)

    ask(JinaClient, read)
    assert "frag" in good.asked("jina")[0].path + str(good.asked("jina")[0].query)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_answer_of_the_reader_is_a_page_or_a_failure(body: bytes) -> None:
    client = JinaClient.__new__(JinaClient)
    client._access = VendorSettings.from_environment({}).jina
    parsed = client._parse("https://acme.example/", body, body.decode("utf-8", "replace"))
    assert isinstance(parsed, ReadPage | VendorFailure)


# Tavily


def test_pages_are_asked_for_by_twenty_and_three_at_a_time(world: StandIn, ask: Clients) -> None:
    urls = [f"https://acme.example/{number}" for number in range(101)]
    for url in urls[:-1]:
        world.pages[url] = JinaPage(None, url)

    async def extract(client: TavilyClient) -> Any:
        return await client.extract(urls)

    world.meet = threading.Barrier(3, timeout=10)  # nothing is answered before three are there
    pages = ask(TavilyClient, extract)
    assert not world.meet.broken
    assert [pages[url].text for url in urls[:-1]] == urls[:-1]
    assert "Failed to fetch" in pages[urls[-1]].reason
    assert [len(call.body["urls"]) for call in world.asked("tavily")].count(20) == 5
    world.meet = threading.Barrier(4, timeout=0.5)  # a fourth never comes
    ask(TavilyClient, extract)
    assert world.most_at_once == 3


def test_a_page_the_vendor_forgets_is_a_failure(good: StandIn, ask: Clients) -> None:
    good.plan("tavily", Fault("wrong_schema", body={"results": [{"url": 3}, "x", {"url": "https://acme.example"}]}))
    assert ask(TavilyClient, extract_one).kind == "wrong_schema"
    good.plan("tavily", Fault("wrong_schema", body={"results": []}))
    assert ask(TavilyClient, extract_one).kind == "empty"


# Apify


def test_a_run_is_started_with_its_limits(good: StandIn, ask: Clients) -> None:
    ask(ApifyClient, run_actor)
    (call,) = good.asked("apify")
    assert call.path == "/v2/acts/owner~actor/run-sync-get-dataset-items"
    assert call.query == {"timeout": ["300"], "limit": ["3"]}
    assert call.body == {"maxItems": 3}


def test_an_empty_list_is_an_answer(world: StandIn, ask: Clients) -> None:
    assert ask(ApifyClient, run_actor) == []


@pytest.mark.parametrize(
    ("said", "verdict"), [("deliverable", "verified"), ("INVALID", "invalid"), ("catch_all", "unverified")]
)
def test_verdicts_are_reduced_to_three(good: StandIn, ask: Clients, said: str, verdict: str) -> None:
    good.verdicts["jane@acme.example"] = said
    assert ask(VerifierClient, verify_one) == verdict


# Readers for the crawler


def test_the_readers_are_what_the_crawler_asks_for(good: StandIn, ask: Clients) -> None:
    async def jina(client: JinaClient) -> Any:
        reader = JinaReader(client)
        assert isinstance(reader, Reader) and reader.via == "jina"
        return await asyncio.gather(reader.read("https://acme.example/"), reader.read("https://acme.example/no"))

    async def tavily(client: TavilyClient) -> Any:
        reader = TavilyReader(client)
        assert isinstance(reader, Reader) and reader.via == "tavily"
        return await asyncio.gather(reader.read("https://acme.example/"), reader.read("https://acme.example/no"))

    for kind, use in ((JinaClient, jina), (TavilyClient, tavily)):
        page, missing = ask(kind, use)
        assert isinstance(page, Reading) and page.text == "We make anvils."
        assert isinstance(missing, ReadFailure) and missing.reason


# Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ICP_JINA_URL", "ftp://x"),
        ("JINA_API_KEY", "a b"),
        ("TAVILY_API_KEY", "schlüssel"),
        ("ICP_APIFY_DAILY_CAP", "-1"),
        ("ICP_APIFY_DAILY_CAP", "many"),
        ("ICP_APIFY_EMPLOYEES", "500"),
        ("RUN_NOW_LIMIT", "2.5"),
        ("ICP_APIFY_COMPANY_ACTOR", "no actor"),
        ("JINA_TIMEOUT_S", "nan"),
    ],
)
def test_a_setting_that_is_not_valid_is_named(name: str, value: str) -> None:
    with pytest.raises(IngestError, match=name):
        VendorSettings.from_environment({name: value})


def test_keys_do_not_show_in_settings() -> None:
    settings = VendorSettings.from_environment({"APIFY_TOKEN": KEY, "ICP_APIFY_COMPANY_ACTOR": "owner/actor"})
    assert KEY not in repr(settings) and settings.apify.key == KEY
    assert settings.company_actor == "owner~actor"


def test_the_recorded_samples_are_whole(shared_data: Path) -> None:
    """The stand-in gives items of the vendor's real shape."""
    for path in (shared_data / "linkedin_apify").glob("*.json"):
        assert json.loads(path.read_text())
