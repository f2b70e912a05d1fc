"""A simulated registry of companies in the layout of ACRA's published files.

Belongs here: names, numbers, industries, statuses, and writing them. Not here: who has a site (companies.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from ingest.simulation.evidence import words
from ingest.simulation.evidence.classification import industries, section_of

NA: Final = "na"
#: The columns of the published files, in their order.
COLUMNS: Final = (
    *("uen", "issuance_agency_id", "entity_name", "entity_type_description", "business_constitution_description"),
    *("company_type_description", "paf_constitution_description", "entity_status_description"),
    *("registration_incorporation_date", "uen_issue_date", "address_type", "block", "street_name", "level_no"),
    *("unit_no", "building_name", "postal_code", "other_address_line1", "other_address_line2", "account_due_date"),
    *("annual_return_date", "primary_ssic_code", "primary_ssic_description", "primary_user_described_activity"),
    *("secondary_ssic_code", "secondary_ssic_description", "secondary_user_described_activity", "no_of_officers"),
    *(f"former_entity_name{number}" for number in range(1, 16)),
    *(f"{what}_of_audit_firm{number}" for number in range(1, 6) for what in ("uen", "name")),
)
_FORMS: Final = (" PTE. LTD.", " PTE LTD", " PRIVATE LIMITED", " LLP", " LTD.", "")
_FORM_SHARES: Final = (0.62, 0.09, 0.05, 0.05, 0.03, 0.16)
_STATUSES: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    "company": (
        ("Live Company", 0.72),
        ("Struck Off", 0.22),
        ("In Liquidation - Creditors voluntary winding up", 0.06),
    ),
    "business": (("Live", 0.6), ("Cancelled", 0.2), ("Terminated", 0.2)),
}
_Text = np.ndarray[Any, np.dtype[np.object_]]


@dataclass(frozen=True)
class Registry:
    """The columns of a registry as arrays of one length; names in capitals, as registries have them.

    former_names holds '' where there is none; industry indexes :func:`industries`.
    """

    registration_numbers: _Text
    names: _Text
    former_names: _Text
    statuses: _Text
    is_live: np.ndarray[Any, np.dtype[np.bool_]]
    industry: np.ndarray[Any, np.dtype[np.int64]]
    secondary_industry: np.ndarray[Any, np.dtype[np.int64]]
    is_company: np.ndarray[Any, np.dtype[np.bool_]]
    registered_on: np.ndarray[Any, np.dtype[np.datetime64]]
    streets: _Text
    postal_codes: _Text

    def __len__(self) -> int:
        return len(self.names)


def draw_registry(*, seed: int, entities: int) -> Registry:
    """Draw a registry. Sizes of industries are skewed; about three in ten entities are struck off or wound up.

    Raises:
        ValueError: fewer than 1,000 entities (too few for look-alikes) or more than 400,000 (numbers would repeat).
    """
    if not 1_000 <= entities <= 400_000:
        raise ValueError(f"a registry has 1,000 to 400,000 entities, not {entities}")
    random = np.random.default_rng([seed, 11])
    codes = industries()
    sizes = np.maximum(np.exp(random.normal(0.0, 0.9, len(codes))), 0.4)
    industry = random.choice(len(codes), entities, p=sizes / sizes.sum())
    secondary = np.where(random.random(entities) < 0.18, random.choice(len(codes), entities), -1)
    form = random.choice(len(_FORMS), entities, p=_FORM_SHARES)
    bare = _unique(_bare_names(random, industry))
    forms = np.array(_FORMS, dtype=object)
    former = np.where(random.random(entities) < 0.12, _bare_names(random, industry) + forms[form], "")
    is_company = (form != 3) & (form != 5)
    status = np.where(is_company, _choose(random, "company", entities), _choose(random, "business", entities))
    registered = np.datetime64("1985-01-01") + random.integers(0, 14_900, entities).astype("timedelta64[D]")
    streets = np.array(words.STREETS, dtype=object)[random.integers(0, len(words.STREETS), entities)]
    postal = np.array([f"{number:06d}" for number in random.integers(10_000, 829_999, entities)], dtype=object)
    return Registry(
        registration_numbers=_numbers(registered, form),
        names=_upper(bare + forms[form]),
        former_names=_upper(former),
        statuses=status,
        is_live=np.array([text.startswith("Live") for text in status]),
        industry=industry,
        secondary_industry=secondary,
        is_company=is_company,
        registered_on=registered,
        streets=streets,
        postal_codes=postal,
    )


def _choose(random: np.random.Generator, kind: str, size: int) -> _Text:
    names = [name for name, _ in _STATUSES[kind]]
    shares = [share for _, share in _STATUSES[kind]]
    return np.array(names, dtype=object)[random.choice(len(names), size, p=shares)]


def _upper(names: _Text) -> _Text:
    return np.array([name.upper() for name in names], dtype=object)


def _bare_names(random: np.random.Generator, industry: np.ndarray[Any, np.dtype[np.int64]]) -> _Text:
    """Names without a legal form: two words, a family's, or a coined one, and mostly what the firm does."""
    size = len(industry)

    def pick(of: tuple[str, ...]) -> _Text:
        return np.array(of, dtype=object)[random.integers(0, len(of), size)]

    two_words = pick(words.ADJECTIVES) + " " + pick(words.NOUNS)
    family = pick(words.SURNAMES) + pick((" & ", " Brothers ", " ", " Hock ", " Kim ")) + pick(words.SURNAMES)
    coined = pick(words.ONSETS) + pick(words.MIDDLES) + pick(words.ENDINGS)
    pair = coined + " " + pick(words.NOUNS)
    style = random.choice(4, size, p=(0.30, 0.20, 0.25, 0.25))
    first = np.choose(style, [two_words, family, coined, pair])
    sections = np.array([section_of(code.code) for code in industries()], dtype=object)[industry]
    tails = np.empty(size, dtype=object)
    for section, descriptors in words.DESCRIPTORS.items():
        where = sections == section
        tails[where] = np.array(descriptors, dtype=object)[random.integers(0, len(descriptors), int(where.sum()))]
    tails = np.where(random.random(size) < 0.2, pick(words.TAILS), tails)
    return np.asarray(first + " " + tails, dtype=object)


def _unique(names: _Text) -> _Text:
    """A registry gives a name once: the second bearer adds a place or a number."""
    seen: dict[str, int] = {}
    additions = ("", " Asia", " Singapore", " Eastern", " Central")
    for index, name in enumerate(names):
        count = seen[name] = seen.get(name, -1) + 1
        if count:
            names[index] = name + additions[count] if count < len(additions) else f"{name} {count}"
    return names


def _numbers(registered: Any, form: Any) -> _Text:
    """Numbers like UENs. They end in V, which no check letter of companies and businesses is."""
    years = registered.astype("datetime64[Y]").astype(int) + 1970
    serial = np.where(form == 3, np.cumsum(form == 3), np.arange(len(form)))
    return np.array(
        [
            f"{number:08d}V"
            if kind == 5
            else f"T{year % 100:02d}LL{number % 10_000:04d}{'VUYZ'[number // 10_000 % 4]}"
            if kind == 3
            else f"{year}{number % 100_000:05d}{'VUYZ'[number // 100_000 % 4]}"
            for number, year, kind in zip(serial, years, form, strict=True)
        ],
        dtype=object,
    )


def write_registry(registry: Registry, directory: Path) -> list[Path]:
    """Write one file per first letter, names like the published ones; returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    frame = _frame(registry)
    letter = pl.col("entity_name").str.slice(0, 1)
    frame = frame.with_columns(_file=pl.when(letter.str.contains("[A-Z]")).then(letter).otherwise(pl.lit("Others")))
    paths = []
    for (name,), part in sorted(frame.partition_by("_file", as_dict=True).items()):
        path = directory / f"ACRAInformationonCorporateEntities{name}.csv"
        part.drop("_file").write_csv(path)
        paths.append(path)
    return paths


def _frame(registry: Registry) -> pl.DataFrame:
    size = len(registry)
    codes = np.array([code.code for code in industries()] + [NA], dtype=object)
    titles = np.array([code.title.upper() for code in industries()] + [NA], dtype=object)
    days = np.datetime_as_string(registry.registered_on, unit="D").astype(object)
    llp = np.array([number.startswith("T") for number in registry.registration_numbers])
    other = np.where(llp, "Limited Liability Partnership", "Sole Proprietorship/ Partnership")
    kind = np.where(registry.is_company, "Local Company", other)
    block = np.array([str(1 + number % 900) for number in range(size)], dtype=object)
    filled: dict[str, Any] = {
        "uen": registry.registration_numbers,
        "issuance_agency_id": "ACRA",
        "entity_name": registry.names,
        "entity_type_description": kind,
        "company_type_description": np.where(registry.is_company, "Exempt Private Company Limited by Shares", NA),
        "entity_status_description": registry.statuses,
        "registration_incorporation_date": days,
        "uen_issue_date": days,
        "address_type": "LOCAL",
        "block": block,
        "street_name": registry.streets,
        "postal_code": registry.postal_codes,
        "primary_ssic_code": codes[registry.industry],
        "primary_ssic_description": titles[registry.industry],
        "secondary_ssic_code": codes[registry.secondary_industry],
        "secondary_ssic_description": titles[registry.secondary_industry],
        "no_of_officers": "2",
        "former_entity_name1": np.where(registry.former_names == "", NA, registry.former_names),
    }
    columns = []
    for name in COLUMNS:
        value = filled.get(name, NA)
        if isinstance(value, str):
            columns.append(pl.repeat(value, size, eager=True).alias(name))
        else:
            columns.append(pl.Series(name, value.tolist(), dtype=pl.String))
    return pl.DataFrame(columns)
