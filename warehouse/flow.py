"""``raw.icp_flow``: how far a tenant's intake has come on its way to suggestions, and what waits to go that way."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import psycopg

State = Literal["intake_saved", "mapping", "crawl", "pattern_mining", "suggestions_ready", "failed"]


def set_state(
    connection: psycopg.Connection, tenant_ids: Collection[int], state: State, *, message: str | None = None
) -> None:
    """Say where these tenants are now. One that has no intake has no way to go and is left out."""
    if tenant_ids:
        connection.execute(
            "update raw.icp_flow set state = %s, message = %s, since = clock_timestamp()"
            " where tenant_id = any(%s) and (state, message) is distinct from (%s, %s)",
            (state, message, list(tenant_ids), state, message),
        )


def waiting(connection: psycopg.Connection) -> set[str]:
    """What a run would bring on its way: intakes handed in, intakes stored, decisions on matches.

    Each has a name of its own that it keeps while it waits, so that who saw it once knows it again.
    """
    rows = connection.execute(
        "select 'handed in ' || inbox_id from raw.icp_intake_inbox where processed_at is null"
        " union all select 'stored ' || tenant_id || ':' || coalesce(response_id, 0) from raw.icp_flow"
        " where state not in ('suggestions_ready', 'failed')"
        " union all select 'decided ' || decided.tenant_id || ':' || decided.version"
        " from intermediate.tenant_versions as decided join intermediate.tenant_versions as matched"
        " on matched.tenant_id = decided.tenant_id and matched.relation = 'learned.company_matches'"
        " where decided.relation = 'raw.match_decisions'"
        " and decided.relation || ':' || decided.version <> all(string_to_array(matched.built_from, '|'))"
    ).fetchall()
    return {row[0] for row in rows}


def note_mapping(connection: psycopg.Connection, tenant_ids: Collection[int], seconds: float) -> None:
    """Keep how long the mapping of these tenants' seeds took."""
    connection.execute(
        "update raw.icp_flow set mapping_seconds = %s where tenant_id = any(%s)", (seconds, list(tenant_ids))
    )
