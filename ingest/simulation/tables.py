"""Simulated leads and touches as the tables a customer would export.

Belongs here: columns, identifiers, the texts of titles and messages. Not here: files (files.py).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import polars as pl

from ingest.simulation.leads import DEFAULT_WEIGHTS, MAXIMA, MISSING, BoolArray, IntArray, Leads
from ingest.simulation.office_time import DAY, HOUR, to_waking_hours
from ingest.simulation.spec import TenantSpec
from ingest.simulation.touches import EXIT_KINDS, NEVER, Course, Touches
from ingest.simulation.vocabulary import (
    CHANNELS,
    COUNTRIES,
    CTAS,
    INDUSTRIES,
    PAIN_POINTS,
    PERSONALIZATION_LEVELS,
    SOURCES,
    SUBJECTS,
    TITLES,
    WORD_COUNTS,
)

COMPONENTS: Final = ("data_quality", "authority", "company_fit", "timing")
#: Statuses on the way, before a final one.
OPEN_STATUSES: Final = ("new", "contacted")
BOOKED_STATUS: Final = "converted"
# A booking is a status, an activity, or both, as the systems of different customers have it.
_BOTH, _STATUS_ONLY, _ACTIVITY_ONLY = 0.5, 0.3, 0.2


def lead_table(spec: TenantSpec, leads: Leads, *, until: int, random: np.random.Generator) -> pl.DataFrame:
    """One row per lead."""
    removed = to_waking_hours(leads.created + (random.exponential(60.0, len(leads)) * DAY).astype(np.int64))
    removed = np.minimum(removed, until)
    return pl.DataFrame({"row": np.arange(len(leads))}).select(
        lead_id=_lead_id(spec, "row"),
        created_at=_time(leads.created),
        title=_words([title.name for title in TITLES], leads.title),
        industry=_words([name for name, _ in INDUSTRIES], leads.industry),
        employee_count=_known(leads.employees),
        country=_words([name for name, _ in COUNTRIES], leads.country),
        source=_words([name for name, _ in SOURCES], leads.source),
        is_new_role=_known(leads.new_role).cast(pl.Boolean),
        is_hiring=_known(leads.hiring).cast(pl.Boolean),
        recently_funded=_known(leads.funded).cast(pl.Boolean),
        deleted_at=_time(np.where(leads.deleted, removed, NEVER)),
    )


def event_tables(
    spec: TenantSpec,
    leads: Leads,
    touches: Touches,
    course: Course,
    *,
    until: int,
    random: np.random.Generator,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Status events and activities, each in order of lead and time."""
    n = len(leads)
    booked = course.booked < NEVER
    way = random.random(n)
    as_status = booked & (way < _BOTH + _STATUS_ONLY)
    as_activity = booked & ((way < _BOTH) | (way >= _BOTH + _STATUS_ONLY))
    # Where both exist the status is set by hand, some time after the meeting was booked.
    lag = np.where(as_activity, random.integers(0, 6 * HOUR, n), 0)
    set_at = to_waking_hours(course.booked + lag)
    converted = np.where(as_status, np.where(set_at <= until, set_at, course.booked), NEVER)
    contacted = np.full(n, NEVER)
    contacted[touches.lead[touches.number == 0]] = touches.time[touches.number == 0]
    columns = (("new", leads.created), ("contacted", contacted), (BOOKED_STATUS, converted))
    exits = tuple(
        (kind, np.where(course.exit_kind == code, course.exited, NEVER)) for code, kind in enumerate(EXIT_KINDS)
    )
    return (
        _status_events(spec, (*columns, *exits)),
        _activities(spec, touches, course, np.where(as_activity, course.booked, NEVER)),
    )


def _status_events(spec: TenantSpec, columns: Sequence[tuple[str, IntArray]]) -> pl.DataFrame:
    happened = [np.flatnonzero(times < NEVER) for _, times in columns]
    rows = np.concatenate(happened)
    times = np.concatenate([times[at] for (_, times), at in zip(columns, happened, strict=True)])
    codes = np.repeat(np.arange(len(columns)), [len(at) for at in happened])
    order = np.lexsort((codes, times, rows))
    return pl.DataFrame({"row": rows[order]}).select(
        lead_id=_lead_id(spec, "row"),
        occurred_at=_time(times[order]),
        status=_words([name for name, _ in columns], codes[order]),
    )


def _activities(spec: TenantSpec, touches: Touches, course: Course, meeting: IntArray) -> pl.DataFrame:
    replied, met = np.flatnonzero(course.replied < NEVER), np.flatnonzero(meeting < NEVER)
    rows = np.concatenate([touches.lead, replied, met])
    times = np.concatenate([touches.time, course.replied[replied], meeting[met]])
    actions = [action for _, action in CHANNELS]
    codes = np.concatenate([touches.channel, np.full(len(replied), len(actions)), np.full(len(met), len(actions) + 1)])
    content = np.concatenate([touches.content, np.full(len(replied) + len(met), MISSING)])
    if not spec.content:
        content = np.full(len(rows), MISSING)
    order = np.lexsort((codes, times, rows))
    return pl.DataFrame({"row": rows[order], "activity": np.arange(len(rows))}).select(
        activity_id=pl.format(f"{spec.slug}-a{{}}", pl.col("activity").cast(pl.String).str.zfill(8)),
        lead_id=_lead_id(spec, "row"),
        action=_words([*actions, "replied", "meeting_booked"], codes[order]),
        occurred_at=_time(times[order]),
        content_snapshot=_words(_contents(), content[order]),
    )


def snapshot_table(spec: TenantSpec, leads: Leads, *, random: np.random.Generator) -> pl.DataFrame:
    """Score snapshots: one before the first touch, for some leads an earlier one with poorer data."""
    n = len(leads)
    earlier = np.flatnonzero(random.random(n) < spec.flaws.rescored)
    before = leads.components[earlier].copy()
    before[:, 0] = np.maximum(0, before[:, 0] - 4)
    rows = np.concatenate([earlier, np.arange(n)])
    points = np.concatenate([before, leads.components])
    shortly_before = to_waking_hours(leads.first_touch - random.integers(HOUR, DAY, n), back=True)
    scored = np.concatenate([to_waking_hours(leads.created[earlier] + HOUR), shortly_before])
    order = np.lexsort((scored, rows))
    rows, points, scored = rows[order], points[order], scored[order]
    score = np.clip(100.0 * (points / MAXIMA) @ DEFAULT_WEIGHTS + 15.0 - leads.risk[rows], 0.0, 100.0)
    return pl.DataFrame({"row": rows}).select(
        lead_id=_lead_id(spec, "row"),
        scored_at=_time(scored),
        als_components=_components_json(points, leads.written[rows], leads.risk[rows]),
        als_weights_used=pl.lit(json.dumps(dict(zip(COMPONENTS, DEFAULT_WEIGHTS.tolist(), strict=True)))),
        score=pl.Series(score.round(2)),
    )


def _components_json(points: np.ndarray, written: BoolArray, risk: IntArray) -> pl.Series:
    """Five components per row as JSON text; those not written are left out."""
    columns = {
        name: pl.Series(points[:, column].astype(np.int64)).set(pl.Series(~written[:, column]), None)
        for column, name in enumerate(COMPONENTS)
    }
    frame = pl.DataFrame(columns).with_columns(risk=pl.Series(risk))
    parts = [pl.format(f'"{name}": {{}}', pl.col(name)) for name in (*COMPONENTS, "risk")]
    inside = pl.concat_str(parts, separator=", ", ignore_nulls=True)
    return frame.select(pl.concat_str(pl.lit("{"), inside, pl.lit("}"))).to_series()


@lru_cache(maxsize=1)
def _contents() -> tuple[str, ...]:
    """Every content snapshot, in the order of the codes that touches.py draws."""
    texts = []
    for subject, pain_points, cta, words, level in itertools.product(
        SUBJECTS, PAIN_POINTS, CTAS, WORD_COUNTS, PERSONALIZATION_LEVELS
    ):
        content = {
            "pain_points": pain_points,
            "cta": cta,
            "word_count": words,
            "personalization_level": level,
        }
        texts.append(json.dumps(({"subject": subject} if subject else {}) | content, ensure_ascii=False))
    return tuple(texts)


def _lead_id(spec: TenantSpec, column: str) -> pl.Expr:
    return pl.format(f"{spec.slug}-l{{}}", pl.col(column).cast(pl.String).str.zfill(7))


def _time(seconds: IntArray) -> pl.Series:
    times = pl.Series(seconds)
    return pl.from_epoch(times.set(times >= NEVER, None), time_unit="s")


def _known(values: IntArray) -> pl.Series:
    series = pl.Series(values)
    return series.set(series == MISSING, None)


def _words(words: Sequence[str], codes: IntArray) -> pl.Series:
    return pl.Series(words, dtype=pl.String).gather(_known(codes))
