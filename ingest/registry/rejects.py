"""Rejected rows: staged while a load reads, filed in ``raw.rejected_rows`` when it is done."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import psycopg

from ingest.files.source import ROW
from warehouse import bulk

_LONGEST_REJECT = 20_000  # characters of a rejected record that are kept
_REFUSED = {
    "load_id": "int8",
    "file": "text",
    "row_number": "int8",
    "record_key": "text",
    "reason": "text",
    "content": "text",
}
SCHEMA = {ROW: pl.Int64(), "record_key": pl.String(), "reason": pl.String(), "content": pl.String()}


class Rejects:
    """The rejects of one load, within the caller's transaction."""

    def __init__(self, cursor: psycopg.Cursor, *, source: str, entity: str) -> None:
        self.cursor = cursor
        self.source = source
        self.entity = entity
        bulk.create_staging(cursor, "refused", _REFUSED)

    def add(self, bad: pl.DataFrame, *, load_id: int, file: str) -> None:
        """Stage rows of ``SCHEMA``."""
        if not bad.height:
            return
        texts = ("record_key", "reason", "content")
        rows = bad.select(
            pl.lit(load_id).alias("load_id"),
            pl.lit(file).alias("file"),
            pl.col(ROW).alias("row_number"),
            *(pl.col(name).str.replace_all("\x00", "\\0", literal=True) for name in texts),
        )
        bulk.copy_frame(self.cursor, "refused", _REFUSED, rows)

    def keys(self) -> list[str]:
        """The different record keys that were rejected."""
        rows = self.cursor.execute("select distinct record_key from refused where record_key is not null").fetchall()
        return [row[0] for row in rows]

    def file(self, *, load_ids: Sequence[int], files: Sequence[str] | None, is_loaded: str) -> None:
        """File what was staged; close earlier rejects that are loaded now or gone from their file.

        Args:
            load_ids: of this load.
            files: that were read; None: all there are of the source, whatever their names were before.
            is_loaded: SQL over ``known`` (a rejected row): whether there is a good row with its key now.
        """
        about = {
            "source": self.source,
            "entity": self.entity,
            "first": min(load_ids),
            "files": None if files is None else list(files),
        }
        self.cursor.execute(
            "insert into raw.rejected_rows as known (source, entity, row_hash, reason, record_key, file,"
            " row_number, content, first_load_id, last_load_id)"
            " select distinct on (md5(content)) %(source)s, %(entity)s, md5(content), reason, record_key,"
            f" file, row_number, left(content, {_LONGEST_REJECT}), load_id, load_id"
            " from refused order by md5(content), load_id, row_number"
            " on conflict (source, entity, row_hash) do update set last_load_id = excluded.last_load_id,"
            " reason = excluded.reason, file = excluded.file, row_number = excluded.row_number,"
            " resolved_at = null, resolved_because = null".encode(),
            about,
        )
        self.cursor.execute(
            "update raw.rejected_rows as known set resolved_at = clock_timestamp(),"
            f" resolved_because = case when {is_loaded} then 'loaded' else 'gone from the file' end"
            " where known.source = %(source)s and known.entity = %(entity)s and known.resolved_at is null"
            " and known.last_load_id < %(first)s"
            " and (%(files)s::text[] is null or known.file = any(%(files)s))".encode(),
            about,
        )
