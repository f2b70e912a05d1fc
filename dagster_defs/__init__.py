"""What runs, when, and what is checked: assets, checks, jobs, schedules. Wraps the rooms; computes nothing.

``definitions`` is the code location. One module per subject: ``outcomes`` (loading), ``transform`` (dbt),
``learning``, ``scoring``; ``checks`` beside them; ``runs`` runs a job in this process for the command line.
"""
