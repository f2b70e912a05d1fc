"""Matching seeds: a tenant's customers in, the registry entity of each out, with a probability and why."""

import dataclasses
import datetime as dt
import time
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import psycopg

from dagster_defs.checks import WARN, check_number, number
from dagster_defs.matching_evidence import CompanyEvidence, replace_evidence
from dagster_defs.matching_reading import Registry, count_entities, read_all, read_likely
from dagster_defs.metadata import markdown_table, table_metadata
from dagster_defs.resources import WarehouseResource
from ingest.evidence import EvidenceItem
from models_py.matching.index import Queries
from models_py.matching.match import Candidate, Matches, match
from models_py.matching.ranker import default_ranker
from warehouse.flow import note_mapping
from warehouse.matches import CandidateRow, Path, Seed, SeedMatch, publish_matches, read_seeds
from warehouse.versions import due_tenants, mark_built

RELATION = "learned.company_matches"
READS = ["raw.customer_seeds", "raw.registry_entities", "raw.match_decisions"]
PUBLISHED = {
    "company_matches": "One row per tenant and seed: the registry entity it is, on which path, how probable, and why.",
    "match_candidates": "One row per doubtful seed and candidate, best first: the review queue.",
}
LEAST_MAPPED = 0.80
MOST_SECONDS = 300
LONGEST_QUEUE = 100
_DECIDED = {"confirm": "confirmed", "pick": "picked", "none": "said that no entity is this company"}


@dg.multi_asset(
    name="match_seeds",
    specs=[
        dg.AssetSpec(
            ["learned", table],
            deps=[["raw", "customer_seeds"], ["raw", "registry_entities"], ["raw", "match_decisions"]],
            group_name="intake",
            description=text,
            kinds={"python", "postgres"},
        )
        for table, text in PUBLISHED.items()
    ],
)
def match_seeds(context: dg.AssetExecutionContext, warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult]:
    """Match the seeds of the tenants whose seeds, decisions or registries changed; publish in one transaction."""
    now = dt.datetime.now(dt.UTC)
    with warehouse.connect(autocommit=True) as connection:
        due = due_tenants(connection, RELATION, READS)
        found = match_tenants(connection, due, now=now, run_id=context.run.run_id)
        for table in PUBLISHED:
            metadata = table_metadata(connection, "learned", table)
            if table == "company_matches":
                metadata["tenants_matched"] = len(due)
                metadata["seeds_matched"] = len(found)
                metadata["paths"] = _paths(connection)
            yield dg.MaterializeResult(asset_key=["learned", table], metadata=metadata)


def match_tenants(
    connection: psycopg.Connection, due: Mapping[int, str], *, now: dt.datetime, run_id: str | None
) -> list[SeedMatch]:
    """Match and publish the seeds of these tenants; their industry codes become evidence.

    Args:
        due: as :func:`warehouse.versions.due_tenants` gives them.
    """
    if not due:
        return []
    start = time.perf_counter()
    seeds = read_seeds(connection, sorted(due))
    undecided = [seed for seed in seeds if seed.decision is None]
    matches = [_decided(seed) for seed in seeds if seed.decision is not None] + _matched(connection, undecided)
    with connection.transaction():
        publish_matches(connection, sorted(due), matches, now=now, run_id=run_id)
        _store_industries(connection, sorted(due), matches, now)
        note_mapping(connection, sorted({seed.tenant_id for seed in seeds}), time.perf_counter() - start)
        mark_built(connection, RELATION, due)
    return matches


def _decided(seed: Seed) -> SeedMatch:
    assert seed.decision is not None
    return SeedMatch(
        tenant_id=seed.tenant_id,
        seed_id=seed.seed_id,
        company_id=seed.company_id,
        path="decided",
        entity_id=seed.entity_id,
        probability=1.0 if seed.entity_id is not None else None,
        margin=None,
        reason=f"{seed.decided_by} {_DECIDED[seed.decision]}.",
        model_version=default_ranker().version,
    )


def _matched(connection: psycopg.Connection, seeds: Sequence[Seed]) -> list[SeedMatch]:
    """By domain and equal name first; all entities are read only if something is left."""
    if not seeds:
        return []
    known = count_entities(connection)
    if not known:
        return [_without_registry(seed) for seed in seeds]
    likely = read_likely(connection, _queries(seeds), of=known)
    answers = match(_queries(seeds), likely.index)
    sure = {at for at, path in enumerate(answers.path) if path in ("domain", "exact_name")}
    found = {at: _seed_match(seed, answers, at, likely) for at, seed in enumerate(seeds) if at in sure}
    left = [(at, seed) for at, seed in enumerate(seeds) if at not in sure]
    if left:
        everything = read_all(connection)
        answers = match(_queries([seed for _, seed in left]), everything.index)
        found |= {at: _seed_match(seed, answers, row, everything) for row, (at, seed) in enumerate(left)}
    numbers = _registration_numbers(connection, [c.entity_id for m in found.values() for c in m.candidates])
    return [_with_numbers(found[at], numbers) for at in range(len(seeds))]


def _queries(seeds: Sequence[Seed]) -> Queries:
    return Queries(
        names=[seed.name for seed in seeds],
        domains=[seed.domain for seed in seeds],
        cities=[seed.city for seed in seeds],
        countries=[seed.country for seed in seeds],
    )


def _without_registry(seed: Seed) -> SeedMatch:
    return SeedMatch(
        tenant_id=seed.tenant_id,
        seed_id=seed.seed_id,
        company_id=seed.company_id,
        path="none",
        entity_id=None,
        probability=None,
        margin=None,
        reason="No registry has been loaded; load one with icp load registry.",
        model_version=default_ranker().version,
    )


def _seed_match(seed: Seed, answers: Matches, at: int, registry: Registry) -> SeedMatch:
    path: Path = answers.path[at]
    candidates = answers.candidates[at]
    return SeedMatch(
        tenant_id=seed.tenant_id,
        seed_id=seed.seed_id,
        company_id=seed.company_id,
        path=path,
        entity_id=int(registry.entity_ids[answers.entity[at]]) if path != "none" else None,
        probability=float(answers.probability[at]) if candidates else None,
        margin=float(answers.margin[at]) if candidates else None,
        reason=answers.why[at],
        model_version=default_ranker().version,
        features=dict(candidates[0].features) if candidates else {},
        candidates=[_candidate(each, registry) for each in candidates] if path == "review" else [],
    )


def _candidate(found: Candidate, registry: Registry) -> CandidateRow:
    return CandidateRow(
        entity_id=int(registry.entity_ids[found.entity]),
        name=registry.index.names[found.entity],
        registration_number="",
        probability=found.probability,
        features={**found.features, "why": found.why},
    )


def _registration_numbers(connection: psycopg.Connection, entity_ids: Sequence[int]) -> dict[int, str]:
    return dict(
        connection.execute(
            "select entity_id, registration_number from raw.registry_entities where entity_id = any(%s)",
            (sorted(set(entity_ids)),),
        ).fetchall()
    )


def _with_numbers(found: SeedMatch, numbers: Mapping[int, str]) -> SeedMatch:
    return dataclasses.replace(
        found,
        candidates=[
            dataclasses.replace(each, registration_number=numbers[each.entity_id]) for each in found.candidates
        ],
    )


_INDUSTRIES = """
select entities.entity_id, entities.registry, used.code, entities.industry_code_version, codes.title
from raw.registry_entities as entities
cross join lateral (values (entities.industry_code), (entities.secondary_industry_code)) as used (code)
left join raw.industry_codes as codes on codes.version = entities.industry_code_version and codes.code = used.code
where entities.entity_id = any(%s) and entities.is_live and used.code is not null
"""


def _store_industries(
    connection: psycopg.Connection, tenant_ids: Sequence[int], matches: Sequence[SeedMatch], now: dt.datetime
) -> None:
    """Industry codes of live entities as evidence of all these tenants; those of entities that no longer count go."""
    mapped = [found for found in matches if found.is_mapped and found.entity_id is not None]
    industries: dict[int, list[tuple[str, str, str | None, str | None]]] = {}
    entity_ids = sorted({found.entity_id for found in mapped if found.entity_id is not None})
    for entity_id, *industry in connection.execute(_INDUSTRIES, (entity_ids,)).fetchall():
        industries.setdefault(entity_id, []).append((industry[0], industry[1], industry[2], industry[3]))
    facts = [
        CompanyEvidence(
            tenant_id=found.tenant_id,
            company_id=found.company_id,
            source_name=registry,
            item=EvidenceItem(
                "ssic", code, {"ssic": code, "version": version, "title": title}, confidence=found.probability or 1.0
            ),
        )
        for found in mapped
        for registry, code, version, title in industries.get(found.entity_id or 0, [])
    ]
    replace_evidence(connection, tenant_ids=tenant_ids, source="registry", facts=facts, now=now)


def _paths(connection: psycopg.Connection) -> dg.MarkdownMetadataValue:
    rows = connection.execute(
        "select path, count(*), count(distinct tenant_id), round(avg(probability)::numeric, 3)"
        " from learned.company_matches group by path order by count(*) desc"
    ).fetchall()
    return markdown_table(["path", "seeds", "tenants", "mean probability"], rows)


checks = [
    check_number(
        ("learned", "company_matches"),
        "Share of the seeds that a registry entity was found for; nothing to measure without a registry.",
        number(
            "select avg((path in ('decided', 'domain', 'exact_name', 'fuzzy') and entity_id is not null)::int)"
            " from learned.company_matches where exists (select from raw.registry_entities)"
        ),
        at_least=LEAST_MAPPED,
        severity=WARN,
        name="most_seeds_are_mapped",
    ),
    check_number(
        ("learned", "company_matches"),
        "The longest that mapping a tenant's seeds took the last time, in seconds.",
        number("select max(mapping_seconds) from raw.icp_flow"),
        at_most=MOST_SECONDS,
        severity=WARN,
        name="mapping_is_quick",
    ),
    check_number(
        ("learned", "match_candidates"),
        "Doubtful seeds that wait for a person.",
        number("select count(*) from learned.company_matches where path = 'review'"),
        at_most=LONGEST_QUEUE,
        severity=WARN,
        name="the_review_queue_is_short",
    ),
]
