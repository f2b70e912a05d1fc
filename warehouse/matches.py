"""``learned.company_matches``: which registry entity each seed is, published per tenant, and read for people.

Belongs here: writing what was matched in one transaction, and what a person needs to judge a match. Does not belong
here: finding matches (``models_py.matching``) and deciding (the function ``learned.decide_match``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from warehouse import bulk
from warehouse.errors import WarehouseError

Path = Literal["decided", "domain", "exact_name", "fuzzy", "review", "none"]
#: Paths on which the entity counts as the seed's.
MAPPED: tuple[Path, ...] = ("decided", "domain", "exact_name", "fuzzy")


class MatchError(WarehouseError):
    """A match cannot be decided as asked."""


@dataclass(frozen=True)
class Seed:
    """An active seed of a tenant, with what a person decided or corrected about it.

    Attributes:
        name, domain: as corrected by ``icp matches edit``, else as the tenant named it.
        city, country: of the company, where they are known.
        decision: None where nobody decided; a correction alone is no decision.
        entity_id: of the decision.
    """

    tenant_id: int
    seed_id: int
    company_id: int
    name: str
    domain: str | None
    city: str | None
    country: str | None
    decision: Literal["confirm", "pick", "none"] | None
    entity_id: int | None
    decided_by: str | None


@dataclass(frozen=True)
class CandidateRow:
    """One entity that a doubtful seed may be."""

    entity_id: int
    name: str
    registration_number: str
    probability: float
    features: Mapping[str, Any]


@dataclass(frozen=True)
class SeedMatch:
    """What a seed was found to be. ``candidates``: kept for review only, best first."""

    tenant_id: int
    seed_id: int
    company_id: int
    path: Path
    entity_id: int | None
    probability: float | None
    margin: float | None
    reason: str
    model_version: str
    features: Mapping[str, Any] = field(default_factory=dict)
    candidates: Sequence[CandidateRow] = ()

    @property
    def is_mapped(self) -> bool:
        """Whether the entity counts as the seed's."""
        return self.path in MAPPED and self.entity_id is not None


def read_seeds(connection: psycopg.Connection, tenant_ids: Sequence[int]) -> list[Seed]:
    """Active seeds of these tenants, best and lost.

    A decision "none" that corrects the name or the domain asks for another look, and is not the last word.
    """
    with connection.cursor(row_factory=class_row(Seed)) as cursor:
        return cursor.execute(
            "select seeds.tenant_id, seeds.seed_id, seeds.company_id,"
            " coalesce(decided.details ->> 'name', seeds.seed_name) as name,"
            " coalesce(decided.details ->> 'domain', seeds.domain, companies.website_domain) as domain,"
            " companies.hq_city as city, companies.hq_country as country,"
            " case when decided.decision <> 'none' or not decided.details ?| array['name', 'domain']"
            " then decided.decision end as decision, decided.entity_id, decided.decided_by"
            " from raw.customer_seeds as seeds join raw.companies as companies using (company_id)"
            " left join raw.match_decisions as decided using (tenant_id, seed_key)"
            " where seeds.tenant_id = any(%s) and seeds.is_active order by seeds.tenant_id, seeds.seed_id",
            (list(tenant_ids),),
        ).fetchall()


_MATCH_COLUMNS = {
    "tenant_id": "int4",
    "seed_id": "int8",
    "entity_id": "int8",
    "path": "text",
    "probability": "float8",
    "runner_up_margin": "float8",
    "features": "jsonb",
    "reason": "text",
    "model_version": "text",
    "matched_at": "timestamptz",
    "run_id": "text",
}
_CANDIDATE_COLUMNS = {
    "tenant_id": "int4",
    "seed_id": "int8",
    "rank": "int4",
    "entity_id": "int8",
    "name": "text",
    "registration_number": "text",
    "probability": "float8",
    "features": "jsonb",
}


def publish_matches(
    connection: psycopg.Connection,
    tenant_ids: Sequence[int],
    matches: Sequence[SeedMatch],
    *,
    now: dt.datetime,
    run_id: str | None,
) -> None:
    """Replace the matches and the review queue of these tenants, in one transaction.

    ``raw.companies.entity_id`` follows: what was found counts for everybody; what one tenant's people decided, only
    where nothing was found.
    """
    with connection.transaction(), connection.cursor() as cursor:
        for table in ("match_candidates", "company_matches"):
            cursor.execute(
                f"delete from learned.{table} where tenant_id = any(%s)".encode(),
                (list(tenant_ids),),
            )
        bulk.copy_rows(
            cursor,
            "new_matches",
            _staged(cursor, "new_matches", _MATCH_COLUMNS),
            (
                (
                    match.tenant_id,
                    match.seed_id,
                    match.entity_id,
                    match.path,
                    match.probability,
                    match.margin,
                    Jsonb(dict(match.features)),
                    match.reason,
                    match.model_version,
                    now,
                    run_id,
                )
                for match in matches
            ),
        )
        bulk.copy_rows(
            cursor,
            "new_candidates",
            _staged(cursor, "new_candidates", _CANDIDATE_COLUMNS),
            (
                (
                    match.tenant_id,
                    match.seed_id,
                    rank,
                    candidate.entity_id,
                    candidate.name,
                    candidate.registration_number,
                    candidate.probability,
                    Jsonb(dict(candidate.features)),
                )
                for match in matches
                for rank, candidate in enumerate(match.candidates, start=1)
            ),
        )
        for table, staged, columns in (
            ("company_matches", "new_matches", _MATCH_COLUMNS),
            ("match_candidates", "new_candidates", _CANDIDATE_COLUMNS),
        ):
            names = ", ".join(columns)
            cursor.execute(f"insert into learned.{table} ({names}) select {names} from {staged}".encode())
            cursor.execute(f"drop table {staged}".encode())
        _link_companies(cursor, matches)
        touched = sorted({match.tenant_id for match in matches})
        cursor.execute("select intermediate.touch('learned.match_candidates', %s::int[])", (touched,))


def _staged(cursor: psycopg.Cursor, name: str, columns: Mapping[str, str]) -> Mapping[str, str]:
    bulk.create_staging(cursor, name, columns)
    return columns


def _link_companies(cursor: psycopg.Cursor, matches: Sequence[SeedMatch]) -> None:
    mapped = sorted(
        {(match.company_id, match.entity_id, match.path == "decided") for match in matches if match.is_mapped}
    )
    if mapped:
        cursor.execute(
            "update raw.companies as company set entity_id = found.entity_id"
            " from (select distinct on (company_id) company_id, entity_id, decided"
            " from unnest(%s::bigint[], %s::bigint[], %s::boolean[]) as given (company_id, entity_id, decided)"
            " order by company_id, decided, entity_id) as found"
            " where found.company_id = company.company_id and company.entity_id is distinct from found.entity_id"
            " and (not found.decided or company.entity_id is null)",
            [list(column) for column in zip(*mapped, strict=True)],
        )


# -- for people ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MatchView:
    """A seed with its match, as `icp matches` shows it.

    Attributes:
        detected: signal → values found about the company, the surest first.
        candidates: of a doubtful seed, best first, as JSON.
    """

    seed_id: int
    seed_name: str
    kind: str
    domain: str | None
    path: str | None
    entity_id: int | None
    entity_name: str | None
    registration_number: str | None
    industry: str | None
    place: str | None
    probability: float | None
    reason: str | None
    decision: str | None
    edits: dict[str, Any]
    detected: dict[str, list[str]]
    candidates: list[dict[str, Any]]


def read_matches(
    connection: psycopg.Connection, tenant_id: int, *, only_review: bool = False, seed_id: int | None = None
) -> list[MatchView]:
    """Active seeds of a tenant with their matches and what was detected; the doubtful first."""
    with connection.cursor(row_factory=class_row(MatchView)) as cursor:
        return cursor.execute(
            "select seeds.seed_id, seeds.seed_name, seeds.kind, coalesce(seeds.domain, companies.website_domain)"
            " as domain, matches.path, matches.entity_id, entities.name as entity_name, entities.registration_number,"
            " entities.industry_code || coalesce(' ' || codes.title, '') as industry,"
            " coalesce(companies.hq_city, entities.city, companies.hq_country, entities.country) as place,"
            " matches.probability, matches.reason, decided.decision, coalesce(decided.details, '{}') as edits,"
            " coalesce((select jsonb_object_agg(signal_key, shown) from (select signal_key,"
            " jsonb_agg(label order by confidence desc, label) as shown from (select signal_key,"
            " max(confidence) as confidence, max(case when signal_key = 'ssic' then concat_ws(' ', value ->> 'ssic',"
            " value ->> 'title') else coalesce(value ->> signal_key, value_key) end) as label"
            " from raw.icp_evidence as evidence where evidence.tenant_id = seeds.tenant_id"
            " and evidence.company_id = seeds.company_id group by signal_key, value_key) as facts"
            " group by signal_key) as signals), '{}') as detected,"
            " coalesce((select jsonb_agg(jsonb_build_object('rank', rank, 'entity_id', entity_id, 'name', name,"
            " 'registration_number', registration_number, 'probability', probability, 'why', features ->> 'why')"
            " order by rank) from learned.match_candidates as queue where queue.tenant_id = seeds.tenant_id"
            " and queue.seed_id = seeds.seed_id), '[]') as candidates"
            " from raw.customer_seeds as seeds join raw.companies as companies using (company_id)"
            " left join learned.company_matches as matches using (tenant_id, seed_id)"
            " left join raw.registry_entities as entities on entities.entity_id = matches.entity_id"
            " left join raw.industry_codes as codes on codes.version = entities.industry_code_version"
            " and codes.code = entities.industry_code"
            " left join raw.match_decisions as decided using (tenant_id, seed_key)"
            " where seeds.tenant_id = %(tenant)s and seeds.is_active"
            " and (not %(review)s or matches.path = 'review')"
            " and (%(seed)s::bigint is null or seeds.seed_id = %(seed)s)"
            " order by array_position(array['review', 'none'], matches.path) nulls last, seeds.kind, seeds.seed_id",
            {"tenant": tenant_id, "review": only_review, "seed": seed_id},
        ).fetchall()


def find_entity(connection: psycopg.Connection, registration_number: str, registry: str | None = None) -> int:
    """The entity of a registration number.

    Raises:
        MatchError: there is none, or several registries have that number and none was named.
    """
    rows = connection.execute(
        "select entity_id, registry from raw.registry_entities where registration_number = %s"
        " and (%s::text is null or registry = %s)",
        (registration_number, registry, registry),
    ).fetchall()
    if not rows:
        raise MatchError(f"No registry entity has the number {registration_number}. Load registries: icp load registry")
    if len(rows) > 1:
        raise MatchError(f"{registration_number} is in {', '.join(sorted(row[1] for row in rows))}: add --registry.")
    return int(rows[0][0])


def decide(
    connection: psycopg.Connection,
    *,
    tenant_id: int,
    seed_id: int,
    decision: Literal["confirm", "pick", "none"],
    entity_id: int | None,
    actor: str,
    edits: Mapping[str, Any] | None = None,
) -> None:
    """Remember what a person decided; it outlives every re-run and counts from the next one on.

    Raises:
        MatchError: the tenant has no such seed, or the login may not decide for it.
    """
    try:
        connection.execute(
            "select learned.decide_match(%s, %s, %s, %s, %s, %s)",
            (tenant_id, seed_id, decision, entity_id, actor, Jsonb(dict(edits or {}))),
        )
    except (psycopg.errors.NoDataFound, psycopg.errors.InsufficientPrivilege) as error:
        raise MatchError(error.diag.message_primary or str(error)) from error


def withdraw(connection: psycopg.Connection, *, tenant_id: int, seed_id: int, actor: str) -> bool:
    """Take back what was decided or corrected about a seed; False if nothing was."""
    with connection.transaction():
        taken = connection.execute(
            "delete from raw.match_decisions as decided using raw.customer_seeds as seeds"
            " where seeds.tenant_id = %s and seeds.seed_id = %s and decided.tenant_id = seeds.tenant_id"
            " and decided.seed_key = seeds.seed_key returning decided.seed_key, decided.decision",
            (tenant_id, seed_id),
        ).fetchone()
        if taken:
            connection.execute("select intermediate.touch('raw.match_decisions', array[%s]::int[])", (tenant_id,))
            connection.execute(
                "insert into learned.audit_log (tenant_id, actor, action, object, detail)"
                " values (%s, %s, 'withdraw_match', %s, %s)",
                (tenant_id, actor, taken[0], Jsonb({"was": taken[1]})),
            )
    return taken is not None
