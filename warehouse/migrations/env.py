"""Alembic's entry: runs the steps as ``icp_pipeline`` on the connection that ``warehouse.migrate`` passes."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table_schema="access")
with context.begin_transaction():
    context.run_migrations()
