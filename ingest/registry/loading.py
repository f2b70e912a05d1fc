"""The difference between a registry's files and the warehouse into ``raw.registry_entities``, in one transaction.

What is known (numbers and row hashes) is fetched once and compared here, so that an unchanged entity costs a
look-up and no write. Does not belong here: reading and parsing, which files to load.
"""

from __future__ import annotations

import datetime as dt
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl
import psycopg

from ingest.files.source import ROW
from ingest.registry.keys import keys_of, keys_of_lists
from ingest.registry.parsing import COLUMNS, Note, Parsed
from ingest.registry.rejects import Rejects
from warehouse import bulk

ENTITY = "registry_entities"
TARGET = "raw.registry_entities"
_WRITTEN = {
    "registry": "text",
    **COLUMNS,
    "name_key": "text",
    "former_name_keys": "text[]",
    "row_hash": "int8",
    "load_id": "int8",
}
_IS_LOADED = (
    "exists (select from raw.registry_entities as loaded where loaded.registry = known.source"
    " and loaded.registration_number = known.record_key and loaded.gone_at is null)"
)


@dataclass
class RegistryCounts:
    """What became of the rows of one file, or of all.

    Attributes:
        updated: also those that had been gone and came back.
        repeated: rows that say again what another row said, or that were merged into it.
    """

    read: int = 0
    inserted: int = 0
    updated: int = 0
    rejected: int = 0
    repeated: int = 0

    def add(self, other: RegistryCounts) -> None:
        """Count the rows of another part too."""
        self.read += other.read
        self.inserted += other.inserted
        self.updated += other.updated
        self.rejected += other.rejected
        self.repeated += other.repeated

    @property
    def unchanged(self) -> int:
        """Rows that said what the warehouse knew already."""
        return self.read - self.inserted - self.updated - self.rejected - self.repeated


@dataclass
class Notes:
    """What was left empty or mended, over many batches."""

    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, notes: Iterable[Note]) -> None:
        """Count notes of one batch."""
        for note in notes:
            self.rows[note.field, note.complaint] += note.rows
            self.examples.setdefault((note.field, note.complaint), note.example)

    def all(self) -> tuple[Note, ...]:
        """One note per field and complaint, the most frequent first."""
        return tuple(Note(*key, rows, self.examples[key]) for key, rows in self.rows.most_common())


class RegistryLoader:
    """Writes a registry's rows within the caller's transaction, which holds the table until it ends.

    Args:
        merge: rows with a number that was there already are merged into the first instead of rejected.
    """

    def __init__(self, cursor: psycopg.Cursor, *, registry: str, merge: bool) -> None:
        self.cursor = cursor
        self.registry = registry
        self.merge = merge
        self.notes = Notes()
        cursor.execute("lock table raw.registry_entities in share row exclusive mode")
        self._known = self._fetch_known()
        self._seen: list[pl.DataFrame] = []
        self._changes = 0
        bulk.create_staging(cursor, "changed", _WRITTEN)
        self.rejects = Rejects(cursor, source=registry, entity=ENTITY)

    @property
    def known(self) -> int:
        """Entities of this registry before the load, those that are gone not counted."""
        return self._known.height - int(self._known["is_gone"].sum())

    def write(self, parsed: Parsed, *, load_id: int, file: str) -> RegistryCounts:
        """Write what is new and stage what is changed in a batch; returns what became of its rows."""
        self.notes.add(parsed.notes)
        first, repeated, bad = self._without_repeats(parsed, file)
        self.rejects.add(bad, load_id=load_id, file=file)
        compared = first.join(self._known, on="registration_number", how="left", maintain_order="left")
        is_new = compared["known_hash"].is_null()
        differs = ~is_new & ((compared["row_hash"] != compared["known_hash"]) | compared["is_gone"])
        new, changed = compared.filter(is_new), compared.filter(differs.fill_null(False))
        self._copy(TARGET, new, load_id)
        self._copy("changed", changed, load_id)
        self._changes += new.height + changed.height
        return RegistryCounts(
            read=parsed.good.height + parsed.bad.height,
            inserted=new.height,
            updated=changed.height,
            rejected=bad.height,
            repeated=repeated,
        )

    def finish(self) -> None:
        """Update what was staged, all at once."""
        names = [name for name in _WRITTEN if name not in ("registry", "registration_number")]
        self.cursor.execute("analyze changed")
        self.cursor.execute(
            f"update raw.registry_entities as existing set {', '.join(f'{name} = changed.{name}' for name in names)},"
            " gone_at = null from changed where existing.registry = changed.registry"
            " and existing.registration_number = changed.registration_number".encode()
        )

    def missing(self) -> pl.Series:
        """Numbers that are known, not gone, and came in no row, not even in a rejected one."""
        numbers = [frame["registration_number"] for frame in self._seen]
        numbers += [pl.Series(self.rejects.keys(), dtype=pl.String)]
        seen = pl.concat(numbers).drop_nulls().alias("registration_number").to_frame()
        known = self._known.filter(~pl.col("is_gone"))
        return known.join(seen, on="registration_number", how="anti")["registration_number"]

    def mark_gone(self, numbers: pl.Series, *, now: dt.datetime) -> None:
        """Say of entities that their registry no longer has them: gone since now, and not live."""
        bulk.create_staging(self.cursor, "gone", {"registration_number": "text"})
        bulk.copy_frame(self.cursor, "gone", {"registration_number": "text"}, numbers.to_frame())
        self.cursor.execute(
            "update raw.registry_entities as existing set gone_at = %s, is_live = false from gone"
            " where existing.registry = %s and existing.registration_number = gone.registration_number",
            (now, self.registry),
        )
        self._changes += len(numbers)

    def touch(self) -> None:
        """Say to everything that reads the registry, for every tenant, that it changed, if it did."""
        if self._changes:
            self.cursor.execute("select intermediate.touch(%s, array_agg(tenant_id)) from raw.tenants", (TARGET,))

    def file_rejects(self, load_ids: list[int], files: list[str] | None) -> None:
        """File what was refused; close earlier rejects that are loaded now or gone from their file."""
        self.rejects.file(load_ids=load_ids, files=files, is_loaded=_IS_LOADED)

    # -- parts --------------------------------------------------------------------------------------------

    def _fetch_known(self) -> pl.DataFrame:
        """``registration_number``, ``known_hash``, ``is_gone`` of every entity of the registry."""
        schema = {"registration_number": pl.String, "known_hash": pl.Int64, "is_gone": pl.Int8}
        content = io.BytesIO()
        with self.cursor.copy(
            "copy (select registration_number, row_hash, (gone_at is not null)::int from raw.registry_entities"
            " where registry = "
            + psycopg.sql.Literal(self.registry).as_string(self.cursor)
            + ") to stdout (format csv, force_quote (registration_number))"
        ) as copy:
            for block in copy:
                content.write(block)
        if not content.tell():
            return pl.DataFrame(schema=schema).with_columns(pl.col("is_gone").cast(pl.Boolean))
        content.seek(0)
        known = pl.read_csv(content, has_header=False, schema=schema)
        return known.with_columns(pl.col("is_gone").cast(pl.Boolean))

    def _without_repeats(self, parsed: Parsed, file: str) -> tuple[pl.DataFrame, int, pl.DataFrame]:
        """The first row of each number; how many rows only repeat one; the rejects with the contradicting ones."""
        good = parsed.good
        is_first = good["registration_number"].is_first_distinct()
        within = good.filter(is_first) if not is_first.all() else good
        earlier = self._earlier(good)
        fresh = within.filter(~within["registration_number"].is_in(earlier["registration_number"].implode()))
        self._seen.append(
            fresh.select(
                "registration_number", "row_hash", pl.col(ROW).alias("first_row"), pl.lit(file).alias("first_file")
            )
        )
        if fresh.height == good.height:
            return fresh, 0, parsed.bad
        again = good.join(fresh.select(ROW), on=ROW, how="anti")
        told = self._earlier(again)
        again = again.join(told, on="registration_number", how="left", suffix="_first")
        differing = again.filter(pl.col("row_hash") != pl.col("row_hash_first"))
        if self.merge:
            if differing.height:
                example = str(differing["registration_number"][0])
                self.notes.add([Note("registration_number", "more rows, the first counts", differing.height, example)])
            return fresh, again.height, parsed.bad
        bad = _contradicting(differing, file)
        return fresh, again.height - differing.height, pl.concat([parsed.bad, bad])

    def _earlier(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows seen so far with one of these rows' numbers."""
        empty = pl.DataFrame(
            schema={
                "registration_number": pl.String,
                "row_hash": pl.Int64,
                "first_row": pl.Int64,
                "first_file": pl.String,
            }
        )
        numbers = rows.select("registration_number").unique()
        found = [frame.join(numbers, on="registration_number", how="semi") for frame in self._seen]
        return pl.concat([empty, *found])

    def _copy(self, table: str, rows: pl.DataFrame, load_id: int) -> None:
        if not rows.height:
            return
        full = rows.with_columns(
            pl.lit(self.registry).alias("registry"),
            pl.lit(load_id).alias("load_id"),
            keys_of(rows["name"]),
            keys_of_lists(rows["former_names"]),
        )
        # A staging table, or the target itself where every row is new.
        bulk.copy_frame(self.cursor, table, _WRITTEN, full)


def _contradicting(rows: pl.DataFrame, file: str) -> pl.DataFrame:
    """Rejects of rows whose number was there already with other values."""
    place = pl.when(pl.col("first_file") == file).then(pl.lit("")).otherwise(pl.format(" of {}", "first_file"))
    content = rows.select(*(name for name in COLUMNS))
    encoded = content.select(pl.struct(pl.all()).struct.json_encode())[:, 0]
    return rows.select(
        pl.col(ROW),
        pl.col("registration_number").alias("record_key"),
        pl.format(
            "the number {} is in row {}{} already, with other values; the first one counts",
            "registration_number",
            "first_row",
            place,
        ).alias("reason"),
        encoded.alias("content"),
    )
