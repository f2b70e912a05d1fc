"""Typed rows into ``raw``: one transaction per file, so a killed load leaves nothing behind.

Rows are staged by COPY, de-duplicated and upserted by natural key. What cannot go in lands in
``raw.rejected_rows`` with its reason. Does not belong here: reading and parsing, which files to load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
import psycopg

from ingest.files.source import ROW
from ingest.outcomes.entities import (
    ACTIVITIES,
    COMPONENT_POINTS,
    LEADS,
    SCORE_SNAPSHOTS,
    STATUS_EVENTS,
    WEIGHTS,
    Entity,
)
from ingest.outcomes.parsing import ATTRIBUTES, TENANT, Parsed, natural_key
from ingest.outcomes.suppressing import leave_out
from warehouse import bulk
from warehouse.suppression import Suppressions

_TYPES = {
    "key": "text",
    "text": "text",
    "timestamp": "timestamptz",
    "integer": "int4",
    "number": "float8",
    "boolean": "bool",
    "json": "text",
    "action": "text",
    "status": "text",
}
_BAD = {"row_number": "int8", "tenant_id": "int4", "record_key": "text", "reason": "text", "content": "text"}
_MARKS = {"row_number": "int8", "mark": "int8"}
_KEY_TIME = """'YYYY-MM-DD"T"HH24:MI:SS.US'"""
_COMPONENTS = tuple(COMPONENT_POINTS)
_WEIGHTS = tuple(f"weight_{name}" for name in WEIGHTS)
_LONGEST_REJECT = 20_000  # characters of a rejected record that are kept
NO_LEAD = "no lead with this id has been loaded"
UPDATED_AT = "updated_at"


@dataclass
class Counts:
    """What became of the rows of one file. ``waiting`` (for a lead) is a part of ``rejected``.

    ``suppressed``: left out, because the person asked to be forgotten. ``older`` than what was known: a part of
    ``unchanged``. ``gone``: leads marked as deleted because a full extract lacks them; no rows.
    """

    read: int = 0
    inserted: int = 0
    updated: int = 0
    rejected: int = 0
    waiting: int = 0
    suppressed: int = 0
    older: int = 0
    gone: int = 0

    @property
    def unchanged(self) -> int:
        """Rows that said what the warehouse knew already, or what another row of the file said."""
        return self.read - self.inserted - self.updated - self.rejected - self.suppressed


class Loader:
    """Writes the rows of one file within the caller's transaction.

    Args:
        columns: names of the columns that the parsed batches will have.
        complete: whether rejects of this file that do not come again are gone; otherwise it is an increment.
        full_extract: whether leads that it lacks may be gone, so that those it has are to be remembered.
        suppressions: whose rows are left out.
    """

    def __init__(
        self,
        cursor: psycopg.Cursor,
        entity: Entity,
        *,
        source: str,
        file: str,
        load_id: int,
        columns: list[str],
        suppressions: Suppressions,
        complete: bool = True,
        full_extract: bool = False,
    ) -> None:
        self.cursor = cursor
        self.entity = entity
        self.source = source
        self.file = file
        self.load_id = load_id
        self.suppressions = suppressions
        self.complete = complete
        self.full_extract = full_extract
        self.counts = Counts()
        fields = {field.name: _TYPES[field.kind] for field in entity.fields}
        self.columns = {name: fields[name] for name in columns if name in fields}
        self.dated = UPDATED_AT in self.columns
        staged = {"row_number": "int8", TENANT: "int4", **self.columns}
        if entity is LEADS:
            staged[ATTRIBUTES] = "text"
        self._staged = staged
        bulk.create_staging(cursor, "staged", staged)
        bulk.create_staging(cursor, "refused", _BAD)
        bulk.create_staging(cursor, "marks", _MARKS)

    def stage(self, parsed: Parsed) -> None:
        """Copy a batch to the server."""
        self.counts.read += parsed.good.height + parsed.bad.height
        parsed, left_out, leads = leave_out(parsed, self.entity, self.suppressions)
        self.counts.suppressed += left_out
        self.suppressions.add_leads(self.cursor.connection, leads)
        bulk.copy_frame(self.cursor, "staged", self._staged, parsed.good.rename({ROW: "row_number"}))
        bad = parsed.bad.rename({ROW: "row_number"})
        bad = bad.with_columns(pl.col("reason", "content").str.replace_all("\x00", "\\0", literal=True))
        bulk.copy_frame(self.cursor, "refused", _BAD, bad)

    def stage_marks(self, marks: pl.DataFrame) -> None:
        """Copy the watermarks (``mark``) of a batch's rows."""
        bulk.copy_frame(self.cursor, "marks", _MARKS, marks.rename({ROW: "row_number"}))

    def highest_mark(self) -> int | None:
        """The highest watermark of all rows."""
        found: int | None = self._row("select max(mark) from marks")[0]
        return found

    def lowest_waiting_mark(self) -> int | None:
        """The lowest watermark of the rows that wait for a lead. Call after ``finish``."""
        if not self.counts.waiting:
            return None
        found: int | None = self._row(
            "select min(mark) from marks join found using (row_number) where found.warehouse_lead_id is null"
        )[0]
        return found

    def finish(self) -> Counts:
        """Upsert what was staged, file the rejects, say which tenants changed."""
        self._keep_newest_of_each_key()
        if self.entity is LEADS:
            self._write_leads()
        else:
            self._refuse_without_lead()
            write = {
                STATUS_EVENTS: self._write_status_events,
                ACTIVITIES: self._write_activities,
                SCORE_SNAPSHOTS: self._write_snapshots,
            }
            write[self.entity]()
        self._file_rejects()
        return self.counts

    # -- duplicates and strangers -------------------------------------------------------------------------

    def _keep_newest_of_each_key(self) -> None:
        """Of rows with the same key the newest counts, of equally new ones the last.

        An older one is a version that has passed; one that is as new and differs is rejected, a twin is not.
        """
        key = ", ".join((TENANT, *natural_key(self.entity, self.columns)))
        self._execute(
            f"create temporary table kept on commit drop as"
            f" select distinct on ({key}) * from staged"
            f" order by {key}, {f'{UPDATED_AT} desc nulls last,' if self.dated else ''} row_number desc"
        )
        self._execute("analyze kept")
        values = [name for name in self._staged if name != "row_number"]
        row_of = {alias: ", ".join(f"{alias}.{name}" for name in values) for alias in ("staged", "kept")}
        same_key = " and ".join(f"staged.{name} = kept.{name}" for name in key.split(", "))
        (staged, kept) = self._row("select (select count(*) from staged), (select count(*) from kept)")
        if staged > kept and self.dated:
            self.counts.older += self._row(
                f"select count(*) from staged join kept on {same_key}"
                f" where coalesce(staged.{UPDATED_AT}, '-infinity') < coalesce(kept.{UPDATED_AT}, '-infinity')"
            )[0]
        if staged > kept:
            as_new = f" and staged.{UPDATED_AT} is not distinct from kept.{UPDATED_AT}" if self.dated else ""
            self._refuse(
                f"from staged join kept on {same_key} and staged.row_number < kept.row_number"
                f" where row({row_of['staged']}) is distinct from row({row_of['kept']}){as_new}",
                reason="'the same key comes again in row ' || kept.row_number ||"
                " ' with other values; the last one counts'",
            )

    def _refuse_without_lead(self) -> None:
        self._execute(
            "create temporary table found on commit drop as"
            " select kept.*, leads.lead_id as warehouse_lead_id"
            " from kept left join raw.leads as leads"
            " on kept.tenant_id = leads.tenant_id and kept.lead_id = leads.source_id"
        )
        self._execute("analyze found")
        self.counts.waiting = self._refuse(
            "from found as staged where staged.warehouse_lead_id is null",
            reason=f"'lead ''' || left(staged.lead_id, 60) || ''': {NO_LEAD}'",
        )

    def _refuse(self, where: str, *, reason: str) -> int:
        return self._execute(
            "insert into refused (row_number, tenant_id, record_key, reason, content)"
            f" select staged.row_number, staged.tenant_id, {self._record_key('staged')}, {reason},"
            f" (to_jsonb(staged) - 'row_number' - 'tenant_id' - 'warehouse_lead_id')::text {where}"
        )

    def _record_key(self, alias: str) -> str:
        """The text that ``parsing.record_key`` makes of a row."""
        parts = [
            f"to_char({alias}.{name} at time zone 'UTC', {_KEY_TIME})"
            if self.columns[name] == "timestamptz"
            else f"{alias}.{name}"
            for name in natural_key(self.entity, self.columns)
        ]
        return " || '|' || ".join(parts)

    # -- the four entities --------------------------------------------------------------------------------

    def _write_leads(self) -> None:
        inline = ("status", "status_at", "scored_at", "weights_version", "score", *_COMPONENTS, *_WEIGHTS)
        columns = {name: f"kept.{name}" for name in self.columns if name not in (*inline, "lead_id", UPDATED_AT)}
        source = "kept"
        if self.dated or self.full_extract:
            self._recall_source()
            source = "kept left join known using (tenant_id, lead_id)"
            # What was marked as gone and is there again is no longer deleted.
            columns.setdefault("deleted_at", "nullif(known.deleted_at, known.gone_at)")
        if self.dated:
            newest = (
                f"(coalesce(known.version <= kept.{UPDATED_AT}, known.version is null) or known.gone_at is not null)"
            )
            self.counts.older += self._row(f"select count(*) from {source} where not {newest}")[0]
            source += f" where {newest}"
        changes = bulk.upsert(
            self.cursor,
            "raw.leads",
            key=("tenant_id", "source_id"),
            columns={
                "tenant_id": "kept.tenant_id",
                "source_id": "kept.lead_id",
                **columns,
                "attributes": "kept.attributes::jsonb",
            },
            source=source,
            load_id=self.load_id,
            merge_json=("attributes",),
        )
        self._count("raw.leads", changes)
        if self.dated or self.full_extract:
            self._remember_source()
        # What older versions say of status and score is history all the same.
        versions = (
            "(select * from staged where not exists"
            " (select from refused where refused.row_number = staged.row_number) order by row_number desc)"
            if self.dated
            else "kept"
        )
        resolved = (
            f"(select versions.*, leads.lead_id as warehouse_lead_id from {versions} as versions"
            " join raw.leads as leads on versions.tenant_id = leads.tenant_id"
            " and versions.lead_id = leads.source_id) as found"
        )
        if "status_at" in self.columns:
            self._upsert_status_events(
                f"{resolved} where found.status is not null and found.status_at is not null", "status_at"
            )
        if "scored_at" in self.columns:
            known = " or ".join(f"found.{name} is not null" for name in _COMPONENTS if name in self.columns)
            self._insert_snapshots(f"{resolved} where found.scored_at is not null and ({known})")

    def _recall_source(self) -> None:
        """What is known of the staged leads, and which version of them this source sent last."""
        self._execute(
            "create temporary table known on commit drop as"
            " select leads.tenant_id, leads.source_id as lead_id, leads.deleted_at, mark.gone_at,"
            " mark.updated_at as version from kept join raw.leads as leads"
            " on kept.tenant_id = leads.tenant_id and kept.lead_id = leads.source_id"
            " left join raw.lead_sources as mark on leads.tenant_id = mark.tenant_id"
            " and leads.lead_id = mark.lead_id and mark.source = %(source)s"
        )
        self._execute("analyze known")

    def _remember_source(self) -> None:
        """Which version of a lead this source sent last, and in which load it was there."""
        updated_at = f"kept.{UPDATED_AT}" if self.dated else "null::timestamptz"
        seen = "true" if self.full_extract else "known.updated_at is distinct from excluded.updated_at"
        self._execute(
            "insert into raw.lead_sources as known (tenant_id, lead_id, source, updated_at, load_id)"
            f" select leads.tenant_id, leads.lead_id, %(source)s, {updated_at}, %(load_id)s"
            " from kept join raw.leads as leads"
            " on kept.tenant_id = leads.tenant_id and kept.lead_id = leads.source_id"
            " on conflict (tenant_id, lead_id, source) do update set load_id = excluded.load_id, gone_at = null,"
            f" updated_at = greatest(known.updated_at, excluded.updated_at) where {seen}"
        )

    def _write_status_events(self) -> None:
        changes = self._upsert_status_events("found where found.warehouse_lead_id is not null", "occurred_at")
        self._add(changes)

    def _upsert_status_events(self, source: str, at: str) -> bulk.Changes:
        changes = bulk.upsert(
            self.cursor,
            "raw.lead_status_events",
            key=("tenant_id", "lead_id", "occurred_at", "status"),
            columns={
                "tenant_id": "found.tenant_id",
                "lead_id": "found.warehouse_lead_id",
                "occurred_at": f"found.{at}",
                "status": "found.status",
            },
            source=source,
            load_id=self.load_id,
        )
        self._touch("raw.lead_status_events", changes)
        return changes

    def _write_activities(self) -> None:
        columns = {
            "tenant_id": "found.tenant_id",
            "source_id": self._record_key("found"),
            "lead_id": "found.warehouse_lead_id",
            "kind": "kinds.kind",
            "occurred_at": "found.occurred_at",
        }
        if "content_snapshot" in self.columns:
            columns["content_snapshot"] = "found.content_snapshot::jsonb"
        if self.dated:
            columns[UPDATED_AT] = f"found.{UPDATED_AT}"
            self.counts.older += self._row(
                f"select count(*) from (select tenant_id, {UPDATED_AT}, {self._record_key('found')} as source_id"
                " from found) as found join raw.activities as known using (tenant_id, source_id)"
                f" where known.{UPDATED_AT} > coalesce(found.{UPDATED_AT}, '-infinity')"
            )[0]
        changes = bulk.upsert(
            self.cursor,
            "raw.activities",
            key=("tenant_id", "source_id"),
            columns=columns,
            source="found join raw.activity_kinds as kinds using (action) where found.warehouse_lead_id is not null",
            load_id=self.load_id,
            newer=UPDATED_AT if self.dated else None,
        )
        self._count("raw.activities", changes)

    def _write_snapshots(self) -> None:
        """Append-only: the first row about a moment stays, one that contradicts it is rejected."""
        values = [name for name in (*_COMPONENTS, *_WEIGHTS, "weights_version", "score") if name in self.columns]
        old, new = (", ".join(f"{alias}.{name}" for name in values) for alias in ("existing", "staged"))
        self._refuse(
            "from found as staged join raw.lead_score_snapshots as existing"
            " on staged.tenant_id = existing.tenant_id and staged.warehouse_lead_id = existing.lead_id"
            " and staged.scored_at = existing.scored_at and existing.origin = 'source'"
            f" where row({old}) is distinct from row({new})",
            reason="'another snapshot of this lead and moment is already there; snapshots are never changed'",
        )
        self._add(self._insert_snapshots("found where found.warehouse_lead_id is not null"))

    def _insert_snapshots(self, source: str) -> bulk.Changes:
        values = [name for name in (*_COMPONENTS, *_WEIGHTS, "weights_version", "score") if name in self.columns]
        written = self._row(
            "with written as (insert into raw.lead_score_snapshots"
            f" (tenant_id, lead_id, scored_at, origin, {', '.join(values)}, load_id)"
            " select found.tenant_id, found.warehouse_lead_id, found.scored_at, 'source',"
            f" {', '.join(f'found.{name}' for name in values)}, {self.load_id} from {source}"
            " on conflict do nothing returning tenant_id)"
            " select count(*), coalesce(array_agg(distinct tenant_id), '{}') from written"
        )
        changes = bulk.Changes(written[0], 0, tuple(written[1]))
        self._touch("raw.lead_score_snapshots", changes)
        return changes

    # -- book-keeping -------------------------------------------------------------------------------------

    def _file_rejects(self) -> None:
        """File what was refused; close earlier rejects that are loaded now or gone from the file."""
        self._execute(
            "insert into raw.rejected_rows as known (source, entity, row_hash, reason, tenant_id, record_key, file,"
            " row_number, content, first_load_id, last_load_id)"
            " select distinct on (md5(content)) %(source)s, %(entity)s, md5(content), reason, tenant_id, record_key,"
            f" %(file)s, row_number, left(content, {_LONGEST_REJECT}), %(load_id)s, %(load_id)s"
            " from refused order by md5(content), row_number"
            " on conflict (source, entity, row_hash) do update set last_load_id = excluded.last_load_id,"
            " reason = excluded.reason, row_number = excluded.row_number, resolved_at = null, resolved_because = null",
        )
        (self.counts.rejected,) = self._row("select count(*) from refused")
        open_rejects = (
            "known.source = %(source)s and known.entity = %(entity)s and known.resolved_at is null"
            " and known.last_load_id < %(load_id)s"
        )
        resolve = "update raw.rejected_rows as known set resolved_at = clock_timestamp(), resolved_because ="
        self._execute(
            f"{resolve} 'loaded' from kept where {open_rejects} and known.tenant_id = kept.tenant_id"
            f" and known.record_key = {self._record_key('kept')}"
        )
        if self.complete:
            self._execute(f"{resolve} 'gone from the file' where {open_rejects} and known.file = %(file)s")

    def _count(self, relation: str, changes: bulk.Changes) -> None:
        self._add(changes)
        self._touch(relation, changes)

    def _add(self, changes: bulk.Changes) -> None:
        self.counts.inserted += changes.inserted
        self.counts.updated += changes.updated

    def _touch(self, relation: str, changes: bulk.Changes) -> None:
        if changes.tenant_ids:
            self.cursor.execute("select intermediate.touch(%s, %s)", (relation, list(changes.tenant_ids)))

    def _execute(self, statement: str) -> int:
        names = {"source": self.source, "entity": self.entity.name, "file": self.file, "load_id": self.load_id}
        used = names if "%(" in statement else None
        self.cursor.execute(statement.encode(), used)
        return self.cursor.rowcount

    def _row(self, statement: str) -> tuple[Any, ...]:
        self._execute(statement)
        row = self.cursor.fetchone()
        assert row is not None
        return row
