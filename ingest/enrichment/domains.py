"""From a company's name to its website: what is known already, a search, a guess; confirmed by the name on the site."""

from __future__ import annotations

import asyncio
import csv
import datetime as dt
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg

from ingest.crawl.page import Page
from ingest.domains import registrable_domain
from ingest.enrichment.candidates import guesses
from ingest.enrichment.confirmation import confirm, identity, is_telling, title_identities
from ingest.enrichment.sites import is_directory
from ingest.enrichment.tavily import SearchHit
from ingest.enrichment.vendor import VendorFailure
from ingest.errors import IngestError
from models_py.matching.names import name_key

DomainSource = Literal["named", "supplied", "crawl cache", "registry", "search", "guess"]
FetchHome = Callable[[str], Awaitable[Page]]
"""Reads the home page of a registrable domain; a page that is not there comes back with its outcome."""
Search = Callable[[str], Awaitable[list[SearchHit] | VendorFailure]]

_AT_ONCE = 8  # companies
_BATCH = 200  # companies whose answers are written together
_MOST_CANDIDATES = 12  # sites that are looked at for one name


@dataclass(frozen=True)
class NamedCompany:
    """A company to find the website of. ``country``: ISO code of two letters where it is known."""

    company_id: int
    name: str
    country: str | None = None


@dataclass(frozen=True)
class Resolution:
    """What became of one name.

    Attributes:
        domain: the confirmed registrable domain; None: unresolved.
        source: where it came from.
        reason: a sentence: why it is the company's, or why nothing was found.
        tried: the candidates that were looked at, each with what was found.
    """

    company_id: int
    name: str
    domain: str | None
    source: DomainSource | None
    reason: str
    tried: tuple[str, ...] = ()


@dataclass(frozen=True)
class Supplied:
    """A person's list of websites: name key → domain, and the rows that could not be used, in sentences."""

    domains: Mapping[str, str]
    problems: tuple[str, ...] = ()


def read_supplied(path: Path) -> Supplied:
    """Read a list of websites: a CSV with the columns ``name`` and ``domain`` (a URL is welcome).

    Raises:
        IngestError: not there, not UTF-8, or without these columns. A row that is wrong is left out and named.
    """
    numbered, problems = _read_rows(path)
    domains: dict[str, str] = {}
    for number, name, domain in numbered:
        known = domains.setdefault(name_key(name), domain)
        if known != domain:
            problems[number] = f"row {number}: {name!r} has {known} already; {domain} is left out"
    return Supplied(domains, tuple(problems[number] for number in sorted(problems)))


def read_supplied_rows(path: Path) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """As :func:`read_supplied`, as (name, registrable domain) in the file's order, with the problems."""
    numbered, problems = _read_rows(path)
    return [(name, domain) for _, name, domain in numbered], tuple(problems[number] for number in sorted(problems))


def _read_rows(path: Path) -> tuple[list[tuple[int, str, str]], dict[int, str]]:
    """Usable rows with their numbers, and by number what is wrong with the others."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as content:
            reader = csv.DictReader(content)
            columns = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
            if not {"name", "domain"} <= set(columns):
                raise IngestError(f"{path.name} has no columns 'name' and 'domain'.")
            records = [(row.get(columns["name"]) or "", row.get(columns["domain"]) or "") for row in reader]
    except OSError as error:
        raise IngestError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise IngestError(f"{path.name} is no CSV file in UTF-8: {error}.") from error
    usable, problems = [], {}
    for number, (name, written) in enumerate(records, start=2):
        domain = registrable_domain(written)
        if not name_key(name):
            problems[number] = f"row {number}: no name"
        elif domain is None:
            problems[number] = f"row {number}: {written[:60]!r} is no web address"
        elif is_directory(domain):
            problems[number] = f"row {number}: {domain} is a directory or a platform, not a company's own site"
        else:
            usable.append((number, name.strip(), domain))
    return usable, problems


async def resolve_domains(
    connection: psycopg.Connection,
    companies: Sequence[NamedCompany],
    *,
    fetch: FetchHome,
    search: Search | None = None,
    supplied: Mapping[str, str] | None = None,
    now: dt.datetime,
) -> list[Resolution]:
    """Find and store the websites of companies that have none yet; one answer per company, in their order.

    Tried in this order: the supplied list (believed as it stands), companies of the same name and home pages in the
    crawler's cache, the registry, the search, guesses from the name. Every candidate but a supplied one must say on
    its home page that it is the company's. A company that has a website keeps it.

    Args:
        connection: in autocommit mode; what is found is written batch by batch.
        supplied: name key → domain, as :func:`read_supplied` gives it.
    """
    found: list[Resolution] = []
    gate = asyncio.Semaphore(_AT_ONCE)
    for start in range(0, len(companies), _BATCH):
        batch = companies[start : start + _BATCH]
        known = _known_domains(connection, batch)
        without = [company for company in batch if company.company_id not in known]
        nearby = _nearby(connection, without)

        async def one(
            company: NamedCompany,
            known: Mapping[int, str] = known,
            nearby: Mapping[int, list[tuple[str, DomainSource]]] = nearby,
        ) -> Resolution:
            if company.company_id in known:
                domain = known[company.company_id]
                return Resolution(company.company_id, company.name, domain, "named", f"{domain} is known")
            async with gate:
                return await _resolve(company, nearby[company.company_id], fetch, search, supplied or {})

        resolved = await asyncio.gather(*(one(company) for company in batch))
        _store(connection, [r for r in resolved if r.domain is not None and r.company_id not in known])
        found.extend(resolved)
    return found


async def _resolve(
    company: NamedCompany,
    nearby: Sequence[tuple[str, DomainSource]],
    fetch: FetchHome,
    search: Search | None,
    supplied: Mapping[str, str],
) -> Resolution:
    given = supplied.get(name_key(company.name))
    if given is not None:
        return Resolution(company.company_id, company.name, given, "supplied", f"{given} was supplied")
    if not is_telling(company.name):
        reason = "the name is too general to find a website by; supply it (--domains)"
        return Resolution(company.company_id, company.name, None, None, reason)
    trial = _Trial(company, fetch)
    notes = []
    won = await trial.first(nearby)
    if won is None and search is not None:
        hits = await search(f'"{company.name}" official website')
        if isinstance(hits, VendorFailure):
            notes.append(f"no search ({hits.reason})")
        else:
            won = await trial.first((domain, "search") for domain in _found_domains(hits))
    if won is None:
        won = await trial.first((domain, "guess") for domain in guesses(company.name, company.country))
    if won is not None:
        return won
    looked = f"{len(trial.tried)} candidates, none confirmed" if trial.tried else "no candidate"
    reason = "; ".join([f"no website found: {looked}", *notes])
    return Resolution(company.company_id, company.name, None, None, reason, tuple(trial.tried))


class _Trial:
    """Looks at candidates one after the other, each once."""

    def __init__(self, company: NamedCompany, fetch: FetchHome) -> None:
        self._company = company
        self._fetch = fetch
        self._seen: set[str] = set()
        self.tried: list[str] = []

    async def first(self, candidates: Iterable[tuple[str, DomainSource]]) -> Resolution | None:
        """The first candidate whose site confirms the name."""
        for domain, source in candidates:
            if domain in self._seen or is_directory(domain) or len(self._seen) >= _MOST_CANDIDATES:
                continue
            self._seen.add(domain)
            page = await self._fetch(domain)
            judged = confirm(page, self._company.name)
            self.tried.append(judged.reason)
            if judged.confirmed:
                # A candidate may lead elsewhere: the company's site is where it ends.
                final = registrable_domain(page.url) or domain
                return Resolution(
                    self._company.company_id, self._company.name, final, source, judged.reason, tuple(self.tried)
                )
        return None


def _found_domains(hits: Sequence[SearchHit]) -> list[str]:
    domains = (registrable_domain(hit.url) for hit in hits)
    return [domain for domain in dict.fromkeys(domains) if domain is not None and not is_directory(domain)]


def _known_domains(connection: psycopg.Connection, companies: Sequence[NamedCompany]) -> dict[int, str]:
    return dict(
        connection.execute(
            "select company_id, website_domain from raw.companies"
            " where company_id = any(%s) and website_domain is not null",
            ([company.company_id for company in companies],),
        ).fetchall()
    )


def _nearby(
    connection: psycopg.Connection, companies: Sequence[NamedCompany]
) -> dict[int, list[tuple[str, DomainSource]]]:
    """What the warehouse itself has for these names: companies named alike, cached home pages, the registry."""
    nearby: dict[int, list[tuple[str, DomainSource]]] = defaultdict(list)
    by_key: dict[str, list[NamedCompany]] = defaultdict(list)
    for company in companies:
        if is_telling(company.name):
            by_key[name_key(company.name)].append(company)
    if not by_key:
        return nearby
    # The longest word narrows the rows down; the name keys decide.
    patterns = [f"%{max(key.split(), key=len)}%" for key in by_key]
    for name, domain in connection.execute(
        "select name, website_domain from raw.companies"
        " where website_domain is not null and lower(name) like any(%s) order by company_id",
        (patterns,),
    ):
        for company in by_key.get(name_key(name), ()):
            nearby[company.company_id].append((domain, "crawl cache"))
    titles = connection.execute(
        "select distinct title, domain from raw.crawl_pages"
        " where page_type = 'home' and outcome = 'ok' and lower(title) like any(%s) order by domain",
        (patterns,),
    ).fetchall()
    by_identity: dict[str, list[NamedCompany]] = defaultdict(list)
    for company in (company for named in by_key.values() for company in named):
        by_identity[identity(company.name)].append(company)
    for title, domain in titles:
        for part in title_identities(title):
            for company in by_identity.get(part, ()):
                nearby[company.company_id].append((domain, "crawl cache"))
    for company_id, domain in connection.execute(
        "select asked.company_id, entities.website_domain"
        " from unnest(%s::bigint[], %s::text[]) as asked (company_id, name_key)"
        " inner join raw.companies as companies on asked.company_id = companies.company_id"
        " inner join raw.registry_entities as entities"
        " on entities.entity_id = companies.entity_id or entities.name_key = asked.name_key"
        " where entities.website_domain is not null"
        " order by asked.company_id, entities.entity_id = companies.entity_id desc nulls last, entities.is_live desc",
        ([company.company_id for company in companies], [name_key(company.name) for company in companies]),
    ):
        nearby[company_id].append((domain, "registry"))
    return nearby


def _store(connection: psycopg.Connection, resolutions: Sequence[Resolution]) -> None:
    """Write websites where there is none, and say so to the tenants that named the company."""
    if not resolutions:
        return
    with connection.transaction():
        connection.execute(
            "with written as ("
            " update raw.companies as companies set website_domain = found.domain, domain_source = found.source"
            " from unnest(%s::bigint[], %s::text[], %s::text[]) as found (company_id, domain, source)"
            " where companies.company_id = found.company_id and companies.website_domain is null"
            " returning companies.company_id)"
            " select intermediate.touch('raw.companies', array_agg(distinct seeds.tenant_id))"
            " from raw.customer_seeds as seeds inner join written on seeds.company_id = written.company_id"
            " having count(*) > 0",
            (
                [resolution.company_id for resolution in resolutions],
                [resolution.domain for resolution in resolutions],
                [resolution.source for resolution in resolutions],
            ),
        )
