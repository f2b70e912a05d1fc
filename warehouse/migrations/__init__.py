"""Alembic migrations in plain SQL: everything in the database that dbt does not build.

Each step is a pair ``versions/NNNN_name.py`` and ``versions/NNNN_name.sql``; the SQL is the content.
"""

from pathlib import Path

from alembic import op


def run_sql_beside(step: str) -> None:
    """Execute the .sql file of a step (its ``__file__``) as it stands, on the driver's own connection.

    SQLAlchemy would pass an empty parameter list, and psycopg would then read every ``%`` as a placeholder.
    """
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(Path(step).with_suffix(".sql").read_bytes())
