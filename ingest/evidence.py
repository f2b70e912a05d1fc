"""``raw.icp_evidence`` and ``raw.company_signals``: facts found about companies, each with where it was found."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.types.json import Jsonb

from warehouse import bulk

Source = Literal["user_site", "seed_site", "registry", "crawl", "intake"]
LONGEST_SNIPPET = 300
# Characters. Keys of marts are indexed: one that no index page holds would stop the runs of all tenants.
LONGEST_KEY = 200


@dataclass(frozen=True)
class EvidenceItem:
    """One fact about a company.

    Attributes:
        signal_key: what kind of fact: ssic, integration, buyer_title, headcount, location, customer, pricing, hiring,
            trigger or theme.
        value_key: the value as it is compared and counted.
        value: the value as JSON; the key named like the signal holds it as it is written.
        url: where it was found; None for registries and answers.
        snippet: the words around it.
        confidence: 0-1.
        is_model_only: a language model read it and no rule did: it may be cited, and counts for nothing.
    """

    signal_key: str
    value_key: str
    value: dict[str, Any]
    url: str | None = None
    snippet: str | None = None
    confidence: float = 1.0
    is_model_only: bool = False


_COLUMNS = {
    "content_hash": "text",
    "signal_key": "text",
    "value_key": "text",
    "value": "jsonb",
    "url": "text",
    "snippet": "text",
    "confidence": "float8",
    "is_model_only": "bool",
}


def content_hash(company_id: int, source: str, source_name: str | None, item: EvidenceItem) -> str:
    """The natural key of an item: the same fact at the same place is one row however often it is found."""
    parts = (company_id, item.signal_key, item.value_key, source, source_name, item.url)
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:32]


def store_evidence(
    connection: psycopg.Connection,
    *,
    tenant_id: int,
    company_id: int,
    source: Source,
    source_name: str | None = None,
    items: Sequence[EvidenceItem],
    now: dt.datetime,
    replace: bool,
) -> int:
    """Store what was found about a company for a tenant, within the caller's transaction.

    Args:
        source_name: the registry's name, where the source is one.
        replace: items of this company and source that are not among the new ones go (a site was read anew).

    Returns:
        How many rows were written or deleted; 0 means that nothing changed, and no version moved.
    """
    with connection.transaction(), connection.cursor() as cursor:
        _stage(cursor, items, [content_hash(company_id, source, source_name, item) for item in items])
        changed = 0
        if replace:
            changed += cursor.execute(
                "delete from raw.icp_evidence as known where tenant_id = %s and company_id = %s and source = %s"
                " and not exists (select from found_items as found where found.content_hash = known.content_hash)",
                (tenant_id, company_id, source),
            ).rowcount
        changed += cursor.execute(
            "insert into raw.icp_evidence as known (tenant_id, company_id, signal_key, value_key, value, source,"
            " source_name, url, snippet, confidence, is_model_only, observed_at, content_hash)"
            " select distinct on (content_hash) %s, %s, signal_key, value_key, value, %s, %s, url, snippet, confidence,"
            " is_model_only, %s, content_hash from found_items order by content_hash, is_model_only, confidence desc"
            " on conflict (tenant_id, content_hash) do update set value = excluded.value, snippet = excluded.snippet,"
            " confidence = excluded.confidence, is_model_only = excluded.is_model_only,"
            " observed_at = excluded.observed_at"
            " where row(known.value, known.snippet, known.confidence, known.is_model_only)"
            " is distinct from row(excluded.value, excluded.snippet, excluded.confidence, excluded.is_model_only)",
            (tenant_id, company_id, source, source_name, now),
        ).rowcount
        cursor.execute("drop table found_items")
        if changed:
            cursor.execute("select intermediate.touch('raw.icp_evidence', array[%s]::int[])", (tenant_id,))
    return changed


def store_company_signals(
    connection: psycopg.Connection, *, company_id: int, items: Sequence[EvidenceItem], now: dt.datetime
) -> int:
    """Store what was found about a company of the background sample, replacing what was there before."""
    with connection.transaction(), connection.cursor() as cursor:
        _stage(cursor, items, [content_hash(company_id, "crawl", None, item) for item in items])
        changed = cursor.execute(
            "delete from raw.company_signals as known where company_id = %s"
            " and not exists (select from found_items as found where found.content_hash = known.content_hash)",
            (company_id,),
        ).rowcount
        changed += cursor.execute(
            "insert into raw.company_signals (company_id, content_hash, signal_key, value_key, value, url, snippet,"
            " confidence, observed_at)"
            " select distinct on (content_hash) %s, content_hash, signal_key, value_key, value, url, snippet,"
            " confidence, %s from found_items order by content_hash, confidence desc"
            " on conflict (company_id, content_hash) do nothing",
            (company_id, now),
        ).rowcount
        cursor.execute("drop table found_items")
        if changed:
            cursor.execute("select intermediate.touch('raw.company_signals', array_agg(tenant_id)) from raw.tenants")
    return changed


def _stage(cursor: psycopg.Cursor, items: Sequence[EvidenceItem], hashes: Sequence[str]) -> None:
    bulk.create_staging(cursor, "found_items", _COLUMNS)
    bulk.copy_rows(
        cursor,
        "found_items",
        _COLUMNS,
        (
            (
                digest,
                item.signal_key,
                _clean(item.value_key)[:LONGEST_KEY],
                Jsonb(_clean_json(item.value)),
                _clean(item.url),
                _clean(item.snippet)[:LONGEST_SNIPPET] if item.snippet else None,
                float(item.confidence),
                item.is_model_only,
            )
            for digest, item in zip(hashes, items, strict=True)
        ),
    )


def _clean(text: str | None) -> Any:
    """Postgres' text holds no NUL, and UTF-8 no half of a pair."""
    return None if text is None else text.replace("\x00", " ").encode("utf-8", "replace").decode()


def _clean_json(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, dict):
        return {_clean(key): _clean_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean_json(inner) for inner in value]
    return value
