"""The YAML mapping: what a customer's files and columns mean. Validated before any file is opened."""

from __future__ import annotations

import difflib
import zoneinfo
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from ingest.errors import IngestError
from ingest.outcomes.entities import ENTITIES, JSON_GROUPS, SCORE_SNAPSHOTS, Entity

_SCORE_FIELDS = {field.name for field in SCORE_SNAPSHOTS.fields} - {"lead_id", "scored_at"}


class Column(BaseModel):
    """Where a field's value comes from. The shorthand ``title: job_title`` means ``{column: job_title}``.

    Attributes:
        column: the file's column; or
        value: a constant for all rows.
        values: translations of single values, compared without regard to case and outer spaces; into an empty
            text: the value says nothing.
        otherwise: what becomes of a value that ``values`` does not list.
        formats: date formats, tried in order (``iso``, ``epoch`` or strptime codes); default: the mapping's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    column: str | None = None
    value: str | None = None
    values: dict[str, str] | None = None
    otherwise: Literal["keep", "reject", "empty"] = "keep"
    formats: tuple[str, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, given: Any) -> Any:
        return {"column": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _one_source(self) -> Column:
        if (self.column is None) == (self.value is None):
            raise ValueError("give either a column or a constant value")
        return self


class EntityMapping(BaseModel):
    """The files of one entity and their columns.

    Attributes:
        files: path or glob, relative to the mapping file; or several.
        columns: field → column.
        attributes: extra attributes of a lead, by name → column; rates are learned for each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    files: tuple[str, ...]
    columns: dict[str, Column]
    attributes: dict[str, Column] = {}

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given


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
        null_values: texts that mean "nothing", besides the empty one.
        date_formats: default of every date column.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    tenant: str | TenantColumn
    timezone: str | None = None
    encoding: str = "utf-8"
    delimiter: str = ","
    null_values: tuple[str, ...] = ("NULL", "null", "\\N")
    date_formats: tuple[str, ...] = ("iso",)
    leads: EntityMapping | None = None
    status_events: EntityMapping | None = None
    activities: EntityMapping | None = None
    score_snapshots: EntityMapping | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None and zone not in zoneinfo.available_timezones():
            raise ValueError(f"{zone!r} is not a time zone; use a name such as 'America/Sao_Paulo'")
        return zone

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str) -> str:
        delimiter = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
        if len(delimiter.encode()) != 1:
            raise ValueError("the delimiter must be one character, or 'tab'")
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
        return self

    def entity(self, entity: Entity) -> EntityMapping | None:
        """This mapping's part about an entity, or None."""
        part: EntityMapping | None = getattr(self, entity.name)
        return part


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
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise IngestError(f"There is no mapping {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise IngestError(f"The mapping {path} cannot be read: {error}.") from error
    try:
        # Every scalar stays the text that stands there: a country NO or a lead 007 is no boolean and no number.
        content = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 (it makes nothing but text, lists and maps)
    except yaml.YAMLError as error:
        raise IngestError(f"The mapping {path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise IngestError(f"The mapping {path} is empty or not a list of 'name: value' lines.")
    try:
        return Mapping.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("TenantColumn", "str"))
        words = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            words = "there is no such setting"
        raise IngestError(f"The mapping {path}: {where + ': ' if where else ''}{words}.") from error
