"""The YAML mapping: what a customer's files and columns mean. Validated before any file is opened."""

from __future__ import annotations

import datetime as dt
import difflib
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from ingest.mapping_files import known_encoding, read_mapping_file
from ingest.outcomes.entities import ENTITIES, JSON_GROUPS, SCORE_SNAPSHOTS, Entity
from warehouse import tenants

_SCORE_FIELDS = {field.name for field in SCORE_SNAPSHOTS.fields} - {"lead_id", "scored_at"}


class Column(BaseModel):
    """Where a field's value comes from. The shorthand ``title: job_title`` means ``{column: job_title}``.

    Attributes:
        column: the file's column; or
        value: a constant for all rows.
        values: translations of single values, compared without regard to case and outer spaces; into an empty
            text: the value says nothing.
        otherwise: what becomes of a value that ``values`` does not list.
        formats: date formats, tried in order (``iso``, ``epoch`` or strptime codes); default: the mapping's. Dates
            of formats that have types (Parquet, Postgres) need none.
        optional: a file may lack the column; its rows then say nothing there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    column: str | None = None
    value: str | None = None
    values: dict[str, str] | None = None
    otherwise: Literal["keep", "reject", "empty"] = "keep"
    formats: tuple[str, ...] | None = None
    optional: bool = False

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, given: Any) -> Any:
        return {"column": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_source(self) -> Column:
        if (self.column is None) == (self.value is None):
            raise ValueError("give either a column or a constant value")
        return self


class Watermark(BaseModel):
    """What is new in a query's rows.

    Attributes:
        column: of the query; a date, a timestamp or a whole number that only grows.
        lag: how far before the highest value that was read the next load begins, because rows become visible late:
            ``2 hours`` (default: 1 hour), or a number (default: 1000).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    column: str
    lag: str | None = None

    @field_validator("lag")
    @classmethod
    def _known_lag(cls, lag: str | None) -> str | None:
        if lag is not None and not lag.isdecimal():
            duration(lag)
        return lag


class Postgres(BaseModel):
    """Another Postgres that queries go to.

    Attributes:
        dsn_env: the environment variable that holds the connection string. It is read from there alone.
        timeout: of each query.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    dsn_env: str
    timeout: str = "10 minutes"

    @field_validator("dsn_env")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name):
            # Not shown: it may be the secret itself.
            raise ValueError("dsn_env takes the name of an environment variable, not a connection string")
        return name

    @field_validator("timeout")
    @classmethod
    def _a_duration(cls, timeout: str) -> str:
        duration(timeout)
        return timeout


_UNITS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}


def duration(text: str) -> dt.timedelta:
    """``10 minutes`` and the like; ValueError with a sentence if it is none."""
    found = re.fullmatch(r"(\d{1,6}) *(second|minute|hour|day|week)s?", text.strip())
    if not found:
        raise ValueError(f"{text!r} is no duration such as '10 minutes', '2 hours' or '3 days'")
    return dt.timedelta(seconds=int(found[1]) * _UNITS[found[2]])


class EntityMapping(BaseModel):
    """Where one entity's rows are, and what their columns mean.

    Attributes:
        files: path or glob, relative to the mapping file; or several.
        query: instead of files, an SQL query to the mapping's ``postgres``.
        watermark: read only what is new in the query's rows.
        columns: field → column.
        attributes: extra attributes of a lead, by name → column; rates are learned for each.
        full_extract: the files or the query hold all leads: what is no longer in them is marked as deleted.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    files: tuple[str, ...] = ()
    query: str | None = None
    watermark: Watermark | None = None
    columns: dict[str, Column]
    attributes: dict[str, Column] = {}
    full_extract: bool = False

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_origin(self) -> EntityMapping:
        if bool(self.files) == bool(self.query):
            raise ValueError("give either files or a query")
        if self.watermark and not self.query:
            raise ValueError("watermark belongs to a query; files that did not change are left alone without it")
        if self.watermark and self.full_extract:
            raise ValueError("full_extract reads everything; leave the watermark out")
        return self


class TenantColumn(BaseModel):
    """The column that says which tenant a row belongs to (slug or external id)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    column: str


class Mapping(BaseModel):
    """One mapping file.

    Attributes:
        name: the source's name; loads and rejects are filed under it.
        tenant: slug or external id, or the column that holds it.
        timezone: of dates without an offset; default: the tenant's.
        encoding, delimiter: of the files.
        postgres: where queries go.
        null_values: texts that mean "nothing", besides the empty one.
        date_formats: default of every date column.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    tenant: str | TenantColumn
    timezone: str | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    postgres: Postgres | None = None
    null_values: tuple[str, ...] = ("NULL", "null", "\\N")
    date_formats: tuple[str, ...] = ("iso",)
    leads: EntityMapping | None = None
    status_events: EntityMapping | None = None
    activities: EntityMapping | None = None
    score_snapshots: EntityMapping | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None and not tenants.is_time_zone(zone):
            raise ValueError(f"{zone!r} is not a time zone; use a name such as 'America/Sao_Paulo'")
        return zone

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        return known_encoding(encoding)

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str) -> str:
        delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
        if len(delimiter.encode()) != 1 or delimiter in '"\r\n':
            raise ValueError("the delimiter must be one character other than a quote and a line's end, or 'tab'")
        return delimiter

    @model_validator(mode="after")
    def _known_fields(self) -> Mapping:
        mapped = [(entity, self.entity(entity)) for entity in ENTITIES]
        if not any(found for _, found in mapped):
            raise ValueError("it maps nothing: give leads, status_events, activities or score_snapshots")
        if isinstance(self.tenant, TenantColumn) and self.timezone is None:
            raise ValueError("timezone is needed where the tenant stands in a column")
        for entity, found in mapped:
            if found is not None:
                _check_fields(entity, found)
                if found.query and self.postgres is None:
                    raise ValueError(f"{entity.name}.query: say which database: 'postgres: {{dsn_env: CRM_DSN}}'")
                if found.full_extract and entity.name != "leads":
                    raise ValueError(f"{entity.name}.full_extract: only leads are marked as deleted")
        return self

    def entity(self, entity: Entity) -> EntityMapping | None:
        """This mapping's part about an entity, or None."""
        part: EntityMapping | None = getattr(self, entity.name)
        return part

    def columns_of(self, entity: Entity) -> set[str]:
        """The columns of files that say something of an entity."""
        part = self.entity(entity)
        assert part is not None
        columns = {column.column for column in (*part.columns.values(), *part.attributes.values())} - {None}
        return {*columns, *([self.tenant.column] if isinstance(self.tenant, TenantColumn) else ())}


def _check_fields(entity: Entity, mapped: EntityMapping) -> None:
    known = {field.name: field for field in entity.fields}
    allowed = set(known) | (set(JSON_GROUPS) if "data_quality" in known else set())
    for name in mapped.columns:
        if name not in allowed:
            raise ValueError(f"{entity.name}.columns: unknown field {name!r}{did_you_mean(name, allowed)}")
    for name, field in known.items():
        if field.required and name not in mapped.columns:
            raise ValueError(f"{entity.name}.columns: {name!r} is missing ({field.help})")
    if mapped.attributes and entity.name != "leads":
        raise ValueError(f"{entity.name}.attributes: only leads have attributes")
    if "status" in mapped.columns and entity.name == "leads" and "status_at" not in mapped.columns:
        raise ValueError("leads.columns: status needs status_at: without a date a booking has no place in the window")
    scored = [name for name in mapped.columns if name in JSON_GROUPS or name in _SCORE_FIELDS]
    if entity.name == "leads" and scored and "scored_at" not in mapped.columns:
        raise ValueError(
            f"leads.columns: {scored[0]} needs scored_at: only scores from before the outreach are learned from"
        )


def did_you_mean(name: str, known: set[str] | list[str]) -> str:
    """Advice for a misspelt name: the closest ones, or what there is."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    listed = ", ".join(sorted(known)[:30])
    return f"; did you mean {close[0]!r}?" if close else f" (there are: {listed})"


def read_mapping(path: Path) -> Mapping:
    """Read and validate a mapping file.

    Raises:
        IngestError: it is not there, not YAML, or says something that cannot be.
    """
    return read_mapping_file(path, Mapping)
