"""What is known of a company itself, in ``raw.companies``: read before it is enriched, written after."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import psycopg

from ingest.enrichment.linkedin import linkedin_url
from ingest.enrichment.sites import company_address

FIELDS = (
    "about_text",
    "hq_city",
    "hq_country",
    "website_domain",
    "linkedin_url",
    "tech_stack",
    "email",
    "phone_number",
)
_COUNTRIES = {"singapore": "SG", "malaysia": "MY", "hong kong": "HK", "australia": "AU", "united kingdom": "GB"}


class CompanyFacts(Protocol):
    """What pages say of a company itself, as ``ingest.crawl.extract.profile`` gives it."""

    @property
    def about_text(self) -> str | None:
        """What it does, in its own words."""
        ...

    @property
    def hq_city(self) -> str | None:
        """City of its head office."""
        ...

    @property
    def hq_country(self) -> str | None:
        """ISO code of its country."""
        ...

    @property
    def linkedin_url(self) -> str | None:
        """Its page on LinkedIn, as linked."""
        ...

    @property
    def tech_stack(self) -> Sequence[str]:
        """Products it uses."""
        ...

    @property
    def email(self) -> str | None:
        """An address of the company, not of a person."""
        ...

    @property
    def phone_number(self) -> str | None:
        """A number of the company."""
        ...


@dataclass(frozen=True)
class Company:
    """A company as enrichment starts from it. ``country``: ISO code where the company's own or the registry's is."""

    company_id: int
    name: str
    domain: str | None
    linkedin_url: str | None
    country: str | None
    has_contacts: bool


def load_companies(connection: psycopg.Connection, *, tenant_id: int, company_ids: Sequence[int]) -> dict[int, Company]:
    """Companies by id, with whether the tenant has contacts of them."""
    rows = connection.execute(
        "select companies.company_id, companies.name, companies.website_domain, companies.linkedin_url,"
        " coalesce(companies.hq_country, entities.country),"
        " exists (select from raw.contacts as contacts"
        " where contacts.tenant_id = %s and contacts.company_id = companies.company_id)"
        " from raw.companies as companies"
        " left join raw.registry_entities as entities on companies.entity_id = entities.entity_id"
        " where companies.company_id = any(%s)",
        (tenant_id, list(company_ids)),
    ).fetchall()
    return {
        company_id: Company(company_id, name, domain, page, country_code(country), has_contacts)
        for company_id, name, domain, page, country, has_contacts in rows
    }


def country_code(written: str | None) -> str | None:
    """The ISO code of two letters; None for what is none and not among the few names known here."""
    text = (written or "").strip()
    return text.upper() if len(text) == 2 and text.isalpha() else _COUNTRIES.get(text.lower())


def store_profile(
    connection: psycopg.Connection,
    *,
    company: Company,
    domain: str,
    profile: CompanyFacts,
    linkedin_page: str | None,
    personal: Collection[str],
    enriched_at: dt.datetime | None,
) -> tuple[str, ...]:
    """Write what was found, within the caller's transaction; returns which of :data:`FIELDS` are filled now.

    A field is never overwritten with nothing. City and country come from the registry where the site names none.

    Args:
        personal: addresses of people at the company: none of them is kept here, whatever the site calls it.
        enriched_at: None: its site could not be read.
    """
    email = company_address(profile.email, domain=domain, name=company.name)
    row = connection.execute(
        "update raw.companies as known set about_text = coalesce(%(about)s, known.about_text),"
        " hq_city = coalesce(%(city)s, known.hq_city, entity.city),"
        " hq_country = coalesce(%(country)s, known.hq_country, entity.country),"
        " linkedin_url = coalesce(%(linkedin)s, known.linkedin_url),"
        " tech_stack = case when cardinality(%(stack)s::text[]) > 0 then %(stack)s::text[] else known.tech_stack end,"
        " email = coalesce(%(email)s, known.email), phone_number = coalesce(%(phone)s, known.phone_number),"
        " enriched_at = coalesce(%(now)s, known.enriched_at)"
        " from raw.companies as same left join raw.registry_entities as entity on same.entity_id = entity.entity_id"
        " where known.company_id = %(id)s and same.company_id = known.company_id"
        " returning known.about_text, known.hq_city, known.hq_country, known.website_domain, known.linkedin_url,"
        " nullif(known.tech_stack, '{}'), known.email, known.phone_number",
        {
            "id": company.company_id,
            "about": _clean(profile.about_text),
            "city": _clean(profile.hq_city),
            "country": _clean(profile.hq_country),
            "linkedin": linkedin_url(profile.linkedin_url, "company") or linkedin_page,
            "stack": [text for text in map(_clean, profile.tech_stack) if text],
            "email": email if email not in personal else None,
            "phone": _clean(profile.phone_number),
            "now": enriched_at,
        },
    ).fetchone()
    assert row is not None
    return tuple(name for name, value in zip(FIELDS, row, strict=True) if value is not None)


def _clean(text: str | None) -> str | None:
    if text is None:
        return None
    return text.replace("\x00", " ").encode("utf-8", "replace").decode().strip() or None
