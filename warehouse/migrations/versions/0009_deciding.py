"""Runs 0009_deciding.sql."""

from warehouse.migrations import run_sql_beside

revision = "0009"
down_revision: str | None = "0008"


def upgrade() -> None:
    """Execute the SQL beside this file."""
    run_sql_beside(__file__)
