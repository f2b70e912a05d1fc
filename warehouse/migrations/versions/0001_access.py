"""Runs 0001_access.sql."""

from warehouse.migrations import run_sql_beside

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Execute the SQL beside this file."""
    run_sql_beside(__file__)
