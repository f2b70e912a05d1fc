"""Whatever a language model or a vendor answers: a typed failure or clean values; nobody's private address is kept."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from ingest.companies import ensure_companies
from ingest.crawl.extract import extract, model_extract, readable_text
from ingest.enrichment.apify import ApifyClient
from ingest.enrichment.budget import Budget
from ingest.enrichment.contacts import find_contacts, store_contacts
from ingest.enrichment.jina import LONGEST_TEXT, JinaClient, ReadPage
from ingest.enrichment.settings import VendorSettings
from ingest.enrichment.tavily import SearchHit, TavilyClient
from ingest.enrichment.vendor import VendorFailure
from ingest.enrichment.verifier import VerifierClient
from ingest.models.client import ModelClient
from ingest.models.settings import ModelSettings
from tests.fuzz import junk, runner
from tests.fuzz.test_pages import assert_evidence
from tests.ingest.enrichment.conftest import NOW, TLS
from tests.ingest.extract.labelled import NO_CODES, make_page
from tests.ingest.models.stand_in import Reply, stand_in
from tests.ingest.models.stand_in import StandIn as ModelStandIn
from tests.vendors.stand_in import KEY, Fault, StandIn, vendors
from warehouse import tenants

PRIVATE = re.compile(r"gmail|9123|91234567", re.I)
PAGE = make_page(
    "<h1>Acme moves boxes</h1><p>Acme integrates with Xero. Ask Jane Tan, Head of Sales, jane.tan@gmail.com or 9123"
    " 4567.</p><p>Globex buys our boxes and Cargowise gets the papers.</p><p>Sea freight since 1990 in Singapore.</p>",
    url="https://acme.sg/",
)
FACTS: dict[str, Any] = {
    "facts": [
        {"kind": "customer", "value": "Globex", "snippet": "Globex buys our boxes", "confidence": 0.9},
        {"kind": "integration", "value": "Cargowise", "snippet": "Cargowise gets the papers", "confidence": None},
        {"kind": "customer", "value": "Jane Tan", "snippet": "Ask Jane Tan", "confidence": 1},
        {"kind": "pricing", "value": "9123 4567", "snippet": "jane.tan@gmail.com or 9123 4567", "confidence": 1},
        {"kind": "location", "value": "Singapore", "snippet": "Sea freight since 1990 in Singapore", "confidence": 2},
        {"kind": "headcount", "value": "1990", "snippet": "Sea freight since 1990", "confidence": 0.5},
    ]
}
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_767_225_600,
    "model": "gpt-5-mini",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
}


@pytest.fixture
def model() -> Iterator[ModelStandIn]:
    with stand_in() as state:
        yield state


def reply(chance: random.Random) -> Reply:
    """What a server that says it is a model answers."""
    kind = chance.random()
    facts = junk.changed(chance, FACTS) if chance.random() < 0.7 else FACTS
    content = json.dumps(facts)
    if kind < 0.4:  # a good envelope around anything
        if chance.random() < 0.3:
            content = junk.damaged(chance, content.encode()).decode("utf-8", "replace")
        elif chance.random() < 0.1:
            content = '{"facts": ' + "[" * chance.choice((10, 1_000, 100_000))
        return Reply(content=content)
    completion = copy.deepcopy(COMPLETION)
    completion["choices"][0]["message"]["content"] = content
    if kind < 0.85:
        body = json.dumps(junk.changed(chance, completion)).encode()
    else:
        body = junk.damaged(chance, json.dumps(completion).encode())
    if chance.random() < 0.02:
        body = b"[" * 100_000
    status = chance.choice((200,) * 12 + (400, 401, 404, 429, 500, 503))
    return Reply(body=body, status=status, headers={"Retry-After": chance.choice(("0", "nan", "-1", "x", "1e9"))})


def test_any_answer_of_a_model_leaves_what_the_page_says(connection: psycopg.Connection, model: ModelStandIn) -> None:
    settings = ModelSettings(
        api_key="sk-test-12345678", base_url=model.base_url, retries=1, tokens_per_day=10**12, cost_per_day_usd=10**12
    )
    client = ModelClient(settings, connection, tenant_id=None, sleep=lambda seconds: None)
    rules = extract([PAGE], vocabulary=NO_CODES, company_name="Acme")
    known = {(item.signal_key, item.value_key) for item in rules}
    text = readable_text([PAGE], settings)

    def one(chance: random.Random, case: int) -> str:
        if case % 200 == 0:
            connection.execute("truncate raw.model_calls")
        model.replies = [reply(chance)]
        model.otherwise = reply(chance)
        found = model_extract(text, client, vocabulary=NO_CODES, company_name="Acme", rule_items=rules, now=NOW)
        assert_evidence(found.items)
        said = repr(found.items) + repr(found.notes)
        assert not PRIVATE.search(said) and "Jane Tan" not in repr(found.items), said
        assert all(item.snippet is None or "[" in item.snippet or item.snippet in PAGE.html for item in found.items)
        assert known <= {(item.signal_key, item.value_key) for item in found.items}
        logged = connection.execute("select detail from raw.model_calls order by call_id desc limit 1").fetchone()
        assert logged is not None and not PRIVATE.search(str(logged[0])), logged
        return "more evidence" if len(found.items) > len(rules) else "the rules' evidence"

    runner.run("answers of a model", one, small=20, most_seconds=20)


@pytest.fixture
def world() -> Iterator[StandIn]:
    with vendors() as world:
        yield world


COMPANY = {"name": "Acme", "website": "https://www.acme.sg", "linkedinUrl": "https://sg.linkedin.com/company/acme/"}
PERSON = {
    "publicIdentifier": "jane",
    "linkedinUrl": "https://sg.linkedin.com/in/jane?trk=x",
    "firstName": "Jane",
    "lastName": "Tan",
    "headline": "Head of Sales | jane.tan@gmail.com | +65 9123 4567",
    "currentPosition": [{"companyName": "Acme"}],
    "experience": [
        {
            "position": "Head of Sales",
            "companyName": "Acme",
            "companyLinkedinUrl": "https://www.linkedin.com/company/acme/",
            "endDate": {"text": "Present"},
        }
    ],
    "email": "jane.tan@gmail.com",
    "emails": [{"email": "jane.tan@gmail.com"}, {"email": "jane.tan@acme.sg"}, "jane@gmail.com"],
}
GOOD: dict[str, Any] = {
    "jina": {"code": 200, "status": 20000, "data": {"title": "Acme", "url": "https://acme.sg/", "content": "We move."}},
    "extract": {"results": [{"url": "https://acme.sg/", "raw_content": "We move."}], "failed_results": []},
    "search": {"results": [{"url": "https://acme.sg/", "title": "Acme", "score": 0.9}]},
    "company": [COMPANY],
    "people": [PERSON, {**PERSON, "publicIdentifier": "bob", "firstName": "Bob", "experience": []}],
    "verifier": {"status": "valid"},
}


def fault(chance: random.Random, name: str) -> Fault | None:
    """An answer of a vendor: as documented, of other values, of other bytes, or none."""
    kind = chance.random()
    if kind < 0.5:
        body = junk.changed(chance, GOOD[name])
        return Fault("bytes", body=json.dumps(body).encode())
    if kind < 0.7:
        return Fault("bytes", body=junk.damaged(chance, json.dumps(GOOD[name]).encode()))
    if kind < 0.75:
        return Fault("bytes", body=json.dumps(junk.value(chance, 4)).encode())
    if kind < 0.78:
        return Fault("bytes", body=chance.choice((b"[" * 100_000, b'{"data":' * 5_000, b"\x00" * 1_000, b"9" * 5_000)))
    if kind < 0.85:
        status = chance.choice((400, 401, 402, 403, 404, 422, 429, 432, 500, 503, 204, 206))
        return Fault("status", status, body=junk.value(chance), retry_after=chance.choice((None, "x", "-1", "1e9")))
    if kind < 0.9:
        return Fault(chance.choice(("reset", "truncated", "empty", "garbage", "half", "redirect", "gzip_lie")))
    return Fault("bytes", body=json.dumps(GOOD[name]).encode())


def assert_failure(failure: VendorFailure) -> None:
    assert 3 < len(failure.reason) < 400 and KEY not in failure.reason and not PRIVATE.search(failure.reason), failure
    failure.reason.encode()


def test_any_answer_of_a_vendor_is_a_failure_or_a_value(connection: psycopg.Connection, world: StandIn) -> None:
    tenant = tenants.add_tenant(connection, slug="acme").tenant_id
    (company_id,) = ensure_companies(connection, [("Acme", "acme.sg")])
    caps = {f"ICP_{name}_DAILY_CAP": "1000000" for name in ("JINA", "TAVILY", "APIFY", "VERIFIER")}
    settings = VendorSettings.from_environment(world.environment() | caps)
    budget = Budget(connection, tenant_id=tenant, settings=settings, now=NOW)

    async def pause(seconds: float) -> None:
        return None

    async def ask(http: httpx.AsyncClient, which: int) -> Any:
        given = {"settings": settings, "budget": budget, "pause": pause}
        if which == 0:
            return await JinaClient(http, **given).read("https://acme.sg/")
        if which == 1:
            return (await TavilyClient(http, **given).extract(["https://acme.sg/"]))["https://acme.sg/"]
        if which == 2:
            return await TavilyClient(http, **given).search("acme")
        return await find_contacts(
            name="Acme",
            domain="acme.sg",
            linkedin_url=None,
            apify=ApifyClient(http, **given),
            verifier=VerifierClient(http, **given),
            settings=settings,
        )

    async def main(which: int) -> Any:
        async with httpx.AsyncClient(trust_env=False, verify=TLS) as http:
            return await ask(http, which)

    def one(chance: random.Random, case: int) -> str:
        world.plans.clear()
        which = case % 5
        if which == 0:
            world.plan("jina", *[fault(chance, "jina")] * 2)
        elif which in (1, 2):
            world.plan("tavily", *[fault(chance, "extract" if which == 1 else "search")] * 2)
        else:
            company = (
                fault(chance, "company")
                if chance.random() < 0.2
                else Fault("bytes", body=json.dumps([COMPANY]).encode())
            )
            world.plan("apify", company, *[fault(chance, "people") for _ in range(3)])
            world.plan("verifier", *[fault(chance, "verifier") for _ in range(4)])
        found = asyncio.run(main(which))
        if isinstance(found, VendorFailure):
            assert_failure(found)
            return "failure"
        if isinstance(found, ReadPage):
            assert found.text.strip() and len(found.text) <= LONGEST_TEXT and isinstance(found.url, str)
            return "value"
        if isinstance(found, list):
            assert all(isinstance(hit, SearchHit) and isinstance(hit.url, str) for hit in found) and len(found) <= 5
            return "value"
        assert all(3 < len(reason) < 400 and not PRIVATE.search(reason) for reason in found.degraded), found.degraded
        said = json.dumps([dataclasses.asdict(contact) for contact in found.contacts], ensure_ascii=False)
        assert not PRIVATE.search(said), said
        for contact in found.contacts:
            address = contact.person.work_email
            assert address is None or address.endswith("@acme.sg"), address
        store_contacts(connection, tenant_id=tenant, company_id=company_id, contacts=found.contacts, now=NOW)
        return "contacts" if found.contacts else "nobody, with the reason"

    runner.run("answers of vendors", one, small=20, most_seconds=20)
