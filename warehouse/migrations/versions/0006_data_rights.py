"""Runs 0006_data_rights.sql."""

from warehouse.migrations import run_sql_beside

revision = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    """Execute the SQL beside this file."""
    run_sql_beside(__file__)
