"""Full extracts: leads that a source no longer has are marked as deleted.

All files of the mapping that hold leads are the extract together. A rejected row is not a missing lead.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from ingest.errors import IngestError
from ingest.outcomes.entities import LEADS

MOST_GONE = 0.2  # of a tenant's leads may be missing before somebody must say that they are really gone
FEW = 10  # leads: fewer missing ones are never too many


def mark_gone(
    connection: psycopg.Connection, source: str, load_ids: Sequence[int], *, load_id: int, however_many: bool
) -> tuple[int, str | None]:
    """Mark the leads that were in an earlier extract and are in none of these loads; how many, or why none.

    Call within the transaction of the extract's last load. Where a rejected row has no readable id nothing is
    marked: it could be any lead.

    Args:
        load_id: under which the change is filed.

    Raises:
        IngestError: so many of a tenant's leads are missing that the extract is more likely a part.
    """
    names = {"source": source, "entity": LEADS.name, "loads": list(load_ids)}
    nameless = connection.execute(
        "select count(*) from raw.rejected_rows where source = %(source)s and entity = %(entity)s"
        " and last_load_id = any(%(loads)s) and resolved_at is null and record_key is null",
        names,
    ).fetchone()
    if nameless and nameless[0]:
        return 0, f"no lead was looked for that might be gone: {nameless[0]:,} rejected rows have no readable id"
    connection.execute(
        "create temporary table gone on commit drop as"
        " select mark.tenant_id, mark.lead_id from raw.lead_sources as mark"
        " join raw.leads as leads using (tenant_id, lead_id)"
        " where mark.source = %(source)s and mark.gone_at is null and mark.load_id <> all(%(loads)s)"
        " and not exists (select from raw.rejected_rows as rejected where rejected.source = mark.source"
        " and rejected.entity = %(entity)s and rejected.tenant_id = mark.tenant_id"
        " and rejected.record_key = leads.source_id and rejected.last_load_id = any(%(loads)s)"
        " and rejected.resolved_at is null)",
        names,
    )
    if not however_many:
        _refuse_too_many(connection, source)
    marked = connection.execute(
        "with marked as (update raw.lead_sources as mark set gone_at = now() from gone"
        " where mark.tenant_id = gone.tenant_id and mark.lead_id = gone.lead_id and mark.source = %s"
        " returning mark.tenant_id, mark.lead_id),"
        " deleted as (update raw.leads as leads set deleted_at = now(), load_id = %s from marked"
        " where leads.tenant_id = marked.tenant_id and leads.lead_id = marked.lead_id and leads.deleted_at is null"
        " returning leads.tenant_id)"
        " select (select count(*) from marked), (select array_agg(distinct tenant_id) from deleted)",
        (source, load_id),
    ).fetchone()
    assert marked is not None
    if marked[1]:
        connection.execute("select intermediate.touch('raw.leads', %s)", (marked[1],))
    return int(marked[0]), None


def _refuse_too_many(connection: psycopg.Connection, source: str) -> None:
    row = connection.execute(
        "select tenants.slug, count(gone.lead_id), count(*) from raw.lead_sources as mark"
        " join raw.tenants as tenants using (tenant_id) left join gone using (tenant_id, lead_id)"
        " where mark.source = %s and mark.gone_at is null group by tenants.slug"
        " having count(gone.lead_id) > greatest(%s, %s * count(*)) order by 2 desc limit 1",
        (source, FEW, MOST_GONE),
    ).fetchone()
    if row:
        raise IngestError(
            f"{row[1]:,} of the {row[2]:,} leads of {row[0]} that {source} told of are not in its full extract; "
            "nothing of it was loaded. If it is only a part, take full_extract out of the mapping; if the leads are "
            "really gone, load it with --complete."
        )
