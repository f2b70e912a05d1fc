"""Loading a source: which of its files are new, and one report of what became of them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from ingest.errors import IngestError
from ingest.outcomes.entities import ENTITIES, LEADS, Entity
from ingest.outcomes.loading import Counts, Loader
from ingest.outcomes.mapping import Mapping, TenantColumn, read_mapping
from ingest.outcomes.parsing import Parser
from ingest.outcomes.reading import SourceFile, batches, checksum, open_source
from warehouse import bulk, tenants
from warehouse.connection import Warehouse

KIND = "outcomes"


@dataclass(frozen=True)
class FileReport:
    """What became of one file. ``status``: loaded, or unchanged (it was loaded before, nothing was done)."""

    entity: str
    file: str
    status: str
    counts: Counts
    seconds: float
    load_id: int


@dataclass(frozen=True)
class LoadReport:
    """What became of one source."""

    source: str
    files: tuple[FileReport, ...] = field(default=())

    @property
    def changed(self) -> bool:
        """Whether any row was inserted or updated."""
        return any(file.counts.inserted or file.counts.updated for file in self.files)


Progress = Callable[[str, str, int, int], None]
"""Called with entity, file, rows done, rows in all."""


def load_outcomes(
    warehouse: Warehouse,
    mapping_path: Path,
    *,
    run_id: str | None = None,
    again: bool = False,
    progress: Progress | None = None,
) -> LoadReport:
    """Load the files of a mapping that are new or changed, and remember the mapping for later runs.

    Args:
        again: load also files that were loaded before as they are.

    Raises:
        IngestError: the mapping or one of its files cannot be used. All files are checked before any is
            loaded, so in that case nothing was.
        UnknownTenant: the mapping names a tenant that does not exist.
    """
    mapping_path = mapping_path.absolute()
    mapping = read_mapping(mapping_path)
    with warehouse.connect(autocommit=True, application="icp load") as connection, ExitStack() as opened:
        source = _Source(connection, mapping, mapping_path, run_id)
        source.refuse_taken_name()
        files: list[_New | _Known] = []
        for entity, path in source.files():
            known = None if again else source.known(entity, path)
            files.append(known or opened.enter_context(source.open(entity, path)))
        source.register()
        reports = [source.load(file, progress) for file in files]
        bulk.analyze_changed(connection, "raw")
    return LoadReport(mapping.name, tuple(reports))


def close_interrupted_loads(connection: psycopg.Connection) -> int:
    """Mark loads that a killed process left running. Call with the pipeline lock held."""
    return connection.execute(
        "update raw.loads set status = 'failed', finished_at = clock_timestamp(),"
        " message = 'the process was killed; nothing of this file was loaded' where status = 'running'"
    ).rowcount


@dataclass(frozen=True)
class _New:
    """A file that was checked against the mapping and can be loaded."""

    entity: Entity
    name: str
    checksum: str
    content: SourceFile
    parser: Parser


@dataclass(frozen=True)
class _Known:
    """A file that was loaded before as it is."""

    entity: Entity
    path: Path
    name: str
    load_id: int


class _Source:
    """One mapping at work on one connection (in autocommit mode)."""

    def __init__(
        self, connection: psycopg.Connection, mapping: Mapping, mapping_path: Path, run_id: str | None
    ) -> None:
        self.connection = connection
        self.mapping = mapping
        self.path = mapping_path
        self.run_id = run_id
        known = tenants.list_tenants(connection)
        self.tenants = {key: t.tenant_id for t in known for key in (t.external_id, t.slug)}
        if isinstance(mapping.tenant, TenantColumn):
            assert mapping.timezone is not None  # the mapping's own check
            self.timezone = mapping.timezone
        else:
            tenant = tenants.get(connection, mapping.tenant)
            self.timezone = mapping.timezone or tenant.timezone

    def files(self) -> list[tuple[Entity, Path]]:
        """Entities and their files, in loading order."""
        found: list[tuple[Entity, Path]] = []
        for entity in ENTITIES:
            mapped = self.mapping.entity(entity)
            for pattern in mapped.files if mapped else ():
                paths = sorted(self.path.parent.glob(pattern)) if _is_glob(pattern) else [self.path.parent / pattern]
                if not paths:
                    raise IngestError(f"No file matches {pattern!r} beside the mapping ({self.path.parent}).")
                found.extend((entity, path) for path in paths)
        return found

    def refuse_taken_name(self) -> None:
        """Raise IngestError if another mapping has the name: their loads and rejects would be filed as one."""
        row = self.connection.execute(
            "select mapping_path from raw.sources where source = %s", (self.mapping.name,)
        ).fetchone()
        if row and row[0] != str(self.path) and Path(row[0]).exists():
            raise IngestError(
                f"The source name {self.mapping.name!r} belongs to {row[0]} already; give {self.path} another name."
            )

    def register(self) -> None:
        """Remember the mapping, so that runs load what is new in its files."""
        self.connection.execute(
            "insert into raw.sources (source, kind, mapping_path) values (%s, %s, %s)"
            " on conflict (source) do update set mapping_path = excluded.mapping_path",
            (self.mapping.name, KIND, str(self.path)),
        )

    def known(self, entity: Entity, path: Path) -> _Known | None:
        """The last load of a file, if it was of this very content under this very mapping."""
        name = _relative(path, self.path.parent)
        row = self.connection.execute(
            "select load_id, checksum from raw.loads where source = %s and entity = %s and file = %s"
            " and status = 'done' order by load_id desc limit 1",
            (self.mapping.name, entity.name, name),
        ).fetchone()
        same = row is not None and row[1] == self._checksum(entity, path)
        return _Known(entity, path, name, row[0]) if row is not None and same else None

    @contextmanager
    def open(self, entity: Entity, path: Path) -> Iterator[_New]:
        """Check a file: readable, and with the columns that the mapping names."""
        with open_source(path, encoding=self.mapping.encoding, delimiter=self.mapping.delimiter) as content:
            parser = Parser(
                entity,
                self.mapping,
                header=content.header,
                file_name=content.name,
                tenants=self.tenants,
                timezone=self.timezone,
            )
            yield _New(entity, _relative(path, self.path.parent), self._checksum(entity, path), content, parser)

    def load(self, file: _New | _Known, progress: Progress | None) -> FileReport:
        """Load one file in one transaction, unless it was loaded before and nothing in it waits."""
        began = time.monotonic()
        if isinstance(file, _Known):
            if not self._leads_came_for(file.load_id):
                return FileReport(
                    file.entity.name, file.name, "unchanged", Counts(), time.monotonic() - began, file.load_id
                )
            with self.open(file.entity, file.path) as opened:
                return self.load(opened, progress)
        load_id = self._begin(file)
        try:
            with self.connection.transaction():
                counts = self._load(file, load_id, progress)
                self._end(load_id, counts)
        except Exception as error:
            self.connection.execute(
                "update raw.loads set status = 'failed', finished_at = clock_timestamp(), message = %s"
                " where load_id = %s",
                (str(error)[:2000], load_id),
            )
            raise
        return FileReport(file.entity.name, file.name, "loaded", counts, time.monotonic() - began, load_id)

    def _load(self, file: _New, load_id: int, progress: Progress | None) -> Counts:
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
                )
                loader.stage(parsed)
                if progress:
                    progress(file.entity.name, file.name, loader.counts.read, file.content.rows)
            counts = loader.finish() if loader else Counts()
        if counts.read != file.content.rows:  # a difference would be a loss
            raise IngestError(
                f"{file.name}: {file.content.rows} rows were counted and {counts.read} read; nothing was loaded."
            )
        return counts

    def _checksum(self, entity: Entity, path: Path) -> str:
        """Of the file and of everything that decides how it is read."""
        part = self.mapping.entity(entity)
        assert part is not None
        settings = self.mapping.model_copy(update={other.name: None for other in ENTITIES})
        said = f"{checksum(path)}\n{settings.model_dump_json()}\n{part.model_dump_json()}\n{self.timezone}"
        return hashlib.sha256(said.encode()).hexdigest()

    def _leads_came_for(self, load_id: int) -> bool:
        """Whether rows of that load wait for a lead, and leads have come since."""
        row = self.connection.execute(
            "select exists (select from raw.loads as last join raw.loads as newer on newer.load_id > last.load_id"
            " where last.load_id = %s and last.rows_waiting > 0 and newer.entity = %s and newer.rows_inserted > 0)",
            (load_id, LEADS.name),
        ).fetchone()
        return row is not None and bool(row[0])

    def _begin(self, file: _New) -> int:
        row = self.connection.execute(
            "insert into raw.loads (source, entity, file, checksum, status, run_id)"
            " values (%s, %s, %s, %s, 'running', %s) returning load_id",
            (self.mapping.name, file.entity.name, file.name, file.checksum, self.run_id),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _end(self, load_id: int, counts: Counts) -> None:
        self.connection.execute(
            "update raw.loads set status = 'done', finished_at = clock_timestamp(), rows_read = %s,"
            " rows_inserted = %s, rows_updated = %s, rows_unchanged = %s, rows_rejected = %s, rows_waiting = %s"
            " where load_id = %s",
            (
                counts.read,
                counts.inserted,
                counts.updated,
                counts.unchanged,
                counts.rejected,
                counts.waiting,
                load_id,
            ),
        )


def _is_glob(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[")


def _relative(path: Path, base: Path) -> str:
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
