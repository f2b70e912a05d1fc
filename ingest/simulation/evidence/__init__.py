"""Registry, intakes and company sites with planted truth, as files and a local server.

Belongs here: the simulator of the evidence side, behind the demo, the tests and the benchmarks. It knows nothing of the
warehouse. Reproducible by seed.
"""

from ingest.simulation.evidence import words
from ingest.simulation.evidence.classification import VERSION, IndustryCode, industry_codes
from ingest.simulation.evidence.registry import Registry, draw_registry, write_registry
from ingest.simulation.evidence.sites import render
from ingest.simulation.evidence.spec import Company, Seed, SeedTenantSpec, Segment, Shares, TenantTruth
from ingest.simulation.evidence.world import EvidenceWorld, serve_sites, simulate_evidence
from ingest.simulation.evidence.worlds import demo_evidence_world, evidence_world

__all__ = [
    "VERSION",
    "Company",
    "EvidenceWorld",
    "IndustryCode",
    "Registry",
    "Seed",
    "SeedTenantSpec",
    "Segment",
    "Shares",
    "TenantTruth",
    "demo_evidence_world",
    "draw_registry",
    "evidence_world",
    "industry_codes",
    "render",
    "serve_sites",
    "simulate_evidence",
    "words",
    "write_registry",
]
