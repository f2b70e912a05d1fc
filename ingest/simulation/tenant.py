"""A simulated tenant: its tables and the truth about it.

Belongs here: putting leads, touches and tables together, and saying what was planted. Not here: files
(files.py).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl

from ingest.simulation.cohorts import admissible_weights
from ingest.simulation.leads import MAXIMA, SIZE_EDGES, SIZE_NAMES, FloatArray, IntArray, Leads, draw_leads
from ingest.simulation.office_time import DAY, midnight
from ingest.simulation.spec import AS_OF, MATURITY_DAYS, TenantSpec
from ingest.simulation.tables import COMPONENTS, event_tables, lead_table, snapshot_table
from ingest.simulation.touches import NEVER, Course, Touches, run_touches
from ingest.simulation.vocabulary import COUNTRIES, INDUSTRIES, SOURCES, TITLES


@dataclass(frozen=True, eq=False)
class SimulatedTenant:
    """Tables by file stem (leads, status_events, activities, score_snapshots where there are components), and truth."""

    spec: TenantSpec
    tables: dict[str, pl.DataFrame]
    truth: dict[str, Any]


def simulate(spec: TenantSpec, *, seed: int, as_of: date = AS_OF, months: int = 18) -> SimulatedTenant:
    """Simulate one tenant; the same spec and seed give the same tables, whatever else is simulated."""
    if spec.leads < 1 or not 0 < spec.base_rate < 1:
        raise ValueError(f"{spec.slug}: a tenant needs at least one lead and a base rate between 0 and 1")
    random = np.random.default_rng([seed, zlib.crc32(spec.slug.encode())])
    until = midnight(as_of) + DAY - 1
    leads = draw_leads(spec, as_of=as_of, months=months, random=random)
    touches, course = run_touches(spec, leads, until=until, random=random)
    tables = {"leads": lead_table(spec, leads, until=until, random=random)}
    tables["status_events"], tables["activities"] = event_tables(
        spec, leads, touches, course, until=until, random=random
    )
    if spec.components:
        tables["score_snapshots"] = snapshot_table(spec, leads, random=random)
    return SimulatedTenant(spec, tables, _truth(spec, leads, touches, course, seed=seed, as_of=as_of))


def _truth(
    spec: TenantSpec, leads: Leads, touches: Touches, course: Course, *, seed: int, as_of: date
) -> dict[str, Any]:
    """What was planted, what it means for weights and rates, and what came of it. Deleted leads count nowhere."""
    kept = leads.contacted & ~leads.deleted
    booked = course.booked < NEVER
    in_window = booked & (course.booked <= leads.first_touch + MATURITY_DAYS * DAY)
    mature = kept & (leads.first_touch + MATURITY_DAYS * DAY <= midnight(as_of) + DAY)  # the as-of day counts whole
    return {
        "seed": seed,
        "as_of": as_of.isoformat(),
        "maturity_days": MATURITY_DAYS,
        "spec": asdict(spec),
        "counts": {
            "leads": len(leads),
            "contacted": int(kept.sum()),
            "matured": int(mature.sum()),
            "booked": int((kept & booked).sum()),
            "booked_in_window": int((mature & in_window).sum()),
            "touches": len(touches.lead),
        },
        "component_weights": _effective_weights(leads),
        "rates": {
            "overall": float(course.chance[kept].mean()) if kept.any() else None,
            **{
                attribute: _rates(names, codes, course.chance, kept)
                for attribute, (names, codes) in _attributes(leads).items()
            },
        },
    }


def _attributes(leads: Leads) -> dict[str, tuple[Sequence[str], IntArray]]:
    return {
        "title": ([title.name for title in TITLES], leads.title),
        "industry": ([name for name, _ in INDUSTRIES], leads.industry),
        "country": ([name for name, _ in COUNTRIES], leads.country),
        "source": ([name for name, _ in SOURCES], leads.source),
        "size_band": (
            SIZE_NAMES,
            np.where(leads.employees < 0, -1, np.searchsorted(SIZE_EDGES, leads.employees)),
        ),
        "is_new_role": (("false", "true"), leads.new_role),
        "is_hiring": (("false", "true"), leads.hiring),
        "recently_funded": (("false", "true"), leads.funded),
    }


def _rates(names: Sequence[str], codes: IntArray, chance: FloatArray, kept: np.ndarray) -> dict[str, float]:
    """Planted chance to book, by value, averaged over the leads that have it."""
    rows = kept & (codes >= 0)
    leads = np.bincount(codes[rows], minlength=len(names))
    expected = np.bincount(codes[rows], weights=chance[rows], minlength=len(names))
    return {name: float(expected[code] / leads[code]) for code, name in enumerate(names) if leads[code]}


def _effective_weights(leads: Leads) -> dict[str, float] | None:
    """The four weights that rank these leads best: planted merit, with attributes' effects, regressed on components.

    None where nothing about the components matters.
    """
    shares = leads.components / MAXIMA
    centred = shares - shares.mean(axis=0)
    effects = np.linalg.lstsq(centred, leads.merit - leads.merit.mean(), rcond=None)[0]
    positive = np.maximum(effects, 0.0)
    if positive.sum() < 1e-9:
        return None
    weights = admissible_weights(0.85 * positive / positive.sum())
    return {name: round(float(weight), 4) for name, weight in zip(COMPONENTS, weights, strict=True)}
