"""Tenants with planted truth, written as the same files a customer would bring.

Belongs here: the simulator behind the demo, the tests and the benchmarks. It knows nothing of the warehouse:
what it writes is read through the same loader as anybody's files. Reproducible by seed; arrays, no
row-at-a-time Python.
"""

from ingest.simulation.cohorts import Cohorts, CohortSpec, draw_cohorts
from ingest.simulation.files import mapping, write, write_world
from ingest.simulation.spec import Effects, Exits, Flaws, TenantSpec, World
from ingest.simulation.tenant import SimulatedTenant, simulate
from ingest.simulation.worlds import demo_world, world

__all__ = [
    "CohortSpec",
    "Cohorts",
    "Effects",
    "Exits",
    "Flaws",
    "SimulatedTenant",
    "TenantSpec",
    "World",
    "demo_world",
    "draw_cohorts",
    "mapping",
    "simulate",
    "world",
    "write",
    "write_world",
]
