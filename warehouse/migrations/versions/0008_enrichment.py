"""Runs 0008_enrichment.sql."""

from warehouse.migrations import run_sql_beside

revision = "0008"
down_revision: str | None = "0007"


def upgrade() -> None:
    """Execute the SQL beside this file."""
    run_sql_beside(__file__)
