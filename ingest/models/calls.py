"""``raw.model_calls``: one row per call of a language model, and what a tenant has spent today."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import psycopg

from ingest.models.redaction import redacted

Outcome = Literal["ok", "refused", "truncated", "filtered", "invalid", "failed", "capped"]


@dataclass(frozen=True)
class ModelCall:
    """One attempt to get an answer.

    Attributes:
        tenant_id: on whose behalf; None for shared work.
        cost_usd: None where the model has no price.
        detail: why it is not ok; redacted when it is stored.
    """

    tenant_id: int | None
    purpose: str
    model: str
    outcome: Outcome
    latency_ms: float
    called_at: dt.datetime
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    detail: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class Spent:
    """What a tenant used within one UTC day."""

    tokens: int
    cost_usd: float


def record_call(connection: psycopg.Connection, call: ModelCall) -> None:
    """Append a call to the log."""
    connection.execute(
        "insert into raw.model_calls (tenant_id, purpose, model, prompt_tokens, completion_tokens, cost_usd,"
        " latency_ms, outcome, detail, called_at, run_id) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            call.tenant_id,
            call.purpose,
            call.model,
            call.prompt_tokens,
            call.completion_tokens,
            call.cost_usd,
            call.latency_ms,
            call.outcome,
            redacted(call.detail) if call.detail else None,
            call.called_at,
            call.run_id,
        ),
    )


def spent_today(connection: psycopg.Connection, *, tenant_id: int | None, now: dt.datetime) -> Spent:
    """Tokens and cost of a tenant's calls on the UTC day of ``now``."""
    start = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    row = connection.execute(
        "select coalesce(sum(coalesce(prompt_tokens, 0) + coalesce(completion_tokens, 0)), 0),"
        " coalesce(sum(cost_usd), 0) from raw.model_calls"
        " where tenant_id is not distinct from %s and called_at >= %s and called_at < %s",
        (tenant_id, start, start + dt.timedelta(days=1)),
    ).fetchone()
    assert row is not None
    return Spent(tokens=int(row[0]), cost_usd=float(row[1]))
