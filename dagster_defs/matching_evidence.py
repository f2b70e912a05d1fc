"""Evidence of one source of many tenants and companies, replaced in one statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg.types.json import Jsonb

from ingest.evidence import EvidenceItem, Source, content_hash
from warehouse import bulk

_COLUMNS = {
    "tenant_id": "int4",
    "company_id": "int8",
    "content_hash": "text",
    "source_name": "text",
    "signal_key": "text",
    "value_key": "text",
    "value": "jsonb",
    "confidence": "float8",
}
# Deleted and written rows are different ones: a row that is among the facts is never deleted.
_REPLACE = """
with wanted as (
    select distinct on (tenant_id, content_hash) * from replaced_evidence
    order by tenant_id, content_hash, confidence desc
),

gone as (
    delete from raw.icp_evidence as known
    where known.tenant_id = any(%(tenants)s) and known.source = %(source)s and not exists (
        select from wanted
        where wanted.tenant_id = known.tenant_id and wanted.content_hash = known.content_hash
    )
    returning known.tenant_id
),

written as (
    insert into raw.icp_evidence as known (
        tenant_id, company_id, signal_key, value_key, value, source, source_name, confidence, observed_at, content_hash
    )
    select
        tenant_id, company_id, signal_key, value_key, value, %(source)s, source_name, confidence, %(now)s, content_hash
    from wanted
    on conflict (tenant_id, content_hash) do update set
        value = excluded.value, confidence = excluded.confidence, observed_at = excluded.observed_at
    where row(known.value, known.confidence) is distinct from row(excluded.value, excluded.confidence)
    returning known.tenant_id
)

select tenant_id from gone
union
select tenant_id from written
order by tenant_id
"""


@dataclass(frozen=True)
class CompanyEvidence:
    """A fact of a tenant's company, without an address or the words around it."""

    tenant_id: int
    company_id: int
    source_name: str | None
    item: EvidenceItem


def replace_evidence(
    connection: psycopg.Connection,
    *,
    tenant_ids: Sequence[int],
    source: Source,
    facts: Sequence[CompanyEvidence],
    now: dt.datetime,
) -> list[int]:
    """Make ``facts`` all that these tenants have of this source, within the caller's transaction.

    As :func:`ingest.evidence.store_evidence` with ``replace``, for all companies of all these tenants at once.

    Returns:
        Tenants of whom something changed; the others' versions stay.
    """
    with connection.transaction(), connection.cursor() as cursor:
        bulk.create_staging(cursor, "replaced_evidence", _COLUMNS)
        bulk.copy_rows(
            cursor,
            "replaced_evidence",
            _COLUMNS,
            (
                (
                    fact.tenant_id,
                    fact.company_id,
                    content_hash(fact.company_id, source, fact.source_name, fact.item),
                    fact.source_name,
                    fact.item.signal_key,
                    fact.item.value_key,
                    Jsonb(fact.item.value),
                    float(fact.item.confidence),
                )
                for fact in facts
            ),
        )
        parameters = {"tenants": list(tenant_ids), "source": source, "now": now}
        changed = [row[0] for row in cursor.execute(_REPLACE, parameters).fetchall()]
        cursor.execute("drop table replaced_evidence")
        if changed:
            cursor.execute("select intermediate.touch('raw.icp_evidence', %s::int[])", (changed,))
    return changed
