"""`icp ui`, `icp psql`, `icp dbt`, `icp backup`, `icp restore`, `icp reset`: the house itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from icp.console import err, out
from warehouse.backup import backup as write_backup
from warehouse.backup import restore as restore_backup
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError
from warehouse.settings import PROJECT_ROOT, Settings

PROGRAMS = Path(sys.executable).parent  # of the same environment, whether or not it is activated


def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 3000,
) -> None:
    """Open the Dagster UI on this warehouse: graph, runs, checks, plots. Ends with Ctrl-C."""
    from dagster_defs.runs import open_instance, prepare_home

    settings = Settings.from_environment()
    warehouse = Warehouse(settings).open()  # held, so that the embedded server stays while the UI is open
    home = prepare_home(settings)
    environment = {**os.environ, "DAGSTER_HOME": str(home)}
    with open_instance(home):  # its tables are made here: the UI's processes would make them side by side
        pass
    command = [str(PROGRAMS / "dg"), "dev", "--host", "127.0.0.1", "--port", str(port)]
    out.print(f"Dagster UI: [bold]http://127.0.0.1:{port}[/]  (Ctrl-C ends it)")
    try:
        code = subprocess.run(command, cwd=PROJECT_ROOT, env=environment).returncode
    except KeyboardInterrupt:
        code = 0
    warehouse.close()
    raise typer.Exit(code)


def psql(
    arguments: Annotated[list[str] | None, typer.Argument(help="Passed on to psql, for example -c 'select 1'.")] = None,
) -> None:
    """Open psql on the warehouse, as the pipeline's login."""
    warehouse = Warehouse().open()
    own = warehouse.server.bindir / "psql" if warehouse.server else None
    program = str(own) if own and own.exists() else shutil.which("psql")
    connection, environment = warehouse.for_programs("-c role=icp_pipeline")
    if program is None:
        raise WarehouseError(f"There is no psql here. Any client connects with: {connection}")
    code = subprocess.run([program, connection, *(arguments or [])], env=environment).returncode
    raise typer.Exit(code)


def dbt(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Passed on to dbt, for example build -s lead_outcomes.")
    ] = None,
) -> None:
    """Run dbt by hand, connected to this warehouse."""
    from dagster_defs.project import DBT_FOLDER

    warehouse = Warehouse().open()
    with warehouse.connect(autocommit=True) as connection:  # not the tenants of the last run
        connection.execute("update intermediate.run_settings set tenant_ids = null")
    environment = {**os.environ, **warehouse.dbt_environment(), "DBT_PROFILES_DIR": str(DBT_FOLDER)}
    command = [str(PROGRAMS / "dbt"), *(arguments or ["--help"])]
    raise typer.Exit(subprocess.run(command, cwd=PROJECT_ROOT, env=environment).returncode)


def backup(
    target: Annotated[Path, typer.Argument(help="File to write, for example icp.dump; it must not exist.")],
) -> None:
    """Write a consistent copy of the warehouse to one file (pg_dump's format), while others may work."""
    with err.status("backing up …"):
        size = write_backup(Warehouse().open(), target.absolute())
    out.print(f"{target}: {size / 1e6:,.1f} MB. Back with: icp restore {target}", soft_wrap=True)


def restore(
    source: Annotated[Path, typer.Argument(help="A file that icp backup wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Also where the warehouse holds tenants.")] = False,
) -> None:
    """Put a backup in the place of this warehouse's contents, in one transaction."""
    with err.status("restoring …"):
        restore_backup(Warehouse().open(), source.absolute(), replace=replace)
    out.print("Restored. Next: icp status")


def reset(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete this warehouse: all loaded and learned rows and Dagster's runs. There is no way back."""
    settings = Settings.from_environment()
    warehouse = Warehouse(settings)
    where = f"the database of ICP_DATABASE_URL and {settings.dagster_home}"
    if warehouse.server is not None:
        where = f"{warehouse.server.base} and {settings.dagster_home}"
    if not yes:
        typer.confirm(f"Delete everything in {where}?", abort=True)
    if warehouse.server is not None:
        warehouse.server.stop()
        shutil.rmtree(warehouse.server.base, ignore_errors=True)
    else:
        with warehouse.open().pipeline_lock("reset"), warehouse.connect(autocommit=True) as connection:
            for schema in ("marts", "learned", "staging", "intermediate", "raw", "access"):
                connection.execute(f"drop schema if exists {schema} cascade".encode())
    shutil.rmtree(settings.dagster_home, ignore_errors=True)
    for folder in ("demo", "dbt"):
        shutil.rmtree(settings.home / folder, ignore_errors=True)
    err.print(f"Deleted {where}.")
