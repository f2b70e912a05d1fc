"""The door to Postgres: server, connections, roles and tenants, migrations, bulk copy, publication.

Belongs here: everything that knows how rows get in and out of the database. Does not belong here: what
the rows mean to a source (``ingest``), to a model (``dbt_project``) or to a learner (``models_py``).
"""
