"""A tenant with files of its own, to load and to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import yaml

from ingest.outcomes.load import LoadReport, load_outcomes
from warehouse import tenants
from warehouse.connection import Warehouse

LEADS = "id,title,created,employees\n1,CEO,2026-01-01,10\n2,CTO,2026-01-02,20\n"
EVENTS = "lead,at,status\n1,2026-01-10,converted\n2,2026-01-11,bounced\n"
ACTIVITIES = "nr,lead,what,at\na1,1,email_sent,2026-01-03\na2,1,email_sent,2026-01-05\na3,2,sms_sent,2026-01-03\n"
SCORES = 'lead,at,components\n1,2026-01-01,"{""timing"": 3}"\n2,2026-01-01,"{""timing"": 9}"\n'


class Customer:
    """A tenant with files of its own."""

    def __init__(self, warehouse: Warehouse, connection: psycopg.Connection, folder: Path, slug: str) -> None:
        self.warehouse = warehouse
        self.connection = connection
        self.folder = folder
        self.tenant = tenants.add_tenant(connection, slug=slug)
        self.mapping: dict[str, Any] = {
            "name": slug,
            "tenant": slug,
            "leads": {
                "files": "leads.csv",
                "columns": {"lead_id": "id", "title": "title", "created_at": "created", "employee_count": "employees"},
            },
            "status_events": {
                "files": "events.csv",
                "columns": {"lead_id": "lead", "occurred_at": "at", "status": "status"},
            },
            "activities": {
                "files": "activities.csv",
                "columns": {"activity_id": "nr", "lead_id": "lead", "action": "what", "occurred_at": "at"},
            },
            "score_snapshots": {
                "files": "scores.csv",
                "columns": {"lead_id": "lead", "scored_at": "at", "components": "components"},
            },
        }
        self.write(leads=LEADS, events=EVENTS, activities=ACTIVITIES, scores=SCORES)

    def write(self, **files: str) -> None:
        for name, content in files.items():
            (self.folder / f"{name}.csv").write_text(content, encoding="utf-8")

    def load(self, **options: Any) -> LoadReport:
        path = self.folder / "mapping.yaml"
        path.write_text(yaml.safe_dump(self.mapping), encoding="utf-8")
        return load_outcomes(self.warehouse, path, **options)

    def count(self, table: str, where: str = "true") -> int:
        row = self.connection.execute(
            f"select count(*) from raw.{table} where tenant_id = %s and {where}".encode(), (self.tenant.tenant_id,)
        ).fetchone()
        return row[0] if row else 0

    def everything(self) -> list[Any]:
        """All rows of the tenant, without the ids that loading gives."""
        found: list[Any] = []
        for table in ("leads", "lead_status_events", "activities", "lead_score_snapshots"):
            rows = f"select %s, (to_jsonb(t) - 'load_id')::text from raw.{table} as t where tenant_id = %s order by 2"
            found += self.connection.execute(rows.encode(), (table, self.tenant.tenant_id)).fetchall()
        return found

    def by_source_ids(self) -> list[Any]:
        """All rows of the tenant as the source knows them, without the ids that the warehouse gives."""
        found: list[Any] = []
        ours = "array['load_id', 'tenant_id', 'lead_id', 'activity_id']"
        for table in ("leads", "lead_status_events", "activities", "lead_score_snapshots"):
            found += self.connection.execute(
                f"select %s, leads.source_id, (to_jsonb(t) - {ours})::text from raw.{table} as t"
                " join raw.leads as leads using (tenant_id, lead_id) where tenant_id = %s order by 2, 3".encode(),
                (table, self.tenant.tenant_id),
            ).fetchall()
        return found

    def rejects(self) -> list[tuple[Any, ...]]:
        return self.connection.execute(
            "select entity, record_key, reason from raw.rejected_rows where source = %s and resolved_at is null"
            " order by entity, row_number",
            (self.tenant.slug,),
        ).fetchall()

    def versions(self) -> dict[str, int]:
        return dict(
            self.connection.execute(
                "select relation, version from intermediate.tenant_versions where tenant_id = %s",
                (self.tenant.tenant_id,),
            ).fetchall()
        )
