"""Daily caps: what a tenant asked of a vendor today, counted in ``raw.vendor_usage`` before it is asked."""

from __future__ import annotations

import datetime as dt

import psycopg

from ingest.enrichment.progress import Note, Progress
from ingest.enrichment.settings import Vendor, VendorSettings


class Budget:
    """One tenant's use of all vendors within one run.

    Args:
        connection: in autocommit mode: a call that was made stays counted whatever becomes of the run, and no
            row stays locked while a vendor thinks.
        now: decides which UTC day is counted.
    """

    def __init__(
        self,
        connection: psycopg.Connection,
        *,
        tenant_id: int,
        settings: VendorSettings,
        now: dt.datetime,
        progress: Progress | None = None,
    ) -> None:
        if not connection.autocommit:
            raise ValueError("the counters of vendors need a connection in autocommit mode")
        self._connection = connection
        self._tenant_id = tenant_id
        self._settings = settings
        self._day = now.astimezone(dt.UTC).date()
        self._progress = progress
        self._notes: dict[Vendor, str] = {}
        self._is_used = False

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for every cap that bit."""
        return tuple(self._notes.values())

    @property
    def is_used(self) -> bool:
        """Whether anything was counted, refusals too."""
        return self._is_used

    def reserve(self, vendor: Vendor) -> str | None:
        """Count one call, or refuse it: None where it may be made, else why not.

        Counting and refusing are one statement, so that two processes together stay within the cap.
        """
        self._is_used = True
        access = self._settings.access(vendor)
        key = (self._tenant_id, vendor, self._day)
        granted = self._connection.execute(
            "insert into raw.vendor_usage as used (tenant_id, vendor, day, calls)"
            " select %s, %s, %s, 1 where %s >= 1"
            " on conflict (tenant_id, vendor, day) do update set calls = used.calls + 1 where used.calls < %s"
            " returning calls",
            (*key, access.daily_cap, access.daily_cap),
        ).fetchone()
        if granted is not None:
            return None
        self._connection.execute(
            "insert into raw.vendor_usage as used (tenant_id, vendor, day, refused_by_cap) values (%s, %s, %s, 1)"
            " on conflict (tenant_id, vendor, day) do update set refused_by_cap = used.refused_by_cap + 1",
            key,
        )
        note = f"{vendor}: the daily cap of {access.daily_cap:,} calls is used up ({access.cap_variable} sets it)"
        if vendor not in self._notes:
            self._notes[vendor] = note
            if self._progress is not None:
                self._progress(Note("enrich:cap", note, {"vendor": vendor, "cap": access.daily_cap}))
        return note

    def failed(self, vendor: Vendor) -> None:
        """Count a call that came to nothing."""
        self._connection.execute(
            "update raw.vendor_usage set failures = failures + 1 where tenant_id = %s and vendor = %s and day = %s",
            (self._tenant_id, vendor, self._day),
        )
