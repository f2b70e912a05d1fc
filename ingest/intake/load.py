"""An intake that a person brings: a file, or a payload at hand; ``raw.loads`` says what became of it.

Belongs here: reading the file, the row of the load, and the reject of what cannot be used. Not here: what a payload
means (payload.py), what is written of it (store.py).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psycopg

from ingest.intake.errors import IntakeError
from ingest.intake.reading import LARGEST, read_json
from ingest.intake.store import IntakeReport, store_intake
from warehouse import logs, tenants
from warehouse.connection import Warehouse
from warehouse.tenants import Tenant

log = logging.getLogger(__name__)

SOURCE: Final = "intake"
_LONGEST_REJECT: Final = 20_000  # characters of a refused payload that are kept


def load_intake(
    warehouse: Warehouse,
    intake: Path | Mapping[str, Any],
    *,
    tenant: str,
    submitted_by: str,
    now: dt.datetime,
    merge: bool = False,
) -> IntakeReport:
    """Store a JSON file or a payload as a tenant's next version; the same one again changes nothing at all.

    Args:
        tenant: slug or external id.
        merge: add to the latest version instead of replacing it.

    Raises:
        IntakeError: it cannot be read or used. Nothing of it was stored but, where it could be read, a row of
            ``raw.rejected_rows`` with the reason, which the tenant's next good intake resolves.
        UnknownTenant: there is no such tenant.
    """
    with warehouse.connect(autocommit=True, application="icp load intake") as connection:
        load = _Load(connection, tenants.get(connection, tenant), intake, merge=merge)
        try:
            with logs.span(log, "load", source=SOURCE, entity=SOURCE, tenant=load.tenant.slug):
                return load.store(submitted_by=submitted_by, now=now)
        except IntakeError as error:
            load.reject(error)
            raise


class _Load:
    """One payload at work on one connection (in autocommit mode)."""

    def __init__(
        self, connection: psycopg.Connection, tenant: Tenant, intake: Path | Mapping[str, Any], *, merge: bool
    ) -> None:
        self.connection = connection
        self.tenant = tenant
        self.merge = merge
        self.given = intake
        self.file = intake.name if isinstance(intake, Path) else "a payload"
        self.content = _read(intake) if isinstance(intake, Path) else json.dumps(intake, default=str).encode()
        # Of the payload and of everything that decides what becomes of it.
        self.checksum = hashlib.sha256(f"{tenant.tenant_id} {merge}\n".encode() + self.content).hexdigest()

    def store(self, *, submitted_by: str, now: dt.datetime) -> IntakeReport:
        """Version and load in one transaction; neither where the same was loaded before and still holds."""
        payload = read_json(self.content) if isinstance(self.given, Path) else self.given
        with self.connection.transaction():
            known = self._is_known()
            load_id = self._begin()
            report = store_intake(
                self.connection,
                tenant=self.tenant,
                payload=payload,
                submitted_by=submitted_by,
                now=now,
                merge=self.merge,
                load_id=load_id,
            )
            resolved = self.connection.execute(
                "update raw.rejected_rows set resolved_at = clock_timestamp(), resolved_because = 'loaded'"
                " where source = %s and tenant_id = %s and resolved_at is null",
                (SOURCE, self.tenant.tenant_id),
            ).rowcount
            if report.status == "unchanged" and known and not resolved:
                raise psycopg.Rollback
            self._end(load_id, "rows_inserted" if report.status == "stored" else "rows_unchanged")
        return report

    def reject(self, error: IntakeError) -> None:
        """File the payload with what is wrong with it, once."""
        with self.connection.transaction():
            load_id = self._begin()
            filed = self.connection.execute(
                "insert into raw.rejected_rows as known (source, entity, row_hash, reason, tenant_id, record_key, file,"
                " row_number, content, first_load_id, last_load_id)"
                " values (%(source)s, %(source)s, %(hash)s, %(reason)s, %(tenant)s, %(slug)s, %(file)s, 1, %(content)s,"
                " %(load)s, %(load)s)"
                " on conflict (source, entity, row_hash) do update set last_load_id = excluded.last_load_id,"
                " reason = excluded.reason, file = excluded.file, resolved_at = null, resolved_because = null"
                " where known.resolved_at is not null",
                {
                    "source": SOURCE,
                    "hash": self.checksum,
                    "reason": str(error),
                    "tenant": self.tenant.tenant_id,
                    "slug": self.tenant.slug,
                    "file": self.file,
                    "content": self.content.decode("utf-8", "replace").replace("\x00", "\\0")[:_LONGEST_REJECT],
                    "load": load_id,
                },
            ).rowcount
            if not filed:
                raise psycopg.Rollback
            self._end(load_id, "rows_rejected")

    def _is_known(self) -> bool:
        row = self.connection.execute(
            "select exists (select from raw.loads where source = %s and checksum = %s and rows_rejected = 0)",
            (SOURCE, self.checksum),
        ).fetchone()
        return row is not None and bool(row[0])

    def _begin(self) -> int:
        row = self.connection.execute(
            "insert into raw.loads (source, entity, file, checksum, status) values (%s, %s, %s, %s, 'running')"
            " returning load_id",
            (SOURCE, SOURCE, self.file, self.checksum),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _end(self, load_id: int, what: str) -> None:
        self.connection.execute(
            f"update raw.loads set status = 'done', finished_at = clock_timestamp(), rows_read = 1, {what} = 1"
            " where load_id = %s".encode(),
            (load_id,),
        )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        raise IntakeError([f"{path} cannot be read: {error.strerror or error}."]) from error
