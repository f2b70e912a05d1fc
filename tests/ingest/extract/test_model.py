from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from ingest.crawl.extract import (
    IndustryCode,
    IndustryVocabulary,
    ModelExtraction,
    extract,
    model_extract,
    readable_text,
)
from ingest.crawl.extract.model import ModelFacts
from ingest.crawl.page import Page
from ingest.models.client import ModelClient, strict_schema
from ingest.models.settings import ModelSettings
from tests.ingest.extract.labelled import make_page
from tests.ingest.models.stand_in import Reply, StandIn, stand_in

NOW = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)
OWN = IndustryVocabulary("own", [IndustryCode("10003", "Freight transport arrangement")])
PAGE = make_page(
    "<h1>Acme moves boxes</h1><p>Acme integrates with Xero. Ask Jane Tan, Head of Sales, jane.tan@acme.sg or 9123"
    " 4567.</p>"
    "<p>Globex buys our boxes and Cargowise gets the papers.</p><p>Sea freight and air freight since 1990.</p>",
    url="https://acme.sg/",
)


@pytest.fixture(scope="module")
def served() -> Iterator[StandIn]:
    with stand_in() as state:
        yield state


@pytest.fixture
def vendor(served: StandIn) -> StandIn:
    served.replies.clear()
    served.requests.clear()
    served.otherwise = Reply(content='{"facts": []}')
    return served


@pytest.fixture
def client(vendor: StandIn, connection: psycopg.Connection) -> ModelClient:
    connection.execute("delete from raw.model_calls")
    settings = ModelSettings(api_key="sk-test-12345678", base_url=vendor.base_url)
    return ModelClient(settings, connection, tenant_id=None, sleep=lambda seconds: None)


def says(*facts: tuple[str, str, str]) -> Reply:
    return Reply(
        content=json.dumps(
            {
                "facts": [
                    {"kind": kind, "value": value, "snippet": snippet, "confidence": 0.9}
                    for kind, value, snippet in facts
                ]
            }
        )
    )


def run(client: ModelClient | None, *pages: Page) -> ModelExtraction:
    chosen = list(pages) or [PAGE]
    rules = extract(chosen, vocabulary=OWN, company_name="Acme")
    text = readable_text(chosen, client.settings if client else ModelSettings())
    return model_extract(text, client, vocabulary=OWN, company_name="Acme", rule_items=rules, now=NOW)


def keys(result: ModelExtraction) -> set[tuple[str, str]]:
    return {(item.signal_key, item.value_key) for item in result.items}


def test_what_the_model_adds_is_in_the_words_of_the_rules(client: ModelClient, vendor: StandIn) -> None:
    vendor.replies = [
        says(
            ("customer", "Globex", "Globex buys our boxes"),
            ("integration", "Cargowise", "Cargowise gets the papers"),
            ("industry", "sea freight", "Sea freight and air freight"),
            ("buyer_title", "Head of Sales", "[name], Head of Sales"),
        )
    ]
    result = run(client)
    assert keys(result) >= {
        ("customer", "globex"),
        ("integration", "cargowise"),
        ("ssic", "10003"),
        ("integration", "xero"),
    }
    (globex,) = [item for item in result.items if item.value_key == "globex"]
    assert (globex.url, globex.snippet) == ("https://acme.sg/", "Globex buys our boxes")
    assert globex.confidence <= 0.7
    rules = keys(run(None))
    assert {(i.signal_key, i.value_key) for i in result.items if not i.is_model_only} == rules < keys(result)


def test_a_vendor_that_lies_is_not_believed(client: ModelClient, vendor: StandIn) -> None:
    vendor.replies = [
        says(
            ("customer", "Hooli", "Hooli buys our boxes"),
            ("customer", "Initech", "Globex buys our boxes"),
            ("headcount", "500", "Acme moves boxes"),
            ("trigger", "world peace", "Acme moves boxes"),
            ("customer", "Acme", "Acme moves boxes"),
            ("location", "boxes", "Acme moves boxes"),
            ("customer", "Globex", "Globex  buys our boxes"),
        )
    ]
    result = run(client)
    assert keys(result) == keys(run(None))
    assert any("7 of the model's facts were dropped" in note for note in result.notes)


def test_what_the_rules_found_stays_as_it_is(client: ModelClient, vendor: StandIn) -> None:
    vendor.replies = [says(("integration", "xero", "Acme integrates with Xero"))]
    assert run(client).items == run(None).items


def test_nothing_personal_is_sent_or_kept(client: ModelClient, vendor: StandIn) -> None:
    vendor.replies = [
        says(
            ("customer", "Jane Tan", "Jane Tan"),
            ("hiring", "Sales", "jane.tan@acme.sg"),
            ("customer", "[name]", "[name]"),
        )
    ]
    result = run(client)
    sent = json.dumps(vendor.requests)
    for text in ("Jane Tan", "jane.tan", "9123 4567"):
        assert text not in sent and text not in repr(result.items)


def test_without_a_key_the_rules_stand_and_it_is_said(client: ModelClient, vendor: StandIn) -> None:
    off = ModelClient(replace(client.settings, api_key=None), client._connection, tenant_id=None)
    for chosen in (None, off):
        result = run(chosen)
        assert ("integration", "xero") in keys(result)
        assert "OPENAI_API_KEY" in result.notes[0]
    assert vendor.requests == []


def test_chunks_per_company_are_capped_and_said(client: ModelClient, vendor: StandIn) -> None:
    pages = [
        make_page(f"<p>{'Words about boxes. ' * 20}{n}</p>", url=f"https://acme.sg/{n}", page_type="other")
        for n in range(5)
    ]
    result = run(client, *pages)
    assert len(vendor.requests) == client.settings.max_chunks == 3
    assert "3 of 5 pieces" in result.notes[0]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(refusal="no"),
        Reply(content="{", finish_reason="length"),
        Reply(content="[]"),
        Reply(status=500),
        Reply(body=b""),
    ],
)
def test_a_failing_vendor_leaves_the_rules_items(
    client: ModelClient, vendor: StandIn, connection: psycopg.Connection, reply: Reply
) -> None:
    vendor.otherwise = reply
    result = run(client)
    assert keys(result) == keys(run(None))
    assert any("The model gave no facts" in note for note in result.notes)
    assert connection.execute("select count(*) > 0 from raw.model_calls where outcome <> 'ok'").fetchone() == (True,)


def test_capped_calls_are_notes_and_rows(vendor: StandIn, client: ModelClient, connection: psycopg.Connection) -> None:
    capped = ModelClient(replace(client.settings, tokens_per_day=10), connection, tenant_id=None)
    result = run(capped)
    assert keys(result) == keys(run(None)) and "LLM_TOKENS_PER_DAY" in result.notes[0]
    assert connection.execute("select outcome from raw.model_calls").fetchall() == [("capped",)]
    assert vendor.requests == []


def test_the_schema_of_facts_is_strict() -> None:
    schema: dict[str, Any] = strict_schema(ModelFacts)["$defs"]["ModelFact"]
    assert schema["required"] == ["kind", "value", "snippet", "confidence"]
    assert schema["additionalProperties"] is False
