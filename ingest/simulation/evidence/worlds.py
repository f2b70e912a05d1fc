"""Ready-made worlds of the evidence side: the demo's, and any number of tenants for tests.

Belongs here: which segments are planted in whom. Not here: what a segment is (spec.py).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ingest.simulation.evidence import words
from ingest.simulation.evidence.classification import industries
from ingest.simulation.evidence.registry import draw_registry
from ingest.simulation.evidence.spec import SeedTenantSpec, Segment
from ingest.simulation.evidence.world import EvidenceWorld, simulate_evidence

# A segment's industry is small against the registry, and large enough to have look-alikes.
_SHARE_OF_REGISTRY: Final = (0.0015, 0.012)
_RARE: Final = 0.10


def demo_evidence_world(seed: int = 7, *, entities: int = 50_000) -> EvidenceWorld:
    """Three of the demo's tenants with a segment each, and the one in whose data nothing is to be found."""
    tenants = (
        SeedTenantSpec(
            "acme-digital",
            "Acme Digital",
            "acme-digital-sim.com",
            Segment("47211", ("HubSpot", "Shopify"), ("Head of Sales", "RevOps"), "51-200", lost_group="561"),
            best=12,
            lost=4,
            tells=True,
            own_code="73112",
        ),
        SeedTenantSpec(
            "borneo-logistics",
            "Borneo Logistics Sdn Bhd",
            "borneo-logistics-sim.com",
            Segment(
                "46111", ("NetSuite",), ("Supply Chain Manager", "Head of Operations"), "201-500", lost_group="431"
            ),
            best=9,
            lost=3,
            nested=True,
            own_code="52111",
        ),
        SeedTenantSpec(
            "dental-growth",
            "Dental Growth Partners",
            "dental-growth-sim.com",
            Segment("86111", ("Xero", "Intercom"), ("Operations Director",), "11-50", lost_group="961"),
            best=7,
            lost=3,
            own_code="73112",
        ),
        SeedTenantSpec("flat-earth", "Flat Earth Consulting", "flat-earth-sim.com", None, best=10, lost=3, nested=True),
    )
    return simulate_evidence(seed=seed, entities=entities, tenants=tenants)


def evidence_world(
    *, tenants: int = 50, seed: int, entities: int = 50_000, planted: bool = True, background: int = 300
) -> EvidenceWorld:
    """``tenants`` tenants with random segments, or with random seeds and none where ``planted`` is False.

    Raises:
        ValueError: the registry is too small for segments that are rare and still have look-alikes.
    """
    random = np.random.default_rng([seed, 13])
    registry = draw_registry(seed=seed, entities=entities)
    live = np.bincount(registry.industry[registry.is_live], minlength=len(industries()))
    share = live / live.sum()
    smallest, largest = _SHARE_OF_REGISTRY
    fit = np.flatnonzero((share >= smallest) & (share <= largest) & (live >= 30))
    if planted and len(fit) * 2 < tenants:
        raise ValueError(f"{entities:,} entities have too few industries of a middling size for {tenants} tenants")
    specs = tuple(
        SeedTenantSpec(
            slug=f"seeds-{index:03d}",
            name=f"Seeds {index:03d}",
            domain=f"seeds-{index:03d}-sim.com",
            segment=_segment(random, fit) if planted else None,
            best=int(random.integers(6, 15)),
            lost=int(random.integers(2, 5)),
            nested=index % 2 == 1,
        )
        for index in range(tenants)
    )
    return simulate_evidence(seed=seed, entities=entities, tenants=specs, background=background)


def _segment(random: np.random.Generator, fit: np.ndarray[Any, np.dtype[np.int64]]) -> Segment:
    codes = industries()
    code = codes[int(random.choice(fit))].code
    other = codes[int(random.integers(len(codes)))].code[:3]
    integrations = random.permutation([name for name, rate in words.INTEGRATIONS.items() if rate <= _RARE])
    titles = random.permutation([name for name, rate in words.TITLES.items() if rate <= _RARE])
    return Segment(
        code=code,
        integrations=tuple(str(name) for name in integrations[: int(random.integers(1, 3))]),
        titles=tuple(str(title) for title in titles[: int(random.integers(1, 3))]),
        headcount_band=str(random.choice(["11-50", "51-200", "201-500"])),
        lost_group=other if other != code[:3] else None,
    )
