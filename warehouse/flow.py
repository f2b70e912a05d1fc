"""``raw.icp_flow``: how far a tenant's intake has come on its way to suggestions."""

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


def note_mapping(connection: psycopg.Connection, tenant_ids: Collection[int], seconds: float) -> None:
    """Keep how long the mapping of these tenants' seeds took."""
    connection.execute(
        "update raw.icp_flow set mapping_seconds = %s where tenant_id = any(%s)", (seconds, list(tenant_ids))
    )
