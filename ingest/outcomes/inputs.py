"""What a mapping names, opened: files that are new, files that are known, queries that were run.

Checked as a whole before anything is loaded. Does not belong here: writing.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ingest.errors import IngestError
from ingest.files import postgres
from ingest.files.opening import checksum, open_source
from ingest.files.source import SourceFile
from ingest.mapping_files import files_like
from ingest.outcomes import watermarks
from ingest.outcomes.entities import ENTITIES, LEADS, Entity
from ingest.outcomes.mapping import EntityMapping, Mapping, TenantColumn, duration
from ingest.outcomes.parsing import Parser
from warehouse import tenants


@dataclass(frozen=True)
class NewInput:
    """A file that was checked against the mapping and can be loaded."""

    entity: Entity
    name: str
    checksum: str
    content: SourceFile
    parser: Parser
    window: Window | None = None


@dataclass(frozen=True)
class Window:
    """What part of a query with a watermark was read: from ``begin`` on, with ``mark`` known before."""

    mark: watermarks.Mark
    begin: int | None


@dataclass(frozen=True)
class KnownInput:
    """A file that was loaded before as it is."""

    entity: Entity
    path: Path
    name: str
    load_id: int


class Inputs:
    """The files and queries of one mapping.

    Attributes:
        tenant: the slug of the one that all rows belong to; None: many.

    Raises:
        UnknownTenant: the mapping names a tenant that does not exist.
    """

    def __init__(self, connection: psycopg.Connection, mapping: Mapping, mapping_path: Path) -> None:
        self.connection = connection
        self.mapping = mapping
        self.folder = mapping_path.parent
        known = tenants.list_tenants(connection)
        self.tenants = {key: t.tenant_id for t in known for key in (t.external_id, t.slug)}
        self.tenant: str | None = None  # many
        if isinstance(mapping.tenant, TenantColumn):
            assert mapping.timezone is not None  # the mapping's own check
            self.timezone = mapping.timezone
        else:
            tenant = tenants.get(connection, mapping.tenant)
            self.tenant = tenant.slug
            self.timezone = mapping.timezone or tenant.timezone

    def open_all(self, opened: ExitStack, *, again: bool) -> list[NewInput | KnownInput]:
        """Everything that the mapping names, checked, in loading order. Queries are run and over then."""
        found: list[NewInput | KnownInput] = []
        with ExitStack() as connected:
            server = None
            for entity, part in self._parts():
                if part.query:
                    server = server or connected.enter_context(self._server(opened))
                    found.append(self._open_query(server, entity, part, again=again))
                for path in self._paths(part):
                    known = None if again else self._known(entity, path)
                    found.append(known or opened.enter_context(self.open(entity, path)))
        return found

    def _server(self, opened: ExitStack) -> AbstractContextManager[postgres.Server]:
        """The Postgres that queries go to; what they give is there until all is loaded."""
        asked = self.mapping.postgres
        assert asked is not None  # the mapping's own check
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="icp-")))
        return postgres.connect(asked.dsn_env, timeout=duration(asked.timeout), folder=folder)

    def _parts(self) -> list[tuple[Entity, EntityMapping]]:
        parts = ((entity, self.mapping.entity(entity)) for entity in ENTITIES)
        return [(entity, part) for entity, part in parts if part is not None]

    def _paths(self, part: EntityMapping) -> list[Path]:
        found: list[Path] = []
        for pattern in part.files:
            base = self.folder
            paths = files_like(base, pattern) if _is_glob(pattern) else [base / pattern]
            if not paths:
                raise IngestError(f"No file matches {pattern!r} beside the mapping ({self.folder}).")
            found.extend(paths)
        return found

    def _known(self, entity: Entity, path: Path) -> KnownInput | None:
        """The last load of a file, if it was of this very content under this very mapping."""
        name = _relative(path, self.folder)
        row = self.connection.execute(
            "select load_id, checksum from raw.loads where source = %s and entity = %s and file = %s"
            " and status = 'done' order by load_id desc limit 1",
            (self.mapping.name, entity.name, name),
        ).fetchone()
        same = row is not None and row[1] == self._checksum(entity, path)
        return KnownInput(entity, path, name, row[0]) if row is not None and same else None

    @contextmanager
    def open(self, entity: Entity, path: Path) -> Iterator[NewInput]:
        """Check a file: readable, and with the columns that the mapping names."""
        wanted = self.mapping.columns_of(entity)
        layout = {"encoding": self.mapping.encoding, "delimiter": self.mapping.delimiter}
        with open_source(path, **layout, wanted=wanted) as content:
            name = _relative(path, self.folder)
            yield NewInput(entity, name, self._checksum(entity, path), content, self._parser(entity, content))

    def _open_query(
        self, server: postgres.Server, entity: Entity, part: EntityMapping, *, again: bool = False
    ) -> NewInput:
        """Run a query; with a watermark for what is new since the last load, and what waits if leads have come."""
        assert part.query is not None
        what = f"The query of {entity.name}"
        fingerprint = self._checksum(entity, None)
        window = since = None
        if part.watermark:
            source = self.mapping.name
            mark = watermarks.Mark() if again else watermarks.recall(self.connection, source, entity.name, fingerprint)
            is_time = server.is_time(part.query, part.watermark.column, what=what)
            came = self._leads_came_since(mark.load_id)
            window = Window(mark, mark.begin(part.watermark, is_time=is_time, leads_came=came))
            since = postgres.Since(part.watermark.column, window.begin)
        content = server.run(part.query, what=what, since=since)
        return NewInput(entity, f"query to {server.name}", fingerprint, content, self._parser(entity, content), window)

    def _parser(self, entity: Entity, content: SourceFile) -> Parser:
        return Parser(
            entity,
            self.mapping,
            header=content.header,
            file_name=content.name,
            tenants=self.tenants,
            timezone=self.timezone,
        )

    # -- again ----------------------------------------------------------------------------------------------

    def has_waited_enough(self, file: NewInput | KnownInput) -> bool:
        """Whether rows of it that are not read now wait for leads, and leads have come."""
        if isinstance(file, KnownInput):
            row = self.connection.execute(
                "select rows_waiting > 0 from raw.loads where load_id = %s", (file.load_id,)
            ).fetchone()
            return row is not None and bool(row[0]) and self._leads_came_since(file.load_id)
        window = file.window
        return (
            window is not None
            and window.mark.misses_waiting(window.begin)
            and self._leads_came_since(window.mark.load_id)
        )

    @contextmanager
    def reopened(self, file: NewInput | KnownInput) -> Iterator[NewInput]:
        """The file, or the query from the first row on that waits."""
        if isinstance(file, KnownInput):
            with self.open(file.entity, file.path) as opened:
                yield opened
        else:
            part = self.mapping.entity(file.entity)
            assert part is not None
            with ExitStack() as results:
                with self._server(results) as server:
                    opened = self._open_query(server, file.entity, part)
                yield opened

    def _leads_came_since(self, load_id: int) -> bool:
        row = self.connection.execute(
            "select exists (select from raw.loads where load_id > %s and entity = %s and rows_inserted > 0)",
            (load_id, LEADS.name),
        ).fetchone()
        return row is not None and bool(row[0])

    def _checksum(self, entity: Entity, path: Path | None) -> str:
        """Of the file, if it is one, and of everything that decides how it is read."""
        part = self.mapping.entity(entity)
        assert part is not None
        settings = self.mapping.model_copy(update={other.name: None for other in ENTITIES})
        said = (
            f"{checksum(path) if path else ''}\n{settings.model_dump_json()}\n{part.model_dump_json()}\n{self.timezone}"
        )
        return hashlib.sha256(said.encode()).hexdigest()


def _is_glob(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[")


def _relative(path: Path, base: Path) -> str:
    return str(path.relative_to(base)) if path.is_relative_to(base) else str(path)
