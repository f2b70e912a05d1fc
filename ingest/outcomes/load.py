"""Loading a source: which of its files are new, and one report of what became of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from ingest.errors import IngestError
from ingest.files import postgres
from ingest.files.source import batches
from ingest.outcomes import watermarks
from ingest.outcomes.entities import LEADS, Entity
from ingest.outcomes.extracts import mark_gone
from ingest.outcomes.inputs import Inputs, KnownInput, NewInput
from ingest.outcomes.loading import Counts, Loader
from ingest.outcomes.mapping import read_mapping
from warehouse import bulk, logs
from warehouse.connection import Warehouse
from warehouse.suppression import Suppressions

log = logging.getLogger(__name__)

KIND = "outcomes"


@dataclass(frozen=True)
class FileReport:
    """What became of one file or query.

    Attributes:
        status: loaded, or unchanged (as it was loaded before).
        note: what else is to be said, in a sentence.
    """

    entity: str
    file: str
    status: str
    counts: Counts
    seconds: float
    load_id: int
    note: str | None = None


@dataclass(frozen=True)
class LoadReport:
    """What became of one source."""

    source: str
    files: tuple[FileReport, ...] = field(default=())

    @property
    def changed(self) -> bool:
        """Whether any row was inserted, updated or marked as deleted."""
        return any(file.counts.inserted or file.counts.updated or file.counts.gone for file in self.files)


Progress = Callable[[str, str, int, int], None]
"""Called with entity, file, rows done, rows in all."""


def load_outcomes(
    warehouse: Warehouse,
    mapping_path: Path,
    *,
    run_id: str | None = None,
    again: bool = False,
    however_many_gone: bool = False,
    progress: Progress | None = None,
) -> LoadReport:
    """Load what is new or changed in the files and queries of a mapping, and remember it for later runs.

    Args:
        again: load also files that were loaded before as they are, and queries from their beginning.
        however_many_gone: mark leads as deleted that a full extract lacks, also if they are many.

    Raises:
        IngestError: the mapping or one of its files cannot be used. All files are checked before any is
            loaded, so in that case nothing was.
        UnknownTenant: the mapping names a tenant that does not exist.
    """
    mapping_path = mapping_path.absolute()
    mapping = read_mapping(mapping_path)
    with warehouse.connect(autocommit=True, application="icp load") as connection, ExitStack() as opened:
        inputs = Inputs(connection, mapping, mapping_path)
        suppressions = Suppressions.read(connection, warehouse.settings)
        source = _Source(connection, inputs, run_id, suppressions, however_many_gone)
        source.refuse_taken_name(mapping_path)
        found = inputs.open_all(opened, again=again)
        source.register(mapping_path)
        reports = []
        for number, file in enumerate(found):
            ends_extract = file.entity is LEADS and all(other.entity is not LEADS for other in found[number + 1 :])
            reports.append(source.load(file, progress, ends_extract=ends_extract))
        bulk.analyze_changed(connection, "raw")
    return LoadReport(mapping.name, tuple(reports))


def close_interrupted_loads(connection: psycopg.Connection) -> int:
    """Mark loads that a killed process left running. Call with the pipeline lock held."""
    return connection.execute(
        "update raw.loads set status = 'failed', finished_at = clock_timestamp(),"
        " message = 'the process was killed; nothing of this file was loaded' where status = 'running'"
    ).rowcount


class _Source:
    """One mapping being loaded on one connection (in autocommit mode)."""

    def __init__(
        self,
        connection: psycopg.Connection,
        inputs: Inputs,
        run_id: str | None,
        suppressions: Suppressions,
        however_many_gone: bool,
    ) -> None:
        self.connection = connection
        self.mapping = inputs.mapping
        self.inputs = inputs
        self.run_id = run_id
        self.suppressions = suppressions
        self.however_many_gone = however_many_gone
        self.extract: list[int] = []  # loads that the leads of a full extract came with

    def refuse_taken_name(self, path: Path) -> None:
        """Raise IngestError if another mapping has the name: their loads and rejects would be filed as one."""
        row = self.connection.execute(
            "select mapping_path from raw.sources where source = %s", (self.mapping.name,)
        ).fetchone()
        if row and row[0] != str(path) and Path(row[0]).exists():
            raise IngestError(
                f"The source name {self.mapping.name!r} belongs to {row[0]} already; give {path} another name."
            )

    def register(self, path: Path) -> None:
        """Remember the mapping, so that runs load what is new in its files and queries."""
        self.connection.execute(
            "insert into raw.sources (source, kind, mapping_path) values (%s, %s, %s)"
            " on conflict (source) do update set mapping_path = excluded.mapping_path",
            (self.mapping.name, KIND, str(path)),
        )

    def load(self, file: NewInput | KnownInput, progress: Progress | None, *, ends_extract: bool) -> FileReport:
        """Load one file in one transaction, unless it was loaded before and nothing in it waits.

        Args:
            ends_extract: it is the last one with leads, so that afterwards it is known which are gone.
        """
        began = time.monotonic()
        if self.inputs.has_waited_enough(file):
            with self.inputs.reopened(file) as opened:
                return self.load(opened, progress, ends_extract=ends_extract)
        note: str | None = None
        if isinstance(file, KnownInput):
            status, load_id, counts = "unchanged", file.load_id, Counts()
            with self.connection.transaction():
                counts.gone, note = self._mark_gone(file.entity, load_id, ends_extract)
        else:
            status, load_id = "loaded", self._begin(file)
            with self._filed(file.entity, load_id) as results, self.connection.transaction():
                counts = self._load(file, load_id, progress)
                counts.gone, note = self._mark_gone(file.entity, load_id, ends_extract)
                self._end(load_id, counts, note)
                results.update(vars(counts))
        return FileReport(file.entity.name, file.name, status, counts, time.monotonic() - began, load_id, note)

    @contextmanager
    def _filed(self, entity: Entity, load_id: int) -> Iterator[dict[str, Any]]:
        """Log a load, and say in ``raw.loads`` why it failed if it does."""
        told = {"source": self.mapping.name, "entity": entity.name, "tenant": self.inputs.tenant}
        try:
            with logs.span(log, "load", load_id=load_id, **told) as results:
                yield results
        except Exception as error:
            self.connection.execute(
                "update raw.loads set status = 'failed', finished_at = clock_timestamp(), message = %s"
                " where load_id = %s",
                (str(error)[:2000], load_id),
            )
            raise

    def _mark_gone(self, entity: Entity, load_id: int, ends_extract: bool) -> tuple[int, str | None]:
        """Mark leads that are gone, once all files of a full extract are loaded; how many, or why none."""
        part = self.mapping.entity(entity)
        if part is None or not part.full_extract:
            return 0, None
        self.extract.append(load_id)
        if not ends_extract:
            return 0, None
        return mark_gone(
            self.connection, self.mapping.name, self.extract, load_id=load_id, however_many=self.however_many_gone
        )

    def _load(self, file: NewInput, load_id: int, progress: Progress | None) -> Counts:
        part = self.mapping.entity(file.entity)
        assert part is not None
        with self.connection.cursor() as cursor:
            loader: Loader | None = None
            for batch in batches(file.content):
                parsed = file.parser.parse(batch)
                loader = loader or Loader(
                    cursor,
                    file.entity,
                    source=self.mapping.name,
                    file=file.name,
                    load_id=load_id,
                    columns=parsed.good.columns,
                    suppressions=self.suppressions,
                    complete=file.window is None,
                    full_extract=part.full_extract,
                )
                loader.stage(parsed)
                if file.window and isinstance(file.content, postgres.QueryFile):
                    loader.stage_marks(file.content.marks(batch.frame))
                if progress:
                    progress(file.entity.name, file.name, loader.counts.read, file.content.rows)
            counts = loader.finish() if loader else Counts()
            if loader and file.window:
                window, highest, waiting = file.window, loader.highest_mark(), loader.lowest_waiting_mark()
                mark = window.mark.after(window.begin, highest, waiting, load_id)
                watermarks.remember(self.connection, self.mapping.name, file.entity.name, file.checksum, mark)
        if counts.read != file.content.rows:  # a difference would be a loss
            raise IngestError(
                f"{file.name}: {file.content.rows} rows were counted and {counts.read} read; nothing was loaded."
            )
        return counts

    def _begin(self, file: NewInput) -> int:
        row = self.connection.execute(
            "insert into raw.loads (source, entity, file, checksum, status, run_id)"
            " values (%s, %s, %s, %s, 'running', %s) returning load_id",
            (self.mapping.name, file.entity.name, file.name, file.checksum, self.run_id),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _end(self, load_id: int, counts: Counts, note: str | None) -> None:
        self.connection.execute(
            "update raw.loads set status = 'done', finished_at = clock_timestamp(), rows_read = %s,"
            " rows_inserted = %s, rows_updated = %s, rows_unchanged = %s, rows_rejected = %s, rows_waiting = %s,"
            " rows_suppressed = %s, rows_older = %s, rows_gone = %s, message = %s where load_id = %s",
            (
                counts.read,
                counts.inserted,
                counts.updated,
                counts.unchanged,
                counts.rejected,
                counts.waiting,
                counts.suppressed,
                counts.older,
                counts.gone,
                note,
                load_id,
            ),
        )
