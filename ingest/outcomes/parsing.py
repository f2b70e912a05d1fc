"""Strings into values, or into a reason in words. Whole columns at a time.

Does not belong here: files (``reading``), what is already in the warehouse (``loading``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from ingest.errors import IngestError
from ingest.outcomes.entities import ACTIONS, BOOKED_STATUS, EXIT_STATUSES, JSON_GROUPS, Entity, Field
from ingest.outcomes.mapping import Column, EntityMapping, TenantColumn, did_you_mean
from ingest.outcomes.mapping import Mapping as SourceMapping
from ingest.outcomes.reading import ROW, Batch

LONGEST_KEY = 500  # characters; a key must fit a btree page
LONGEST_TEXT = 500  # of an attribute that rates are learned for
EARLIEST_YEAR, LATEST_YEAR = 1970, 2100

KEY_TIME = "%Y-%m-%dT%H:%M:%S%.6f"

TENANT = "tenant_id"
ATTRIBUTES = "attributes"
_ISO = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z")
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
class _Text:
    """Trimmed and translated cells, null where they say nothing.

    ``given`` is the text before translation, ``unlisted`` where the mapping's ``values`` refuse it.
    """

    text: pl.Series
    given: pl.Series
    unlisted: pl.Series


@dataclass(frozen=True)
class _Value:
    """A typed column, and where not null, why a cell has no value."""

    values: pl.Series
    reasons: pl.Series


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
        wanted = [column.column for column in (*self.mapped.columns.values(), *self.mapped.attributes.values())]
        if isinstance(self.source.tenant, TenantColumn):
            wanted.append(self.source.tenant.column)
        for name in wanted:
            if name is not None and name not in header:
                raise IngestError(f"{file_name} has no column {name!r}{did_you_mean(name, list(header))}.")

    def parse(self, batch: Batch) -> Parsed:
        """Split a batch into typed rows and rows with a reason."""
        frame = batch.frame
        columns: dict[str, _Value] = {TENANT: self._tenant_ids(frame)}
        for name, column in self.mapped.columns.items():
            if name in JSON_GROUPS:
                columns.update(self._json_group(frame, name, column))
            else:
                field = self.entity.field(name)
                columns[name] = self._read(field, self._text(frame, column), column)
        good = pl.DataFrame([frame[ROW]] + [value.values.alias(name) for name, value in columns.items()])
        reasons = pl.DataFrame([value.reasons.alias(name) for name, value in columns.items()])
        if self.entity.name == "leads":
            attributes = self._attributes(frame)
            good = good.with_columns(attributes.values.alias(ATTRIBUTES))
            reasons = reasons.with_columns(attributes.reasons.alias(ATTRIBUTES))
            if "status" in good.columns:
                reasons = reasons.with_columns(_undated_ends(good).alias("undated"))
        reason = reasons.select(pl.coalesce(pl.all()))[:, 0].alias("reason")
        is_bad = reason.is_not_null()
        bad = self._rejects(frame.filter(is_bad), good.filter(is_bad), reason.filter(is_bad))
        return Parsed(good.filter(~is_bad), pl.concat([bad, self._uneven(batch, frame.columns)]))

    # -- one field ----------------------------------------------------------------------------------------

    def _text(self, frame: pl.DataFrame, column: Column) -> _Text:
        if column.column is None:
            text = _constant(column.value, frame.height)
            return _Text(text, text, _constant(False, frame.height))
        given = frame[column.column].str.strip_chars()
        given = given.set(given.is_in(self._nothing), None)
        if column.values is None:
            return _Text(given, given, _constant(False, frame.height))
        values = {key.strip().lower(): value or None for key, value in column.values.items()}
        lower = given.str.to_lowercase()
        listed = lower.is_in(list(values)).fill_null(False)
        rest = given if column.otherwise == "keep" else _constant(None, frame.height)
        translated = lower.replace_strict(values, default=None, return_dtype=pl.String).zip_with(listed, rest)
        return _Text(translated, given, given.is_not_null() & ~listed & (column.otherwise == "reject"))

    def _read(self, field: Field, cells: _Text, column: Column) -> _Value:
        values, complaint = self._typed(field, cells.text, column)
        reasons = _reasons(cells.text.is_not_null() & values.is_null(), field.name, cells.text, complaint)
        reasons = _first(
            _reasons(cells.unlisted, field.name, cells.given, "is a value that the mapping does not list"), reasons
        )
        if field.required:
            reasons = _first(reasons, _reasons(cells.text.is_null(), field.name, None, "is empty"))
        return _Value(values, reasons)

    def _typed(self, field: Field, text: pl.Series, column: Column) -> tuple[pl.Series, str]:
        """The values, null where they cannot be had, and what to say of those."""
        if field.kind in ("key", "text"):
            longest = LONGEST_KEY if field.kind == "key" else LONGEST_TEXT
            fits = (text.str.len_chars() <= longest) & ~text.str.contains("\x00", literal=True)
            return text.set(~fits, None), f"is longer than {longest} characters or holds a NUL character"
        if field.kind == "timestamp":
            formats = column.formats or self.source.date_formats
            return parse_timestamps(text, formats, self.timezone), (
                f"is not a date of {EARLIEST_YEAR}-{LATEST_YEAR} in the format {' or '.join(formats)}"
            )
        if field.kind == "integer":
            whole = text.str.replace(r"^([+-]?\d+)\.0+$", "${1}").cast(pl.Int64, strict=False)
            return _within(whole, field), f"is not a whole number from {field.low:.0f} to {field.high:.0f}"
        if field.kind == "number":
            number = text.cast(pl.Float64, strict=False)
            return _within(number, field), f"is not a number from {field.low:g} to {field.high:g}"
        if field.kind == "boolean":
            lower = text.str.to_lowercase()
            known = lower.is_in(_TRUE + _FALSE)
            return lower.is_in(_TRUE).set(~known.fill_null(False), None), "is neither true nor false"
        if field.kind == "action":
            lower = text.str.to_lowercase()
            return lower.set(~lower.is_in(ACTIONS), None), f"is no action; known are {', '.join(ACTIONS)}"
        if field.kind == "status":
            status = text.str.to_lowercase().str.replace_all(r"[\s-]+", "_")
            return status.set(status.str.len_chars() > 100, None), "is longer than 100 characters"
        return _map_text(text, _canonical_json), "is not a JSON object that Postgres can store"

    def _json_group(self, frame: pl.DataFrame, name: str, column: Column) -> dict[str, _Value]:
        """Several numbers in one JSON object, such as ``als_components``."""
        text = self._text(frame, column).text
        parts: dict[str, _Value] = {}
        for key in _json_keys(name):
            field = self.entity.field(JSON_GROUPS[name] + key)
            cell = text.str.json_path_match(f"$.{key}")
            cell = cell.set(cell == "null", None)
            parts[field.name] = self._read(field, _Text(cell, cell, _constant(False, frame.height)), column)
        is_object = text.str.contains(r"^\s*\{") & text.str.json_path_match("$").is_not_null()
        broken = _reasons(text.is_not_null() & ~is_object.fill_null(False), name, text, "is not a JSON object")
        first = next(iter(parts))
        parts[first] = _Value(parts[first].values, _first(broken, parts[first].reasons))
        return parts

    def _attributes(self, frame: pl.DataFrame) -> _Value:
        """The extra attributes as one JSON object per row; an empty cell is a null in it."""
        if not self.mapped.attributes:
            return _Value(_constant("{}", frame.height), _constant(None, frame.height))
        read = {
            name: self._read(Field(name, "text", name), self._text(frame, column), column)
            for name, column in self.mapped.attributes.items()
        }
        cells = pl.DataFrame([value.values.alias(name) for name, value in read.items()])
        packed = cells.select(pl.struct(pl.all()).struct.json_encode())[:, 0]
        reasons = pl.DataFrame([value.reasons.alias(name) for name, value in read.items()])
        return _Value(packed, reasons.select(pl.coalesce(pl.all()))[:, 0])

    def _tenant_ids(self, frame: pl.DataFrame) -> _Value:
        if not isinstance(self.source.tenant, TenantColumn):
            ids = _constant(self._only_tenant, frame.height).cast(pl.Int32)
            return _Value(ids, _constant(None, frame.height))
        text = self._text(frame, Column(column=self.source.tenant.column)).text
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

    def _uneven(self, batch: Batch, columns: list[str]) -> pl.DataFrame:
        width = len(columns) - 1
        rows = [
            (
                number,
                self._only_tenant,
                None,
                f"has {len(cells)} fields where the header has {width}",
                json.dumps(cells),
            )
            for number, cells in batch.uneven
        ]
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


def _undated_ends(leads: pl.DataFrame) -> pl.Series:
    """A lead's status that ends it needs its date: a booking without one has no place in the window."""
    ends = leads["status"].is_in([BOOKED_STATUS, *EXIT_STATUSES]) & leads["status_at"].is_null()
    return _reasons(ends, "status", leads["status"], "has no status_at")


def parse_timestamps(text: pl.Series, formats: tuple[str, ...], timezone: str) -> pl.Series:
    """Instants in UTC, null where no format fits or the year is absurd.

    A local time that the clocks skip (midnight, in zones that switch then) is the first one after it; one
    that they repeat is the earlier one.
    """
    found = _constant(None, len(text)).cast(pl.Datetime("us", "UTC"))
    for chosen in formats:
        for code in _ISO if chosen == "iso" else (chosen,):
            if found.null_count() == text.null_count():
                return found
            candidates = _iso_spelling(text) if chosen == "iso" else text
            instants = _epoch(text) if code == "epoch" else _instants(candidates, code, timezone)
            sensible = instants.dt.year().is_between(EARLIEST_YEAR, LATEST_YEAR)
            found = found.zip_with(found.is_not_null(), instants.set(~sensible.fill_null(False), None))
    return found


def _iso_spelling(text: pl.Series) -> pl.Series:
    spelt = text.str.replace(r"^(\d{4}-\d{2}-\d{2})[Tt]", "${1} ").str.replace(r"\s*([Zz]|UTC)$", "+00:00")
    return spelt.str.replace(r"(:\d{2}(?:\.\d+)?)\s*([+-]\d{2})$", "${1}${2}:00")


def _epoch(text: pl.Series) -> pl.Series:
    number = text.cast(pl.Float64, strict=False)
    seconds = number.zip_with(number.abs() < 1e11, number / 1000)  # later than the year 5000: milliseconds
    micros = (seconds * 1e6).set(~(seconds.abs() < 1e11), None)
    return micros.cast(pl.Int64, strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _instants(text: pl.Series, code: str, timezone: str) -> pl.Series:
    try:
        local = text.str.strptime(pl.Datetime("us"), code, strict=False)
    except pl.exceptions.PolarsError as error:
        raise IngestError(f"The date format {code!r} cannot be used: {str(error).splitlines()[0]}.") from error
    if isinstance(local.dtype, pl.Datetime) and local.dtype.time_zone is not None:
        return local.dt.convert_time_zone("UTC")
    exact = local.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    if exact.null_count() > local.null_count():
        shifted = local.dt.offset_by("1h").dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
        exact = exact.zip_with(exact.is_not_null(), shifted)
    return exact.dt.convert_time_zone("UTC")


def _within(numbers: pl.Series, field: Field) -> pl.Series:
    inside = numbers.is_between(field.low, field.high).fill_null(False)
    return numbers.set(~inside, None)


def _reasons(where: pl.Series, name: str, text: pl.Series | None, complaint: str) -> pl.Series:
    """The complaint, naming field and value, where it applies; null elsewhere."""
    where = where.fill_null(False)
    nothing = _constant(None, len(where))
    if not where.any():
        return nothing
    if text is None:
        return nothing.zip_with(~where, _constant(f"{name} {complaint}", len(where)))
    shown = text.str.replace_all("\x00", "\\0", literal=True).str.slice(0, 60)
    return nothing.zip_with(~where, f"{name} '" + shown + f"' {complaint}")


def _constant(value: Any, length: int) -> pl.Series:
    """The same value for every row; text where nothing else is said."""
    dtype = pl.String if value is None else None
    return pl.Series([value], dtype=dtype).new_from_index(0, length)


def _first(reasons: pl.Series, others: pl.Series) -> pl.Series:
    return reasons.zip_with(reasons.is_not_null(), others)


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
