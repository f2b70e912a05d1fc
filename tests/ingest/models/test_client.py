from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

import psycopg
import pydantic
import pytest

from ingest.errors import IngestError
from ingest.models.client import ModelClient, strict_schema
from ingest.models.redaction import redacted
from ingest.models.settings import ModelSettings
from tests.ingest.models.stand_in import Reply, StandIn, stand_in

NOW = dt.datetime(2026, 3, 2, 23, 50, tzinfo=dt.UTC)
Build = Callable[..., ModelClient]


class Colour(pydantic.BaseModel):
    name: str
    warmth: float | None = pydantic.Field(default=None, ge=0, le=1, title="how warm")


class Palette(pydantic.BaseModel):
    title: str = pydantic.Field(min_length=2)
    colours: list[Colour]


@pytest.fixture(scope="module")
def served() -> Iterator[StandIn]:
    with stand_in() as state:
        yield state


@pytest.fixture
def vendor(served: StandIn) -> StandIn:
    for recorded in (served.replies, served.requests, served.runs, served.keys):
        recorded.clear()
    served.run_status = 202
    return served


def new_tenant(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "insert into raw.tenants (external_id, slug, name, timezone, settings) values"
        " (gen_random_uuid()::text, gen_random_uuid()::text, 'T', 'UTC', '{}') returning tenant_id"
    ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def tenant_id(connection: psycopg.Connection) -> int:
    connection.execute("delete from raw.model_calls")
    return new_tenant(connection)


@pytest.fixture
def build(vendor: StandIn, connection: psycopg.Connection, tenant_id: int) -> Build:
    def make(sleep: Callable[[float], None] = lambda seconds: None, **changes: Any) -> ModelClient:
        settings = ModelSettings(api_key="sk-test-12345678", base_url=vendor.base_url, model="gpt-5-mini")
        return ModelClient(replace(settings, **changes), connection, tenant_id=tenant_id, run_id="run-1", sleep=sleep)

    return make


def ask(client: ModelClient, now: dt.datetime = NOW, text: str = "paint it") -> Any:
    return client.ask(purpose="colours", schema=Palette, instructions="Name colours.", text=text, now=now)


def logged(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select outcome, prompt_tokens, completion_tokens, cost_usd, detail from raw.model_calls order by call_id"
    ).fetchall()


GOOD = '{"title": "Dusk", "colours": [{"name": "red", "warmth": null}]}'


def test_an_answer_is_parsed_and_logged_with_tokens_and_cost(
    build: Build, vendor: StandIn, connection: psycopg.Connection, tenant_id: int
) -> None:
    vendor.replies = [Reply(content=GOOD, prompt_tokens=1_000, completion_tokens=500)]
    answer = ask(build())
    assert answer.outcome == "ok"
    assert answer.value.colours[0].name == "red"
    assert connection.execute(
        "select tenant_id, purpose, model, outcome, prompt_tokens, completion_tokens, called_at, run_id,"
        " latency_ms > 0 from raw.model_calls"
    ).fetchall() == [(tenant_id, "colours", "gpt-5-mini", "ok", 1_000, 500, NOW, "run-1", True)]
    assert logged(connection)[0][3] == pytest.approx(1_000 * 0.25e-6 + 500 * 2e-6)
    request = vendor.requests[0]
    assert request["path"] == "/v1/chat/completions"
    assert request["response_format"]["json_schema"]["strict"] is True
    assert vendor.keys == ["Bearer sk-test-12345678"]


def test_the_schema_is_strict_all_the_way_down() -> None:
    schema = strict_schema(Palette)
    assert schema["required"] == ["title", "colours"] and schema["additionalProperties"] is False
    colour = schema["$defs"]["Colour"]
    assert colour["required"] == ["name", "warmth"] and colour["additionalProperties"] is False
    assert {"type": "null"} in colour["properties"]["warmth"]["anyOf"]
    # A property that is called like a keyword stays.
    assert "title" in schema["properties"]
    text = json.dumps(schema)
    assert "minLength" not in text and "default" not in text and "minimum" not in text


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(refusal="I cannot help with that."), "refused"),
        (Reply(content='{"title": "Du', finish_reason="length"), "truncated"),
        (Reply(content=None, finish_reason="content_filter"), "filtered"),
        (Reply(content="sorry, here you go: red"), "invalid"),
        (Reply(content='{"title": "Dusk"}'), "invalid"),
        (Reply(content='{"title": "D", "colours": []}'), "invalid"),
        (Reply(content=""), "invalid"),
        (Reply(body=b'{"choices": []}'), "invalid"),
        (Reply(body=b'{"choices": null}'), "invalid"),
        (Reply(body=b'"hello"'), "invalid"),
        (Reply(body=b"<html>gateway</html>"), "invalid"),
        (Reply(status=400), "failed"),
        (Reply(status=401), "failed"),
    ],
)
def test_whatever_the_vendor_does_is_an_outcome_and_one_row(
    build: Build, vendor: StandIn, connection: psycopg.Connection, reply: Reply, outcome: str
) -> None:
    vendor.replies = [reply]
    answer = ask(build())
    assert (answer.outcome, answer.value) == (outcome, None)
    assert answer.detail
    rows = logged(connection)
    assert [row[0] for row in rows] == [outcome]
    assert rows[0][4]


def test_a_busy_server_is_asked_again_after_as_long_as_it_says(
    build: Build, vendor: StandIn, connection: psycopg.Connection
) -> None:
    waits: list[float] = []
    vendor.replies = [
        Reply(status=429, headers={"Retry-After": "3"}),
        Reply(status=503),
        Reply(content=GOOD),
    ]
    assert ask(build(sleep=waits.append)).outcome == "ok"
    assert waits == [3.0, 1.0]
    assert [row[0] for row in logged(connection)] == ["failed", "failed", "ok"]


def test_a_server_that_asks_to_wait_too_long_is_given_up(build: Build, vendor: StandIn) -> None:
    waits: list[float] = []
    vendor.replies = [Reply(status=429, headers={"Retry-After": "3600"})]
    answer = ask(build(sleep=waits.append))
    assert answer.outcome == "failed" and "429" in answer.detail
    assert waits == [] and len(vendor.requests) == 1


def test_an_exhausted_account_is_not_asked_again(build: Build, vendor: StandIn) -> None:
    error = {"error": {"message": "quota", "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}}
    vendor.replies = [Reply(status=429, body=json.dumps(error).encode())]
    assert ask(build()).outcome == "failed"
    assert len(vendor.requests) == 1


def test_five_hundreds_end_after_the_retries(build: Build, vendor: StandIn, connection: psycopg.Connection) -> None:
    vendor.replies = [Reply(status=500)] * 5
    assert ask(build(retries=2)).outcome == "failed"
    assert len(vendor.requests) == 3 == len(logged(connection))


def test_a_silent_server_times_out(build: Build, vendor: StandIn, connection: psycopg.Connection) -> None:
    release = threading.Event()
    vendor.replies = [Reply(content=GOOD, wait_for=release)]
    answer = ask(build(timeout_seconds=0.1, retries=0))
    release.set()
    assert answer.outcome == "failed" and "no answer" in answer.detail
    assert [row[0] for row in logged(connection)] == ["failed"]


def test_no_server_at_all_is_a_failure_with_a_reason(build: Build) -> None:
    answer = ask(build(base_url="http://127.0.0.1:9/v1", retries=0))
    assert answer.outcome == "failed" and "no connection" in answer.detail


def test_without_a_key_nothing_is_asked_or_logged(
    build: Build, vendor: StandIn, connection: psycopg.Connection
) -> None:
    client = build(api_key=None)
    assert not client.is_on
    assert "OPENAI_API_KEY" in ask(client).detail
    assert vendor.requests == [] and logged(connection) == []


def test_the_token_cap_refuses_before_the_call_and_is_logged(
    build: Build, vendor: StandIn, connection: psycopg.Connection
) -> None:
    client = build(tokens_per_day=5_000, max_output_tokens=2_000)
    vendor.replies = [Reply(content=GOOD, prompt_tokens=2_000, completion_tokens=1_500)]
    assert ask(client).outcome == "ok"
    answer = ask(client)
    assert answer.outcome == "capped" and "LLM_TOKENS_PER_DAY" in answer.detail
    assert len(vendor.requests) == 1
    assert [row[0] for row in logged(connection)] == ["ok", "capped"]
    # The next UTC day begins ten minutes later.
    vendor.replies = [Reply(content=GOOD)]
    assert ask(client, now=NOW + dt.timedelta(minutes=10)).outcome == "ok"


def test_calls_at_once_keep_a_cap_together(build: Build, vendor: StandIn) -> None:
    """The second waits for what the first uses, and is refused: it had been granted while nothing was logged yet."""
    answers_now = threading.Event()
    vendor.replies = [Reply(content=GOOD, prompt_tokens=3_000, wait_for=answers_now), *[Reply(content=GOOD)] * 2]
    client = build(tokens_per_day=4_000)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, client)
        while not vendor.requests:
            threading.Event().wait(0.01)
        second = pool.submit(ask, client)
        wait([second], timeout=0.3)
        assert len(vendor.requests) == 1
        answers_now.set()
        assert (first.result().outcome, second.result().outcome) == ("ok", "capped")
    assert ask(build(tokens_per_day=6_000)).outcome == "ok"


def test_the_cost_cap_binds_and_only_its_own_tenant(
    build: Build, vendor: StandIn, connection: psycopg.Connection
) -> None:
    vendor.replies = [Reply(content=GOOD, prompt_tokens=100_000, completion_tokens=10_000)]
    client = build(cost_per_day_usd=0.048)
    assert ask(client).outcome == "ok"
    assert "LLM_COST_PER_DAY_USD" in (ask(client).detail or "")
    vendor.replies = [Reply(content=GOOD)]
    neighbour = ModelClient(client.settings, connection, tenant_id=new_tenant(connection))
    assert ask(neighbour).outcome == "ok"


def test_the_log_holds_no_personal_data_and_no_key(
    build: Build, vendor: StandIn, connection: psycopg.Connection
) -> None:
    vendor.replies = [Reply(refusal="jane.tan@acme.sg (+65 9123 4567) with sk-abcdefgh12345678 is private")]
    ask(build())
    detail = logged(connection)[0][4]
    assert detail == "[e-mail] ([phone]) with [key] is private" or (
        "jane" not in detail and "9123" not in detail and "abcdefgh" not in detail
    )


def test_records_go_to_langsmith_without_texts(build: Build, vendor: StandIn) -> None:
    vendor.replies = [Reply(content=GOOD), Reply(content=GOOD)]
    endpoint = vendor.base_url.removesuffix("/v1")
    client = build(langsmith_api_key="lsv2_secret_key", langsmith_endpoint=endpoint)
    assert ask(client, text="a very private page").outcome == "ok"
    run = vendor.runs[0]
    assert run["run_type"] == "llm" and run["name"] == "colours" and run["key"] == "lsv2_secret_key"
    assert run["outputs"]["usage_metadata"]["total_tokens"] == 120
    assert "private" not in json.dumps(run) and "Dusk" not in json.dumps(run)


def test_a_broken_export_changes_nothing(build: Build, vendor: StandIn) -> None:
    vendor.run_status = 500
    vendor.replies = [Reply(content=GOOD), Reply(content=GOOD)]
    client = build(langsmith_api_key="k", langsmith_endpoint=vendor.base_url)
    assert [ask(client).outcome, ask(client).outcome] == ["ok", "ok"]
    assert len(vendor.runs) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"choices": {"0": 1}, "usage": {"prompt_tokens": "many", "completion_tokens": {}}},
        {"choices": [{"message": {"refusal": {"a": "no"}}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 10**30, "completion_tokens": -5}},
        {"choices": [], "usage": {"prompt_tokens": True, "completion_tokens": 1.5}},
        [[[]]],
        "[" * 100_000,
    ],
)
def test_any_answer_is_an_outcome_and_is_logged(
    vendor: StandIn, connection: psycopg.Connection, tenant_id: int, body: Any
) -> None:
    vendor.replies = [Reply(body=body.encode() if isinstance(body, str) else json.dumps(body).encode())]
    settings = ModelSettings(api_key="sk-test-12345678", base_url=vendor.base_url, retries=0)
    client = ModelClient(settings, connection, tenant_id=tenant_id)
    answer = client.ask(purpose="p", schema=Palette, instructions="i", text="t", now=NOW)
    assert answer.value is None and answer.outcome in ("invalid", "refused") and isinstance(answer.detail, str)
    logged = connection.execute("select prompt_tokens, completion_tokens from raw.model_calls").fetchall()
    assert logged == [(None, None)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_BASE_URL", "localhost:8080"),
        ("LLM_MAX_CHUNKS", "many"),
        ("LLM_MAX_CHUNKS", "-1"),
        ("LLM_TIMEOUT_S", "nan"),
        ("LLM_TOKENS_PER_DAY", "-5"),
        ("LLM_COST_PER_DAY_USD", "free"),
        ("LLM_PRICES", "[1, 2]"),
        ("LLM_PRICES", '{"m": [1]}'),
        ("LLM_PRICES", '{"m": [1, -2]}'),
        ("LANGSMITH_ENDPOINT", "ftp://x"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(IngestError, match=name):
        ModelSettings.from_environment({name: value})


def test_settings_have_defaults_and_hide_the_key() -> None:
    settings = ModelSettings.from_environment({"OPENAI_API_KEY": "sk-1234567890", "LLM_PRICES": '{"m": [1, 2]}'})
    assert settings.max_chunks == 3 and settings.prices["m"] == (1.0, 2.0)
    assert "1234567890" not in repr(settings)
    assert replace(settings, model="m-2025-01-01").cost(1_000_000, 0) == 1.0
    assert replace(settings, model="mine").cost(10, 10) is None


def test_redaction_leaves_what_is_not_personal() -> None:
    assert redacted("HTTP 429: rate limit, retry in 20 s") == "HTTP 429: rate limit, retry in 20 s"
