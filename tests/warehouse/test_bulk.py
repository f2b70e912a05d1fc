"""Frames by binary COPY: every type and its ends, to the bit; what does not fit is refused and leaves nothing."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse import bulk

TYPES = {
    "flag": "bool",
    "day": "date",
    "number": "float8",
    "small": "int4",
    "large": "int8",
    "words": "text",
    "list": "text[]",
    "at": "timestamptz",
}
_TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "day": st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31)),
    "number": st.floats(allow_nan=False),
    "small": st.integers(-(2**31), 2**31 - 1),
    "large": st.integers(-(2**63), 2**63 - 1),
    "words": _TEXT,
    "list": st.lists(st.none() | _TEXT, max_size=4),
    "at": st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC)),
}
_ROWS = st.lists(st.tuples(*(st.none() | values for values in _VALUES.values())), max_size=8)


def frame_of(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={name: bulk._DTYPES[kind] for name, kind in TYPES.items()}, orient="row")


@given(rows=_ROWS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_what_is_copied_is_what_stands_there(connection: psycopg.Connection, rows: list[tuple[Any, ...]]) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        bulk.create_staging(cursor, "staged", {"n": "int4", **TYPES})
        columns = dict(reversed({"n": "int4", **TYPES}.items()))  # by name, not by place
        bulk.copy_frame(cursor, "staged", columns, frame_of(rows).with_row_index("n"))
        cursor.execute("set local timezone = 'UTC'")
        found = cursor.execute(f"select {', '.join(TYPES)} from staged order by n".encode()).fetchall()
    assert found == rows


def test_more_rows_than_are_encoded_at_once(connection: psycopg.Connection) -> None:
    rows = pl.DataFrame({"n": range(25_001), "words": ["Größe 😀"] * 25_001, "beside": 1})
    with connection.transaction(), connection.cursor() as cursor:
        bulk.create_staging(cursor, "staged", {"n": "int8", "words": "text"})
        bulk.copy_frame(cursor, "staged", {"n": "int8", "words": "text"}, rows)
        bulk.copy_frame(cursor, "staged", {"n": "int8", "words": "text"}, rows.clear())
        found = cursor.execute("select count(*), sum(n), min(words), max(words) from staged").fetchone()
    assert found == (25_001, 25_000 * 25_001 // 2, "Größe 😀", "Größe 😀")


def test_a_long_field(connection: psycopg.Connection) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        bulk.create_staging(cursor, "staged", {"words": "text"})
        bulk.copy_frame(cursor, "staged", {"words": "text"}, pl.DataFrame({"words": ["x" * 20_000_000, None, ""]}))
        found = cursor.execute("select array_agg(length(words) order by words) from staged").fetchone()
    assert found == ([0, 20_000_000, None],)


def test_what_does_not_fit_is_refused_and_leaves_nothing(connection: psycopg.Connection) -> None:
    bad: list[tuple[str, Any, type[Exception]]] = [
        ("small", 2**31, pl.exceptions.InvalidOperationError),
        ("words", "a\x00b", psycopg.errors.CharacterNotInRepertoire),
    ]
    for name, value, error in bad:
        with connection.cursor() as cursor, pytest.raises(error), connection.transaction():
            bulk.create_staging(cursor, "staged", {name: TYPES[name]})
            bulk.copy_frame(cursor, "staged", {name: TYPES[name]}, pl.DataFrame({name: [value]}))
    assert connection.execute("select to_regclass('staged')").fetchone() == (None,)
