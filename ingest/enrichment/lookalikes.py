"""Which companies a tenant wants filled in: those like its best customers, of the suggestions it accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from ingest.companies import ensure_companies


@dataclass(frozen=True)
class Lookalike:
    """One company to enrich, with its row in ``raw.companies``."""

    company_id: int
    name: str
    suggestion_id: str


def ensure_lookalikes(
    connection: psycopg.Connection, *, tenant_id: int, suggestion_ids: Sequence[str] | None = None
) -> list[Lookalike]:
    """The look-alikes of these suggestions, or of all accepted ones, best first, each once; rows are made if missing.

    Without those in an industry that was excluded when the suggestion was adopted: nobody looks for them.
    A website that only the registry names is not taken over here: it has to be confirmed like any other.
    """
    rows = connection.execute(
        "select alike.suggestion_id, alike.name, alike.website_domain, alike.entity_id, alike.company_id"
        " from learned.lookalike_companies as alike"
        " where alike.tenant_id = %(tenant)s and ("
        "  alike.suggestion_id = any(%(suggestions)s::text[]) or (%(suggestions)s::text[] is null and exists ("
        "   select from learned.suggestion_decisions as decisions where decisions.tenant_id = alike.tenant_id"
        "   and decisions.suggestion_id = alike.suggestion_id and decisions.decision = 'accepted')))"
        " and not exists ("
        "  select from learned.icp_rules as rules"
        "  cross join jsonb_array_elements_text(rules.payload -> 'excluded_ssic_codes') as excluded (code)"
        "  join raw.registry_entities as entity on entity.entity_id = alike.entity_id"
        "  where rules.tenant_id = alike.tenant_id and rules.suggestion_id = alike.suggestion_id and rules.is_active"
        "  and starts_with(entity.industry_code, excluded.code))"
        " order by alike.rank, alike.suggestion_id",
        {"tenant": tenant_id, "suggestions": None if suggestion_ids is None else list(suggestion_ids)},
    ).fetchall()
    with connection.transaction():
        company_ids = _company_ids(connection, rows)
        entities = {row[3]: company_id for row, company_id in zip(rows, company_ids, strict=True) if row[3] is not None}
        connection.execute(
            "update raw.companies as known set entity_id = found.entity_id"
            " from (select company_id, min(entity_id) as entity_id"
            " from unnest(%s::bigint[], %s::bigint[]) as pairs (company_id, entity_id) group by company_id) as found"
            " where known.company_id = found.company_id and known.entity_id is null"
            " and exists (select from raw.registry_entities as real where real.entity_id = found.entity_id)",
            (list(entities.values()), list(entities)),
        )
    first: dict[int, Lookalike] = {}
    for row, company_id in zip(rows, company_ids, strict=True):
        first.setdefault(company_id, Lookalike(company_id, row[1], row[0]))
    return list(first.values())


def _company_ids(connection: psycopg.Connection, rows: Sequence[tuple[str, str, str | None, int, int]]) -> list[int]:
    """The rows' companies: the one they name, the one of their registry entity, else by domain or name."""
    by_id = {
        known
        for (known,) in connection.execute(
            "select company_id from raw.companies where company_id = any(%s)", ([row[4] for row in rows if row[4]],)
        )
    }
    by_entity: dict[int, int] = dict(
        connection.execute(
            "select entity_id, min(company_id) from raw.companies where entity_id = any(%s) group by entity_id",
            ([row[3] for row in rows if row[3]],),
        ).fetchall()
    )
    domains = {
        known
        for (known,) in connection.execute(
            "select company_key from raw.companies where company_key = any(%s)", ([row[2] for row in rows if row[2]],)
        )
    }
    found = [row[4] if row[4] in by_id else by_entity.get(row[3]) for row in rows]
    missing = [index for index, company_id in enumerate(found) if company_id is None]
    # Known under this domain already: the same company. Otherwise the domain is a candidate, no more.
    named = [(rows[index][1], rows[index][2] if rows[index][2] in domains else None) for index in missing]
    for index, company_id in zip(missing, ensure_companies(connection, named), strict=True):
        found[index] = company_id
    return [company_id for company_id in found if company_id is not None]
