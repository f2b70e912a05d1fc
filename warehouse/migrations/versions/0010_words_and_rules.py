"""Runs 0010_words_and_rules.sql."""

from warehouse.migrations import run_sql_beside

revision = "0010"
down_revision: str | None = "0009"


def upgrade() -> None:
    """Execute the SQL beside this file."""
    run_sql_beside(__file__)
