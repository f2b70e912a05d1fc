"""Runs 0002_outcomes.sql."""

from warehouse.migrations import run_sql_beside

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Execute the SQL beside this file."""
    run_sql_beside(__file__)
