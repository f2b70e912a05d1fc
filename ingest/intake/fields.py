"""The kinds of answers as pydantic types: what they accept, what they become, which notes they leave.

Belongs here: values.py bound to fields. A validator raises ValueError with what the field takes; notes go to the
validation context.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from ingest.intake import values
from models_py.matching.names import name_key

LONGEST_TEXT: Final = 5_000
LONGEST_NAME: Final = 200
MOST_CUSTOMERS: Final = 200
MOST_NOTES: Final = 50


def note(info: ValidationInfo, sentence: str) -> None:
    """Leave a note for the person who sent the intake."""
    notes = (info.context or {}).get("notes")
    if notes is not None and len(notes) < MOST_NOTES and sentence not in notes:
        notes.append(sentence)


def _text(value: Any) -> str | None:
    text = values.plain(value)
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"it takes at most {LONGEST_TEXT:,} characters, and there are {len(text):,}")
    return text or None


def _name(value: Any, info: ValidationInfo) -> str:
    text = values.plain(value)
    if not text and isinstance(value, str) and len(value.strip()) > 1:
        note(info, f"{value.strip()[:40]!r} is no company's name; the entry was left out unless it has a website.")
    if len(text) > LONGEST_NAME:
        raise ValueError(f"it takes a company's name of at most {LONGEST_NAME} characters")
    return text


def _website(value: Any, info: ValidationInfo) -> str | None:
    domain = values.website(value)
    if domain is not None and values.is_shared_host(domain):
        note(info, f"{values.plain(value)[:80]} is a page on a platform, not a company's own site; it was left out.")
        return None
    return domain


def _tags(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    return _distinct([] if value is None else values.tags(value), info)


def _titles(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    return _distinct([] if value is None else [values.job_title(title) for title in values.tags(value)], info)


def _places(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    return _distinct([] if value is None else [values.place(text) for text in values.tags(value)], info)


def _languages(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    return _distinct([] if value is None else [values.language(text) for text in values.tags(value)], info)


def _zones(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    return _distinct([] if value is None else [values.time_zone(text) for text in values.tags(value)], info)


def _codes(value: Any, info: ValidationInfo) -> tuple[str, ...]:
    return _distinct([] if value is None else [values.industry_code(text) for text in values.tags(value)], info)


def _distinct(items: list[str], info: ValidationInfo) -> tuple[str, ...]:
    kept = values.distinct(items)
    if len(kept) < len(items):
        note(info, f"{info.field_name} names something more than once; it was kept once.")
    return tuple(kept)


class Band(BaseModel):
    """A head-count range: as it was given, its ends (high None: open), and the bands that it means."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    given: str
    low: int
    high: int | None
    bands: tuple[str, ...]


def _band(value: Any) -> Any:
    if isinstance(value, Band):
        return value
    if isinstance(value, dict):
        low, high = (value.get(name, value.get(other)) for name, other in (("low", "min"), ("high", "max")))
        value = value.get("given") or (f"{low}+" if high is None else f"{low or 1}-{high}")
    if isinstance(value, list | tuple) and len(value) == 2:
        value = f"{value[0]}-{value[1]}"
    found = values.headcount(value)
    if found is None:
        return None
    return {"given": values.plain(value), "low": found.low, "high": found.high, "bands": values.bands(*found)}


def _bands(value: Any) -> Any:
    if value is None or value == "":
        return ()
    items = value if isinstance(value, list | tuple) else re.split(r"[,;|](?!\d{3}\b)", str(value))
    if len(items) > values.MOST_TAGS:
        raise ValueError(f"it takes at most {values.MOST_TAGS} ranges")
    return tuple(band for band in (_band(item) for item in items) if band is not None)


class Money(BaseModel):
    """An amount and its currency."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    amount: float
    currency: str


def _money(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, Money):
        return value
    named: str | None = None
    if isinstance(value, dict):
        if not set(value) <= {"amount", "currency", "value"}:
            raise ValueError("it takes an amount and a currency")
        named = values.currency(value.get("currency"))
        value = value.get("amount", value.get("value"))
    found = values.amount(value)
    if found is None:
        return None
    if found.currency and named and found.currency != named:
        note(info, f"{info.field_name}: {values.plain(value)} was taken as {found.currency}, not {named}.")
    if not (found.currency or named):
        note(info, f"{info.field_name}: no currency was named; {values.plain(value)} was taken as USD.")
    return {"amount": found.amount, "currency": found.currency or named or "USD"}


def _days(value: Any, info: ValidationInfo) -> int | None:
    found = values.days(value)
    if isinstance(value, str) and found is not None and re.search(r"\d\s*[-–—]\s*\d", value):
        note(info, f"{info.field_name}: of {values.plain(value)} the middle was taken, {found} days.")
    return found


_LIST: Final = list[str] | str | None
_ANY_NUMBER: Final = str | float | None
Text = Annotated[str | None, BeforeValidator(_text, json_schema_input_type=str | float | None)]
Name = Annotated[str, BeforeValidator(_name, json_schema_input_type=str | None)]
Website = Annotated[str | None, BeforeValidator(_website, json_schema_input_type=str | None)]
Tags = Annotated[tuple[str, ...], BeforeValidator(_tags, json_schema_input_type=_LIST)]
Titles = Annotated[tuple[str, ...], BeforeValidator(_titles, json_schema_input_type=_LIST)]
Places = Annotated[tuple[str, ...], BeforeValidator(_places, json_schema_input_type=_LIST)]
Languages = Annotated[tuple[str, ...], BeforeValidator(_languages, json_schema_input_type=_LIST)]
Zones = Annotated[tuple[str, ...], BeforeValidator(_zones, json_schema_input_type=_LIST)]
Codes = Annotated[tuple[str, ...], BeforeValidator(_codes, json_schema_input_type=list[str | int] | str | None)]
HeadcountBand = Annotated[Band | None, BeforeValidator(_band, json_schema_input_type=str | int | Band | None)]
HeadcountBands = Annotated[tuple[Band, ...], BeforeValidator(_bands, json_schema_input_type=list[str | int] | _LIST)]
Amount = Annotated[Money | None, BeforeValidator(_money, json_schema_input_type=str | float | Money | None)]
Days = Annotated[int | None, BeforeValidator(_days, json_schema_input_type=_ANY_NUMBER)]

_ENTRY: Final = re.compile(
    r"^(?P<name>.*?)(?:\s+[-–—|]\s+|\s*[:|—–]\s*(?!//)|\s+\((?=[\w-]+\.[\w.-]+\)))(?P<website>[^\s()]+\.[^\s()]+)\)?"
    r"(?:\s*[(—–-]\s*(?P<reason>[^()]*)\)?)?$"
)


def entry_from_text(text: str) -> dict[str, str]:
    """``Globex — globex.sg (budget < $10k)`` → name, website, reason; a text of another form is a name."""
    found = _ENTRY.match(text.strip()) if len(text) <= 2 * LONGEST_NAME else None
    if found is None:
        return {"name": text}
    return {key: value.strip() for key, value in found.groupdict().items() if value}


def customers(value: Any) -> Any:
    """A list of customers, or one text with semicolons or line breaks between them."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = [entry for entry in re.split(r"[;\n]", value) if entry.strip()]
    if not isinstance(value, list | tuple):
        raise ValueError("it takes a list of companies, each with a name and a website")
    if len(value) > MOST_CUSTOMERS:
        raise ValueError(f"it takes at most {MOST_CUSTOMERS} companies, and there are {len(value):,}; name the best")
    return tuple(value)


def has_letters(name: str) -> bool:
    """Whether a name has anything that it can be compared by."""
    return any(character.isalnum() for character in name_key(name))


def described(default: Any, meaning: str, *names: str) -> Any:
    """A field with its meaning, by its own name and those that payloads use for it."""
    alias = AliasChoices(*names) if names else None
    return Field(default=default, description=meaning, validation_alias=alias)
