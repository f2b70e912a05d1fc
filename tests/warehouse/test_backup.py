"""Backup and restore: everything comes back, with its policies; a failed restore changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import make_database
from tests.loop import Rows
from warehouse import backup, tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError
from warehouse.server import EmbeddedServer
from warehouse.settings import Settings

CATALOGUE = (
    "select 'policy ' || polrelid::regclass || ' ' || polname from pg_policy"
    " union all select 'grant ' || oid::regclass || ' ' || relacl::text from pg_class"
    " where relnamespace::regnamespace::text = any(array['raw', 'learned', 'access', 'intermediate'])"
    " and relacl is not null"
    " union all select 'function ' || oid::regprocedure || ' ' || coalesce(proacl::text, '') from pg_proc"
    " where pronamespace::regnamespace::text = any(array['learned', 'access', 'intermediate']) order by 1"
)


@pytest.fixture
def tools(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client tools of the test's own server."""
    monkeypatch.setenv("PATH", f"{server.bindir}:/usr/bin:/bin")


@pytest.fixture
def dump(warehouse: Warehouse, tools: None, tmp_path: Path) -> Path:
    with warehouse.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug="acme", name="Acme 'n' ☕", settings={"maturity_days": 60})
        connection.execute("select intermediate.touch('raw.leads', array[1])")
    target = tmp_path / "a name with spaces.dump"
    assert backup.backup(warehouse, target) == target.stat().st_size > 10_000
    assert target.stat().st_mode & 0o077 == 0  # it holds what only the pipeline may read
    return target


@pytest.fixture
def other(server: EmbeddedServer, template: str, tmp_path: Path) -> Warehouse:
    """Another, empty warehouse."""
    return Warehouse(Settings(home=tmp_path, database_url=make_database(server, template))).open()


def test_everything_comes_back_with_rights_and_policies(
    warehouse: Warehouse, dump: Path, other: Warehouse, rows: Rows
) -> None:
    backup.restore(other, dump)
    contents = "select t::text from raw.tenants as t union all select v::text from intermediate.tenant_versions as v"
    with other.connect() as connection:
        assert sorted(connection.execute(contents.encode()).fetchall()) == sorted(rows(contents))
        assert connection.execute(CATALOGUE.encode()).fetchall() == rows(CATALOGUE)
        # sequences go on where they were
        assert tenants.add_tenant(connection, slug="next").tenant_id > tenants.get(connection, "acme").tenant_id


def test_a_warehouse_with_tenants_is_replaced_only_when_asked(dump: Path, other: Warehouse) -> None:
    with other.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug="precious")
    with pytest.raises(WarehouseError, match="--replace"):
        backup.restore(other, dump)
    with other.connect() as connection:
        assert [tenant.slug for tenant in tenants.list_tenants(connection)] == ["precious"]
    backup.restore(other, dump, replace=True)
    with other.connect() as connection:
        assert [tenant.slug for tenant in tenants.list_tenants(connection)] == ["acme"]


def test_a_damaged_backup_changes_nothing(dump: Path, other: Warehouse, tmp_path: Path) -> None:
    with other.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug="precious")
    damaged = tmp_path / "damaged.dump"
    damaged.write_bytes(dump.read_bytes()[:-3_000])
    with pytest.raises(WarehouseError, match="failed"):
        backup.restore(other, damaged, replace=True)
    with other.connect() as connection:
        assert [tenant.slug for tenant in tenants.list_tenants(connection)] == ["precious"]


def test_what_is_no_backup_is_said_so(other: Warehouse, tools: None, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a dump")
    with pytest.raises(WarehouseError, match="pg_restore failed"):
        backup.restore(other, tmp_path / "notes.txt")
    with pytest.raises(WarehouseError, match="no file"):
        backup.restore(other, tmp_path / "nothing")


def test_a_backup_overwrites_nothing_and_leaves_no_half_file(
    warehouse: Warehouse, dump: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(WarehouseError, match="exists already"):
        backup.backup(warehouse, dump)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(WarehouseError, match="pg_dump is not here"):
        backup.backup(warehouse, tmp_path / "new.dump")
    assert {path.name for path in tmp_path.iterdir() if "dump" in path.name} == {dump.name}
