"""Vendors: where they are reached, with which key, and how much of them a tenant may use in a day."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ingest.errors import IngestError

Vendor = Literal["jina", "tavily", "apify", "verifier"]


@dataclass(frozen=True)
class VendorAccess:
    """How one vendor is used.

    Attributes:
        base_url: without a slash at the end.
        key: None: the vendor is not used, and whoever asks is told so.
        key_variable: the environment variable that would set the key, for that sentence.
        daily_cap: calls per tenant and UTC day; 0 switches the vendor off.
        cap_variable: the variable that sets the cap, for the note when it bites.
        cost_usd: of one unit of what it charges for; None: unknown, and no dollars are counted.
        cost_variable: the variable that sets that price.
    """

    base_url: str
    key: str | None = field(repr=False)
    key_variable: str
    daily_cap: int
    cap_variable: str
    cost_usd: float | None = None
    cost_variable: str = ""


@dataclass(frozen=True)
class VendorSettings:
    """The vendors' part of the environment, parsed and validated.

    A vendor without a key is skipped, and the step that wanted it says so; nothing fails for want of one. What calls
    cost is counted where a price is set (USD, 0-100), for no vendor tells it: ``ICP_JINA_COST_USD`` of a page,
    ``ICP_TAVILY_COST_USD`` of a credit (a search is one, a page a fifth), ``ICP_APIFY_COST_USD`` of a person or company
    that a run may return, ``ICP_VERIFIER_COST_USD`` of an address. Every attempt counts, with as much as it may cost.

    Attributes:
        jina: ``ICP_JINA_URL``, ``JINA_API_KEY``, ``ICP_JINA_DAILY_CAP`` (0-1,000,000; default 2,000): Jina Reader,
            pages as text.
        tavily: ``ICP_TAVILY_URL``, ``TAVILY_API_KEY``, ``ICP_TAVILY_DAILY_CAP`` (default 300): pages as text where
            nothing else gets them, and the search for websites.
        apify: ``ICP_APIFY_URL``, ``APIFY_TOKEN``, ``ICP_APIFY_DAILY_CAP`` (default 60; a company costs at most three
            calls): LinkedIn companies and employees.
        verifier: ``ICP_VERIFIER_URL``, ``ICP_VERIFIER_KEY``, ``ICP_VERIFIER_DAILY_CAP`` (default 1,000): e-mail
            addresses. Needs both, since there is no usual one.
        company_actor: ``ICP_APIFY_COMPANY_ACTOR``: the actor that finds a company's LinkedIn page by its domain.
        employees_actor: ``ICP_APIFY_EMPLOYEES_ACTOR``: the actor that lists employees of such a page.
        search_actor: ``ICP_APIFY_SEARCH_ACTOR``: the one tried once where that gives nobody.
        employees: ``ICP_APIFY_EMPLOYEES`` (25-35; default 30): how many people to ask for. Unset, the actor would
            charge without limit or return nothing.
        profile_mode: ``ICP_APIFY_PROFILE_MODE``: the actors' ``profileScraperMode``; the default looks for work
            addresses too.
        reader_seconds: ``JINA_TIMEOUT_S`` (0.1-120; default 6): one reading of a page, one retry beside it.
        actor_seconds: ``ICP_APIFY_TIMEOUT_S`` (10-310; default 300): Apify itself gives up after 300.
        longest_wait: ``ICP_VENDOR_WAIT_S`` (0-60; default 5): a vendor that asks (Retry-After) to be left alone for
            longer is left alone for this run.
        run_now_limit: ``RUN_NOW_LIMIT`` (1-100; default 10): companies enriched at once; the rest waits for the night.
        cost_per_day_usd: ``ICP_VENDOR_COST_PER_DAY_USD`` (0-1,000,000): per tenant and UTC day, of all vendors with a
            price together; None (default): no such cap.
    """

    jina: VendorAccess
    tavily: VendorAccess
    apify: VendorAccess
    verifier: VendorAccess
    company_actor: str = "harvestapi~linkedin-company"
    employees_actor: str = "harvestapi~linkedin-company-employees"
    search_actor: str = "harvestapi~linkedin-profile-search"
    employees: int = 30
    profile_mode: str = "Full + email search ($12 per 1k)"
    reader_seconds: float = 6.0
    actor_seconds: float = 300.0
    longest_wait: float = 5.0
    run_now_limit: int = 10
    cost_per_day_usd: float | None = None

    def access(self, vendor: Vendor) -> VendorAccess:
        """How one vendor is used."""
        found: VendorAccess = getattr(self, vendor)
        return found

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> VendorSettings:
        """Read the variables above; raises :class:`IngestError` naming the one that is not valid."""
        env = os.environ if environ is None else environ
        return cls(
            jina=_access(env, "ICP_JINA", "https://r.jina.ai", "JINA_API_KEY", 2_000),
            tavily=_access(env, "ICP_TAVILY", "https://api.tavily.com", "TAVILY_API_KEY", 300),
            apify=_access(env, "ICP_APIFY", "https://api.apify.com", "APIFY_TOKEN", 60),
            verifier=_access(env, "ICP_VERIFIER", "", "ICP_VERIFIER_KEY", 1_000),
            company_actor=_actor(env, "ICP_APIFY_COMPANY_ACTOR", cls.company_actor),
            employees_actor=_actor(env, "ICP_APIFY_EMPLOYEES_ACTOR", cls.employees_actor),
            search_actor=_actor(env, "ICP_APIFY_SEARCH_ACTOR", cls.search_actor),
            employees=int(_number(env, "ICP_APIFY_EMPLOYEES", cls.employees, 25, 35)),
            profile_mode=env.get("ICP_APIFY_PROFILE_MODE") or cls.profile_mode,
            reader_seconds=_number(env, "JINA_TIMEOUT_S", cls.reader_seconds, 0.1, 120),
            actor_seconds=_number(env, "ICP_APIFY_TIMEOUT_S", cls.actor_seconds, 10, 310),
            longest_wait=_number(env, "ICP_VENDOR_WAIT_S", cls.longest_wait, 0, 60),
            run_now_limit=int(_number(env, "RUN_NOW_LIMIT", cls.run_now_limit, 1, 100)),
            cost_per_day_usd=_dollars(env, "ICP_VENDOR_COST_PER_DAY_USD", 1_000_000),
        )


def _access(env: Mapping[str, str], prefix: str, usual_url: str, key_variable: str, cap: int) -> VendorAccess:
    url = (env.get(f"{prefix}_URL") or usual_url).rstrip("/")
    if url and not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+(/[\w./~-]*)?", url):
        raise IngestError(f"{prefix}_URL is {url!r}; it takes an address such as {usual_url or 'https://host/v1'}.")
    key = (env.get(key_variable) or "").strip() or None
    if key is not None and not re.fullmatch(r"[\x21-\x7e]+", key):
        raise IngestError(f"{key_variable} holds a character that no key has (a space, or one outside ASCII).")
    return VendorAccess(
        base_url=url,
        key=key if url else None,
        key_variable=key_variable if url else f"{prefix}_URL and {key_variable}",
        daily_cap=int(_number(env, f"{prefix}_DAILY_CAP", cap, 0, 1_000_000)),
        cap_variable=f"{prefix}_DAILY_CAP",
        cost_usd=_dollars(env, f"{prefix}_COST_USD", 100),
        cost_variable=f"{prefix}_COST_USD",
    )


def _dollars(env: Mapping[str, str], name: str, high: float) -> float | None:
    return _number(env, name, 0.0, 0, high) if env.get(name) else None


def _actor(env: Mapping[str, str], name: str, usual: str) -> str:
    value = (env.get(name) or usual).replace("/", "~")
    if not re.fullmatch(r"[\w.-]+~[\w.-]+", value):
        raise IngestError(f"{name} is {value!r}; it takes an actor as owner~name.")
    return value


def _number(env: Mapping[str, str], name: str, usual: float, low: float, high: float) -> float:
    text = env.get(name) or str(usual)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    whole = isinstance(usual, int)
    if not low <= value <= high or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise IngestError(f"{name} is {text!r}; it takes {kind} from {low:,g} to {high:,g}.")
    return value
