"""What is planted in a simulated tenant's customers, and the truth that is kept beside it.

Belongs here: declarations only. Not here: how they become registry entries, sites and intakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SeedName = Literal["full", "short", "typo", "abbreviated", "former"]
SiteState = Literal["ok", "none", "blocked", "dead"]


@dataclass(frozen=True)
class Segment:
    """What the best customers of a tenant have in common.

    code            five-character industry code that most of them have; the others have one of its group
    integrations, titles   most of their sites name them
    headcount_band  most of them have so many people
    lost_group      three-digit group that most lost customers are in; None: any
    """

    code: str
    integrations: tuple[str, ...]
    titles: tuple[str, ...]
    headcount_band: str
    lost_group: str | None = None


@dataclass(frozen=True)
class Shares:
    """How often what is planted shows, and how often something is missing or odd, as in real data."""

    code: float = 0.75
    group: float = 0.15
    integration: float = 0.85
    title: float = 0.80
    band: float = 0.80
    lost_group: float = 0.7
    no_website: float = 0.12
    blocked: float = 0.05
    dead: float = 0.04
    typo: float = 0.12
    abbreviated: float = 0.08
    former: float = 0.08
    short: float = 0.37


@dataclass(frozen=True)
class SeedTenantSpec:
    """One tenant of the evidence side.

    segment   None: its seeds are drawn at random, and nothing is to be found
    tells     its answers name the integrations, titles and band too; otherwise only the sites do
    nested    the intake has the shape {answers, seeds} instead of the flat one
    own_code  the industry of its own company; None: any
    """

    slug: str
    name: str
    domain: str
    segment: Segment | None
    best: int = 10
    lost: int = 3
    tells: bool = False
    nested: bool = False
    own_code: str | None = None
    shares: Shares = Shares()


@dataclass(frozen=True)
class Company:
    """One company with (or without) a site, and everything that its site says.

    seed_url is where the intake says its site is; None where it says nothing.
    """

    registration_number: str
    name: str
    domain: str | None
    code: str
    integrations: tuple[str, ...]
    titles: tuple[str, ...]
    headcount: int
    headcount_band: str
    city: str
    country: str
    customers: tuple[str, ...]
    pricing: str | None
    hiring: tuple[str, ...]
    json_ld: bool
    state: SiteState


@dataclass(frozen=True)
class Seed:
    """One customer as the tenant named it, and which company that is.

    named: how its name in the intake differs from the registry's.
    """

    seed_name: str
    named: SeedName
    kind: Literal["best", "lost"]
    reason: str | None
    company: Company


@dataclass(frozen=True)
class TenantTruth:
    """One tenant: what was planted, its own company, its seeds and its intake."""

    spec: SeedTenantSpec
    own: Company
    seeds: tuple[Seed, ...]
    intake: dict[str, object]

    def of_kind(self, kind: Literal["best", "lost"]) -> tuple[Seed, ...]:
        """Its best or its lost customers."""
        return tuple(seed for seed in self.seeds if seed.kind == kind)
