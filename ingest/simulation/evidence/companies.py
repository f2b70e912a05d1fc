"""Companies with facts to show, tenants' seeds among them, and how tenants write their customers' names.

Belongs here: drawing facts by base rates, planting a segment. Not here: pages (sites.py) and intakes (intakes.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np

from ingest.simulation.evidence import words
from ingest.simulation.evidence.classification import industries
from ingest.simulation.evidence.registry import Registry
from ingest.simulation.evidence.spec import Company, Seed, SeedName, SeedTenantSpec, Segment, SiteState
from models_py.matching.names import legal_form, name_key

_SHORTENED: Final = {
    "technologies": "tech",
    "international": "intl",
    "management": "mgmt",
    "engineering": "engrg",
    "manufacturing": "mfg",
    "services": "svcs",
    "solutions": "soln",
    "construction": "constr",
    "industries": "ind",
    "enterprise": "ent",
    "associates": "assoc",
    "holdings": "hldgs",
    "distributors": "dist",
    "healthcare": "hlthcare",
    "consulting": "conslt",
}
# A tail on every simulated domain, so that none is a real company's.
_DOMAIN_ENDINGS: Final = ("-sim.sg", "-sim.com.sg", "-sim.com")


class CompanyDraw:
    """Draws companies from a registry; an entity is given out once."""

    def __init__(self, registry: Registry, random: np.random.Generator) -> None:
        self.registry = registry
        self.random = random
        self._codes = [code.code for code in industries()]
        self._order = random.permutation(len(registry))
        live = registry.is_live[self._order]
        self._by_code: dict[str, list[int]] = {code: [] for code in self._codes}
        for entity in self._order[live]:
            self._by_code[self._codes[registry.industry[entity]]].append(int(entity))
        self._any = [int(entity) for entity in self._order[live]]
        self._used: set[int] = set()
        self._domains: set[str] = set()

    def left(self, codes: Sequence[str]) -> int:
        """How many live entities with one of the codes may be left."""
        return sum(len(self._by_code[code]) for code in codes)

    def entity(self, codes: Sequence[str] | None = None) -> int:
        """A live entity that was not given out yet, with one of the codes."""
        pools = [self._any] if codes is None else [self._by_code[code] for code in self.random.permutation(codes)]
        for pool in pools:
            while pool:
                entity = pool.pop()
                if entity not in self._used:
                    self._used.add(entity)
                    return entity
        raise ValueError(f"the registry has no live entity left with one of the codes {codes}; draw a larger one")

    def group(self, group: str, *, without: str = "") -> list[str]:
        """The five-character codes of a group."""
        return [code for code in self._codes if code.startswith(group) and code != without]

    def company(self, entity: int, *, state: SiteState = "ok", segment: Segment | None = None) -> Company:
        """What an entity shows: by base rates, and its tenant's segment where one is given."""
        random, registry = self.random, self.registry
        integrations = _some(random, words.INTEGRATIONS)
        titles = _some(random, words.TITLES)
        names = list(words.BANDS)
        band = str(random.choice(names, p=[words.BANDS[name][2] for name in names]))
        if segment:
            integrations, titles, band = segment.integrations, segment.titles, segment.headcount_band
        low, high, _ = words.BANDS[band]
        city, country, _ = words.PLACES[random.choice(len(words.PLACES), p=[share for _, _, share in words.PLACES])]
        name = display_name(str(registry.names[entity]))
        return Company(
            registration_number=str(registry.registration_numbers[entity]),
            name=name,
            domain=None if state == "none" else self._domain(name),
            code=self._codes[registry.industry[entity]],
            integrations=integrations,
            titles=titles,
            headcount=int(random.integers(low, high + 1)),
            headcount_band=band,
            city=city,
            country=country,
            customers=tuple(self._customer() for _ in range(int(random.integers(2, 5)))),
            pricing=f"{int(random.integers(2, 60)) * 10}" if random.random() < 0.5 else None,
            hiring=tuple(str(job) for job in random.choice(words.HIRING, int(random.integers(0, 3)), replace=False)),
            json_ld=bool(random.random() < 0.4),
            state=state,
        )

    def _customer(self) -> str:
        return display_name(str(self.registry.names[self.random.integers(len(self.registry))]))

    def _domain(self, name: str) -> str:
        label = "".join(name_key(name).split()[:3])[:40]
        ending = _DOMAIN_ENDINGS[self.random.integers(len(_DOMAIN_ENDINGS))]
        domain, count = f"{label}{ending}", 2
        while domain in self._domains:
            domain, count = f"{label}{count}{ending}", count + 1
        self._domains.add(domain)
        return domain


def display_name(name: str) -> str:
    """A registry's capitals as a company writes itself: ``TAN & LIM PTE. LTD.`` → ``Tan & Lim Pte. Ltd.``"""
    kept = {"LLP": "LLP", "M&E": "M&E", "F&B": "F&B"}
    return " ".join(kept.get(word, word.title()) for word in name.split())


def draw_seeds(draw: CompanyDraw, spec: SeedTenantSpec) -> tuple[Seed, ...]:
    """The best and lost customers of a tenant, with its segment planted in the best."""
    seeds = []
    reasons = draw.random.permutation(np.array(words.LOST_REASONS))
    for number in range(spec.best + spec.lost):
        best = number < spec.best
        entity = draw.entity(_codes(draw, spec, best))
        company = draw.company(entity, state=_state(draw.random, spec))
        if best and spec.segment:
            company = _planted(draw.random, spec, spec.segment, company)
        named = _named(draw.random, spec)
        seed_name, named = _seed_name(draw.random, draw.registry, entity, named)
        reason = None if best else str(reasons[number % len(reasons)])
        kind: Literal["best", "lost"] = "best" if best else "lost"
        seeds.append(Seed(seed_name, named, kind, reason, company))
    return tuple(seeds)


def _codes(draw: CompanyDraw, spec: SeedTenantSpec, best: bool) -> list[str] | None:
    segment, shares, at = spec.segment, spec.shares, draw.random.random()
    if segment is None:
        return None
    if not best:
        lost = draw.group(segment.lost_group) if segment.lost_group and at < shares.lost_group else []
        return lost if draw.left(lost) > 1 else None
    if at < shares.code:
        return [segment.code]
    siblings = draw.group(segment.code[:3], without=segment.code)
    return siblings if at < shares.code + shares.group and draw.left(siblings) > 1 else None


def _state(random: np.random.Generator, spec: SeedTenantSpec) -> SiteState:
    shares = spec.shares
    missing = shares.no_website, shares.blocked, shares.dead
    states: tuple[SiteState, ...] = ("none", "blocked", "dead", "ok")
    return states[int(random.choice(4, p=[*missing, 1 - sum(missing)]))]


def _planted(random: np.random.Generator, spec: SeedTenantSpec, segment: Segment, company: Company) -> Company:
    """The company with the segment's facts laid over its own, each with its chance."""
    shares = spec.shares
    integrations = [name for name in segment.integrations if random.random() < shares.integration]
    titles = [title for title in segment.titles if random.random() < shares.title]
    changed = dataclasses.replace(
        company,
        integrations=tuple(dict.fromkeys([*integrations, *company.integrations])),
        titles=tuple(dict.fromkeys([*titles, *company.titles])),
    )
    if random.random() < shares.band:
        low, high, _ = words.BANDS[segment.headcount_band]
        headcount = int(random.integers(low, high + 1))
        changed = dataclasses.replace(changed, headcount=headcount, headcount_band=segment.headcount_band)
    return changed


def _named(random: np.random.Generator, spec: SeedTenantSpec) -> SeedName:
    shares = spec.shares
    odd = shares.typo, shares.abbreviated, shares.former, shares.short
    names: tuple[SeedName, ...] = ("typo", "abbreviated", "former", "short", "full")
    return names[int(random.choice(5, p=[*odd, 1 - sum(odd)]))]


def _seed_name(random: np.random.Generator, registry: Registry, entity: int, named: SeedName) -> tuple[str, SeedName]:
    """The name as the tenant writes it, and how it differs; plain where it cannot differ in the wanted way."""
    full = display_name(str(registry.names[entity]))
    short = _without_form(full)
    if named == "former":
        former = str(registry.former_names[entity])
        return (_without_form(display_name(former)), "former") if former else (short, "short")
    if named == "abbreviated":
        said = " ".join(_SHORTENED.get(word.lower(), word) for word in short.split())
        return (said, "abbreviated") if said != short else (short, "short")
    if named == "typo":
        at = int(random.integers(1, max(len(short) - 1, 2)))
        swapped = short[: at - 1] + short[at : at + 1] + short[at - 1 : at] + short[at + 1 :]
        dropped = short[:at] + short[at + 1 :]
        said = swapped if random.random() < 0.5 and swapped.lower() != short.lower() else dropped
        return said, "typo"
    return (short, "short") if named == "short" else (full, "full")


def _without_form(name: str) -> str:
    forms = set(legal_form(name).split())
    return " ".join(word for word in name.split() if name_key(word) not in forms) or name


def _some(random: np.random.Generator, rates: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(name for name, rate in rates.items() if random.random() < rate)
