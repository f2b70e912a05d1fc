"""What suggestions are made of, read for the tenants that are due: customers, facts, answers, counts, base rates.

Belongs here: SQL and the shape of the intake's answers. Not here: anything computed of it (``models_py.suggestions``).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from models_py.suggestions.estimates import SSIC_SIGNALS, BaseSignal, SignalCount
from models_py.suggestions.facts import Answers, Fact, Industry, MatchState, Seed, TenantEvidence

#: Level of an industry code → the signal that counts it.
_LEVEL_SIGNALS = {"division": "ssic_2", "group": "ssic_3", "class": "ssic_4", "subclass": "ssic"}
#: Where the value of a signal stands in its JSON, if not under the signal's own name.
_VALUE_NAMES = {"headcount": "headcount_band", "pricing": "pricing_hint", "ssic": "title"}
_MATCHED = ("decided", "domain", "exact_name", "fuzzy")


@dataclass(frozen=True)
class Inputs:
    """All that is known of the due tenants.

    Attributes:
        base: by industry version (None: without codes), the base rates of every signal.
        entities: by tenant, registry entities of its customers (doubtful ones too) → seed.
        own_companies: by tenant, the companies that are the tenant itself.
    """

    evidence: Mapping[int, TenantEvidence]
    counts: Mapping[int, Sequence[SignalCount]]
    base: Mapping[str | None, Mapping[str, BaseSignal]]
    intake_versions: Mapping[int, int]
    entities: Mapping[int, Mapping[int, int]]
    own_companies: Mapping[int, frozenset[int]] = field(default_factory=dict)


def read_inputs(connection: psycopg.Connection, ids: Sequence[int]) -> Inputs:
    """Read everything for these tenants in a handful of queries."""
    responses = _responses(connection, ids)
    seeds, entities = _seeds(connection, ids)
    facts = _facts(connection, ids)
    counts = _counts(connection, ids)
    industries = _industries(connection)
    background = _background(connection)
    by_company: dict[tuple[int, int], list[Fact]] = defaultdict(list)
    for tenant, company, fact in facts:
        if fact.source != "intake" and fact.signal_key != "theme":
            by_company[tenant, company].append(fact)
    of_own: dict[int, list[tuple[int, Fact]]] = defaultdict(list)
    for tenant, company, fact in facts:
        if fact.source in ("user_site", "intake"):
            of_own[tenant].append((company, fact))
    evidence: dict[int, TenantEvidence] = {}
    for tenant in ids:
        mine = tuple(_with_facts(seed, by_company.get((tenant, seed.company_id), [])) for seed in seeds[tenant])
        own = [fact for _, fact in of_own[tenant]]
        version = _version(mine)
        known = industries.get(version or "", {})
        evidence[tenant] = TenantEvidence(
            tenant_id=tenant,
            seeds=mine,
            answers=read_answers(responses[tenant][1] if tenant in responses else {}, known),
            own_facts=tuple(fact for fact in own if fact.source == "user_site" and fact.signal_key != "theme"),
            themes=tuple(fact for fact in own if fact.signal_key == "theme"),
            version=version,
            industries=known,
        )
    base = {
        found.version: background | _industry_base(industries.get(found.version or "", {}), counts, evidence)
        for found in evidence.values()
    }
    return Inputs(
        evidence=evidence,
        counts=counts,
        base=base,
        intake_versions={tenant: response[0] for tenant, response in responses.items()},
        entities=entities,
        own_companies={tenant: frozenset(company for company, _ in of_own[tenant]) for tenant in ids},
    )


def _responses(connection: psycopg.Connection, ids: Sequence[int]) -> dict[int, tuple[int, dict[str, Any]]]:
    rows = connection.execute(
        "select distinct on (tenant_id) tenant_id, version, answers from raw.icp_intake_responses"
        " where tenant_id = any(%s) order by tenant_id, version desc",
        (list(ids),),
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def _seeds(
    connection: psycopg.Connection, ids: Sequence[int]
) -> tuple[dict[int, list[Seed]], dict[int, dict[int, int]]]:
    """Active seeds by tenant, without their facts; and their registry entities."""
    rows = connection.execute(
        "select seeds.tenant_id, seeds.seed_id, seeds.seed_name, seeds.kind, seeds.company_id, seeds.domain,"
        " seeds.reason, matches.path, crawls.outcome, matches.entity_id from raw.customer_seeds as seeds"
        " left join marts.seed_company_matches as matches using (tenant_id, seed_id)"
        " left join raw.crawl_runs as crawls"
        " on crawls.tenant_id = seeds.tenant_id and crawls.company_id = seeds.company_id"
        " where seeds.tenant_id = any(%s) and seeds.is_active order by seeds.tenant_id, seeds.seed_id",
        (list(ids),),
    ).fetchall()
    seeds: dict[int, list[Seed]] = {tenant: [] for tenant in ids}
    entities: dict[int, dict[int, int]] = {tenant: {} for tenant in ids}
    for tenant, seed_id, name, kind, company, domain, reason, path, crawl, entity in rows:
        match: MatchState = "matched" if path in _MATCHED else "review" if path == "review" else "none"
        seeds[tenant].append(
            Seed(
                seed_id=seed_id,
                name=name,
                kind=kind,
                company_id=company,
                domain=domain,
                reason=reason,
                match=match,
                crawl=crawl,
            )
        )
        if entity is not None:
            entities[tenant][entity] = seed_id
    return seeds, entities


def _facts(connection: psycopg.Connection, ids: Sequence[int]) -> list[tuple[int, int, Fact]]:
    """(tenant, company, fact) of the customers, and of the tenants' own sites and answers."""
    rows = connection.execute(
        "select evidence.tenant_id, evidence.company_id, evidence.evidence_id, evidence.signal_key,"
        " evidence.value_key, evidence.value, evidence.source, evidence.is_model_only from raw.icp_evidence as evidence"
        " where evidence.tenant_id = any(%s) and (evidence.source in ('user_site', 'intake') or exists ("
        " select from raw.customer_seeds as seeds where seeds.tenant_id = evidence.tenant_id"
        " and seeds.company_id = evidence.company_id and seeds.is_active))"
        " order by evidence.tenant_id, evidence.evidence_id",
        (list(ids),),
    ).fetchall()
    facts = []
    for tenant, company, evidence_id, signal, key, value, source, is_model_only in rows:
        named = value.get(_VALUE_NAMES.get(signal, signal)) if isinstance(value, dict) else None
        text = str(named) if named else key
        version = str(value["version"]) if isinstance(value, dict) and value.get("version") else None
        facts.append((tenant, company, Fact(evidence_id, signal, key, text, source, version, is_model_only)))
    return facts


def _with_facts(seed: Seed, facts: Sequence[Fact]) -> Seed:
    """The seed and what was found about it; what its site says of its industry only where it is in no registry."""
    registered = any(fact.signal_key == "ssic" and fact.source == "registry" for fact in facts)
    facts = [
        fact
        for fact in facts
        if fact.source != "user_site" and not (registered and fact.signal_key == "ssic" and fact.source != "registry")
    ]
    return replace(
        seed,
        facts=tuple(fact for fact in facts if not fact.is_model_only),
        model_facts=tuple(fact for fact in facts if fact.is_model_only),
    )


def _version(seeds: Sequence[Seed]) -> str | None:
    """The version that most of the customers' codes are of."""
    versions = Counter(
        fact.version for seed in seeds for fact in seed.facts if fact.signal_key == "ssic" and fact.version
    )
    return min(versions, key=lambda version: (-versions[version], version)) if versions else None


def _counts(connection: psycopg.Connection, ids: Sequence[int]) -> dict[int, list[SignalCount]]:
    rows = connection.execute(
        "select tenant_id, signal_key, value_key, coalesce(label_text, value_key), companies, n_companies,"
        " base_companies, base_n, lost_companies, lost_n from marts.icp_pattern_signals"
        # What was only answered is no count of anything.
        " where tenant_id = any(%s) and companies + lost_companies > 0 order by tenant_id, signal_key, value_key",
        (list(ids),),
    ).fetchall()
    counts: dict[int, list[SignalCount]] = {tenant: [] for tenant in ids}
    for tenant, *fields in rows:
        counts[tenant].append(SignalCount(*fields))
    return counts


def _industries(connection: psycopg.Connection) -> dict[str, dict[str, Industry]]:
    """By version and code, codes of all levels but the sections."""
    rows = connection.execute(
        "select version, code, coalesce(title, ''), live_entities, sample from marts.industry_segments"
        " where level <> 'section'"
    ).fetchall()
    found: dict[str, dict[str, Industry]] = defaultdict(dict)
    for version, code, title, live, sample in rows:
        names = tuple(str(entry["name"]) for entry in sample or [] if isinstance(entry, dict) and entry.get("name"))
        found[version][code] = Industry(version, code, title, int(live or 0), names)
    return found


def _background(connection: psycopg.Connection) -> dict[str, BaseSignal]:
    """Signals of the background sample: of all its companies, how many show each value (as the mart counts)."""
    rows = connection.execute(
        "select signal_key, value_key, count(distinct company_id) from raw.company_signals"
        " group by grouping sets ((signal_key, value_key), ())"
    ).fetchall()
    total = next((companies for signal, _, companies in rows if signal is None), 0)
    values: dict[str, dict[str, int]] = defaultdict(dict)
    for signal, value, companies in rows:
        if signal is not None and signal not in SSIC_SIGNALS:
            values[signal][value] = companies
    return {signal: BaseSignal(total, counts) for signal, counts in values.items()}


def _industry_base(
    industries: Mapping[str, Industry],
    counts: Mapping[int, Sequence[SignalCount]],
    evidence: Mapping[int, TenantEvidence],
) -> dict[str, BaseSignal]:
    """Codes of a version among live registry entities, by level; as many of them as the mart's base rates count."""
    lengths = {length: signal for signal, length in SSIC_SIGNALS.items()}
    by_signal: dict[str, dict[str, int]] = defaultdict(dict)
    for code, industry in industries.items():
        if len(code) in lengths and industry.live_entities:
            by_signal[lengths[len(code)]][code] = industry.live_entities
    versions = {known.version for known in industries.values()}
    sizes = [
        count.base_n
        for tenant, rows in counts.items()
        if evidence[tenant].version in versions
        for count in rows
        if count.signal_key in SSIC_SIGNALS and count.base_n
    ]
    if not sizes:
        return {}
    total = max(sizes)
    return {
        signal: BaseSignal(total, {code: min(live, total) for code, live in codes.items()})
        for signal, codes in by_signal.items()
    }


def read_answers(answers: Mapping[str, Any], industries: Mapping[str, Industry]) -> Answers:
    """The parts of an intake's normalised answers that suggestions use: the fast start, then sections C to G."""
    anti, firm, motion, tools, events = (
        _part(answers, "advanced", name)
        for name in ("anti_icp", "firmographics", "buying_motion", "technographics", "triggers")
    )
    unwanted_tools = _texts(anti.get("technologies"), tools.get("excluded"))
    unwanted_bands = _bands(anti.get("employee_bands"))
    floor = _part(answers, "deal").get("price_floor") or motion.get("price_floor")
    hiring = tuple(f"hiring {job}" for job in _texts(events.get("hiring")))
    return Answers(
        headcount_bands=_bands([answers.get("employee_band")], firm.get("employee_bands")),
        integrations=_texts(answers.get("must_have_integrations"), tools.get("must_have")),
        champions=_texts(answers.get("champion_titles"), motion.get("champion_titles")),
        triggers=_texts(answers.get("triggers"), events.get("events"), hiring),
        ssic_codes=_texts(firm.get("ssic_codes")),
        exclusions=_exclusions(anti, unwanted_tools, industries),
        excluded_codes=_texts(anti.get("ssic_codes")),
        excluded_traits=frozenset(
            [("integration", tool.lower()) for tool in unwanted_tools]
            + [("headcount", band) for band in unwanted_bands]
        ),
        excluded_companies=_texts(anti.get("companies")),
        price_floor=f"{floor['currency']} {floor['amount']:,.0f}" if floor else None,
    )


def _exclusions(anti: Mapping[str, Any], tools: Sequence[str], industries: Mapping[str, Industry]) -> tuple[str, ...]:
    """Section C in words."""
    titles = {code: industries[code].title if code in industries else "" for code in _texts(anti.get("ssic_codes"))}
    sizes = [band["given"] for band in anti.get("employee_bands") or () if band and band.get("given")]
    return _texts(
        anti.get("red_flags"),
        [f"industry {code} {title}".strip() for code, title in titles.items()],
        [f"industry: {name}" for name in _texts(anti.get("industries"))],
        [f"{size} people" for size in sizes],
        [f"based in {place}" for place in _texts(anti.get("geos"))],
        [f"runs {tool}" for tool in tools],
    )


def _part(answers: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    part: Any = answers
    for name in path:
        part = part.get(name) if isinstance(part, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _texts(*lists: Sequence[Any] | None) -> tuple[str, ...]:
    """Texts of several lists, each once, in their order."""
    found = {text.casefold(): text for texts in reversed(lists) for text in reversed(texts or ()) if text}
    return tuple(reversed(found.values()))


def _bands(*lists: Sequence[Any] | None) -> tuple[str, ...]:
    return _texts(*([name for band in bands or () if band for name in band.get("bands", ())] for bands in lists))
