"""Ready-made worlds: the demo, and any number of tenants for tests and benchmarks.

Belongs here: which truths are planted where. Not here: what a truth can consist of (spec.py).
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import date
from typing import Any, Final

import numpy as np

from ingest.simulation.cohorts import admissible_weights
from ingest.simulation.spec import AS_OF, Effects, Exits, TenantSpec, World
from ingest.simulation.vocabulary import INDUSTRIES, SOURCES, TITLES

# Later touches are answered less, the third a little more than its neighbours.
_TOUCHES: Final = (1.0, 1.1, 1.25, 0.9, 0.8, 0.7, 0.6, 0.5)
_HOURS: Final = {9: 1.2, 10: 1.4, 11: 1.2, 14: 1.2, 17: 0.8, 18: 0.7}
_CHANNELS: Final = {"email": 1.0, "linkedin": 1.3, "sms": 0.7, "voice": 1.5, "mail": 0.6}
_CTAS: Final = {"worth 15 minutes": 1.3, "let me know": 0.8}
# What most tenants have in common beside their leads.
_RHYTHM: Final = Effects(touches=_TOUCHES, hours=_HOURS, channels=_CHANNELS, ctas=_CTAS)
# A fixed namespace, so that a tenant's external id follows from seed and slug.
_NAMESPACE: Final = uuid.UUID("6f0c2a52-7d0b-5a3e-9a57-1c9e1c4d8f10")


def external_id(seed: int, slug: str) -> str:
    """The id the tenant's own application knows it by."""
    return str(uuid.uuid5(_NAMESPACE, f"{seed}/{slug}"))


def demo_world(seed: int = 7, *, as_of: date = AS_OF) -> World:
    """Eight tenants that between them show what the warehouse does, and what it does not claim."""
    tenants = (
        _tenant(
            seed,
            "acme-digital",
            "Acme Digital",
            leads=8_000,
            base_rate=0.09,
            effects=replace(
                _RHYTHM,
                component_weights=(0.08, 0.20, 0.22, 0.35),
                component_slope=4.0,
                titles={
                    "VP Marketing": 0.6,
                    "Head of Growth": 0.7,
                    "Consultant": -0.6,
                    "Sales Executive": -0.4,
                },
                industries={"E-commerce": 0.6, "Software": 0.35, "Construction": -0.6},
                sizes={"16-30": 0.4, "501+": -0.5},
                sources={"referral": 0.7, "apollo": -0.2},
                funded=0.35,
            ),
        ),
        _tenant(
            seed,
            "borneo-logistics",
            "Borneo Logistics Sdn Bhd",
            leads=5_000,
            base_rate=0.06,
            timezone="Asia/Kuala_Lumpur",
            home_country="Malaysia",
            near_countries=("Singapore", "Indonesia"),
            target_industries=("Logistics", "Manufacturing", "E-commerce", "Construction"),
            effects=replace(
                _RHYTHM,
                component_weights=(0.10, 0.35, 0.30, 0.10),
                component_slope=4.5,
                titles={"Owner": 0.4, "Operations Manager": 0.5, "Chief Marketing Officer": -0.5},
                industries={"Manufacturing": 0.5, "Legal": -0.6},
                sources={"event": 0.6},
                hiring=0.3,
            ),
            effort_by_tier=True,
        ),
        _tenant(
            seed,
            "cafe-lumiere",
            "Café Lumière",
            leads=1_800,
            base_rate=0.12,
            timezone="Europe/Paris",
            home_country="Germany",
            near_countries=("United Kingdom",),
            target_industries=("Hospitality", "Cafés & Restaurants", "Real Estate"),
            effects=replace(
                _RHYTHM,
                component_weights=(0.20, 0.12, 0.40, 0.13),
                component_slope=4.0,
                industries={"Cafés & Restaurants": 0.8, "Hospitality": 0.4},
                sources={"inbound form": 0.8},
            ),
        ),
        _tenant(
            seed,
            "dental-growth",
            "Dental Growth Partners",
            leads=1_500,
            base_rate=0.15,
            timezone="Australia/Sydney",
            home_country="Australia",
            near_countries=("Singapore",),
            target_industries=("Dental", "Fitness", "Education"),
            effects=replace(
                _RHYTHM,
                component_weights=(0.09, 0.18, 0.20, 0.38),
                component_slope=4.0,
                component_drift=(0.12, 0.30, 0.20, 0.23),
                titles={"Owner": 0.5},
                new_role=0.4,
            ),
        ),
        _tenant(
            seed,
            "edu-bridge",
            "EduBridge",
            leads=900,
            base_rate=0.08,
            target_industries=("Education", "Recruitment"),
            effects=replace(_RHYTHM, component_weights=(0.15, 0.30, 0.25, 0.15), component_slope=3.0),
        ),
        # Nothing matters here: whatever is found is noise.
        _tenant(seed, "flat-earth", "Flat Earth Consulting", leads=2_500, base_rate=0.08, effects=Effects()),
        # Fewer than ten bookings: lives on what the tenants share.
        _tenant(
            seed,
            "green-sprout",
            "Green Sprout 🌱",
            leads=160,
            base_rate=0.03,
            effects=Effects(component_weights=(0.10, 0.25, 0.25, 0.25), component_slope=4.0),
        ),
        # Brings no components: titles and industries can be learned, weights cannot.
        _tenant(
            seed,
            "harbour-legal",
            "Harbour Legal LLP",
            leads=2_000,
            base_rate=0.10,
            timezone="Europe/London",
            home_country="United Kingdom",
            near_countries=("Germany",),
            target_industries=("Legal", "Accounting", "Real Estate"),
            effects=replace(
                _RHYTHM,
                titles={"Managing Director": 0.5, "Founder": 0.4},
                industries={"Legal": 0.6, "Real Estate": 0.4},
                sources={"referral": 0.8},
            ),
            components=False,
        ),
    )
    return World(seed=seed, tenants=tenants, as_of=as_of)


def _tenant(
    seed: int, slug: str, name: str, *, leads: int, base_rate: float, effects: Effects, **rest: Any
) -> TenantSpec:
    tenant = TenantSpec(slug, name, external_id(seed, slug), leads, base_rate, effects=effects)
    return replace(tenant, **rest)


def world(
    *, tenants: int, leads: int, seed: int, effects: bool = True, content: bool = True, as_of: date = AS_OF
) -> World:
    """``tenants`` tenants of ``leads`` leads each, about five touches per lead, with random truths.

    effects=False plants nothing at all. Tenant i is the same whatever the number of tenants.
    """
    return World(
        seed=seed,
        tenants=tuple(_random_tenant(seed, index, leads, effects, content) for index in range(tenants)),
        as_of=as_of,
    )


def _random_tenant(seed: int, index: int, leads: int, effects: bool, content: bool) -> TenantSpec:
    random = np.random.default_rng([seed, index, 1])
    slug = f"tenant-{index:05d}"
    planted = _random_effects(random) if effects else Effects()
    return TenantSpec(
        slug=slug,
        name=f"Tenant {index:05d}",
        external_id=external_id(seed, slug),
        leads=leads,
        base_rate=float(np.exp(random.uniform(np.log(0.03), np.log(0.15)))),
        effects=planted,
        exits=Exits(),
        content=content,
    )


def _random_effects(random: np.random.Generator) -> Effects:
    weights = admissible_weights(np.array([0.12, 0.32, 0.20, 0.21]) + random.normal(0.0, 0.13, 4))
    first, second, third, fourth = (float(weight) for weight in weights)

    def some(values: list[str], share: float = 0.3) -> dict[str, float]:
        sizes = random.normal(0.0, 0.5, len(values))
        chosen = random.random(len(values)) < share
        return {value: float(size) for value, size, keep in zip(values, sizes, chosen, strict=True) if keep}

    return replace(
        _RHYTHM,
        component_weights=(first, second, third, fourth),
        component_slope=float(np.exp(random.uniform(np.log(1.5), np.log(6.0)))),
        titles=some([title.name for title in TITLES]),
        industries=some([name for name, _ in INDUSTRIES]),
        sources=some([name for name, _ in SOURCES]),
        new_role=float(random.normal(0.0, 0.2)),
        hiring=float(random.normal(0.0, 0.2)),
        funded=float(random.normal(0.0, 0.2)),
        season_sd=0.1,
    )
