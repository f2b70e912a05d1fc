"""What a simulated tenant answers: its intake in one of the two shapes that applications send.

Belongs here: payloads as a person would fill them in. Not here: how they are read (ingest.intake).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ingest.simulation.evidence import words
from ingest.simulation.evidence.spec import Company, Seed, SeedTenantSpec


def intake(spec: SeedTenantSpec, own: Company, seeds: Sequence[Seed], random: np.random.Generator) -> dict[str, object]:
    """The payload of a tenant. What it was planted with is named only where its spec says so."""
    best = [seed for seed in seeds if seed.kind == "best"]
    lost = [seed for seed in seeds if seed.kind == "lost"]
    triggers = [str(trigger) for trigger in random.choice(words.TRIGGERS, 3, replace=False)]
    told: dict[str, Any] = {}
    if spec.tells and spec.segment:
        told = {
            "integrations": list(spec.segment.integrations),
            "champions": list(spec.segment.titles),
            "band": spec.segment.headcount_band.replace("-", "–"),
        }
    website = f"https://www.{own.domain}/"
    floor, acv = int(random.integers(3, 12)) * 1000, int(random.integers(15, 60)) * 1000
    if spec.nested:
        optional: dict[str, Any] = {"geos": "SG, MY", "acv": f"S${acv // 1000}k", "cycle": "60 days"}
        optional |= {"price_floor": f"S${floor // 1000}k", "triggers": triggers}
        optional |= {key: told[key] for key in ("integrations", "champions") if key in told}
        if told:
            optional["employee_band"] = told["band"]
        losses = [{"name": seed.seed_name, "url": _url(seed), "reason": seed.reason} for seed in lost]
        return {
            "answers": {"website": website, "lost": losses, "optional": optional},
            "seeds": [{"seed_name": seed.seed_name, "domain": _domain(seed)} for seed in best],
        }
    payload: dict[str, Any] = {
        "website": website,
        "best_customers": [{"name": seed.seed_name, "website": _url(seed)} for seed in best],
        "lost_or_churned": [{"name": s.seed_name, "website": _url(s), "reason": s.reason} for s in lost],
        "geo_language_tz": {"geo": "SG", "language": "en", "tz": "SGT"},
        "deal": {"acv_usd": acv, "cycle_days": 45, "price_floor_usd": floor},
        "triggers": triggers,
    }
    if told:
        payload |= {
            "employee_band": told["band"],
            "must_have_integrations": told["integrations"],
            "champion_titles": told["champions"],
            "advanced": {"C": {"red_flags": ["no owner for the project"]}, "G": {"events": triggers[:1]}},
        }
    return payload


def _domain(seed: Seed) -> str | None:
    return seed.company.domain


def _url(seed: Seed) -> str:
    return f"https://{seed.company.domain}" if seed.company.domain else ""
