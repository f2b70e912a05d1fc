"""Backup and restore by the server's own tools, in pg_dump's format: one file, taken while others work."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO

from warehouse import forget
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError
from warehouse.suppression import KeyMissing

SCHEMAS = ("access", "raw", "staging", "intermediate", "marts", "learned")


def backup(warehouse: Warehouse, target: Path) -> int:
    """Write a consistent copy of the database to a new file; returns its size in bytes.

    Raises:
        WarehouseError: the file exists, or the tool is missing or fails; no half file is left.
    """
    if target.exists():
        raise WarehouseError(f"{target} exists already; a backup overwrites nothing.")
    if not target.parent.is_dir():
        raise WarehouseError(f"There is no folder {target.parent}.")
    unfinished = target.with_name(f"{target.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)  # pg_dump would make it as everybody may read it
    schemas = [f"--schema={schema}" for schema in SCHEMAS]
    try:
        _run(
            [_tool(warehouse, "pg_dump"), "--format=custom", "--role=icp_pipeline", *schemas]
            + [f"--file={unfinished}", "--dbname", warehouse.for_programs()[0]],
            warehouse,
        )
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target.stat().st_size


def restore(warehouse: Warehouse, source: Path, *, replace: bool = False) -> None:
    """Put the contents of a backup in the place of the warehouse's, in one transaction.

    Args:
        replace: also where the warehouse holds tenants; else that is refused.

    Raises:
        WarehouseError: the file is no backup, the warehouse is not empty, or a tool fails; then nothing changed.
        Busy: a run is at work.
    """
    if not source.is_file():
        raise WarehouseError(f"There is no file {source}.")
    with warehouse.pipeline_lock("restore"):
        with warehouse.connect() as connection:
            row = connection.execute("select count(*) from raw.tenants").fetchone()
        if row and row[0] and not replace:
            raise WarehouseError(
                f"The warehouse holds {row[0]} tenants; restoring would delete them. If that is meant: --replace"
            )
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "restore.sql"
            script.write_text(_prologue())
            contents = Path(folder) / "contents"
            contents.write_text(_contents(warehouse, source))
            with script.open("ab") as target:
                # Not as the dump's owner, who may have another name here, but as the group role that owns everything.
                _run(
                    [_tool(warehouse, "pg_restore"), "--no-owner", f"--use-list={contents}", "--file=-", str(source)],
                    warehouse,
                    output=target,
                )
                target.write(_EPILOGUE.encode())
            _run(
                [_tool(warehouse, "psql"), "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1"]
                + [f"--file={script}", "--dbname", warehouse.for_programs()[0]],
                warehouse,
            )
        warehouse.open()  # a backup of an older version is brought up to date
        _forget_again(warehouse)


def _forget_again(warehouse: Warehouse) -> None:
    """Who asked to be forgotten after the backup was made is in it; see ``docs/data-rights.md``."""
    try:
        with warehouse.connect(application="icp restore") as connection:
            reports = forget.replay(connection, warehouse.settings, actor="restore")
        forget.sweep(warehouse, reports)
    except KeyMissing as error:
        raise WarehouseError(f"The backup is restored, but who was forgotten may be back in it. {error}") from error


def _contents(warehouse: Warehouse, source: Path) -> str:
    """The backup's table of contents without the schemas, which are made beforehand."""
    listed = _run([_tool(warehouse, "pg_restore"), "--list", str(source)], warehouse)
    kept = [line for line in listed.splitlines() if " SCHEMA - " not in line and "COMMENT - SCHEMA" not in line]
    if not any(" TABLE raw tenants " in line for line in kept):
        raise WarehouseError(f"{source} is no backup of a warehouse.")
    return "\n".join(kept) + "\n"


def _prologue() -> str:
    made = "".join(
        f"drop schema {name} cascade; create schema {name} authorization icp_pipeline;\n" for name in SCHEMAS
    )
    return f"{_KEEP}set client_min_messages = warning;\n{made}set role icp_pipeline;\n"


# The list of who was forgotten is newer than the backup: it is carried over, also into a backup that has none.
_KEEP = """\
set role icp_pipeline;
create temporary table kept_suppressions (like raw.suppressions including all);
insert into kept_suppressions select * from raw.suppressions;
reset role;
"""
_EPILOGUE = """
create table if not exists raw.suppressions (like pg_temp.kept_suppressions including all);
insert into raw.suppressions select kept.* from pg_temp.kept_suppressions as kept
where kept.tenant_id is null or kept.tenant_id in (select tenant_id from raw.tenants) on conflict do nothing;
"""


def _tool(warehouse: Warehouse, name: str) -> str:
    """The server's own where it is embedded: pg_dump refuses a server newer than itself."""
    own = warehouse.server.bindir / name if warehouse.server else None
    found = str(own) if own and own.exists() else shutil.which(name)
    if found is None:
        raise WarehouseError(
            f"{name} is not here. Install PostgreSQL's client tools, of the server's version or newer."
        )
    return found


def _run(command: list[str], warehouse: Warehouse, output: IO[bytes] | None = None) -> str:
    _, environment = warehouse.for_programs()
    done = subprocess.run(command, env=environment, stdout=output or subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        lines = [line for line in done.stderr.decode(errors="replace").strip().splitlines() if line]
        raise WarehouseError(f"{Path(command[0]).name} failed: {lines[0] if lines else 'without a word'}")
    return (done.stdout or b"").decode(errors="replace")
