"""Files in ACRA's layout, and the loads of them."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from ingest.registry.load import load_registry
from ingest.registry.report import RegistryReport
from warehouse.connection import Warehouse

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
# As published: the names and their order.
COLUMNS = (
    *("uen", "issuance_agency_desc", "uen_status_desc", "entity_name", "entity_type_description"),
    *("business_constitution_description", "company_type_description", "paf_constitution_description"),
    *("entity_status_description", "registration_incorporation_date", "uen_issue_date", "address_type", "block"),
    *("street_name", "level_no", "unit_no", "building_name", "postal_code", "other_address_line1"),
    *("other_address_line2", "account_due_date", "annual_return_date", "primary_ssic_code"),
    *("primary_ssic_description", "primary_user_described_activity", "secondary_ssic_code"),
    *("secondary_ssic_description", "secondary_user_described_activity", "no_of_officers"),
    *(f"former_entity_name{number}" for number in range(1, 16)),
    *(f"uen_of_audit_firm{number}" for number in range(1, 6)),
    *(f"name_of_audit_firm{number}" for number in range(1, 6)),
)


def company(uen: str, name: str, **other: str) -> dict[str, str]:
    """A row of ACRA's files: a live company in Singapore, 'na' wherever nothing else is said."""
    row = dict.fromkeys(COLUMNS, "na") | {
        "uen": uen,
        "entity_name": name,
        "uen_status_desc": "Registered",
        "entity_type_description": "Local Company",
        "entity_status_description": "Live Company",
        "registration_incorporation_date": "2014-01-10",
        "address_type": "LOCAL",
        "block": "192",
        "street_name": "WATERLOO STREET",
        "level_no": "06",
        "unit_no": "03",
        "postal_code": "187966",
        "primary_ssic_code": "62011",
        "no_of_officers": "3",
    }
    assert set(other) <= set(COLUMNS)
    return row | other


class Acra:
    """A folder with files of ACRA, and the loads of it."""

    def __init__(self, warehouse: Warehouse, connection: psycopg.Connection, folder: Path) -> None:
        self.warehouse = warehouse
        self.connection = connection
        self.folder = folder

    def write(self, rows: Sequence[dict[str, str]], name: str = "A.csv", **options: Any) -> Path:
        path = self.folder / name
        with path.open("w", newline="", encoding=options.get("encoding", "utf-8")) as file:
            writer = csv.writer(file)
            writer.writerow(options.get("header", COLUMNS))
            writer.writerows([row[column] for column in COLUMNS] for row in rows)
        return path

    def load(self, *paths: Path, **options: Any) -> RegistryReport:
        return load_registry(self.warehouse, paths or [self.folder], **{"now": NOW, **options})

    def all(self, *columns: str, where: str = "true") -> list[Any]:
        statement = f"select {', '.join(columns)} from raw.registry_entities where {where} order by registration_number"
        found = self.connection.execute(statement.encode()).fetchall()
        return [row[0] for row in found] if len(columns) == 1 else found

    def one(self, *columns: str) -> Any:
        (row,) = self.all(*columns)
        return row

    def count(self, where: str = "true") -> int:
        row = self.connection.execute(f"select count(*) from raw.registry_entities where {where}".encode()).fetchone()
        assert row is not None
        return int(row[0])

    def rejects(self) -> list[tuple[str | None, str]]:
        return self.connection.execute(
            "select record_key, reason from raw.rejected_rows where resolved_at is null order by file, row_number"
        ).fetchall()

    def version(self) -> int:
        """Of the registry as the tenant's readers know it."""
        row = self.connection.execute(
            "select max(version) from intermediate.tenant_versions where relation = 'raw.registry_entities'"
        ).fetchone()
        return (row[0] if row else None) or 0
