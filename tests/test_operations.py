"""docs/deploy.md and docs/runbook.md hold: their SQL runs, their units are valid, every check is explained."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from dagster_defs.definitions import defs
from ingest.simulation.worlds import world
from tests.loop import load_world, run
from warehouse import roles, tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import PROJECT_ROOT, Settings

DEPLOY = (PROJECT_ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
RUNBOOK = (PROJECT_ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
UNITS = PROJECT_ROOT / "examples" / "deploy"
GENERIC = ("unique_together_", "unique_", "not_null_", "accepted_values_", "between_", "always_")


# -- the runbook --------------------------------------------------------------------------------------------


def test_every_check_is_in_the_runbook_and_no_other() -> None:
    checks = {key.name: key for key in defs.resolve_asset_graph().asset_check_keys}
    assert len(checks) > 80
    assert [name for name in GENERIC if f"`{name}…`" not in RUNBOOK] == []
    named = {name for name in checks if not name.startswith(GENERIC)}
    assert [name for name in sorted(named) if f"`{name}`" not in RUNBOOK] == []
    table = re.findall(r"^\| `(\w+)` \| `([\w.]+)` \| (error|warn): ", RUNBOOK, re.MULTILINE)
    assert [row for row in table if row[0] not in checks] == []
    assert [(name, of) for name, of, _ in table if ".".join(checks[name].asset_key.path) != of] == []
    assert len(table) > 20


def test_every_measure_of_health_is_in_the_runbook() -> None:
    model = (PROJECT_ROOT / "dbt_project/models/marts/health/pipeline_health.sql").read_text()
    measures = re.findall(r"select\s+tenant_id,\s+'(\w+)'", model)
    assert len(measures) > 6
    assert [measure for measure in measures if f"`{measure}`" not in RUNBOOK] == []


def test_links_within_the_pages_lead_to_headings() -> None:
    pages = {"": RUNBOOK, "deploy.md": DEPLOY}
    for page, text in {"runbook.md": RUNBOOK, "deploy.md": DEPLOY}.items():
        for target, heading in re.findall(r"\]\(([\w.]*)#([\w-]+)\)", text):
            there = text if not target else pages[target]
            headings = {
                re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
                for line in re.findall(r"^#+ (.*)$", there, re.M)
            }
            assert heading in headings, (page, target, heading)


# -- rights -------------------------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DEPLOY, re.MULTILINE | re.DOTALL)


@pytest.fixture
def fresh(short_tmp: Path) -> Iterator[EmbeddedServer]:
    """A server without our roles; they are of the whole server."""
    server = EmbeddedServer(Settings(home=short_tmp / f"fresh-{time.monotonic_ns()}", durable=False), linger=0)
    server.acquire()
    yield server
    server.stop()
    server.release()


def execute(server: EmbeddedServer, script: str, dbname: str = "postgres") -> None:
    with psycopg.connect(server.dsn(user=SUPERUSER, dbname=dbname), autocommit=True) as connection:
        for statement in filter(str.strip, script.split(";")):
            connection.execute(statement.encode())


@pytest.mark.slow
@pytest.mark.parametrize("who_makes_roles", ["the login", "an administrator"])
def test_the_rights_that_the_document_gives_are_enough_and_no_more(fresh: EmbeddedServer, who_makes_roles: str) -> None:
    by_login, by_administrator, reader = blocks("sql")
    if who_makes_roles == "the login":
        rights, _, afterwards = by_login.partition("-- after the first command")
    else:
        rights, afterwards = by_administrator, ""
    execute(fresh, rights)
    settings = Settings(home=fresh.settings.home, database_url=fresh.dsn(user="analytics", dbname="company"))
    warehouse = Warehouse(settings).open()
    execute(fresh, afterwards.partition("\n")[2])
    with Warehouse(settings).open().connect(autocommit=True) as connection:
        acme = tenants.add_tenant(connection, slug="acme")
        tenants.add_tenant(connection, slug="other")
        granted = connection.execute(
            "select rolsuper, rolcreaterole, rolcreatedb, rolbypassrls from pg_roles where rolname = 'analytics'"
        ).fetchone()
        assert granted == (False, False, False, False)
        with pytest.raises(WarehouseError, match="Give it CREATEROLE"):
            roles.add_login(warehouse, "somebody", role="icp_bi", tenant=None)
    execute(fresh, reader, dbname="company")
    with psycopg.connect(fresh.dsn(user="acme_dashboard", dbname="company")) as dashboard:
        assert dashboard.execute("select tenant_id from learned.current_weights").fetchall() == [(acme.tenant_id,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            dashboard.execute("select from raw.tenants")
    if who_makes_roles == "an administrator":
        execute(fresh, "create role stranger login")
        with pytest.raises(psycopg.OperationalError, match="CONNECT"):
            psycopg.connect(fresh.dsn(user="stranger", dbname="company"))


# -- units --------------------------------------------------------------------------------------------------


def test_units_name_programs_and_files_that_are_there() -> None:
    programs = []
    for unit in [*UNITS.glob("*.service"), UNITS / "hardening.conf"]:
        parsed = configparser.ConfigParser(strict=False, interpolation=None, delimiters="=")
        parsed.optionxform = str  # type: ignore[assignment, method-assign]
        parsed.read(unit)
        if "ExecStart" in parsed["Service"]:
            programs.append(Path(parsed["Service"]["ExecStart"].split()[0]))
    assert len(programs) == 4
    for program in programs:
        inside = program.relative_to("/opt/icp-warehouse")
        here = Path(sys.executable).parent / inside.name if inside.parts[0] == ".venv" else PROJECT_ROOT / inside
        assert os.access(here, os.X_OK), program
    assert yaml.safe_load((UNITS / "dagster.yaml").read_text())["storage"]["postgres"]["postgres_db"]["db_name"]
    variables = set(re.findall(r"^#? ?([A-Z_]+)=", (UNITS / "environment").read_text(), re.M))
    assert [name for name in variables if name not in DEPLOY and name != "DAGSTER_DISABLE_TELEMETRY"] == []


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed here")
    for source in [*UNITS.glob("*.service"), *UNITS.glob("*.timer")]:
        text = source.read_text().replace("/opt/icp-warehouse/.venv/bin", str(Path(sys.executable).parent))
        (tmp_path / source.name).write_text(text.replace("/opt/icp-warehouse", str(PROJECT_ROOT)))
        drop_in = tmp_path / f"{source.name}.d" / "hardening.conf"
        if source.suffix == ".service":
            drop_in.parent.mkdir()
            drop_in.write_text((UNITS / "hardening.conf").read_text())
    files = sorted(str(path) for path in tmp_path.iterdir() if path.is_file())
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    verified = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, env=environment)
    assert (verified.returncode, verified.stderr) == (0, "")


# -- backups ------------------------------------------------------------------------------------------------


def test_old_backups_go_only_after_a_new_one_is_there(tmp_path: Path) -> None:
    (tmp_path / "icp").write_text('#!/bin/sh\necho "$@" > "$0.said"\n[ -n "${FAILS:-}" ] && exit 1\n: > "$2"\n')
    (tmp_path / "icp").chmod(0o755)
    folder = tmp_path / "backups"
    folder.mkdir()
    month_ago = time.time() - 40 * 86_400
    for name in ("icp-2026-01-01T003000.dump", "somebody else's.dump"):
        (folder / name).touch()
        os.utime(folder / name, (month_ago, month_ago))
    environment = {**os.environ, "ICP": str(tmp_path / "icp"), "ICP_BACKUP_FOLDER": str(folder)}
    failed = subprocess.run([UNITS / "backup.sh"], env={**environment, "FAILS": "yes"})
    assert failed.returncode != 0 and len(list(folder.iterdir())) == 2
    subprocess.run([UNITS / "backup.sh"], env=environment, check=True)
    kept = sorted(path.name for path in folder.iterdir())
    assert len(kept) == 2 and kept[1] == "somebody else's.dump"
    assert re.fullmatch(r"icp-\d{4}-\d\d-\d\dT\d{6}\.dump", kept[0]) and kept[0] > "icp-2026-01-02"


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes of work, more on a busy machine
def test_a_backup_is_tried_as_the_document_says(warehouse: Warehouse, tmp_path: Path, short_tmp: Path) -> None:
    load_world(warehouse, world(tenants=1, leads=60, seed=11), tmp_path / "files")
    assert run(warehouse, "learning_weekly", as_of="2026-06-30").success
    (script,) = [block for block in blocks("sh") if block.startswith("# try a backup")]
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "icp").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m icp.main "$@"\n')
    (bin_ / "icp").chmod(0o755)
    server_bin = EmbeddedServer(Settings(home=tmp_path)).bindir
    environment = {
        **os.environ,
        "PATH": f"{bin_}:{server_bin}:/usr/bin:/bin",
        "PYTHONPATH": str(PROJECT_ROOT),
        "TMPDIR": str(short_tmp),
        "ICP": str(bin_ / "icp"),
        "ICP_BACKUP_FOLDER": str(tmp_path),
    }
    subprocess.run([UNITS / "backup.sh"], env=environment, cwd=PROJECT_ROOT, check=True)
    script = script.replace("/var/backups/icp-warehouse", str(tmp_path))
    done = subprocess.run(["sh", "-euc", script], env=environment, cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "tenant-00000" in done.stdout and "Deleted" in done.stderr
