"""Settings of language models, read once from the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.errors import IngestError

# USD per million tokens (prompt, completion). List prices move: LLM_PRICES overrides and adds.
PRICES: dict[str, tuple[float, float]] = {
    "gpt-4o-mini": (0.15, 0.60),
    "gpt-4.1-mini": (0.40, 1.60),
    "gpt-5-mini": (0.25, 2.00),
    "gpt-5-nano": (0.05, 0.40),
}


@dataclass(frozen=True)
class ModelSettings:
    """The environment, parsed and validated.

    Attributes:
        api_key: ``OPENAI_API_KEY``: without it no model is called, and every step that would says so.
        base_url: ``OPENAI_BASE_URL``: any server that speaks chat completions; http(s). Default: OpenAI's.
        model: ``OPENAI_MODEL``: must know strict JSON schemas. Default gpt-5-mini.
        timeout_seconds: ``LLM_TIMEOUT_S``: for one attempt, 0.1-600. Default 30.
        retries: ``LLM_RETRIES``: further attempts after 408, 429, 5xx or no answer, 0-5. Default 2.
        longest_wait_seconds: ``LLM_LONGEST_WAIT_S``: a server that asks to wait longer is given up, 0-120. Default 20.
        max_chunks: ``LLM_MAX_CHUNKS``: pieces of text per company, 0-50. Default 3.
        chunk_characters: ``LLM_CHUNK_CHARS``: size of a piece, 500-100,000. Default 12,000.
        max_output_tokens: ``LLM_MAX_OUTPUT_TOKENS``: 50-20,000. Default 2,000.
        tokens_per_day: ``LLM_TOKENS_PER_DAY``: per tenant and UTC day; 0 turns models off. Default 500,000.
        cost_per_day_usd: ``LLM_COST_PER_DAY_USD``: per tenant and UTC day. Default 2. Binds only models with a price.
        prices: ``LLM_PRICES``: JSON object, model → [prompt, completion] in USD per million tokens.
        langsmith_api_key: ``LANGSMITH_API_KEY``: exports a record of each call, without its texts.
        langsmith_endpoint: ``LANGSMITH_ENDPOINT``: default https://api.smith.langchain.com.
        langsmith_project: ``LANGSMITH_PROJECT``: default icp-warehouse.
    """

    api_key: str | None = None
    base_url: str = "https://api.openai.com/v1"
    model: str = "gpt-5-mini"
    timeout_seconds: float = 30.0
    retries: int = 2
    longest_wait_seconds: float = 20.0
    max_chunks: int = 3
    chunk_characters: int = 12_000
    max_output_tokens: int = 2_000
    tokens_per_day: int = 500_000
    cost_per_day_usd: float = 2.0
    prices: Mapping[str, tuple[float, float]] = field(default_factory=lambda: dict(PRICES))
    langsmith_api_key: str | None = None
    langsmith_endpoint: str = "https://api.smith.langchain.com"
    langsmith_project: str = "icp-warehouse"

    def __repr__(self) -> str:
        return (
            f"ModelSettings(model={self.model!r}, base_url={self.base_url!r}, key={'set' if self.api_key else 'none'})"
        )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> ModelSettings:
        """Read the variables above; raises :class:`IngestError` naming the one that is not valid."""
        env = os.environ if environ is None else environ
        return cls(
            api_key=env.get("OPENAI_API_KEY") or None,
            base_url=_address(env, "OPENAI_BASE_URL", cls.base_url),
            model=env.get("OPENAI_MODEL") or cls.model,
            timeout_seconds=_number(env, "LLM_TIMEOUT_S", cls.timeout_seconds, 0.1, 600),
            retries=int(_number(env, "LLM_RETRIES", cls.retries, 0, 5)),
            longest_wait_seconds=_number(env, "LLM_LONGEST_WAIT_S", cls.longest_wait_seconds, 0, 120),
            max_chunks=int(_number(env, "LLM_MAX_CHUNKS", cls.max_chunks, 0, 50)),
            chunk_characters=int(_number(env, "LLM_CHUNK_CHARS", cls.chunk_characters, 500, 100_000)),
            max_output_tokens=int(_number(env, "LLM_MAX_OUTPUT_TOKENS", cls.max_output_tokens, 50, 20_000)),
            tokens_per_day=int(_number(env, "LLM_TOKENS_PER_DAY", cls.tokens_per_day, 0, 1e12)),
            cost_per_day_usd=_number(env, "LLM_COST_PER_DAY_USD", cls.cost_per_day_usd, 0, 1e9),
            prices=_prices(env),
            langsmith_api_key=env.get("LANGSMITH_API_KEY") or None,
            langsmith_endpoint=_address(env, "LANGSMITH_ENDPOINT", cls.langsmith_endpoint),
            langsmith_project=env.get("LANGSMITH_PROJECT") or cls.langsmith_project,
        )

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What a call cost in USD; None where the model has no price. Dated names take the price of their family."""
        known = [name for name in self.prices if self.model == name or self.model.startswith(f"{name}-20")]
        if not known:
            return None
        prompt, completion = self.prices[max(known, key=len)]
        return (prompt_tokens * prompt + completion_tokens * completion) / 1e6


def _number(env: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise IngestError(f"{name} is {text!r}; it takes a number between {low:g} and {high:g}.")
    return value


def _address(env: Mapping[str, str], name: str, default: str) -> str:
    text = (env.get(name) or default).rstrip("/")
    if not text.startswith(("http://", "https://")):
        raise IngestError(f"{name} is {text!r}; it takes an address that begins with http:// or https://.")
    return text


def _prices(env: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    text = env.get("LLM_PRICES")
    if not text:
        return dict(PRICES)
    try:
        own = {str(name): (float(pair[0]), float(pair[1])) for name, pair in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError, IndexError, KeyError):
        own = {"": (-1.0, -1.0)}
    if any(price < 0 for pair in own.values() for price in pair):
        raise IngestError(
            f"LLM_PRICES is {text!r}; it takes a JSON object such as"
            ' {"gpt-5-mini": [0.25, 2.0]}: USD per million prompt and completion tokens.'
        )
    return PRICES | own
