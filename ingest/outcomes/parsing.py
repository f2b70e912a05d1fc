"""Cells into values, or into a reason in words. Whole columns at a time.

Most cells are as they should be: a plain cast comes first, and only what it leaves takes the longer way.
Does not belong here: files (``ingest.files``), dates (``timestamps``), what is already in the warehouse (``loading``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from ingest.errors import IngestError
from ingest.files.source import ROW, Batch, as_text
from ingest.outcomes.entities import ACTIONS, BOOKED_STATUS, EXIT_STATUSES, JSON_GROUPS, Entity, Field
from ingest.outcomes.mapping import Column, EntityMapping, TenantColumn, did_you_mean
from ingest.outcomes.mapping import Mapping as SourceMapping
from ingest.outcomes.timestamps import EARLIEST_YEAR, LATEST_YEAR, parse_timestamps

LONGEST_KEY = 500  # characters; a key must fit a btree page
LONGEST_TEXT = 500  # of an attribute that rates are learned for
KEY_TIME = "%Y-%m-%dT%H:%M:%S%.6f"

TENANT = "tenant_id"
ATTRIBUTES = "attributes"
_TRUE, _FALSE = ["true", "t", "yes", "y", "1"], ["false", "f", "no", "n", "0"]


@dataclass(frozen=True)
class Parsed:
    """A batch, split.

    Attributes:
        good: ``ROW``, ``tenant_id``, one typed column per mapped field, ``attributes`` (JSON text) for leads.
        bad: ``ROW``, ``tenant_id``, ``record_key``, ``reason``, ``content`` (the record as JSON text).
    """

    good: pl.DataFrame
    bad: pl.DataFrame


@dataclass(frozen=True)
class _Cells:
    """Trimmed and translated cells, null where they say nothing. Text, or dates and times where a format has them.

    ``refused``: why some cannot be translated, where there are such.
    """

    cells: pl.Series
    refused: pl.Series | None = None


@dataclass(frozen=True)
class _Value:
    """A typed column, and where not null, why a cell has no value (None: all have)."""

    values: pl.Series
    reasons: pl.Series | None = None


class Parser:
    """Parses the batches of one file.

    Args:
        entity: what the rows are.
        source: the whole mapping; its part about the entity says which columns mean what.
        tenants: tenant ids by slug and external id.
        timezone: of dates without an offset.

    Raises:
        IngestError: the file lacks a mapped column, or the mapping names a tenant that does not exist.
    """

    def __init__(
        self,
        entity: Entity,
        source: SourceMapping,
        *,
        header: tuple[str, ...],
        file_name: str,
        tenants: Mapping[str, int],
        timezone: str,
    ) -> None:
        mapped = source.entity(entity)
        assert mapped is not None
        self.entity = entity
        self.source = source
        self.mapped: EntityMapping = mapped
        self.tenants = tenants
        self.timezone = timezone
        self._nothing = ["", *source.null_values]
        self._only_tenant = None if isinstance(source.tenant, TenantColumn) else tenants[source.tenant]
        self._check_header(header, file_name)

    def _check_header(self, header: tuple[str, ...], file_name: str) -> None:
        columns = [*self.mapped.columns.values(), *self.mapped.attributes.values()]
        if isinstance(self.source.tenant, TenantColumn):
            columns.append(Column(column=self.source.tenant.column))
        known = set(header)
        for column in columns:
            if column.column is not None and column.column not in known and not column.optional:
                advice = did_you_mean(column.column, known)
                raise IngestError(
                    f"{file_name} has no column {column.column!r}{advice}{'' if advice.endswith('?') else '.'} "
                    "If files may lack it, say 'optional: true' in the mapping."
                )

    def parse(self, batch: Batch) -> Parsed:
        """Split a batch into typed rows and rows with a reason."""
        frame = batch.frame
        columns: dict[str, _Value] = {TENANT: self._tenant_ids(frame)}
        for name, column in self.mapped.columns.items():
            if name in JSON_GROUPS:
                columns.update(self._json_group(frame, name, column))
            else:
                field = self.entity.field(name)
                columns[name] = self._read(field, self._cells(frame, name, column), column)
        if self.entity.name == "leads":
            columns[ATTRIBUTES] = self._attributes(frame)
        good = pl.DataFrame([frame[ROW]] + [value.values.alias(name) for name, value in columns.items()])
        reasons = [value.reasons for value in columns.values()]
        if self.entity.name == "leads" and "status" in good.columns:
            reasons.append(_undated_ends(good))
        reason = _first(*reasons)
        broken = self._broken(batch)
        if reason is None:
            return Parsed(good, broken)
        is_bad = reason.is_not_null()
        bad = self._rejects(frame.filter(is_bad), good.filter(is_bad), reason.filter(is_bad))
        return Parsed(good.filter(~is_bad), pl.concat([bad, broken]))

    # -- one field ----------------------------------------------------------------------------------------

    def _cells(self, frame: pl.DataFrame, name: str, column: Column) -> _Cells:
        if column.column is None:
            return _Cells(_constant(column.value, frame.height))
        if column.column not in frame.columns:
            return _Cells(_constant(None, frame.height))
        given = frame[column.column]
        if column.values is None and given.dtype.is_temporal():
            return _Cells(given)
        given = as_text(given).str.strip_chars()
        given = given.set(given.is_in(self._nothing), None)
        if column.values is None:
            return _Cells(given)
        values = {key.strip().lower(): value or None for key, value in column.values.items()}
        lower = given.str.to_lowercase()
        listed = lower.is_in(list(values)).fill_null(False)
        rest = given if column.otherwise == "keep" else _constant(None, frame.height)
        translated = lower.replace_strict(values, default=None, return_dtype=pl.String).zip_with(listed, rest)
        unlisted = given.is_not_null() & ~listed if column.otherwise == "reject" else None
        complaint = "is a value that the mapping does not list"
        return _Cells(translated, None if unlisted is None else _reasons(unlisted, name, given, complaint))

    def _read(self, field: Field, cells: _Cells, column: Column) -> _Value:
        given = cells.cells
        values, complaint = self._typed(field, given, column)
        reasons = None
        if values.null_count() > given.null_count():
            reasons = _reasons(given.is_not_null() & values.is_null(), field.name, given, complaint)
        required = field.required or (
            field.kind == "key" and field.name in natural_key(self.entity, self.mapped.columns)
        )
        if required and given.null_count():
            reasons = _first(reasons, _reasons(given.is_null(), field.name, None, "is empty"))
        return _Value(values, _first(cells.refused, reasons))

    def _typed(self, field: Field, cells: pl.Series, column: Column) -> tuple[pl.Series, str]:
        """The values, null where they cannot be had, and what to say of those."""
        if field.kind == "timestamp":
            formats = column.formats or self.source.date_formats
            return parse_timestamps(cells, formats, self.timezone), (
                f"is not a date of {EARLIEST_YEAR}-{LATEST_YEAR} in the format {' or '.join(formats)}"
            )
        text = as_text(cells)
        if field.kind in ("key", "text"):
            longest = LONGEST_KEY if field.kind == "key" else LONGEST_TEXT
            return _storable(text, longest), f"is longer than {longest} characters or holds a NUL character"
        if field.kind == "integer":
            return _within(_whole(text), field), f"is not a whole number from {field.low:.0f} to {field.high:.0f}"
        if field.kind == "number":
            number = text.cast(pl.Float64, strict=False)
            return _within(number, field), f"is not a number from {field.low:g} to {field.high:g}"
        if field.kind == "boolean":
            return _boolean(text), "is neither true nor false"
        if field.kind == "action":
            lower = text.str.to_lowercase()
            return lower.set(~lower.is_in(ACTIONS), None), f"is no action; known are {', '.join(ACTIONS)}"
        if field.kind == "status":
            status = text.str.to_lowercase().str.replace_all(r"[\s-]+", "_")
            return _storable(status, 100), "is longer than 100 characters or holds a NUL character"
        return _map_text(text, _canonical_json), "is not a JSON object that Postgres can store"

    def _json_group(self, frame: pl.DataFrame, name: str, column: Column) -> dict[str, _Value]:
        """Several numbers in one JSON object, such as ``als_components``."""
        text = as_text(self._cells(frame, name, column).cells)
        parts: dict[str, _Value] = {}
        for key in _json_keys(name):
            field = self.entity.field(JSON_GROUPS[name] + key)
            cell = text.str.json_path_match(f"$.{key}")
            cell = cell.set(cell == "null", None)
            parts[field.name] = self._read(field, _Cells(cell), column)
        is_object = text.str.contains(r"^\s*\{") & text.str.json_path_match("$").is_not_null()
        broken = _reasons(text.is_not_null() & ~is_object.fill_null(False), name, text, "is not a JSON object")
        first = next(iter(parts))
        parts[first] = _Value(parts[first].values, _first(broken, parts[first].reasons))
        return parts

    def _attributes(self, frame: pl.DataFrame) -> _Value:
        """The extra attributes as one JSON object per row; an empty cell is a null in it."""
        if not self.mapped.attributes:
            return _Value(_constant("{}", frame.height))
        read = {
            name: self._read(Field(name, "text", name), self._cells(frame, name, column), column)
            for name, column in self.mapped.attributes.items()
        }
        cells = pl.DataFrame([value.values.alias(name) for name, value in read.items()])
        packed = cells.select(pl.struct(pl.all()).struct.json_encode())[:, 0]
        return _Value(packed, _first(*(value.reasons for value in read.values())))

    def _tenant_ids(self, frame: pl.DataFrame) -> _Value:
        if not isinstance(self.source.tenant, TenantColumn):
            return _Value(_constant(self._only_tenant, frame.height).cast(pl.Int32))
        text = as_text(self._cells(frame, "tenant", Column(column=self.source.tenant.column)).cells)
        ids = text.replace_strict(self.tenants, default=None, return_dtype=pl.Int32)
        unknown = _reasons(text.is_not_null() & ids.is_null(), "tenant", text, "is no tenant of this warehouse")
        return _Value(ids, _first(unknown, _reasons(text.is_null(), "tenant", None, "is empty")))

    # -- rejects ------------------------------------------------------------------------------------------

    def _rejects(self, frame: pl.DataFrame, parsed: pl.DataFrame, reason: pl.Series) -> pl.DataFrame:
        content = frame.drop(ROW).select(pl.struct(pl.all()).struct.json_encode())[:, 0]
        return pl.DataFrame(
            {
                ROW: frame[ROW],
                TENANT: parsed[TENANT],
                "record_key": record_key(self.entity, parsed),
                "reason": reason,
                "content": content,
            },
            schema_overrides=_BAD_SCHEMA,
        )

    def _broken(self, batch: Batch) -> pl.DataFrame:
        rows = [(number, self._only_tenant, None, reason, json.dumps(cells)) for number, cells, reason in batch.broken]
        return pl.DataFrame(rows, schema=_BAD_SCHEMA, orient="row")


_BAD_SCHEMA: dict[str, Any] = {
    ROW: pl.Int64,
    TENANT: pl.Int32,
    "record_key": pl.String,
    "reason": pl.String,
    "content": pl.String,
}


def record_key(entity: Entity, parsed: pl.DataFrame) -> pl.Series:
    """What tells a row from others of its entity, as text; null where a part is unknown.

    ``loading.record_key_sql`` makes the same text of a staged row.
    """
    parts = [
        pl.col(name).dt.strftime(KEY_TIME) if parsed[name].dtype.is_temporal() else pl.col(name)
        for name in natural_key(entity, parsed.columns)
    ]
    return parsed.select(pl.concat_str(parts, separator="|"))[:, 0]


def natural_key(entity: Entity, columns: Collection[str]) -> tuple[str, ...]:
    """The fields that identify a row; an activity without an id is its lead, action and time."""
    return entity.key if all(name in columns for name in entity.key) else ("lead_id", "action", "occurred_at")


def _undated_ends(leads: pl.DataFrame) -> pl.Series | None:
    """A lead's status that ends it needs its date: a booking without one has no place in the window."""
    ends = leads["status"].is_in([BOOKED_STATUS, *EXIT_STATUSES]) & leads["status_at"].is_null()
    return _reasons(ends, "status", leads["status"], "has no status_at")


def _storable(text: pl.Series, longest: int) -> pl.Series:
    fits = (text.str.len_chars() <= longest) & ~text.str.contains("\x00", literal=True)
    return text.set(~fits, None)


def _whole(text: pl.Series) -> pl.Series:
    whole = text.cast(pl.Int64, strict=False)
    if whole.null_count() > text.null_count():  # 12.0
        whole = text.str.replace(r"^([+-]?\d+)\.0+$", "${1}").cast(pl.Int64, strict=False)
    return whole


def _boolean(text: pl.Series) -> pl.Series:
    known = text.is_in(_TRUE + _FALSE)
    if not known.all():  # nulls apart
        text = text.str.to_lowercase()
        known = text.is_in(_TRUE + _FALSE)
    return text.is_in(_TRUE).set(~known.fill_null(False), None)


def _within(numbers: pl.Series, field: Field) -> pl.Series:
    inside = numbers.is_between(field.low, field.high).fill_null(False)
    return numbers.set(~inside, None)


def _reasons(where: pl.Series, name: str, cells: pl.Series | None, complaint: str) -> pl.Series | None:
    """The complaint, naming field and value, where it applies; null elsewhere; None if it applies nowhere."""
    where = where.fill_null(False)
    if not where.any():
        return None
    nothing = _constant(None, len(where))
    if cells is None:
        return nothing.zip_with(~where, _constant(f"{name} {complaint}", len(where)))
    shown = as_text(cells).str.slice(0, 60).str.replace_all("\x00", "\\0", literal=True)
    return nothing.zip_with(~where, f"{name} '" + shown + f"' {complaint}")


def _constant(value: Any, length: int) -> pl.Series:
    """The same value for every row; text where nothing else is said."""
    dtype = pl.String if value is None else None
    return pl.Series([value], dtype=dtype).new_from_index(0, length)


def _first(*reasons: pl.Series | None) -> pl.Series | None:
    """The first reason of every row, if any row has one."""
    given = [reason.alias(str(number)) for number, reason in enumerate(reasons) if reason is not None]
    return pl.DataFrame(given).select(pl.coalesce(pl.all()).alias("reason"))[:, 0] if given else None


def _json_keys(group: str) -> tuple[str, ...]:
    components = ("data_quality", "authority", "company_fit", "timing", "risk")
    return components if group == "components" else components[:4]


def _map_text(text: pl.Series, convert: Callable[[str], str | None]) -> pl.Series:
    # One value at a time: polars has no check that a text is JSON.
    return pl.Series([None if cell is None else convert(cell) for cell in text], dtype=pl.String)


def _canonical_json(text: str) -> str | None:
    """The same object as Postgres will take it: no NaN, no NUL, no half surrogates; None otherwise."""
    try:
        content = json.loads(text, parse_constant=_refuse)
        if not isinstance(content, dict):
            return None
        canonical = json.dumps(content, ensure_ascii=False, allow_nan=False)
        canonical.encode()
    except (ValueError, RecursionError):
        return None
    return None if "\\u0000" in canonical else canonical


def _refuse(constant: str) -> None:
    raise ValueError(constant)
