"""A tenant's answers, typed and normalised: the fast start and the sections A to H.

Belongs here: which answers there are and what each takes. Not here: the shapes they arrive in (payload.py). Reading
normalised answers again gives the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from ingest.domains import registrable_domain
from ingest.intake import fields, values
from ingest.intake.fields import (
    Amount,
    Codes,
    Days,
    HeadcountBand,
    HeadcountBands,
    Languages,
    Name,
    Places,
    Tags,
    Text,
    Titles,
    Website,
    Zones,
    described,
)


class Part(BaseModel):
    """A part of the answers. Keys that it does not know are kept as they are under ``other``, with a note."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)
    other: dict[str, Any] = Field(default_factory=dict, description="keys that are not known, as they were sent")
    # The field that a plain text or list stands for, where the part is given as one.
    stands_for: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _sort_keys(cls, given: Any, info: ValidationInfo) -> Any:
        if isinstance(given, BaseModel):
            return given
        if given is None or given == "":
            return {}
        if not isinstance(given, Mapping):
            if cls.stands_for is not None and isinstance(given, str | list | tuple):
                return cls.from_plain(given)
            raise ValueError(f"it takes an object with some of: {', '.join(cls.names())}")
        known = cls.known()
        kept, other = {}, dict(given.get("other") or {}) if isinstance(given.get("other"), Mapping) else {}
        for key, value in given.items():
            if str(key) in known:
                kept[key] = value
            elif key != "other" or not isinstance(value, Mapping):
                other[str(key)] = value
                fields.note(info, f"{str(key)[:60]!r} is no known question; it was kept as it is, and nothing uses it.")
        return {**kept, "other": other}

    @classmethod
    def from_plain(cls, given: Any) -> dict[str, Any]:
        """What a plain text or list in the place of this part means."""
        assert cls.stands_for is not None
        return {cls.stands_for: given}

    @classmethod
    def names(cls) -> list[str]:
        """The keys a message lists: first names only."""
        return [name for name in cls.model_fields if name != "other"]

    @classmethod
    def known(cls) -> set[str]:
        """Every key that some field reads."""
        found = set(cls.names())
        for field in cls.model_fields.values():
            if isinstance(field.validation_alias, AliasChoices):
                found |= {str(choice) for choice in field.validation_alias.choices}
        return found

    def is_empty(self) -> bool:
        """Whether nothing was answered."""
        return not any(getattr(self, name) for name in type(self).model_fields)


class Customer(Part):
    """A customer: best, lost or both."""

    name: Name = described("", "the company's name", "name", "seed_name", "company_name", "company", "customer")
    domain: Website = described(None, "its own website", "website", "domain", "url", "site")
    reason: Text = described(None, "in a line: why it is a good one, or why it was lost", "reason", "why", "notes")
    stands_for: ClassVar[str | None] = "name"

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        """``Acme — acme.com (reason)`` is an entry, and a website in the place of a name is both."""
        if isinstance(given, str):
            given = fields.entry_from_text(given)
        if not isinstance(given, Mapping):
            return given
        keys = {key: given[key] for key in given if key in cls.known()}
        name = next((keys[key] for key in ("name", "seed_name", "company_name", "company") if keys.get(key)), None)
        site = next((keys[key] for key in ("website", "domain", "url", "site") if keys.get(key)), None)
        looks_so = isinstance(name, str) and re.fullmatch(r"(https?://)?[\w-]+(\.[\w-]+)+/?", name.strip())
        if looks_so and not site and registrable_domain(name):
            return {**given, "domain": name}
        return given

    @model_validator(mode="after")
    def _comparable(self) -> Customer:
        if not self.name and self.domain:
            return self.model_copy(update={"name": self.domain.split(".")[0].title()})
        if self.name and not self.domain and not fields.has_letters(self.name):
            raise ValueError("a company without a website needs a name with letters or digits")
        return self

    @property
    def is_blank(self) -> bool:
        """A row of the form that was left empty."""
        return not self.name and not self.domain


Customers = Annotated[
    tuple[Customer, ...], BeforeValidator(fields.customers, json_schema_input_type=list[Customer] | str)
]


class WithAmounts(Part):
    """A part whose amounts may name their currency in the key: ``acv_usd: 25000``."""

    @model_validator(mode="before")
    @classmethod
    def _currencies(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        made = {}
        for key, value in given.items():
            found = re.fullmatch(r"(acv|price_floor)_([a-z]{3})", str(key).lower())
            if found and values.is_currency(found[2]) and not isinstance(value, Mapping):
                if found[1] not in given:
                    made[found[1]] = None if value in (None, "") else {"amount": value, "currency": found[2].upper()}
            else:
                made[key] = value
        return made


class Deal(WithAmounts):
    """What a deal is like."""

    acv: Amount = described(None, "annual contract value; acv_usd, acv_sgd … name the currency", "acv")
    cycle_days: Days = described(None, "days from first call to signature", "cycle_days", "cycle", "sales_cycle_days")
    price_floor: Amount = described(None, "smallest budget worth a call; price_floor_usd … likewise", "price_floor")


class GeoLanguageZone(Part):
    """Where and in which language the tenant sells."""

    geo: Places = described((), "countries or cities", "geo", "geos", "countries", "locations")
    language: Languages = described((), "languages", "language", "languages")
    tz: Zones = described((), "time zones", "tz", "timezone", "timezones", "time_zone")
    stands_for: ClassVar[str | None] = "geo"


class YourBusiness(Part):
    """A: the tenant's own business."""

    company_name: Text = described(None, "the tenant's name", "company_name", "name")
    what_you_sell: Text = described(None, "product or service in a sentence", "what_you_sell", "product", "offering")
    value_proposition: Text = described(None, "why customers buy", "value_proposition", "value", "usp")
    industries: Tags = described((), "industries it sells to", "industries", "industry")
    competitors: Tags = described((), "competitors", "competitors")
    locations: Places = described((), "where it is", "locations", "offices")
    pricing_model: Text = described(None, "how it charges", "pricing_model", "pricing")
    employee_band: HeadcountBand = described(None, "its own head-count", "employee_band", "team_size", "headcount")


class SeedCustomers(Part):
    """B: more of the customers, and what they have in common."""

    best_customers: Customers = described((), "as in the fast start", "best_customers", "best", "seeds")
    lost_or_churned: Customers = described((), "as in the fast start", "lost_or_churned", "lost", "churned")
    why_they_buy: Tags = described((), "reasons they gave", "why_they_buy", "reasons")
    common_traits: Tags = described((), "what they share", "common_traits", "traits")


class AntiIcp(Part):
    """C: whom the tenant does not want."""

    ssic_codes: Codes = described((), "industry codes, two to five digits", "ssic_codes", "ssic", "industry_codes")
    industries: Tags = described((), "industries in words", "industries", "industry")
    employee_bands: HeadcountBands = described((), "sizes", "employee_bands", "employee_band", "headcount")
    geos: Places = described((), "places", "geos", "geo", "countries")
    technologies: Tags = described((), "tools that rule a company out", "technologies", "integrations", "tech")
    companies: Tags = described((), "companies never to show", "companies", "do_not_contact")
    red_flags: Tags = described((), "anything else that rules a company out", "red_flags", "themes", "flags", "notes")
    stands_for: ClassVar[str | None] = "red_flags"

    @classmethod
    def from_plain(cls, given: Any) -> dict[str, Any]:
        """Entries of digits are industry codes, ``<10 people`` and the like sizes, the others red flags."""
        items = values.tags(given)
        codes = [item for item in items if re.fullmatch(r"(?:ssic\s*)?\d{2,5}", item, re.IGNORECASE)]
        sizes = [item for item in items if values.is_headcount(item)]
        flags = [item for item in items if item not in codes and item not in sizes]
        return {"ssic_codes": codes, "employee_bands": sizes, "red_flags": flags}


class Firmographics(Part):
    """D: what good customers are, as far as the tenant knows."""

    industries: Tags = described((), "industries in words", "industries", "industry")
    ssic_codes: Codes = described((), "industry codes, two to five digits", "ssic_codes", "ssic", "industry_codes")
    employee_bands: HeadcountBands = described((), "sizes", "employee_bands", "employee_band", "headcount")
    geos: Places = described((), "places", "geos", "geo", "countries")
    revenue_from: Amount = described(None, "smallest yearly revenue", "revenue_from", "revenue_min")
    revenue_to: Amount = described(None, "largest yearly revenue", "revenue_to", "revenue_max")
    ownership: Tags = described((), "family-owned, listed, …", "ownership")


class Technographics(Part):
    """E: tools."""

    must_have: Tags = described((), "tools a customer must have", "must_have", "must_have_integrations", "integrations")
    nice_to_have: Tags = described((), "tools that help", "nice_to_have", "nice_to_have_integrations")
    excluded: Tags = described((), "tools that rule a company out", "excluded", "exclude", "must_not_have")
    stands_for: ClassVar[str | None] = "must_have"


class BuyingMotion(WithAmounts):
    """F: who buys and how."""

    champion_titles: Titles = described((), "who brings the tenant in", "champion_titles", "champions")
    decision_makers: Titles = described((), "who signs", "decision_makers", "buyers")
    blockers: Titles = described((), "who says no", "blockers")
    acv: Amount = described(None, "annual contract value", "acv")
    cycle_days: Days = described(None, "days to signature", "cycle_days", "cycle")
    price_floor: Amount = described(None, "smallest budget worth a call", "price_floor")
    procurement: Text = described(None, "how they buy", "procurement", "process")
    channels: Tags = described((), "where they are reached", "channels")


class Triggers(Part):
    """G: what happens before somebody buys."""

    events: Tags = described((), "events", "events", "triggers", "win_triggers")
    hiring: Tags = described((), "jobs they advertise", "hiring")
    seasonality: Tags = described((), "times of the year", "seasonality", "seasons")
    stands_for: ClassVar[str | None] = "events"


class Outcomes(Part):
    """H: what customers got out of it."""

    outcomes: Tags = described((), "results", "outcomes", "results")
    metrics: Tags = described((), "figures that show them", "metrics", "kpis")
    case_studies: Tags = described((), "addresses of case studies", "case_studies", "links")
    proof_points: Tags = described((), "awards, certificates, references", "proof_points", "proof")
    stands_for: ClassVar[str | None] = "outcomes"


class Advanced(Part):
    """The sections A to H. Payloads may call them by letter."""

    your_business: YourBusiness = Field(default=YourBusiness(), description="A")
    seed_customers: SeedCustomers = Field(default=SeedCustomers(), description="B")
    anti_icp: AntiIcp = Field(default=AntiIcp(), description="C")
    firmographics: Firmographics = Field(default=Firmographics(), description="D")
    technographics: Technographics = Field(default=Technographics(), description="E")
    buying_motion: BuyingMotion = Field(default=BuyingMotion(), description="F")
    triggers: Triggers = Field(default=Triggers(), description="G")
    outcomes_and_proof: Outcomes = Field(default=Outcomes(), description="H")


class Answers(Part):
    """Everything a tenant answered. ``website`` is its own registrable domain."""

    website: Website = described(None, "the tenant's own website", "website", "website_url", "company_website")
    best_customers: Customers = described((), "five to fifteen best customers", "best_customers", "best", "seeds")
    lost_or_churned: Customers = described(
        (), "about three lost ones, with a reason", "lost_or_churned", "lost", "churned"
    )
    employee_band: HeadcountBand = described(None, "head-count of good customers", "employee_band", "headcount_band")
    geo_language_tz: GeoLanguageZone = Field(default=GeoLanguageZone(), description="where the tenant sells")
    must_have_integrations: Tags = described((), "tools a customer must have", "must_have_integrations", "integrations")
    deal: Deal = Field(default=Deal(), description="what a deal is like")
    champion_titles: Titles = described((), "who brings the tenant in", "champion_titles", "champions")
    triggers: Tags = described((), "up to three events before a win, or more", "triggers", "win_triggers", "events")
    advanced: Advanced = Field(default=Advanced(), description="the sections A to H")
