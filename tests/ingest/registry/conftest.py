"""A warehouse without any registry before each test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg
import pytest

from tests.ingest.registry.acra_files import Acra
from warehouse import tenants
from warehouse.connection import Warehouse


@pytest.fixture(scope="module")
def tenant(warehouse: Warehouse) -> tenants.Tenant:
    with warehouse.connect(autocommit=True) as connection:
        return tenants.add_tenant(connection, slug="acme")


@pytest.fixture
def clean(warehouse: Warehouse, connection: psycopg.Connection, tenant: tenants.Tenant) -> psycopg.Connection:
    """The module's warehouse without registries, codes, sources, loads and rejects."""
    connection.execute(
        "truncate raw.registry_entities, raw.industry_codes, raw.industry_code_links, raw.sources, raw.loads,"
        " raw.rejected_rows cascade"
    )
    return connection


@pytest.fixture
def acra(warehouse: Warehouse, clean: psycopg.Connection, tmp_path: Path) -> Acra:
    folder = tmp_path / "acra"
    folder.mkdir()
    return Acra(warehouse, clean, folder)


@pytest.fixture
def add_codes(clean: psycopg.Connection) -> Callable[[str, Sequence[str]], None]:
    """Put a list of five-character codes into the warehouse as a version."""

    def add(version: str, codes: Sequence[str]) -> None:
        clean.cursor().executemany(
            "insert into raw.industry_codes (version, code, level, title, load_id) values (%s, %s, 'subclass', %s, 0)",
            [(version, code, f"title {code}") for code in codes],
        )

    return add
