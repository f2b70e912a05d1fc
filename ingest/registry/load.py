"""Loading a registry: its files checked, compared with what is known, and one report of what became of them."""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from ingest.errors import IngestError
from ingest.files.opening import open_source
from ingest.files.source import SourceFile, batches
from ingest.registry.acra import ACRA, BUILT_IN
from ingest.registry.code_versions import CodeVersion, choose_version, code_lists, count_codes
from ingest.registry.files import find_files, fingerprint
from ingest.registry.keys import key_version
from ingest.registry.loading import ENTITY, Notes, RegistryCounts, RegistryLoader
from ingest.registry.mapping import RegistryMapping, read_registry_mapping
from ingest.registry.parsing import RegistryParser
from ingest.registry.report import RegistryFile, RegistryReport, merged_notes
from warehouse import bulk, logs
from warehouse.connection import Warehouse

log = logging.getLogger(__name__)

KIND = "registry"
MOST_GONE = 0.2  # of the known entities may be missing before somebody must say that they are really gone
FEW = 100  # entities: fewer missing ones are never too many

Progress = Callable[[str, int, int], None]
"""Called with file, rows done, rows in all."""


def load_registry(
    warehouse: Warehouse,
    paths: Sequence[Path | str] = (),
    *,
    registry: str | None = None,
    mapping_path: Path | None = None,
    industry_version: str | None = None,
    encoding: str | None = None,
    complete: bool | None = None,
    now: dt.datetime,
    run_id: str | None = None,
    again: bool = False,
    progress: Progress | None = None,
) -> RegistryReport:
    """Load a registry by difference, in one transaction, and remember it for later runs.

    Args:
        paths: files, folders or globs; default: those that the mapping names.
        registry: a built-in registry (default: acra), or with a mapping another name for its entities.
        mapping_path: YAML mapping of any other registry.
        industry_version: version of the classification its codes are in; default: told by the code lists.
        encoding: of the files, where it is not the mapping's.
        complete: whether the files are all of the registry, so that entities in none of them are gone; default:
            they are if every file of the last load is among them by name.
        now: what ``gone_at`` becomes.
        again: load also what was loaded before as it is.

    Raises:
        IngestError: the mapping or a file cannot be used, or so many entities are missing that the files are
            more likely a part. Nothing was loaded then.
    """
    began = time.monotonic()
    mapping = _mapping(registry, mapping_path)
    if encoding:
        mapping = mapping.model_copy(update={"encoding": encoding})
    given = _given(paths, mapping, mapping_path)
    files = find_files(given)
    with warehouse.connect(autocommit=True, application="icp load") as connection:
        source = _Source(connection, mapping, run_id=run_id, now=now)
        source.refuse_taken_name()
        settings = {
            "registry": mapping.name,
            "paths": given,
            "mapping": str(mapping_path.absolute()) if mapping_path else None,
            "industry_version": industry_version,
            "encoding": encoding,
            "files": [file.name.removesuffix(".gz") for file in files],
            "fingerprint": source.fingerprint(files, industry_version),
        }
        if not again and complete is None and source.settings().get("fingerprint") == settings["fingerprint"]:
            return source.report("unchanged", seconds=time.monotonic() - began)
        with ExitStack() as opened:
            wanted = {column for part in mapping.columns.values() for column in part.columns}
            layout = {"encoding": mapping.encoding, "delimiter": mapping.delimiter}
            sources = [opened.enter_context(open_source(file, **layout, wanted=wanted)) for file in files]
            version = source.code_version(sources, industry_version)
            outcome = source.load(_named(files, sources), version, settings, complete, progress)
        bulk.analyze_changed(connection, "raw")
        return source.report("loaded", **outcome, code_version=version, seconds=time.monotonic() - began)


@dataclass(frozen=True)
class RegisteredRegistry:
    """A registry that was loaded before, as the command said it then."""

    registry: str
    paths: tuple[str, ...]
    mapping: str | None
    industry_version: str | None
    encoding: str | None


def registered_registries(connection: psycopg.Connection) -> list[RegisteredRegistry]:
    """The registries that runs load again, by name."""
    rows = connection.execute(
        "select source, settings from raw.sources where kind = %s order by source", (KIND,)
    ).fetchall()
    return [
        RegisteredRegistry(
            source,
            tuple(settings.get("paths", ())),
            settings.get("mapping"),
            settings.get("industry_version"),
            settings.get("encoding"),
        )
        for source, settings in rows
    ]


def reload_registry(
    warehouse: Warehouse,
    known: RegisteredRegistry,
    *,
    now: dt.datetime,
    run_id: str | None = None,
    again: bool = False,
    progress: Progress | None = None,
) -> RegistryReport:
    """Load a registered registry again if its files changed.

    Raises:
        IngestError: as ``load_registry``.
    """
    return load_registry(
        warehouse,
        known.paths,
        registry=known.registry,
        mapping_path=Path(known.mapping) if known.mapping else None,
        industry_version=known.industry_version,
        encoding=known.encoding,
        now=now,
        run_id=run_id,
        again=again,
        progress=progress,
    )


class _Source:
    """One registry at work on one connection (in autocommit mode)."""

    def __init__(
        self, connection: psycopg.Connection, mapping: RegistryMapping, *, run_id: str | None, now: dt.datetime
    ) -> None:
        self.connection = connection
        self.mapping = mapping
        self.run_id = run_id
        self.now = now
        self.lists = code_lists(connection)

    def refuse_taken_name(self) -> None:
        """Raise IngestError if a source of another kind has the name."""
        row = self.connection.execute("select kind from raw.sources where source = %s", (self.mapping.name,)).fetchone()
        if row and row[0] != KIND:
            raise IngestError(
                f"The name {self.mapping.name!r} belongs to a source of {row[0]} already; give the registry another."
            )

    def settings(self) -> dict[str, Any]:
        """What the last load was given."""
        row = self.connection.execute(
            "select settings from raw.sources where source = %s", (self.mapping.name,)
        ).fetchone()
        return dict(row[0]) if row else {}

    def fingerprint(self, files: Sequence[Path], industry_version: str | None) -> str:
        """Of the files and of everything that decides how they are read."""
        lists = self.connection.execute(
            "select version, max(load_id), count(*) from raw.industry_codes group by 1 order by 1"
        ).fetchall()
        names = [file.name for file in files]
        return fingerprint(
            files, self.mapping.model_dump_json(), key_version(), json.dumps([industry_version, lists, names])
        )

    def code_version(self, sources: Sequence[SourceFile], asked: str | None) -> CodeVersion:
        """By the first hundred thousand rows of every file."""
        default = self.mapping.industry_code_version
        samples = []
        for file in sources if self.lists else ():
            # Without a list: whichever version it is, a lost zero is put back.
            parser = self._parser(file, CodeVersion(None, "", {}))
            samples.append(parser.codes(next(batches(file))))
        return choose_version(count_codes(samples), self.lists, asked=asked, default=default)

    def load(
        self,
        sources: Mapping[str, SourceFile],
        version: CodeVersion,
        settings: Mapping[str, Any],
        complete: bool | None,
        progress: Progress | None,
    ) -> dict[str, Any]:
        """Load all files in one transaction; returns fields of the report."""
        parsers = {name: self._parser(file, version) for name, file in sources.items()}
        load_ids = {name: self._begin(name, settings["fingerprint"]) for name in sources}
        is_complete = self._is_complete(settings["files"]) if complete is None else complete
        told = logs.span(log, "load", load_ids=list(load_ids.values()), source=self.mapping.name, entity=ENTITY)
        try:
            with told, self.connection.transaction(), self.connection.cursor() as cursor:
                loader = RegistryLoader(
                    cursor, registry=self.mapping.name, merge=self.mapping.repeated_numbers == "merge"
                )
                reports = [
                    self._load_file(loader, name, file, parsers[name], load_ids[name], progress)
                    for name, file in sources.items()
                ]
                loader.finish()
                missing = loader.missing()
                if is_complete:
                    if complete is None:
                        self._refuse_too_many(len(missing), loader.known)
                    loader.mark_gone(missing, now=self.now)
                loader.file_rejects(list(load_ids.values()), None if is_complete else list(load_ids))
                loader.touch()
                self._register(settings, is_complete)
                for report in reports:
                    self._end(report)
        except Exception as error:
            self.connection.execute(
                "update raw.loads set status = 'failed', finished_at = clock_timestamp(), message = %s"
                " where load_id = any(%s)",
                (str(error)[:2000], list(load_ids.values())),
            )
            raise
        lacking = Counter(column for parser in parsers.values() for column in parser.missing)
        return {
            "files": tuple(reports),
            "is_complete": is_complete,
            "gone": len(missing) if is_complete else 0,
            "missing": 0 if is_complete else len(missing),
            "notes": merged_notes(reports),
            "missing_columns": tuple(lacking),
        }

    def report(self, status: str, **outcome: Any) -> RegistryReport:
        """A report with the registry's entities counted."""
        row = self.connection.execute(
            "select count(*), count(*) filter (where is_live) from raw.registry_entities"
            " where registry = %s and gone_at is null",
            (self.mapping.name,),
        ).fetchone()
        assert row is not None
        return RegistryReport(self.mapping.name, status, **outcome, entities=row[0], live=row[1])

    # -- parts --------------------------------------------------------------------------------------------

    def _parser(self, file: SourceFile, version: CodeVersion) -> RegistryParser:
        return RegistryParser(
            self.mapping,
            header=file.header,
            file_name=file.name,
            code_version=version.version,
            known_codes=self.lists.get(version.version or ""),
            salt=key_version(),
        )

    def _load_file(
        self,
        loader: RegistryLoader,
        name: str,
        file: SourceFile,
        parser: RegistryParser,
        load_id: int,
        progress: Progress | None,
    ) -> RegistryFile:
        began = time.monotonic()
        total = RegistryCounts()
        loader.notes = Notes()
        for batch in batches(file):
            total.add(loader.write(parser.parse(batch), load_id=load_id, file=name))
            if progress:
                progress(name, total.read, file.rows)
        if total.read != file.rows:  # a difference would be a loss
            raise IngestError(f"{name}: {file.rows} rows were counted and {total.read} read; nothing was loaded.")
        return RegistryFile(name, total, loader.notes.all(), time.monotonic() - began, load_id)

    def _is_complete(self, names: Sequence[str]) -> bool:
        return set(self.settings().get("files", ())) <= set(names)

    def _refuse_too_many(self, missing: int, known: int) -> None:
        if missing > max(FEW, MOST_GONE * known):
            raise IngestError(
                f"{missing:,} of the {known:,} entities of {self.mapping.name} are in none of these files; nothing "
                "was loaded. If the files are only a part, say --partial; if the entities are really gone, --complete."
            )

    def _begin(self, name: str, checksum: str) -> int:
        row = self.connection.execute(
            "insert into raw.loads (source, entity, file, checksum, status, run_id)"
            " values (%s, %s, %s, %s, 'running', %s) returning load_id",
            (self.mapping.name, ENTITY, name, checksum, self.run_id),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def _end(self, report: RegistryFile) -> None:
        counts = report.counts
        self.connection.execute(
            "update raw.loads set status = 'done', finished_at = clock_timestamp(), rows_read = %s, rows_inserted = %s,"
            " rows_updated = %s, rows_unchanged = %s, rows_rejected = %s, message = %s where load_id = %s",
            (
                counts.read,
                counts.inserted,
                counts.updated,
                counts.unchanged + counts.repeated,
                counts.rejected,
                "; ".join(map(str, report.notes))[:2000] or None,
                report.load_id,
            ),
        )

    def _register(self, settings: Mapping[str, Any], is_complete: bool) -> None:
        """Remember what was loaded; a part does not take the place of the whole, but its rows are news to it."""
        self.connection.execute(
            "insert into raw.sources as known (source, kind, mapping_path, settings) values (%s, %s, %s, %s)"
            " on conflict (source) do update set mapping_path = excluded.mapping_path, settings = excluded.settings"
            if is_complete
            else "insert into raw.sources as known (source, kind, mapping_path, settings) values (%s, %s, %s, %s)"
            " on conflict (source) do update set settings = known.settings - 'fingerprint'",
            (self.mapping.name, KIND, settings["mapping"] or settings["paths"][0], json.dumps(settings)),
        )


def _mapping(registry: str | None, mapping_path: Path | None) -> RegistryMapping:
    if mapping_path is not None:
        mapping = read_registry_mapping(mapping_path)
        return mapping.model_copy(update={"name": registry}) if registry else mapping
    name = (registry or ACRA.name).lower()
    if name not in BUILT_IN:
        raise IngestError(
            f"The layout of the registry {registry!r} is not known; describe it with --mapping (examples/contractors). "
            f"Built in: {', '.join(BUILT_IN)}."
        )
    return BUILT_IN[name]


def _given(paths: Sequence[Path | str], mapping: RegistryMapping, mapping_path: Path | None) -> list[str]:
    """What was named, as absolute paths; else what the mapping names."""
    given = [str(Path.cwd() / path) for path in paths]
    if not given and mapping_path is not None:
        given = [str(mapping_path.absolute().parent / pattern) for pattern in mapping.files]
    if not given:
        raise IngestError(f"Say which files of the registry {mapping.name} to load: a folder, files or a glob.")
    return given


def _named(files: Sequence[Path], sources: Sequence[SourceFile]) -> dict[str, SourceFile]:
    """Files by name; by path where a name comes twice."""
    times = Counter(file.name for file in files)
    return {
        file.name if times[file.name] == 1 else str(file): source for file, source in zip(files, sources, strict=True)
    }
