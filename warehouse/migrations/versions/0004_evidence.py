"""Runs 0004_evidence.sql."""

from warehouse.migrations import run_sql_beside

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Execute the SQL beside this file."""
    run_sql_beside(__file__)
