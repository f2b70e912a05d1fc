"""The way in for applications: rows of ``raw.icp_intake_inbox`` → versions, or a sentence why not.

Belongs here: order, locking, and marking what became of a row. Not here: what a payload means.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Final

import psycopg

from ingest.intake.errors import IntakeError
from ingest.intake.reading import LARGEST, read_json
from ingest.intake.store import IntakeReport, store_intake
from warehouse import tenants
from warehouse.tenants import Tenant

log = logging.getLogger(__name__)

# The oldest row of each tenant comes first, so that versions are in the order of submission; a tenant at which
# another process works is left to it.
_NEXT: Final = """
select inbox.tenant_id, inbox.inbox_id, left(inbox.payload::text, %s), inbox.submitted_by
from raw.icp_intake_inbox as inbox
where
    inbox.processed_at is null
    and not exists (
        select from raw.icp_intake_inbox as older
        where older.tenant_id = inbox.tenant_id and older.processed_at is null and older.inbox_id < inbox.inbox_id
    )
order by inbox.inbox_id
limit 1
for update of inbox skip locked
"""


@dataclass(frozen=True)
class InboxOutcome:
    """What became of one row: a report, or why it was refused."""

    tenant_id: int
    inbox_id: int
    report: IntakeReport | None
    refused_because: str | None


def process_inbox(connection: psycopg.Connection, now: dt.datetime) -> list[InboxOutcome]:
    """Store or refuse every unprocessed row, each in a transaction of its own. Two at once share the work."""
    outcomes: list[InboxOutcome] = []
    known: dict[int, Tenant] = {}
    while True:
        with connection.transaction():
            row = connection.execute(_NEXT, (LARGEST + 1,)).fetchone()
            if row is None:
                return outcomes
            tenant_id, inbox_id, payload, submitted_by = row
            if tenant_id not in known:
                known = {tenant.tenant_id: tenant for tenant in tenants.list_tenants(connection)}
            outcomes.append(_process(connection, known[tenant_id], inbox_id, payload, submitted_by, now))


def _process(
    connection: psycopg.Connection, tenant: Tenant, inbox_id: int, payload: str, submitted_by: str, now: dt.datetime
) -> InboxOutcome:
    report: IntakeReport | None = None
    refused: str | None = None
    try:
        with connection.transaction():  # a refused row leaves nothing but its mark
            report = store_intake(
                connection, tenant=tenant, payload=read_json(payload), submitted_by=submitted_by, now=now
            )
    except IntakeError as error:
        refused = str(error)
    except psycopg.DataError as error:  # it would stop the queue otherwise
        refused = f"The intake holds something the database cannot: {str(error).splitlines()[0]}"
    except psycopg.Error:
        raise
    except Exception as error:  # a defect of ours on one odd payload must not keep the other tenants waiting
        log.error("intake %s of %s", inbox_id, tenant.slug, exc_info=True)
        refused = f"The intake could not be read, by a defect of ours ({type(error).__name__}); the log has it."
    connection.execute(
        "update raw.icp_intake_inbox set processed_at = %s, response_id = %s, refused_because = %s"
        " where tenant_id = %s and inbox_id = %s",
        (now, report.response_id if report else None, refused, tenant.tenant_id, inbox_id),
    )
    return InboxOutcome(tenant.tenant_id, inbox_id, report, refused)
