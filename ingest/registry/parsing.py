"""Rows of a registry into typed columns, or into a reason or a note in words. Whole columns at a time.

A row without a number or a name is rejected, and one whose industry code cannot be one (unless the mapping takes
it without). Any other value that cannot be had is left empty with a note: an entity is not lost for a bad date.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from ingest.domains import registrable_domain
from ingest.errors import IngestError
from ingest.files.source import ROW, Batch, as_text
from ingest.outcomes.mapping import did_you_mean
from ingest.registry.fields import BY_NAME, CODES, FIELDS
from ingest.registry.mapping import Part, RegistryMapping

LONGEST_NUMBER = 100
LONGEST_NAME = 500  # characters; its key must fit a btree page
LONGEST_TEXT = 500
EARLIEST_YEAR, LATEST_YEAR = 1600, 2100
MOST_EMPLOYEES = 10_000_000
_TRUE, _FALSE = ["true", "t", "yes", "y", "1"], ["false", "f", "no", "n", "0"]
_CODE = r"^[0-9A-Z]*[0-9][0-9A-Z]*$"
_BAD_SCHEMA: dict[str, Any] = {ROW: pl.Int64, "record_key": pl.String, "reason": pl.String, "content": pl.String}
VERSION = "industry_code_version"
#: Columns of a good row, in the order of the hash.
COLUMNS = {field.name: field.column_type for field in FIELDS} | {VERSION: "text"}


@dataclass(frozen=True)
class Note:
    """Something that was left empty or mended, and how often; ``example`` is the first such value."""

    field: str
    complaint: str
    rows: int
    example: str

    def __str__(self) -> str:
        return f"{self.field}: {self.complaint} ({self.rows:,} rows, such as '{self.example}')"


@dataclass(frozen=True)
class Parsed:
    """A batch, split.

    Attributes:
        good: ``ROW``, the columns of ``COLUMNS``, ``row_hash``.
        bad: ``ROW``, ``record_key``, ``reason``, ``content`` (the record as JSON text).
        notes: what was left empty or mended in good rows.
    """

    good: pl.DataFrame
    bad: pl.DataFrame
    notes: tuple[Note, ...]


@dataclass
class _Cells:
    """A typed column; where not null, why a row is rejected; and what else is to be said."""

    values: pl.Series
    reasons: pl.Series | None = None
    notes: tuple[Note, ...] = ()


class RegistryParser:
    """Parses the batches of one file.

    Args:
        code_version: the version of the classification that the codes are in.
        known_codes: the five-character codes of that version; None where no such list is loaded.
        salt: mixed into the hash of every row; another one makes every row count as changed.

    Attributes:
        missing: columns of the mapping that the file lacks although it may.

    Raises:
        IngestError: the file lacks a column it must have.
    """

    def __init__(
        self,
        mapping: RegistryMapping,
        *,
        header: Sequence[str],
        file_name: str,
        code_version: str | None,
        known_codes: Collection[str] | None,
        salt: str = "",
    ) -> None:
        self.mapping = mapping
        self.code_version = code_version
        self.known_codes = None if known_codes is None else list(known_codes)
        self.salt = salt
        self._nothing = ["", *(text.lower() for text in mapping.null_values)]
        self._columns, self.missing = _resolve(mapping, header, file_name)

    def parse(self, batch: Batch) -> Parsed:
        """Split a batch into typed rows, rows with a reason, and notes."""
        frame = _texts(batch.frame)
        cells = {field.name: self._read(frame, field.name) for field in FIELDS}
        cells["is_live"] = self._is_live(frame, cells["is_live"], cells["status"].values)
        columns = {name: cell.values.alias(name) for name, cell in cells.items()}
        coded = columns["industry_code"].is_not_null() | columns["secondary_industry_code"].is_not_null()
        columns[VERSION] = _constant(self.code_version, frame.height).set(~coded, None).alias(VERSION)
        good = pl.DataFrame([frame[ROW], *(columns[name] for name in COLUMNS)])
        reasons = [cell.reasons for cell in cells.values() if cell.reasons is not None]
        reason = pl.DataFrame([part.alias(str(n)) for n, part in enumerate(reasons)]).select(pl.coalesce(pl.all()))
        is_bad = reason[:, 0].is_not_null()
        bad = _rejects(frame.filter(is_bad), good.filter(is_bad), reason[:, 0].filter(is_bad))
        kept = good.filter(~is_bad) if is_bad.any() else good
        return Parsed(
            kept.with_columns(row_hashes(kept.select(*COLUMNS), salt=self.salt)),
            pl.concat([bad, _broken(batch)]) if batch.broken else bad,
            tuple(note for cell in cells.values() for note in cell.notes),
        )

    def codes(self, batch: Batch) -> pl.DataFrame:
        """``industry_code`` and ``is_live`` alone, to tell which version of a classification the codes are in."""
        frame = _texts(batch.frame)
        cells = {name: self._read(frame, name) for name in ("industry_code", "is_live", "status")}
        live = self._is_live(frame, cells["is_live"], cells["status"].values)
        return pl.DataFrame([cells["industry_code"].values.alias("industry_code"), live.values.alias("is_live")])

    # -- cells --------------------------------------------------------------------------------------------

    def _read(self, frame: pl.DataFrame, name: str) -> _Cells:
        field, part = BY_NAME[name], self.mapping.columns.get(name)
        columns = self._columns.get(name, ())
        if part is None or (not columns and part.value is None):
            empty: Any = [] if field.kind == "names" else None
            return _Cells(pl.Series(name, [empty], dtype=_dtype(field.kind)).new_from_index(0, frame.height))
        if field.kind == "names":
            return self._names(frame, part, columns)
        text = self._text(frame, part, columns)
        if field.kind in ("key", "name"):
            return _required(name, text, LONGEST_NUMBER if field.kind == "key" else LONGEST_NAME)
        text, notes = _without_nul(name, text)
        if field.kind == "code":
            return self._code(name, text)
        values, complaint = self._typed(field.kind, text, part)
        notes += _noted(name, text, text.is_not_null() & values.is_null(), complaint)
        if field.kind == "text":
            notes += _noted(name, text, (text.str.len_chars() > LONGEST_TEXT).fill_null(False), "cut: too long")
        return _Cells(values, notes=notes)

    def _text(self, frame: pl.DataFrame, part: Part, columns: Sequence[str]) -> pl.Series:
        """Trimmed and translated cells, null where they say nothing."""
        if part.value is not None:
            return _constant(part.value or None, frame.height)
        parts = [self._trimmed(frame[column]) for column in columns]
        text = parts[0]
        if len(parts) > 1:
            joined = [part.alias(str(number)) for number, part in enumerate(parts)]
            text = pl.DataFrame(joined).select(
                pl.concat_str(pl.all(), separator=part.separator, ignore_nulls=True).replace("", None)
            )[:, 0]
        if part.values is None:
            return text
        values = {key.strip().lower(): value or None for key, value in part.values.items()}
        lower = text.str.to_lowercase()
        listed = lower.is_in(list(values)).fill_null(False)
        rest = text if part.otherwise == "keep" else _constant(None, frame.height)
        return lower.replace_strict(values, default=None, return_dtype=pl.String).zip_with(listed, rest)

    def _trimmed(self, cells: pl.Series) -> pl.Series:
        text = cells.str.strip_chars()
        short = text.str.len_bytes() <= max(map(len, self._nothing))  # most cells are longer: nothing to compare
        return text.set(short & text.str.to_lowercase().is_in(self._nothing), None)

    def _typed(self, kind: str, text: pl.Series, part: Part) -> tuple[pl.Series, str]:
        """The values, null where they cannot be had, and what to say of those."""
        if kind == "text":
            return text.str.slice(0, LONGEST_TEXT), ""
        if kind == "date":
            return _dates(text, part.formats or self.mapping.date_formats), (
                f"no date of {EARLIEST_YEAR}-{LATEST_YEAR}, left empty"
            )
        if kind == "integer":
            whole = text.str.replace_all(r"[,\s]", "").str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
            inside = whole.is_between(0, MOST_EMPLOYEES).fill_null(False)
            return whole.set(~inside, None), f"no whole number from 0 to {MOST_EMPLOYEES:,}, left empty"
        if kind == "boolean":
            lower = text.str.to_lowercase()
            known = lower.is_in(_TRUE + _FALSE).fill_null(False)
            return lower.is_in(_TRUE).set(~known, None), "neither true nor false, left empty"
        unique = text.drop_nulls().unique()
        domains = pl.Series([registrable_domain(cell) for cell in unique], dtype=pl.String)
        return text.replace_strict(unique, domains, default=None, return_dtype=pl.String), "no website, left empty"

    def _code(self, name: str, text: pl.Series) -> _Cells:
        code = text.str.strip_chars().str.to_uppercase().str.replace(r"\.0+$", "")
        whole = (code.str.len_chars() == 5) & code.str.contains(_CODE)
        padded = "0" + code
        short = code.str.contains(r"^[1-9][0-9]{3}$")
        mended = short if self.known_codes is None else short & padded.is_in(self.known_codes)
        values = code.set(~(whole | mended).fill_null(False), None)
        values = values.zip_with(~mended.fill_null(False), padded)
        bad = text.is_not_null() & values.is_null()
        notes = _noted(name, text, mended.fill_null(False), "its leading zero was lost and is put back")
        if name == "industry_code" and self.mapping.bad_codes == "reject":
            shown = text.str.slice(0, 60)
            reasons = _constant(None, len(text)).zip_with(
                ~bad, f"{name} '" + shown + "' is no industry code: five characters are"
            )
            return _Cells(values, reasons, notes)
        return _Cells(values, notes=notes + _noted(name, text, bad, "no industry code, left empty"))

    def _names(self, frame: pl.DataFrame, part: Part, columns: Sequence[str]) -> _Cells:
        """The non-empty former names of each row, each once, in the order of the columns."""
        parts = [self._trimmed(frame[column]) for column in columns]
        used = [cells.alias(str(n)) for n, cells in enumerate(parts) if cells.null_count() < len(cells)]
        if not used:
            return _Cells(pl.Series([[]], dtype=pl.List(pl.String)).new_from_index(0, frame.height))
        notes: tuple[Note, ...] = ()
        for at, cells in enumerate(used):
            unfit = ((cells.str.len_chars() > LONGEST_NAME) | cells.str.contains("\x00", literal=True)).fill_null(False)
            if unfit.any():
                notes += _noted("former_names", cells, unfit, "too long or with a NUL character, left out")
                used[at] = cells.set(unfit, None)
        values = pl.DataFrame(used).select(pl.concat_list(pl.all()).list.drop_nulls().list.unique(maintain_order=True))
        return _Cells(values[:, 0], notes=notes)

    def _is_live(self, frame: pl.DataFrame, said: _Cells, status: pl.Series) -> _Cells:
        live = said.values
        if self.mapping.live_statuses:
            lower = status.str.to_lowercase()
            pattern = "^(?:" + "|".join(re.escape(text.strip().lower()) for text in self.mapping.live_statuses) + ")"
            live = lower.str.contains(pattern).zip_with(status.is_not_null(), live)
        elif "is_live" not in self.mapping.columns:
            live = _constant(True, frame.height)
        return _Cells(live.fill_null(False), said.reasons, said.notes)


def row_hashes(rows: pl.DataFrame, *, salt: str) -> pl.Series:
    """One int64 per row, the same in every process and with every library: what tells a changed row.

    Of each value's text, with a mark for none, so that no two rows of different values share a text.
    """
    texts = []
    for name, dtype in rows.schema.items():
        column = pl.col(name)
        if isinstance(dtype, pl.List):
            text = column.list.join("\x01")
        elif dtype == pl.Boolean:
            text = column.cast(pl.Int8).cast(pl.String)
        else:
            text = column.cast(pl.String)
        texts.append(text.fill_null("\x02"))
    joined = rows.select(pl.concat_str(texts, separator="\x03"))[:, 0]
    start = hashlib.blake2b(salt.encode(), digest_size=8)

    def digest(text: str) -> int:
        state = start.copy()
        state.update(text.encode())
        return int.from_bytes(state.digest(), "big", signed=True)

    return pl.Series("row_hash", [digest(text) for text in joined], dtype=pl.Int64)


def _resolve(
    mapping: RegistryMapping, header: Sequence[str], file_name: str
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Field → the file's own names of its columns; and the mapped columns that the file lacks."""
    known: dict[str, str] = {}
    for column in reversed(header):
        known[_folded(column)] = column
    known |= {column: column for column in header}  # an exact match comes first
    found, missing = {}, []
    for name, part in mapping.columns.items():
        there = []
        for column in part.columns:
            real = known.get(column) or known.get(_folded(column))
            if real is not None:
                there.append(real)
            elif mapping.may_lack(name):
                missing.append(column)
            else:
                advice = did_you_mean(column, list(header))
                raise IngestError(f"{file_name} is no file of {mapping.name}: it has no column {column!r}{advice}.")
        found[name] = tuple(there)
    return found, tuple(missing)


def _folded(column: str) -> str:
    return re.sub(r"[\s_-]+", "_", column.strip().lower())


def _required(name: str, text: pl.Series, longest: int) -> _Cells:
    nothing = _constant(None, len(text))
    reasons = nothing.zip_with(text.is_not_null(), _constant(f"{name} is empty", len(text)))
    unfit = ((text.str.len_chars() > longest) | text.str.contains("\x00", literal=True)).fill_null(False)
    if unfit.any():
        shown = text.str.slice(0, 60).str.replace_all("\x00", "\\0", literal=True)
        complaint = f"{name} '" + shown + f"' is longer than {longest} characters or holds a NUL character"
        reasons = reasons.zip_with(~unfit, complaint)
        text = text.set(unfit, None)
    return _Cells(text, reasons)


def _without_nul(name: str, text: pl.Series) -> tuple[pl.Series, tuple[Note, ...]]:
    bad = text.str.contains("\x00", literal=True).fill_null(False)
    if not bad.any():
        return text, ()
    return text.set(bad, None), _noted(name, text, bad, "holds a NUL character, left empty")


def _noted(name: str, text: pl.Series, where: pl.Series, complaint: str) -> tuple[Note, ...]:
    rows = int(where.sum())
    if not rows:
        return ()
    example = str(text.filter(where)[0])[:60].replace("\x00", "\\0")
    return (Note(name, complaint, rows, example),)


def _dates(text: pl.Series, formats: Sequence[str]) -> pl.Series:
    found = pl.Series([None], dtype=pl.Date).new_from_index(0, len(text))
    day = text.str.replace(r"[T ]\d{1,2}:.*$", "")
    for chosen in formats:
        if found.null_count() == text.null_count():
            break
        code = "%Y-%m-%d" if chosen == "iso" else chosen
        try:
            dates = day.str.to_date(code, strict=False)
        except pl.exceptions.PolarsError as error:
            raise IngestError(f"The date format {code!r} cannot be used: {str(error).splitlines()[0]}.") from error
        # Also what a parser makes of a minus (an era) or of two digits (the year 23 AD).
        sensible = dates.dt.year().is_between(EARLIEST_YEAR, LATEST_YEAR).fill_null(False)
        found = found.zip_with(found.is_not_null(), dates.set(~sensible, None))
    return found


def _rejects(frame: pl.DataFrame, parsed: pl.DataFrame, reason: pl.Series) -> pl.DataFrame:
    content = frame.drop(ROW).select(pl.struct(pl.all()).struct.json_encode())[:, 0]
    return pl.DataFrame(
        {ROW: frame[ROW], "record_key": parsed["registration_number"], "reason": reason, "content": content},
        schema_overrides=_BAD_SCHEMA,
    )


def _texts(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(ROW, *(as_text(column) for column in frame.iter_columns() if column.name != ROW))


def _broken(batch: Batch) -> pl.DataFrame:
    rows = [(number, None, reason, json.dumps(cells)) for number, cells, reason in batch.broken]
    return pl.DataFrame(rows, schema=_BAD_SCHEMA, orient="row")


def _constant(value: Any, length: int) -> pl.Series:
    """The same value for every row; text where nothing else is said."""
    return pl.Series([value], dtype=pl.String if value is None else None).new_from_index(0, length)


def _dtype(kind: str) -> Any:
    special = {"names": pl.List(pl.String), "date": pl.Date, "integer": pl.Int64, "boolean": pl.Boolean}
    return special.get(kind, pl.String)


assert set(CODES) <= set(COLUMNS)
