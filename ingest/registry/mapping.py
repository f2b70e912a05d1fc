"""What the columns of a registry mean: the YAML mapping, and the same object for registries that are built in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from ingest.mapping_files import known_encoding, read_mapping_file
from ingest.outcomes.mapping import did_you_mean
from ingest.registry.fields import BY_NAME, FIELDS

_MANY = {"names", "text"}  # kinds of fields that several columns may make


class Part(BaseModel):
    """Where a field's value comes from. ``name: company_name`` and ``street: [block, street]`` are shorthands.

    Attributes:
        columns: of the file, compared without regard to case. Former names of several are kept apart, texts
            joined. ``column`` is the same for one.
        separator: what stands between joined texts.
        value: a constant for all rows, instead.
        values: translations of single values, compared without regard to case and outer spaces; into an empty
            text: the value says nothing.
        otherwise: what becomes of a value that ``values`` does not list.
        formats: date formats, tried in order (``iso`` or strptime codes); default: the mapping's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    columns: tuple[str, ...] = ()
    separator: str = " "
    value: str | None = None
    values: dict[str, str] | None = None
    otherwise: Literal["keep", "empty"] = "keep"
    formats: tuple[str, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"columns": (given,)}
        if isinstance(given, list | tuple):
            return {"columns": tuple(given)}
        if isinstance(given, dict) and "column" in given and "columns" not in given:
            return {**{key: value for key, value in given.items() if key != "column"}, "columns": (given["column"],)}
        return given

    @model_validator(mode="after")
    def _one_source(self) -> Part:
        if bool(self.columns) == (self.value is not None):
            raise ValueError("give either columns or a constant value")
        return self


class RegistryMapping(BaseModel):
    """One registry.

    Attributes:
        name: the registry's name; entities, loads and rejects are filed under it.
        files: paths or globs, relative to the mapping file; of use where the command names no files.
        encoding, delimiter: of the files.
        null_values: texts that mean "nothing", besides the empty one; without regard to case.
        date_formats: default of every date column.
        columns: field → where it comes from.
        live_statuses: beginnings of the statuses of a live entity, without regard to case. Without them, or
            where the status is empty, ``is_live`` tells. Where the mapping has neither, every entity is live; where
            it has, one of which nothing is said is not.
        industry_code_version: which version of the classification the codes are in, where a load does not say.
        repeated_numbers: a number that comes again with other values is rejected, or merged into the first row
            (a list with several rows per entity). A row that repeats the first is neither.
        bad_codes: a row whose industry code cannot be one is rejected, or loaded without the code.
        lenient: columns other than those of required fields and the status may be absent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    files: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ","
    null_values: tuple[str, ...] = ("na", "n/a", "null", "\\N", "-")
    date_formats: tuple[str, ...] = ("iso",)
    columns: dict[str, Part]
    live_statuses: tuple[str, ...] = ()
    industry_code_version: str | None = None
    repeated_numbers: Literal["reject", "merge"] = "reject"
    bad_codes: Literal["reject", "empty"] = "reject"
    lenient: bool = False

    @field_validator("files", "date_formats", "null_values", "live_statuses", mode="before")
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @field_validator("name")
    @classmethod
    def _short_name(cls, name: str) -> str:
        if not name.strip() or len(name) > 60:
            raise ValueError("a registry's name has 1 to 60 characters")
        return name.strip()

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
    def _known_fields(self) -> RegistryMapping:
        for name, part in self.columns.items():
            if name not in BY_NAME:
                raise ValueError(f"columns: unknown field {name!r}{did_you_mean(name, set(BY_NAME))}")
            if len(part.columns) > 1 and BY_NAME[name].kind not in _MANY:
                raise ValueError(f"columns: {name} takes one column, not {len(part.columns)}")
        for field in FIELDS:
            if field.required and not (field.name in self.columns and self.columns[field.name].columns):
                raise ValueError(f"columns: {field.name!r} is missing ({field.help})")
        if self.live_statuses and "status" not in self.columns:
            raise ValueError("live_statuses needs the column of the status")
        return self

    def may_lack(self, field: str) -> bool:
        """Whether a file without this field's columns is still one of this registry."""
        return self.lenient and not BY_NAME[field].required and field != "status"


def read_registry_mapping(path: Path) -> RegistryMapping:
    """Read and validate a mapping file.

    Raises:
        IngestError: it is not there, not YAML, or says something that cannot be.
    """
    return read_mapping_file(path, RegistryMapping)
