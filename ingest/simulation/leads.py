"""Simulated leads: attributes, components at first outreach, and the planted merit that follows from both.

Belongs here: one row per lead, as arrays. Not here: what is done with a lead (touches.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ingest.simulation.office_time import DAY, midnight, to_office_hours, to_waking_hours
from ingest.simulation.spec import TenantSpec
from ingest.simulation.vocabulary import COUNTRIES, INDUSTRIES, SOURCES, TITLES

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

MAXIMA: Final = np.array([20.0, 25.0, 25.0, 15.0])
DEFAULT_WEIGHTS: Final = np.array([0.20, 0.25, 0.25, 0.15])
#: Lowest score of cold, cool, warm and hot.
TIER_FLOORS: Final = np.array([20.0, 35.0, 60.0, 85.0])
TIER_NAMES: Final = ("hot", "warm", "cool", "cold", "dead")
#: Upper ends of the size bands, and their names.
SIZE_EDGES: Final = np.array([5, 15, 30, 50, 100, 500])
SIZE_NAMES: Final = ("1-5", "6-15", "16-30", "31-50", "51-100", "101-500", "501+")
#: Stands for a missing value in coded attributes and flags.
MISSING: Final = -1


@dataclass(frozen=True, eq=False)
class Leads:
    """n leads; times are seconds of local time since 1970; codes are places in the vocabulary, MISSING where unknown.

    components (n, 4) are the true points; ``written`` marks those that the score snapshot holds.
    merit (n,) is the planted log chance to book but for a constant.
    tier (n,) at contact, position in TIER_NAMES.
    """

    created: IntArray
    first_touch: IntArray
    contacted: BoolArray
    title: IntArray
    industry: IntArray
    employees: IntArray
    country: IntArray
    source: IntArray
    new_role: IntArray
    hiring: IntArray
    funded: IntArray
    components: FloatArray
    written: BoolArray
    risk: IntArray
    tier: IntArray
    merit: FloatArray
    deleted: BoolArray

    def __len__(self) -> int:
        return len(self.created)


def draw_leads(spec: TenantSpec, *, as_of: date, months: int, random: np.random.Generator) -> Leads:
    """Draw a tenant's leads, oldest first."""
    n = spec.leads
    first_touch, created = _times(n, as_of, months, random)
    # Those not contacted yet are among the latest; their "first touch" never comes.
    waiting = np.arange(n) >= n - int(n * spec.flaws.never_contacted)
    drawn = _attributes(spec, n, random)
    flags = _flags(n, random)
    components, risk = _components(spec, drawn, flags, random)
    score = 100.0 * (components / MAXIMA) @ DEFAULT_WEIGHTS + 15.0 - risk
    merit = _merit(spec, drawn, flags, components, first_touch, random)
    known = {name: _forget(values, spec.flaws.missing_attribute, random) for name, values in (drawn | flags).items()}
    return Leads(
        created=created,
        first_touch=first_touch,
        contacted=~waiting,
        components=components,
        written=random.random(components.shape) >= spec.flaws.missing_component,
        risk=risk,
        tier=4 - np.searchsorted(TIER_FLOORS, score, side="right"),
        merit=merit,
        deleted=random.random(n) < spec.flaws.deleted,
        **{name: known[name] for name in (*drawn, "new_role", "hiring", "funded")},
    )


def _times(n: int, as_of: date, months: int, random: np.random.Generator) -> tuple[IntArray, IntArray]:
    """First touch within the period, three times as many at its end as at its start, and creation before it."""
    period = int(months * 30.44)
    passed = 0.5 * (np.sqrt(1.0 + 8.0 * np.sort(random.random(n))) - 1.0)
    days = midnight(as_of) + (np.floor(passed * (period - 3)).astype(np.int64) - period) * DAY
    first_touch = to_office_hours(days, random)
    created = first_touch - 2 * DAY - (random.gamma(2.0, 2.0, n) * DAY).astype(np.int64)
    return first_touch, to_waking_hours(created)


def _pick(shares: Any, n: int, random: np.random.Generator) -> IntArray:
    cumulative = np.cumsum(shares)
    return np.searchsorted(cumulative[:-1] / cumulative[-1], random.random(n), side="right").astype(np.int64)


def _attributes(spec: TenantSpec, n: int, random: np.random.Generator) -> dict[str, IntArray]:
    abroad = np.array([share for _, share in COUNTRIES])
    home = np.array([country == spec.home_country for country, _ in COUNTRIES])
    return {
        "title": _pick([title.share for title in TITLES], n, random),
        "industry": _pick([share for _, share in INDUSTRIES], n, random),
        "employees": np.maximum(1, np.exp(random.normal(3.1, 1.3, n)).astype(np.int64)),
        "country": _pick(np.where(home, 1.5 * abroad.sum(), abroad), n, random),
        "source": _pick([share for _, share in SOURCES], n, random),
    }


def _flags(n: int, random: np.random.Generator) -> dict[str, IntArray]:
    """Timing signals; companies that were just funded hire more."""
    funded = random.random(n) < 0.10
    return {
        "new_role": (random.random(n) < 0.18).astype(np.int64),
        "hiring": (random.random(n) < np.where(funded, 0.55, 0.25)).astype(np.int64),
        "funded": funded.astype(np.int64),
    }


def _components(
    spec: TenantSpec, drawn: dict[str, IntArray], flags: dict[str, IntArray], random: np.random.Generator
) -> tuple[FloatArray, IntArray]:
    """Points by the product's points table, and risk."""
    n = len(drawn["title"])
    email = random.choice([8, 4, 0], n, p=[0.70, 0.22, 0.08])
    phone = random.choice([6, 3, 0], n, p=[0.35, 0.30, 0.35])
    data_quality = email + phone + 4 * (random.random(n) < 0.75) + 2 * (random.random(n) < 0.20)
    authority = np.array([title.authority for title in TITLES])[drawn["title"]]

    wanted = np.array([industry in spec.target_industries for industry, _ in INDUSTRIES])[drawn["industry"]]
    size = np.array([3, 8, 5, 0])[np.searchsorted([4, 50, 200], drawn["employees"])]
    markets = [7 if name == spec.home_country else 4 if name in spec.near_countries else 0 for name, _ in COUNTRIES]
    company_fit = 10 * wanted + size + np.array(markets)[drawn["country"]]

    role_within_year = (flags["new_role"] == 0) & (random.random(n) < 0.12)
    funded_within_two_years = (flags["funded"] == 0) & (random.random(n) < 0.08)
    timing = 6 * flags["new_role"] + 3 * role_within_year + 5 * flags["hiring"]
    timing = timing + 4 * flags["funded"] + 2 * funded_within_two_years

    competitor = random.random(n) < 0.004
    risk = np.where(competitor, 15, np.array([title.risk for title in TITLES])[drawn["title"]])
    points = np.stack([data_quality, authority, company_fit, timing], axis=1).astype(np.float64)
    return points, risk.astype(np.int64)


def _merit(
    spec: TenantSpec,
    drawn: dict[str, IntArray],
    flags: dict[str, IntArray],
    components: FloatArray,
    first_touch: IntArray,
    random: np.random.Generator,
) -> FloatArray:
    """Planted log chance to book, but for the constant that sets the base rate."""
    effects = spec.effects
    size = np.searchsorted(SIZE_EDGES, drawn["employees"])
    merit = _by_value(effects.titles, [title.name for title in TITLES])[drawn["title"]]
    merit = merit + _by_value(effects.industries, [name for name, _ in INDUSTRIES])[drawn["industry"]]
    merit = merit + _by_value(effects.sizes, SIZE_NAMES)[size]
    merit = merit + _by_value(effects.sources, [name for name, _ in SOURCES])[drawn["source"]]
    merit = merit + effects.new_role * flags["new_role"] + effects.hiring * flags["hiring"]
    merit = merit + effects.funded * flags["funded"]

    shares = components / MAXIMA
    start = shares @ np.asarray(effects.component_weights)
    end = shares @ np.asarray(effects.component_drift or effects.component_weights)
    span = max(1, int(first_touch[-1] - first_touch[0]))
    passed = (first_touch - first_touch[0]) / span
    merit = merit + effects.component_slope * ((1.0 - passed) * start + passed * end)

    quarter = (first_touch // DAY) // 91
    season = random.normal(0.0, effects.season_sd, int(quarter[-1] - quarter[0]) + 1)
    return np.asarray(merit + season[quarter - quarter[0]])


def _by_value(effects: Mapping[str, float], values: Sequence[str]) -> FloatArray:
    unknown = sorted(set(effects) - set(values))
    if unknown:
        raise ValueError(f"effects are planted on values that no lead has: {', '.join(unknown)}")
    return np.array([effects.get(value, 0.0) for value in values])


def _forget(values: IntArray, share: float, random: np.random.Generator) -> IntArray:
    return np.where(random.random(len(values)) < share, MISSING, values)
