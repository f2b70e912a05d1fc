"""Tenants with planted truth and tenants without any: facts of customers and of companies at large."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from models_py.suggestions.estimates import SSIC_SIGNALS, BaseSignal, SignalCount
from models_py.suggestions.facts import HEADCOUNT_BANDS, Answers, Fact, Industry, Seed, TenantEvidence

CODES = [f"{d:02d}{g}{c}{s}" for d in range(1, 89) for g in range(1, 4) for c in range(1, 4) for s in range(1, 3)]
PLACES = 30


@dataclass(frozen=True)
class Truth:
    """What was planted."""

    code: str
    integration: str
    title: str


class World:
    """50,000 registry entities, 300 crawled companies at large, and as many tenants as are drawn.

    About as many signals as real ones have: 1,400 codes with Zipf shares, 60 integrations, 40 titles, most rare.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        shares = 1.0 / np.arange(1, 1401) ** 0.8
        self.rng.shuffle(shares)
        self.codes = CODES[:1400]
        self.shares = shares / shares.sum()
        self.integrations = np.concatenate([self.rng.beta(0.6, 4, 58), [0.4, 0.6]])
        self.titles = self.rng.beta(0.5, 5, 40)
        self.places = self.rng.dirichlet(np.ones(PLACES) * 0.3)
        registry = self.rng.choice(self.codes, 50_000, p=self.shares)
        background = self._companies(300)
        self.base = {
            signal: BaseSignal(50_000, Counter(str(code)[:length] for code in registry))
            for signal, length in SSIC_SIGNALS.items()
        }
        self.base |= {signal: _base(values) for signal, values in background.items() if signal != "ssic"}

    def tenant(self, n: int, *, planted: bool = False) -> tuple[list[dict[str, set[str]]], Truth]:
        """The facts of n customers by signal, and what was planted (drawn, but not planted, where not asked for)."""
        truth = Truth(
            self.codes[self.rng.integers(1400)], f"tool {self.rng.integers(60)}", f"title {self.rng.integers(40)}"
        )
        drawn = self._companies(n)
        customers = [{signal: values[row] for signal, values in drawn.items()} for row in range(n)]
        if planted:
            for customer in customers:
                if self.rng.random() < 0.7:
                    customer["ssic"] = {truth.code}
                if self.rng.random() < 0.7:
                    customer["integration"] = customer["integration"] | {truth.integration}
                if self.rng.random() < 0.6:
                    customer["buyer_title"] = customer["buyer_title"] | {truth.title}
        return customers, truth

    def _companies(self, n: int) -> dict[str, list[set[str]]]:
        has_tool = self.rng.random((n, 60)) < self.integrations
        has_title = self.rng.random((n, 40)) < self.titles
        bands = self.rng.choice(list(HEADCOUNT_BANDS), n, p=[0.35, 0.3, 0.2, 0.08, 0.04, 0.02, 0.01])
        places = self.rng.choice(PLACES, n, p=self.places)
        codes = self.rng.choice(self.codes, n, p=self.shares)
        return {
            "ssic": [{str(code)} for code in codes],
            "integration": [{f"tool {at}" for at in np.flatnonzero(row)} for row in has_tool],
            "buyer_title": [{f"title {at}" for at in np.flatnonzero(row)} for row in has_title],
            "headcount": [{str(band)} for band in bands],
            "location": [{f"place {place}"} for place in places],
        }


def counts_of(customers: list[dict[str, set[str]]], lost: list[dict[str, set[str]]] | None = None) -> list[SignalCount]:
    """One count per signal and value, industry codes at every level."""
    counts = []
    signals = {signal for company in [*customers, *(lost or [])] for signal in company}
    for signal in sorted(signals):
        levels = SSIC_SIGNALS if signal == "ssic" else {signal: 0}
        for name, length in levels.items():
            mine, mine_n = _shown(customers, signal, length)
            theirs, theirs_n = _shown(lost or [], signal, length)
            for value in sorted(mine | theirs):
                counts.append(
                    SignalCount(
                        name,
                        value,
                        value,
                        mine[value],
                        mine_n,
                        lost_companies=theirs[value],
                        lost_n=theirs_n,
                    )
                )
    return counts


def evidence_of(
    customers: list[dict[str, set[str]]],
    lost: list[dict[str, set[str]]] | None = None,
    *,
    reasons: tuple[str | None, ...] = (),
    answers: Answers | None = None,
    **more: Any,
) -> TenantEvidence:
    """A tenant whose customers have these facts, each with an evidence id."""
    seeds, evidence_id = [], 0
    for at, (kind, facts) in enumerate([("best", c) for c in customers] + [("lost", c) for c in lost or []]):
        found = []
        for signal, values in sorted(facts.items()):
            for value in sorted(values):
                evidence_id += 1
                source = "registry" if signal == "ssic" else "seed_site"
                version = "2025" if signal == "ssic" else None
                found.append(Fact(evidence_id, signal, value, value.title(), source, version))
        order = at - len(customers)
        seeds.append(
            Seed(
                seed_id=at + 1,
                name=f"{kind.title()} {at + 1 if kind == 'best' else order + 1}",
                kind=kind,  # type: ignore[arg-type]
                company_id=100 + at,
                domain=f"{kind}{at}.example",
                reason=reasons[order] if kind == "lost" and order < len(reasons) else None,
                match="matched" if "ssic" in facts else "none",
                crawl="ok",
                facts=tuple(found),
            )
        )
    codes = {value for company in customers for value in company.get("ssic", ())}
    industries = {
        node: Industry("2025", node, f"Industry {node}", 100, (f"{node} One", f"{node} Two"))
        for code in codes
        for node in (code[:length] for length in SSIC_SIGNALS.values())
    }
    fields: dict[str, Any] = {"tenant_id": 7, "version": "2025", "industries": industries} | more
    return TenantEvidence(seeds=tuple(seeds), answers=answers or Answers(), **fields)


def _shown(companies: list[dict[str, set[str]]], signal: str, length: int) -> tuple[Counter[str], int]:
    shown: Counter[str] = Counter()
    n = 0
    for company in companies:
        values = company.get(signal, set())
        n += bool(values)
        shown.update({value[:length] if length else value for value in values})
    return shown, n


def _base(values: list[set[str]]) -> BaseSignal:
    counts: Counter[str] = Counter()
    for company in values:
        counts.update(company)
    return BaseSignal(sum(bool(company) for company in values), counts)
