"""Daily caps: what a tenant asked of a vendor today, counted in ``raw.vendor_usage`` before it is asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import psycopg

from ingest.enrichment.progress import Note, Progress
from ingest.enrichment.settings import Vendor, VendorSettings


@dataclass(frozen=True)
class VendorUse:
    """What one vendor was asked on one day. ``cost_usd``: at most; None: unknown."""

    vendor: Vendor
    calls: int
    cost_usd: float | None

    def __str__(self) -> str:
        cost = "cost unknown" if self.cost_usd is None else f"USD {self.cost_usd:,.2f}"
        return f"{self.vendor} {self.calls:,} calls ({cost})"


def together(uses: Iterable[VendorUse]) -> tuple[VendorUse, ...]:
    """One entry per vendor; a sum with an unknown part is unknown."""
    found: dict[Vendor, VendorUse] = {}
    for use in uses:
        known = found.get(use.vendor, VendorUse(use.vendor, 0, 0.0))
        cost = None if known.cost_usd is None or use.cost_usd is None else known.cost_usd + use.cost_usd
        found[use.vendor] = VendorUse(use.vendor, known.calls + use.calls, cost)
    return tuple(found.values())


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

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for every cap that bit."""
        return tuple(self._notes.values())

    def used(self) -> list[VendorUse]:
        """What the tenant has asked of each vendor today."""
        rows = self._connection.execute(
            "select vendor, calls, cost_usd from raw.vendor_usage"
            " where tenant_id = %s and day = %s and calls > 0 order by vendor",
            (self._tenant_id, self._day),
        ).fetchall()
        return [VendorUse(*row) for row in rows]

    def reserve(self, vendor: Vendor, units: float = 1.0) -> str | None:
        """Count one call and what it may cost, or refuse it: None where it may be made, else why not.

        Counting and refusing are one statement, so that two processes together stay within the cap of calls; that of
        dollars, which is of all vendors together, they may pass by the one call that each is about to make.

        Args:
            units: of what the vendor charges for, at most.
        """
        access = self._settings.access(vendor)
        most_usd = self._settings.cost_per_day_usd
        given = {
            "tenant": self._tenant_id,
            "vendor": vendor,
            "day": self._day,
            "cap": access.daily_cap,
            "cost": None if access.cost_usd is None else access.cost_usd * units,
            "most": None if most_usd is None else most_usd + 1e-9,  # cents add up to a little more than they are
        }
        # An unknown cost stays unknown: null and a number are null. No dollars are refused of a vendor without a price.
        granted = self._connection.execute(
            "insert into raw.vendor_usage as used (tenant_id, vendor, day, calls, cost_usd)"
            " select %(tenant)s, %(vendor)s, %(day)s, 1, %(cost)s::float8"
            " where %(cap)s >= 1 and ((select coalesce(sum(cost_usd), 0) from raw.vendor_usage"
            " where tenant_id = %(tenant)s and day = %(day)s) + %(cost)s::float8 <= %(most)s::float8) is not false"
            " on conflict (tenant_id, vendor, day) do update set calls = used.calls + 1,"
            " cost_usd = used.cost_usd + excluded.cost_usd where used.calls < %(cap)s"
            " returning calls",
            given,
        ).fetchone()
        if granted is not None:
            return None
        refused = self._connection.execute(
            "insert into raw.vendor_usage as used (tenant_id, vendor, day, refused_by_cap)"
            " values (%(tenant)s, %(vendor)s, %(day)s, 1)"
            " on conflict (tenant_id, vendor, day) do update set refused_by_cap = used.refused_by_cap + 1"
            " returning calls",
            given,
        ).fetchone()
        assert refused is not None
        cap, variable = f"{access.daily_cap:,} calls", access.cap_variable
        if refused[0] < access.daily_cap:
            cap, variable = f"USD {most_usd:,.2f}", "ICP_VENDOR_COST_PER_DAY_USD"
        note = f"{vendor}: the daily cap of {cap} is used up ({variable} sets it)"
        if vendor not in self._notes:
            self._notes[vendor] = note
            if self._progress is not None:
                self._progress(Note("enrich:cap", note, {"vendor": vendor, "cap": cap}))
        return note

    def failed(self, vendor: Vendor) -> None:
        """Count a call that came to nothing."""
        self._connection.execute(
            "update raw.vendor_usage set failures = failures + 1 where tenant_id = %s and vendor = %s and day = %s",
            (self._tenant_id, vendor, self._day),
        )
