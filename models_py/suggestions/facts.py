"""What is known of a tenant when suggestions are made: plain values that cross into this room.

Belongs here: the data classes, and the names and order of head-count bands. Not here: anything computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

#: Head-count bands as evidence and answers name them, with their bounds.
HEADCOUNT_BANDS: Final[Mapping[str, tuple[int, int | None]]] = {
    "1-10": (1, 10),
    "11-50": (11, 50),
    "51-200": (51, 200),
    "201-500": (201, 500),
    "501-1000": (501, 1000),
    "1001-5000": (1001, 5000),
    "5001+": (5001, None),
}
MatchState = Literal["matched", "review", "none"]


def band_of(employees: int) -> str:
    """The band that a head count falls into."""
    for name, (low, high) in HEADCOUNT_BANDS.items():
        if employees >= low and (high is None or employees <= high):
            return name
    return next(iter(HEADCOUNT_BANDS))


def band_range(bands: Sequence[str]) -> tuple[str, int, int | None]:
    """Neighbouring bands as one: how it is written, and its bounds (no upper one: None)."""
    low, high = HEADCOUNT_BANDS[bands[0]][0], HEADCOUNT_BANDS[bands[-1]][1]
    return (f"{low}+" if high is None else f"{low}-{high}"), low, high


@dataclass(frozen=True)
class Fact:
    """One piece of evidence about a company.

    Attributes:
        text: the value as people write it.
        is_model_only: no rule read it, as rules read companies at large: it is cited, and counts for nothing.
    """

    evidence_id: int
    signal_key: str
    value_key: str
    text: str
    source: str
    version: str | None = None
    is_model_only: bool = False


@dataclass(frozen=True)
class Seed:
    """A customer that the tenant named, with what was found about it.

    Attributes:
        match: whether its registry entity is known.
        crawl: outcome of the last crawl of its site (ok, degraded, blocked, failed, unresolved); None: never crawled.
        facts: those that count.
        model_facts: cited beside them where they say the same as the card.
    """

    seed_id: int
    name: str
    kind: Literal["best", "lost"]
    company_id: int
    domain: str | None = None
    reason: str | None = None
    match: MatchState = "none"
    crawl: str | None = None
    facts: tuple[Fact, ...] = ()
    model_facts: tuple[Fact, ...] = ()

    @property
    def has_evidence(self) -> bool:
        """Whether the registry or a site says anything about it."""
        return bool(self.facts)


@dataclass(frozen=True)
class Answers:
    """What the tenant said itself. Used where evidence is missing, and always for what it does not want.

    Attributes:
        price_floor: as it is shown, for example ``SGD 10,000``.
        exclusions: whom it does not want, in words.
        excluded_codes: industry codes, or beginnings of codes, that it does not want.
        excluded_traits: (signal_key, value_key) of sizes and tools that it does not want.
    """

    headcount_bands: tuple[str, ...] = ()
    integrations: tuple[str, ...] = ()
    champions: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    ssic_codes: tuple[str, ...] = ()
    exclusions: tuple[str, ...] = ()
    excluded_codes: tuple[str, ...] = ()
    excluded_traits: frozenset[tuple[str, str]] = frozenset()
    excluded_companies: tuple[str, ...] = ()
    price_floor: str | None = None


@dataclass(frozen=True)
class Industry:
    """An industry code of one version: how many live companies the registry has, and a few of them."""

    version: str
    code: str
    title: str
    live_entities: int = 0
    sample: tuple[str, ...] = ()


@dataclass(frozen=True)
class TenantEvidence:
    """Everything that a tenant's suggestions are made of.

    Attributes:
        own_facts: found on the tenant's own site.
        industries: by code, in ``version``; codes of the levels above too, as far as they have titles.
        themes: facts of signal ``theme`` (what the tenant was told when it lost, or does not want).
    """

    tenant_id: int
    seeds: tuple[Seed, ...]
    answers: Answers = field(default_factory=Answers)
    own_facts: tuple[Fact, ...] = ()
    themes: tuple[Fact, ...] = ()
    version: str | None = None
    industries: Mapping[str, Industry] = field(default_factory=dict)

    @property
    def best(self) -> tuple[Seed, ...]:
        """Best customers."""
        return tuple(seed for seed in self.seeds if seed.kind == "best")

    @property
    def lost(self) -> tuple[Seed, ...]:
        """Lost and churned ones."""
        return tuple(seed for seed in self.seeds if seed.kind == "lost")
