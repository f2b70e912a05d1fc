"""The `icp` command: thin, calls the rooms below and shows what they say.

``main`` is the entry; one module per command group in ``commands``; ``console`` for tables and JSON. Does not
belong here: SQL beyond a look-up, statistics, anything another program would want to call.
"""
