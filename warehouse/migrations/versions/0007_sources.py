"""Runs 0007_sources.sql."""

from warehouse.migrations import run_sql_beside

revision = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    """Execute the SQL beside this file."""
    run_sql_beside(__file__)
