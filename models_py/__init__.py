"""The learners: numbers in, learned numbers out.

Belongs here: statistics on arrays (numpy, scipy) and the pydantic models of what is published. Not here: databases,
files, clocks, networks, Dagster, or any other room of this project. Every function is deterministic.
"""
