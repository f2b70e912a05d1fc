"""Lists of industry codes into ``raw.industry_codes``, and what became of each code into ``raw.industry_code_links``.

A file is the whole of one version: codes that it no longer has go. Links are computed anew between that version and
every other one; those of an official table stay, and a code that the table names gets no computed ones.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from ingest.errors import IngestError
from ingest.registry.code_links import relink, titles, write_official
from ingest.registry.code_lists import CodeList, read_code_list, read_code_table
from ingest.registry.files import fingerprint
from ingest.registry.rejects import Rejects
from warehouse import bulk, logs
from warehouse.connection import Warehouse

log = logging.getLogger(__name__)

KIND = "industry_codes"
ENTITY = "industry_codes"
_CODE_COLUMNS = {
    "code": "text",
    "level": "text",
    "parent_code": "text",
    "title": "text",
    "definition": "text",
    "examples": "text",
}


@dataclass(frozen=True)
class CodesReport:
    """What became of one list.

    Attributes:
        status: loaded, or unchanged.
        levels: codes by level in the warehouse now.
        links: links from this version by "other version: basis".
        unlinked: five-character codes of this version without a link, by other version.
    """

    version: str
    file: str
    status: str
    read: int = 0
    inserted: int = 0
    updated: int = 0
    removed: int = 0
    rejected: int = 0
    levels: Mapping[str, int] = field(default_factory=dict)
    links: Mapping[str, int] = field(default_factory=dict)
    unlinked: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether any code is new, other or gone."""
        return bool(self.inserted or self.updated or self.removed)


def load_industry_codes(
    warehouse: Warehouse,
    path: Path,
    *,
    version: str,
    encoding: str = "utf-8",
    run_id: str | None = None,
    again: bool = False,
) -> CodesReport:
    """Load a list of codes as one version of the classification, and link it with the other versions.

    Raises:
        IngestError: the file cannot be used; nothing was loaded.
    """
    began = time.monotonic()
    path, version = path.absolute(), _checked(version)
    with warehouse.connect(autocommit=True, application="icp load") as connection:
        settings = {"version": version, "encoding": encoding, "fingerprint": fingerprint([path], encoding)}
        if not again and _settings(connection, version).get("fingerprint") == settings["fingerprint"]:
            return _report(connection, version, path, "unchanged", seconds=time.monotonic() - began)
        content = read_code_list(path, encoding=encoding)
        if not content.codes:
            raise IngestError(f"{path.name} holds not one code; nothing was loaded.")
        load_id = _begin(connection, _source(version), ENTITY, path, settings["fingerprint"], run_id)
        told = logs.span(log, "load", load_id=load_id, source=_source(version), entity=ENTITY)
        with _failing(connection, load_id), told, connection.transaction(), connection.cursor() as cursor:
            inserted, updated, removed = _write(cursor, content, version, path.name, load_id)
            if inserted or updated or removed:
                relink(cursor, version, load_id)
                _touch(cursor, "raw.industry_codes", "raw.industry_code_links")
            _register(cursor, version, path, settings)
            _end(cursor, load_id, content.rows, inserted, updated, content.bad.height)
        bulk.analyze_changed(connection, "raw")
        return _report(
            connection,
            version,
            path,
            "loaded",
            read=content.rows,
            inserted=inserted,
            updated=updated,
            removed=removed,
            rejected=content.bad.height,
            notes=content.notes,
            seconds=time.monotonic() - began,
        )


def load_code_table(
    warehouse: Warehouse,
    path: Path,
    *,
    from_version: str,
    to_version: str,
    encoding: str = "utf-8",
    run_id: str | None = None,
) -> CodesReport:
    """Load an official table of what became of the codes of one version in another; it goes before what is computed.

    Raises:
        IngestError: the file cannot be used, or one of the versions is not loaded. Nothing was loaded then.
    """
    began = time.monotonic()
    path = path.absolute()
    pairs = read_code_table(path, from_version=from_version, to_version=to_version, encoding=encoding)
    with warehouse.connect(autocommit=True, application="icp load") as connection:
        known = {version: titles(connection, version) for version in (from_version, to_version)}
        for version, of_version in known.items():
            if not of_version:
                raise IngestError(f"The codes of version {version} are not loaded yet: icp load industry-codes.")
        good = [(old, new) for old, new in pairs if old in known[from_version] and new in known[to_version]]
        if not good:
            raise IngestError(f"{path.name}: not one pair has codes of {from_version} and {to_version}.")
        checksum = fingerprint([path], from_version, to_version)
        source = f"{_source(from_version)} to {to_version}"
        load_id = _begin(connection, source, "industry_code_links", path, checksum, run_id)
        told = logs.span(log, "load", load_id=load_id, source=source, entity="industry_code_links")
        with _failing(connection, load_id), told, connection.transaction(), connection.cursor() as cursor:
            changed = write_official(cursor, good, from_version, to_version, load_id)
            if changed:
                relink(cursor, from_version, load_id)
                _touch(cursor, "raw.industry_code_links")
            _end(cursor, load_id, len(pairs), changed, 0, 0)
        unknown = len(pairs) - len(good)
        return _report(
            connection,
            from_version,
            path,
            "loaded",
            read=len(pairs),
            inserted=changed,
            notes=(f"{unknown:,} pairs name a code that is not loaded and were left out",) if unknown else (),
            seconds=time.monotonic() - began,
        )


@dataclass(frozen=True)
class RegisteredCodes:
    """A list that was loaded before."""

    version: str
    path: Path
    encoding: str


def registered_codes(connection: psycopg.Connection) -> list[RegisteredCodes]:
    """The lists that runs load again, by version."""
    rows = connection.execute(
        "select settings ->> 'version', mapping_path, settings ->> 'encoding' from raw.sources where kind = %s"
        " order by source",
        (KIND,),
    ).fetchall()
    return [RegisteredCodes(version, Path(path), encoding) for version, path, encoding in rows]


# -- writing ------------------------------------------------------------------------------------------------


def _write(cursor: psycopg.Cursor, content: CodeList, version: str, file: str, load_id: int) -> tuple[int, int, int]:
    """Inserted, updated, removed."""
    cursor.execute("lock table raw.industry_codes in share row exclusive mode")
    bulk.create_staging(cursor, "staged", _CODE_COLUMNS)
    rows = ((c.code, c.level, c.parent_code, c.title, c.definition, c.examples) for c in content.codes)
    bulk.copy_rows(cursor, "staged", _CODE_COLUMNS, rows)
    values = [name for name in _CODE_COLUMNS if name != "code"]
    row = cursor.execute(
        f"with written as (insert into raw.industry_codes as known (version, {', '.join(_CODE_COLUMNS)}, load_id)"
        f" select %(version)s, {', '.join(_CODE_COLUMNS)}, %(load_id)s from staged"
        f" on conflict (version, code) do update set"
        f" {', '.join(f'{name} = excluded.{name}' for name in values)}, load_id = excluded.load_id"
        f" where row({', '.join(f'known.{name}' for name in values)})"
        f" is distinct from row({', '.join(f'excluded.{name}' for name in values)})"
        " returning (xmax = 0) as is_new)"
        " select count(*) filter (where is_new), count(*) filter (where not is_new) from written".encode(),
        {"version": version, "load_id": load_id},
    ).fetchone()
    assert row is not None
    removed = cursor.execute(
        "delete from raw.industry_codes as known where version = %s"
        " and not exists (select from staged where staged.code = known.code)",
        (version,),
    ).rowcount
    rejects = Rejects(cursor, source=_source(version), entity=ENTITY)
    rejects.add(content.bad, load_id=load_id, file=file)
    is_loaded = "exists (select from staged where staged.code = known.record_key)"
    rejects.file(load_ids=[load_id], files=[file], is_loaded=is_loaded)
    return row[0], row[1], removed


# -- book-keeping -------------------------------------------------------------------------------------------


class _failing:
    """Marks a load as failed if what is done within fails."""

    def __init__(self, connection: psycopg.Connection, load_id: int) -> None:
        self.connection = connection
        self.load_id = load_id

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            self.connection.execute(
                "update raw.loads set status = 'failed', finished_at = clock_timestamp(), message = %s"
                " where load_id = %s",
                (str(error)[:2000], self.load_id),
            )


def _source(version: str) -> str:
    return f"industry codes {version}"


def _checked(version: str) -> str:
    version = version.strip()
    if not version or len(version) > 30:
        raise IngestError("A version of a classification is named by 1 to 30 characters, such as 2025.")
    return version


def _settings(connection: psycopg.Connection, version: str) -> dict[str, str]:
    row = connection.execute("select settings from raw.sources where source = %s", (_source(version),)).fetchone()
    return dict(row[0]) if row else {}


def _touch(cursor: psycopg.Cursor, *relations: str) -> None:
    for relation in relations:
        cursor.execute("select intermediate.touch(%s, array_agg(tenant_id)) from raw.tenants", (relation,))


def _register(cursor: psycopg.Cursor, version: str, path: Path, settings: Mapping[str, str]) -> None:
    cursor.execute(
        "insert into raw.sources (source, kind, mapping_path, settings) values (%s, %s, %s, %s)"
        " on conflict (source) do update set mapping_path = excluded.mapping_path, settings = excluded.settings",
        (_source(version), KIND, str(path), json.dumps(settings)),
    )


def _begin(
    connection: psycopg.Connection, source: str, entity: str, path: Path, checksum: str, run_id: str | None
) -> int:
    row = connection.execute(
        "insert into raw.loads (source, entity, file, checksum, status, run_id)"
        " values (%s, %s, %s, %s, 'running', %s) returning load_id",
        (source, entity, path.name, checksum, run_id),
    ).fetchone()
    assert row is not None
    return int(row[0])


def _end(cursor: psycopg.Cursor, load_id: int, read: int, inserted: int, updated: int, rejected: int) -> None:
    cursor.execute(
        "update raw.loads set status = 'done', finished_at = clock_timestamp(), rows_read = %s, rows_inserted = %s,"
        " rows_updated = %s, rows_unchanged = %s, rows_rejected = %s where load_id = %s",
        (read, inserted, updated, max(0, read - inserted - updated - rejected), rejected, load_id),
    )


def _report(
    connection: psycopg.Connection,
    version: str,
    path: Path,
    status: str,
    *,
    read: int = 0,
    inserted: int = 0,
    updated: int = 0,
    removed: int = 0,
    rejected: int = 0,
    notes: tuple[str, ...] = (),
    seconds: float,
) -> CodesReport:
    levels = connection.execute(
        "select level, count(*) from raw.industry_codes where version = %s group by level order by min(length(code))",
        (version,),
    ).fetchall()
    links = connection.execute(
        "select to_version || ': ' || basis, count(*) from raw.industry_code_links"
        " where from_version = %s and length(from_code) = 5 group by 1 order by 1",
        (version,),
    ).fetchall()
    unlinked = connection.execute(
        "select others.version, count(*) from raw.industry_codes as codes"
        " cross join (select distinct version from raw.industry_codes where version <> %(version)s) as others"
        " where codes.version = %(version)s and length(codes.code) = 5"
        " and not exists (select from raw.industry_code_links as link where link.from_version = %(version)s"
        " and link.from_code = codes.code and link.to_version = others.version) group by 1 order by 1",
        {"version": version},
    ).fetchall()
    return CodesReport(
        version=version,
        file=path.name,
        status=status,
        read=read,
        inserted=inserted,
        updated=updated,
        removed=removed,
        rejected=rejected,
        levels=dict(levels),
        links=dict(links),
        unlinked=dict(unlinked),
        notes=notes,
        seconds=seconds,
    )
