"""Runs 0003_learned.sql."""

from warehouse.migrations import run_sql_beside

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Execute the SQL beside this file."""
    run_sql_beside(__file__)
