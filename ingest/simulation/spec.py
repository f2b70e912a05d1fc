"""What is planted in a simulated tenant.

Belongs here: the declarative truth. Not here: how it becomes leads (leads.py) and touches (touches.py), and
which tenants make a world (worlds.py). All effects are on the log of the chance to book: log(2) doubles it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

Four = tuple[float, float, float, float]

#: Days after the first touch at which a lead without a booking counts as failed.
MATURITY_DAYS: Final = 90
TOUCHES_MAXIMUM: Final = 8
AS_OF: Final = date(2026, 6, 30)
FLAT: Final = (1.0,) * TOUCHES_MAXIMUM


@dataclass(frozen=True)
class Effects:
    """Planted effects; the default is a null world, in which nothing matters.

    component_weights   what the components really weigh, as learned weights would say it
    component_slope     effect of the whole score, from no points to all
    component_drift     the weights at the end of the period, if they move in a straight line
    titles … sources    by value
    new_role, hiring, funded
    touches             relative chance of each touch, first to eighth
    hours, channels, ctas   relative chance by local hour, channel name, call to action; 1 where not named
    season_sd           standard deviation of a calendar quarter's own effect
    """

    component_weights: Four = (0.20, 0.25, 0.25, 0.15)
    component_slope: float = 0.0
    component_drift: Four | None = None
    titles: Mapping[str, float] = field(default_factory=dict)
    industries: Mapping[str, float] = field(default_factory=dict)
    sizes: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, float] = field(default_factory=dict)
    new_role: float = 0.0
    hiring: float = 0.0
    funded: float = 0.0
    touches: tuple[float, ...] = FLAT
    hours: Mapping[int, float] = field(default_factory=dict)
    channels: Mapping[str, float] = field(default_factory=dict)
    ctas: Mapping[str, float] = field(default_factory=dict)
    season_sd: float = 0.0


@dataclass(frozen=True)
class Exits:
    """Chance per touch of leaving, and the share of leads marked dead once their touches have run out."""

    unsubscribed: float = 0.006
    bounced: float = 0.004
    not_interested: float = 0.015
    dead: float = 0.5


@dataclass(frozen=True)
class Flaws:
    """Shares of what is incomplete, as in real data."""

    missing_attribute: float = 0.04
    missing_component: float = 0.03
    deleted: float = 0.005
    never_contacted: float = 0.03
    rescored: float = 0.10


@dataclass(frozen=True)
class TenantSpec:
    """One tenant: who it is, how much data it has, and the truth about it.

    base_rate         share of leads that book within the maturity window
    delay_days        median of the log-normal time from the deciding touch to the booking; delay_spread its sigma
    effort_by_tier    hot leads get more touches on more channels, as the channel allocator has it
    components        False: the tenant brings no score snapshots
    content           False: touches carry no content (about two fifths of the bytes)
    """

    slug: str
    name: str
    external_id: str
    leads: int
    base_rate: float
    timezone: str = "Asia/Singapore"
    home_country: str = "Singapore"
    near_countries: tuple[str, ...] = ("Malaysia", "Indonesia")
    target_industries: tuple[str, ...] = ("Dental", "Legal", "Accounting", "Software", "Logistics")
    effects: Effects = field(default_factory=Effects)
    exits: Exits = field(default_factory=Exits)
    flaws: Flaws = field(default_factory=Flaws)
    delay_days: float = 4.0
    delay_spread: float = 0.9
    effort_by_tier: bool = False
    components: bool = True
    content: bool = True


@dataclass(frozen=True)
class World:
    """Tenants with one seed, one as-of date and one period of first contacts before it.

    A tenant's data depend on the seed and its own spec, not on the other tenants.
    """

    seed: int
    tenants: tuple[TenantSpec, ...]
    as_of: date = AS_OF
    months: int = 18
