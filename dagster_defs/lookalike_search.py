"""Companies like a segment's customers: fetched by SQL, scored by ``models_py.suggestions.lookalikes``.

Belongs here: which registry entities and crawled companies are looked at for a suggestion. Not here: their order.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg

from dagster_defs.suggestion_reading import Inputs
from models_py.matching.names import name_key
from models_py.suggestions.building import SuggestionSet
from models_py.suggestions.cards import Suggestion
from models_py.suggestions.facts import Seed, TenantEvidence, band_of
from models_py.suggestions.lookalikes import (
    BANDS,
    Candidates,
    Target,
    find_lookalikes,
    target_rates,
    telling_words,
)
from models_py.suggestions.segments import Trait, traits_of
from warehouse.suggestion_sets import NewLookalike

#: Candidates per suggestion and origin; beyond, those of the card's own codes nearest in age to the customers.
MOST_CANDIDATES = 2_000
#: Characters of an industry code that a neighbour shares: the group.
_NEIGHBOURS = 3
_YEAR = 365.25


@dataclass(frozen=True)
class _Candidate:
    entity_id: int | None
    company_id: int | None
    name: str
    registration_number: str | None
    website_domain: str | None
    code: str
    band: int
    age: float
    traits: frozenset[Trait]
    is_read: bool
    snippet: str | None = None
    #: What the registry says, put into words for those that are shown: code, employees, born, registry, description.
    entry: tuple[Any, ...] | None = None


@dataclass(frozen=True)
class _Excluded:
    """Whom nobody needs to be shown: the customers, won and lost, and the tenant itself."""

    entities: list[int]
    companies: list[int]
    names: list[str]
    domains: list[str]
    traits: list[Trait]
    codes: tuple[str, ...]

    def holds(self, candidate: _Candidate) -> bool:
        """Whether the tenant said that it does not want such a company (its tools are looked at in SQL)."""
        size = ("headcount", BANDS[candidate.band]) if candidate.band >= 0 else None
        return size in self.traits or candidate.code.startswith(self.codes)


def search(
    connection: psycopg.Connection, found: SuggestionSet, inputs: Inputs, *, as_of: dt.date
) -> list[NewLookalike]:
    """Up to fifty companies for each suggestion of one tenant."""
    tenant = found.tenant_id
    evidence = inputs.evidence[tenant]
    answers = evidence.answers
    told = [seed for seed in evidence.best if seed.has_evidence]
    born = _born(connection, inputs, tenant)
    excluded = _Excluded(
        entities=list(inputs.entities.get(tenant, {})),
        companies=[seed.company_id for seed in evidence.seeds] + list(inputs.own_companies.get(tenant, ())),
        names=[name_key(name) for name in (*(seed.name for seed in evidence.seeds), *answers.excluded_companies)],
        domains=[seed.domain for seed in evidence.seeds if seed.domain],
        traits=sorted(answers.excluded_traits),
        codes=answers.excluded_codes,
    )
    result: list[NewLookalike] = []
    for suggestion in found.suggestions:
        members = [told[at] for at in suggestion.members]
        dates = [born[seed.seed_id] for seed in members if seed.seed_id in born]
        target = _target(suggestion, members, found, [_years(date, as_of) for date in dates])
        crawled = _crawled(connection, evidence, target, excluded, as_of)
        known = {candidate.entity_id for candidate in crawled}
        registry = _registered(connection, evidence, suggestion, excluded, as_of, dates)
        candidates = crawled + [candidate for candidate in registry if candidate.entity_id not in known]
        candidates = [candidate for candidate in candidates if not excluded.holds(candidate)]
        result += _ranked(suggestion.card.id, candidates, target, evidence)
    return result


def _ranked(
    suggestion_id: str, candidates: Sequence[_Candidate], target: Target, evidence: TenantEvidence
) -> list[NewLookalike]:
    arrays = Candidates(
        code=np.array([candidate.code for candidate in candidates], dtype=np.str_),
        band=np.array([candidate.band for candidate in candidates], dtype=np.int64),
        age=np.array([candidate.age for candidate in candidates], dtype=np.float64),
        name=[candidate.name for candidate in candidates],
        traits=np.array(
            [[trait in candidate.traits for trait in target.traits] for candidate in candidates], dtype=np.bool_
        ).reshape(len(candidates), len(target.traits)),
        read=np.array([candidate.is_read for candidate in candidates], dtype=np.bool_),
        key=np.arange(len(candidates)),
    )
    return [
        NewLookalike(
            suggestion_id=suggestion_id,
            rank=rank,
            entity_id=candidates[like.row].entity_id,
            company_id=candidates[like.row].company_id,
            name=candidates[like.row].name,
            registration_number=candidates[like.row].registration_number,
            website_domain=candidates[like.row].website_domain,
            score=like.score,
            why=like.why,
            snippet=_words(candidates[like.row], evidence),
        )
        for rank, like in enumerate(find_lookalikes(arrays, target), start=1)
    ]


def _target(suggestion: Suggestion, members: Sequence[Seed], found: SuggestionSet, ages: Sequence[float]) -> Target:
    card = suggestion.card
    flags = [flag for flag in card.signals if flag.signal in ("integration", "buyer_title")]
    traits = tuple((flag.signal, flag.value) for flag in flags)
    shares, rates = target_rates(traits, [traits_of(seed.facts) for seed in members], found.estimates)
    bands = tuple(flag.value for flag in card.signals if flag.signal == "headcount")
    bands = tuple(band for band in BANDS if band in bands)
    band_members = sum(fact.signal_key == "headcount" and fact.value_key in bands for s in members for fact in s.facts)
    return Target(
        codes=tuple(card.ssic_cluster),
        titles=tuple(card.ssic_titles),
        bands=bands,
        band_members=band_members,
        ages=tuple(ages),
        words=telling_words([seed.name for seed in members], card.ssic_titles),
        traits=traits,
        trait_texts=tuple(flag.text for flag in flags),
        trait_shares=shares,
        trait_rates=rates,
    )


def _born(connection: psycopg.Connection, inputs: Inputs, tenant: int) -> dict[int, dt.date]:
    """By seed, the day its registry entity was incorporated."""
    entities = inputs.entities.get(tenant, {})
    rows = connection.execute(
        "select entity_id, incorporated_on from raw.registry_entities"
        " where entity_id = any(%s) and incorporated_on is not null",
        (list(entities),),
    ).fetchall()
    return {entities[row[0]]: row[1] for row in rows}


def _registered(
    connection: psycopg.Connection,
    evidence: TenantEvidence,
    suggestion: Suggestion,
    excluded: _Excluded,
    as_of: dt.date,
    born: Sequence[dt.date],
) -> list[_Candidate]:
    """Live entities of the card's codes and, where these are few, of their neighbours."""
    card = suggestion.card
    if not card.ssic_cluster:
        return []
    codes = set(card.ssic_cluster)
    if card.registry.total < MOST_CANDIDATES:
        groups = {code[:_NEIGHBOURS] for code in codes}
        codes |= {code for code in evidence.industries if len(code) == 5 and code[:_NEIGHBOURS] in groups}
    unwanted = evidence.answers.excluded_codes
    codes = {code for code in codes if not any(code.startswith(beginning) for beginning in unwanted)}
    centre = dt.date.fromordinal(sorted(day.toordinal() for day in born)[len(born) // 2]) if born else None
    rows = connection.execute(
        "select entity_id, name, registration_number, website_domain, industry_code, employee_count, incorporated_on,"
        " registry, industry_description from raw.registry_entities"
        " where is_live and gone_at is null and industry_code_version = %(version)s and industry_code = any(%(codes)s)"
        " and entity_id <> all(%(entities)s) and name_key <> all(%(names)s)"
        " and (website_domain is null or website_domain <> all(%(domains)s))"
        " order by industry_code <> all(%(exact)s), abs(incorporated_on - %(centre)s::date) nulls last,"
        " registration_number, entity_id limit %(most)s",
        {
            "version": evidence.version,
            "codes": sorted(codes),
            "exact": card.ssic_cluster,
            "entities": excluded.entities,
            "names": excluded.names,
            "domains": excluded.domains,
            "centre": centre,
            "most": MOST_CANDIDATES,
        },
    ).fetchall()
    return [
        _Candidate(
            entity_id=row[0],
            company_id=None,
            name=row[1],
            registration_number=row[2],
            website_domain=row[3],
            code=row[4],
            band=-1 if row[5] is None else BANDS.index(band_of(row[5])),
            age=_years(row[6], as_of),
            traits=frozenset(),
            is_read=False,
            entry=row[4:9],
        )
        for row in rows
    ]


def _words(candidate: _Candidate, evidence: TenantEvidence) -> str | None:
    """The words of its site, or its registry entry."""
    if candidate.snippet is None and candidate.entry is not None:
        return _entry(evidence, *candidate.entry)
    return candidate.snippet


def _entry(
    evidence: TenantEvidence,
    code: str,
    employees: int | None,
    born: dt.date | None,
    registry: str,
    description: str | None,
) -> str:
    known = evidence.industries.get(code)
    parts = [f"{registry}: {code} {description or (known.title if known else '')}".strip()]
    parts += [f"incorporated {born:%Y-%m-%d}"] if born else []
    parts += [f"{employees:,} employees"] if employees is not None else []
    return ", ".join(parts)


def _crawled(
    connection: psycopg.Connection,
    evidence: TenantEvidence,
    target: Target,
    excluded: _Excluded,
    as_of: dt.date,
) -> list[_Candidate]:
    """Companies of the background sample, or enriched for this tenant, that show anything of the card."""
    wanted = [*target.traits, *(("ssic", code) for code in target.codes)]
    rows = connection.execute(
        "with wanted as (select * from unnest(%(signals)s::text[], %(values)s::text[]) as w (signal_key, value_key)),"
        " facts as not materialized (select company_id, signal_key, value_key, snippet from raw.company_signals"
        " union all select company_id, signal_key, value_key, snippet from raw.icp_evidence"
        " where tenant_id = %(tenant)s and source = 'crawl'),"
        " chosen as (select company_id, count(distinct (facts.signal_key, facts.value_key)) as hits,"
        " array_agg(distinct facts.signal_key || chr(31) || facts.value_key) as shown, min(facts.snippet) as snippet"
        " from facts join wanted using (signal_key, value_key) where company_id <> all(%(companies)s)"
        " group by company_id order by hits desc, company_id limit %(most)s)"
        " select chosen.company_id, companies.name, companies.website_domain, companies.entity_id,"
        # The registry before the site, where it speaks of the same classification.
        " entities.registration_number, coalesce("
        " max(entities.industry_code) filter (where entities.industry_code_version = %(version)s),"
        " max(facts.value_key) filter (where facts.signal_key = 'ssic'), max(entities.industry_code), ''),"
        " max(facts.value_key) filter (where facts.signal_key = 'headcount'), max(entities.employee_count),"
        " entities.incorporated_on, chosen.shown, chosen.snippet"
        " from chosen join raw.companies as companies using (company_id) join facts using (company_id)"
        " left join raw.registry_entities as entities on entities.entity_id = companies.entity_id"
        " where not exists (select from facts as bad join unnest(%(bad_signals)s::text[], %(bad_values)s::text[])"
        " as unwanted (signal_key, value_key) using (signal_key, value_key) where bad.company_id = chosen.company_id)"
        " and (companies.website_domain is null or companies.website_domain <> all(%(domains)s))"
        " and (companies.entity_id is null or companies.entity_id <> all(%(entities)s))"
        " group by chosen.company_id, companies.name, companies.website_domain, companies.entity_id,"
        " entities.registration_number, entities.incorporated_on, chosen.shown, chosen.snippet, chosen.hits"
        " order by chosen.hits desc, chosen.company_id",
        {
            "signals": [signal for signal, _ in wanted],
            "values": [value for _, value in wanted],
            "bad_signals": [signal for signal, _ in excluded.traits],
            "bad_values": [value for _, value in excluded.traits],
            "tenant": evidence.tenant_id,
            "version": evidence.version,
            "companies": excluded.companies,
            "domains": excluded.domains,
            "entities": excluded.entities,
            "most": MOST_CANDIDATES,
        },
    ).fetchall()
    return [_crawled_candidate(row, as_of) for row in rows if name_key(row[1]) not in excluded.names]


def _crawled_candidate(row: tuple[Any, ...], as_of: dt.date) -> _Candidate:
    company, name, domain, entity, number, code, band, employees, born, shown, snippet = row
    if band not in BANDS and employees is not None:
        band = band_of(employees)
    traits = []
    for entry in shown:
        signal, _, value = entry.partition("\x1f")
        traits.append((signal, value))
    return _Candidate(
        entity_id=entity,
        company_id=company,
        name=name,
        registration_number=number,
        website_domain=domain,
        code=code,
        band=BANDS.index(band) if band in BANDS else -1,
        age=_years(born, as_of),
        traits=frozenset(traits),
        is_read=True,
        snippet=snippet,
    )


def _years(day: dt.date | None, as_of: dt.date) -> float:
    return float("nan") if day is None else max((as_of - day).days / _YEAR, 0.0)
