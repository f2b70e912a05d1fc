"""Runs 0011_measured_alike.sql."""

from warehouse.migrations import run_sql_beside

revision = "0011"
down_revision: str | None = "0010"


def upgrade() -> None:
    """Execute the SQL beside this file."""
    run_sql_beside(__file__)
