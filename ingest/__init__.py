"""The outside world into ``raw``: reading, validating and loading what sources bring.

Belongs here: formats, mappings, vendors, simulation. Does not belong here: anything of Dagster (a lint
forbids it), what the rows mean for learning (``models_py``) or for marts (``dbt_project``).
"""
