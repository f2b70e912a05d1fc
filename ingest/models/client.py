"""Structured answers of a language model, over chat completions with a strict JSON schema.

Every attempt is logged; caps are checked before it. Nothing here raises because of what a vendor does: an answer says
what became of it.
"""

from __future__ import annotations

import datetime as dt
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import openai
import psycopg
import pydantic

from ingest.models.calls import ModelCall, Outcome, record_call, spent_today
from ingest.models.settings import ModelSettings
from ingest.models.tracing import Tracer

Schema = TypeVar("Schema", bound=pydantic.BaseModel)

# Strict schemas know only a part of JSON Schema; pydantic checks the rest afterwards.
_DROPPED_WORDS = """
title default examples minLength maxLength pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf
minItems maxItems uniqueItems
"""
_DROPPED = frozenset(_DROPPED_WORDS.split())
_CHARACTERS_PER_TOKEN = 3  # low on purpose: what is reserved against a cap is rather too much


@dataclass(frozen=True)
class Answer(Generic[Schema]):
    """What became of a question: a value where the outcome is ok, else the reason in ``detail``."""

    outcome: Outcome
    value: Schema | None
    detail: str | None = None


@dataclass(frozen=True)
class _Attempt(Generic[Schema]):
    answer: Answer[Schema]
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    wait: float | None = None


class ModelClient:
    """Asks on behalf of one tenant; several threads may ask at once, and keep the caps together.

    Args:
        connection: where calls are logged. Give it one that commits by itself, so that the log outlives a rollback.
        sleep: how to wait before another attempt.
    """

    def __init__(
        self,
        settings: ModelSettings,
        connection: psycopg.Connection,
        *,
        tenant_id: int | None,
        run_id: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self._connection = connection
        self._tenant_id = tenant_id
        self._run_id = run_id
        self._sleep = sleep
        self._caps = threading.Condition()
        self._calls_held = self._prompt_tokens_held = 0
        self._tracer = Tracer(settings)
        self._openai = (
            openai.OpenAI(
                api_key=settings.api_key,
                base_url=settings.base_url,
                timeout=settings.timeout_seconds,
                max_retries=0,  # attempts are ours: each is logged
            )
            if settings.api_key
            else None
        )

    @property
    def is_on(self) -> bool:
        """Whether there is a key."""
        return self._openai is not None

    def close(self) -> None:
        """Close the connections to the vendor."""
        if self._openai is not None:
            self._openai.close()

    def ask(
        self, *, purpose: str, schema: type[Schema], instructions: str, text: str, now: dt.datetime
    ) -> Answer[Schema]:
        """Ask for one object of a schema.

        Args:
            purpose: what it is for, in a word or two, for the log.
            instructions: the system message.
            text: the user message; it must not hold personal data.
            now: stamped on the log, and the day that the caps count.
        """
        if self._openai is None:
            return Answer("failed", None, "OPENAI_API_KEY is not set: no model was asked")
        with self._held((len(instructions) + len(text)) // _CHARACTERS_PER_TOKEN, now) as reason:
            if reason is not None:
                self._log(purpose, _Attempt(Answer[Schema]("capped", None, reason)), 0.0, now)
                return Answer("capped", None, reason)
            for attempt in range(self.settings.retries + 1):
                started = time.perf_counter()
                result = self._attempt(schema, instructions, text)
                self._log(purpose, result, (time.perf_counter() - started) * 1000, now)
                if result.wait is None or attempt == self.settings.retries:
                    break
                wait = result.wait or min(0.5 * 2.0**attempt, self.settings.longest_wait_seconds)
                if wait > self.settings.longest_wait_seconds:
                    break
                self._sleep(wait)
            return result.answer

    @contextmanager
    def _held(self, prompt: int, now: dt.datetime) -> Iterator[str | None]:
        """Hold against the caps what a call may use, until it is logged; or say why it may not be made.

        A call that only others under way stand against waits for them, since they use less than is held.
        """
        with self._caps:
            while (reason := self._cap(prompt, now)) is not None and self._calls_held:
                self._caps.wait()
            if reason is None:
                self._calls_held += 1
                self._prompt_tokens_held += prompt
        try:
            yield reason
        finally:
            if reason is None:
                with self._caps:
                    self._calls_held -= 1
                    self._prompt_tokens_held -= prompt
                    self._caps.notify_all()

    def _cap(self, prompt: int, now: dt.datetime) -> str | None:
        """Why a call with so many prompt tokens may not be made beside those under way; None where it may."""
        spent = spent_today(self._connection, tenant_id=self._tenant_id, now=now)
        prompt += self._prompt_tokens_held
        output = (self._calls_held + 1) * self.settings.max_output_tokens
        wanted = prompt + output
        if spent.tokens + wanted > self.settings.tokens_per_day:
            return (
                f"LLM_TOKENS_PER_DAY: {spent.tokens:,} of {self.settings.tokens_per_day:,} tokens used today,"
                f" this call may take {wanted:,}"
            )
        cost = self.settings.cost(prompt, output)
        if cost is not None and spent.cost_usd + cost > self.settings.cost_per_day_usd:
            return (
                f"LLM_COST_PER_DAY_USD: {spent.cost_usd:.4f} of {self.settings.cost_per_day_usd:g} USD used today,"
                f" this call may cost {cost:.4f}"
            )
        return None

    def _attempt(self, schema: type[Schema], instructions: str, text: str) -> _Attempt[Schema]:
        assert self._openai is not None
        try:
            completion = self._openai.chat.completions.create(
                model=self.settings.model,
                messages=[{"role": "system", "content": instructions}, {"role": "user", "content": text}],
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": schema.__name__, "strict": True, "schema": strict_schema(schema)},
                },
                max_completion_tokens=self.settings.max_output_tokens,
            )
            usage = completion.usage
            prompt, completed = (_tokens(usage, name) for name in ("prompt_tokens", "completion_tokens"))
            return _Attempt(_read(completion, schema), prompt, completed)
        except openai.APIStatusError as error:
            again = (
                error.status_code in (408, 409, 429) or error.status_code >= 500
            ) and error.code != "insufficient_quota"
            detail = f"HTTP {error.status_code}: {error.message}"
            return _Attempt(Answer("failed", None, detail), wait=_retry_after(error) if again else None)
        except openai.APITimeoutError:
            return _Attempt(Answer("failed", None, f"no answer within {self.settings.timeout_seconds:g} s"), wait=0.0)
        except openai.APIConnectionError as error:
            return _Attempt(Answer("failed", None, f"no connection: {error.__cause__ or error.message}"), wait=0.0)
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
            # A server that answers 200 with something else than a completion.
            return _Attempt(Answer("invalid", None, f"not a completion: {type(error).__name__}: {error}"))

    def _log(self, purpose: str, result: _Attempt[Any], latency_ms: float, now: dt.datetime) -> None:
        known = result.prompt_tokens is not None
        call = ModelCall(
            tenant_id=self._tenant_id,
            purpose=purpose,
            model=self.settings.model,
            outcome=result.answer.outcome,
            latency_ms=latency_ms,
            called_at=now,
            prompt_tokens=result.prompt_tokens,
            completion_tokens=result.completion_tokens,
            cost_usd=self.settings.cost(result.prompt_tokens or 0, result.completion_tokens or 0) if known else None,
            detail=result.answer.detail,
            run_id=self._run_id,
        )
        record_call(self._connection, call)
        self._tracer.export(call)


def strict_schema(schema: type[pydantic.BaseModel]) -> dict[str, Any]:
    """The JSON schema as strict mode wants it: every property required and none besides; "optional" is a null union."""
    strict = _strict(schema.model_json_schema())
    assert isinstance(strict, dict)
    return strict


def _strict(node: Any, *, names: bool = False) -> Any:
    """``names``: the keys of this object are names of properties, not keywords."""
    if isinstance(node, list):
        return [_strict(inner) for inner in node]
    if not isinstance(node, dict):
        return node
    kept = {
        key: _strict(value, names=key in ("properties", "$defs") and not names)
        for key, value in node.items()
        if names or key not in _DROPPED
    }
    if not names and kept.get("type") == "object":
        kept["additionalProperties"] = False
        kept["required"] = list(kept.get("properties", {}))
    return kept


def _read(completion: Any, schema: type[Schema]) -> Answer[Schema]:
    """A completion → the object, or why there is none. The schema is checked again: vendors break promises."""
    if not completion.choices:
        return Answer("invalid", None, "an answer without choices")
    choice = completion.choices[0]
    if choice.message.refusal:
        return Answer("refused", None, str(choice.message.refusal))
    if choice.finish_reason == "length":
        return Answer("truncated", None, "the answer was cut at the limit of output tokens")
    if choice.finish_reason == "content_filter":
        return Answer("filtered", None, "the content filter withheld the answer")
    if not choice.message.content:
        return Answer("invalid", None, "an empty answer")
    try:
        return Answer("ok", schema.model_validate_json(choice.message.content))
    except pydantic.ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'answer'}: {e['msg']}" for e in error.errors()[:3])
        return Answer("invalid", None, f"not of the schema: {problems}")


def _tokens(usage: Any, name: str) -> int | None:
    """What a server says it used; None where that is no number of tokens."""
    said = getattr(usage, name, None)
    return said if type(said) is int and 0 <= said <= 2**31 - 1 else None


def _retry_after(error: openai.APIStatusError) -> float:
    """Seconds the server asks to wait; 0 where it does not say."""
    for name, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(error.response.headers.get(name, "")) / divisor
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return 0.0
