"""Up to where the queries of a source were read. Written in the transaction that writes their rows.

A load begins a little before the highest value that was read (rows become visible late), or at the first row that
waits for a lead where leads have come.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from ingest.errors import IngestError
from ingest.outcomes.mapping import Watermark, duration

_LAG_TIME = "1 hour"
_LAG_NUMBER = 1_000


@dataclass(frozen=True)
class Mark:
    """What is known of one query. Dates and times in microseconds since 1970.

    Attributes:
        highest: value that was read.
        waiting_from: the lowest of the rows that wait for a lead.
        load_id: the load that wrote it.
    """

    highest: int | None = None
    waiting_from: int | None = None
    load_id: int = 0

    def begin(self, watermark: Watermark, *, is_time: bool, leads_came: bool) -> int | None:
        """Where the next load begins; None: at the beginning.

        Raises:
            IngestError: the lag is of another kind than the column.
        """
        before = lag(watermark, is_time=is_time)
        if self.highest is None:
            return None
        begin = self.highest - before
        return min(begin, self.waiting_from) if leads_came and self.waiting_from is not None else begin

    def misses_waiting(self, begin: int | None) -> bool:
        """Whether a load from there on does not read the first row that waits for a lead."""
        return self.waiting_from is not None and begin is not None and begin > self.waiting_from

    def after(self, begin: int | None, highest: int | None, waiting_from: int | None, load_id: int) -> Mark:
        """What is known after a load from ``begin`` on that read and left waiting so much."""
        known = [value for value in (self.highest, highest) if value is not None]
        still = self.waiting_from if self.misses_waiting(begin) else None
        waiting = [value for value in (still, waiting_from) if value is not None]
        return Mark(max(known, default=None), min(waiting, default=None), load_id)


def lag(watermark: Watermark, *, is_time: bool) -> int:
    """How far before the highest value a load begins.

    Raises:
        IngestError: a duration for a number, or the other way round.
    """
    said = watermark.lag
    if is_time:
        if said is not None and said.isdecimal():
            raise IngestError(f"The watermark {watermark.column!r} is a date or time: say its lag as '2 hours'.")
        return int(duration(said or _LAG_TIME).total_seconds()) * 1_000_000
    if said is not None and not said.isdecimal():
        raise IngestError(f"The watermark {watermark.column!r} is a number: say its lag as one, such as 1000.")
    return _LAG_NUMBER if said is None else int(said)


def recall(connection: psycopg.Connection, source: str, entity: str, fingerprint: str) -> Mark:
    """What is known of a query, if it was read under this very mapping."""
    row = connection.execute(
        "select watermark, waiting_from, load_id from raw.source_watermarks"
        " where source = %s and entity = %s and fingerprint = %s",
        (source, entity, fingerprint),
    ).fetchone()
    return Mark(*row) if row else Mark()


def remember(connection: psycopg.Connection, source: str, entity: str, fingerprint: str, mark: Mark) -> None:
    """Write what is known of a query."""
    connection.execute(
        "insert into raw.source_watermarks (source, entity, fingerprint, watermark, waiting_from, load_id)"
        " values (%s, %s, %s, %s, %s, %s) on conflict (source, entity) do update set"
        " fingerprint = excluded.fingerprint, watermark = excluded.watermark,"
        " waiting_from = excluded.waiting_from, load_id = excluded.load_id",
        (source, entity, fingerprint, mark.highest, mark.waiting_from, mark.load_id),
    )
