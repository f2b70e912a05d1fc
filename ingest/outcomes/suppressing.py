"""Leaving out of a load what is about people who asked to be forgotten. Costs nothing where nobody did."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl

from ingest.outcomes.entities import LEADS, Entity
from ingest.outcomes.parsing import ATTRIBUTES, TENANT, Parsed
from warehouse.suppression import Suppressions

_CONTENT = "content_snapshot"
Known = Callable[[Any, int | None], bool]


def leave_out(parsed: Parsed, entity: Entity, listed: Suppressions) -> tuple[Parsed, int, list[tuple[int, str, str]]]:
    """A batch without the rows of listed people; in what is left, their addresses are replaced.

    Returns:
        The batch, how many rows are left out, and leads that were known by what stands in their row alone, as
        (tenant, source's id, that text): their touches come in other files, by the id.
    """
    if not listed:
        return parsed, 0, []
    good, bad = parsed.good, parsed.bad
    gone = _is_known(good, "lead_id", listed.lead)
    by_text: list[tuple[int, str, str]] = []
    if entity is LEADS:
        said = _is_known(good, ATTRIBUTES, listed.text)
        by_text = list(good.filter(said & ~gone).select(TENANT, "lead_id", ATTRIBUTES).iter_rows())
        gone = gone | said
    left = good.filter(~gone)
    if _CONTENT in left.columns and _is_known(left, _CONTENT, listed.text).any():
        redacted = [listed.redact(text, tenant) for tenant, text in left.select(TENANT, _CONTENT).iter_rows()]
        left = left.with_columns(pl.Series(_CONTENT, redacted, dtype=pl.String))
    gone_bad = _is_known(bad, "content", lambda content, tenant: _names_one(content, tenant, listed))
    gone_bad = gone_bad | _is_known(bad, "record_key", listed.lead)
    kept = replace(parsed, good=left, bad=bad.filter(~gone_bad))
    return kept, good.height + bad.height - kept.good.height - kept.bad.height, by_text


def _names_one(content: str | None, tenant_id: int | None, listed: Suppressions) -> bool:
    """Whether a rejected record mentions an address or profile, or holds the id of a lead as a value."""
    if listed.text(content, tenant_id):
        return True
    try:
        record = json.loads(content or "{}")
    except ValueError:
        return False
    values = record.values() if isinstance(record, dict) else record
    return any(listed.covers("lead", value, tenant_id) for value in values if isinstance(value, str))


def _is_known(frame: pl.DataFrame, column: str, known: Known) -> pl.Series:
    """For each row whether its value in the column is known for its tenant; every value is asked about once."""
    pairs = frame.select(TENANT, column)
    distinct = pairs.unique()
    answers = pl.Series("known", [known(value, tenant) for tenant, value in distinct.iter_rows()], dtype=pl.Boolean)
    if not answers.any():
        return pl.Series("known", [False], dtype=pl.Boolean).new_from_index(0, frame.height)
    return pairs.join(
        distinct.with_columns(answers), on=[TENANT, column], how="left", nulls_equal=True, maintain_order="left"
    )["known"]
