"""Runs 0005_suggestions.sql."""

from warehouse.migrations import run_sql_beside

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    """Execute the SQL beside this file."""
    run_sql_beside(__file__)
