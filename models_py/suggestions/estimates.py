"""Signals of a tenant's best customers against base rates: support, lift, and which ones are more than chance.

Belongs here: the estimate and the label of every (signal, value). Not here: the tests themselves (``exact``), what
is made of labelled signals (``segments``, ``cards``).

Three decisions:

- **What is tested.** A value is labelled if the tenant's signals hold anything at all (the expected number of chance
  findings at its smallest p value is at most 0.02) **and** the value survives a false discovery rate of 10 %. The rate
  alone would label something in one of ten tenants whose customers are drawn at random, which is what a false discovery
  rate of 10 % means there.
- **Nested codes.** An industry code and the levels above it are four looks at one fact. Each level is tested, and
  each counts among what chance could find; but among the findings a code counts only where no finer code below it
  was found too. Otherwise one industry would count fourfold and let noise elsewhere through.
- **Ranking.** By support × log of the shrunk lift, (k + ½) / (n·p₀ + ½): one customer with a rare trait has a raw
  lift of hundreds and a shrunk one of at most three.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Final, Literal

import numpy as np

from models_py.components import FloatArray
from models_py.errors import RangeError
from models_py.suggestions.exact import LEAST_COMPANIES, ChanceFindings, fisher, jeffreys_interval

SignalLabel = Literal["characteristic", "no_evidence", "no_base_rate"]
FALSE_DISCOVERY_RATE: Final = 0.10
#: Chance findings expected at the smallest p value, above which nothing of a tenant is labelled. At 0.05 between 3 and
#: 4.5 % of tenants with random customers got a label (simulated), at 0.02 under 2 %; planted signals lie far below.
ANY_SIGNAL: Final = 0.02
#: The signals of an industry code and of the levels above it, by the number of characters.
SSIC_SIGNALS: Final = {"ssic_2": 2, "ssic_3": 3, "ssic_4": 4, "ssic": 5}
_HALF: Final = 0.5


@dataclass(frozen=True)
class SignalCount:
    """How many of a tenant's customers show a value.

    Attributes:
        companies, n: best customers that show the value, of those with any fact of that signal.
        base_companies, base_n: the same among companies at large; None where no base rate is known.
        lost_companies, lost_n: the same among lost customers.
    """

    signal_key: str
    value_key: str
    label_text: str
    companies: int
    n: int
    base_companies: int | None = None
    base_n: int | None = None
    lost_companies: int = 0
    lost_n: int = 0

    def __post_init__(self) -> None:
        for part, whole in (
            (self.companies, self.n),
            (self.base_companies or 0, self.base_n or 0),
            (self.lost_companies, self.lost_n),
        ):
            if not 0 <= part <= whole:
                raise RangeError(
                    f"{self.signal_key} {self.value_key!r}: {part} of {whole} companies cannot be; count each once"
                )


@dataclass(frozen=True)
class SignalEstimate(SignalCount):
    """A count, and what it says.

    Attributes:
        support: share of the customers; interval_low, interval_high: its 90 % Jeffreys interval.
        base_rate: share among companies at large. lift: shrunk, (k + ½) / (n·base + ½). None without a base rate.
        strength: support × log lift; rank by this. 0 without a base rate.
        p_value: chance of this many customers or more (Fisher, one-sided).
        q_value: the false discovery rate at which it would be labelled; None under two companies.
    """

    support: float = 0.0
    interval_low: float = 0.0
    interval_high: float = 1.0
    base_rate: float | None = None
    lift: float | None = None
    strength: float = 0.0
    p_value: float | None = None
    q_value: float | None = None
    label: SignalLabel = "no_base_rate"


@dataclass(frozen=True)
class BaseSignal:
    """One signal among companies at large: on how many it was looked for and found, and how many show each value."""

    companies: int
    counts: Mapping[str, int] = field(default_factory=dict)


def shrunk_lift(companies: float, expected: float) -> float:
    """(k + ½) / (E + ½): at most 2k + 1, so a rare value that one company shows does not win."""
    return (companies + _HALF) / (expected + _HALF)


def smoothed_rate(companies: int, n: int) -> float:
    """A base rate that is never nought: (m + ½) / (N + 1)."""
    return (companies + _HALF) / (n + 1.0)


def estimate_signals(
    counts: Sequence[SignalCount], base: Mapping[str, BaseSignal] | None = None
) -> tuple[SignalEstimate, ...]:
    """Estimates of one tenant's counts, by signal and falling strength.

    base    by signal: all values that companies at large show. Where it has a signal it replaces the counts' own base,
            and the values that no customer shows count among what chance could have found. Without it a rare value's
            p value is taken at its face, among the values that were seen only.
    """
    known = [_with_base(count, (base or {}).get(count.signal_key)) for count in counts]
    estimates = _estimates(known)
    tested = [row for row, e in enumerate(estimates) if e.p_value is not None and e.companies >= LEAST_COMPANIES]
    q_values = _false_discovery_rates([estimates[row] for row in tested], _chance(known, base or {}))
    for row, q_value in zip(tested, q_values, strict=True):
        label: SignalLabel = "characteristic" if q_value <= FALSE_DISCOVERY_RATE else "no_evidence"
        estimates[row] = replace(estimates[row], q_value=q_value, label=label)
    return tuple(sorted(estimates, key=lambda e: (e.signal_key, -e.strength, -e.companies, e.value_key)))


def _with_base(count: SignalCount, base: BaseSignal | None) -> SignalCount:
    if base is None:
        return count
    companies = base.counts.get(count.value_key, min(count.base_companies or 0, base.companies))
    return replace(count, base_companies=companies, base_n=base.companies)


def _estimates(counts: Sequence[SignalCount]) -> list[SignalEstimate]:
    """Everything about each count but its label, which depends on the others."""
    low, high = jeffreys_interval(np.array([c.companies for c in counts]), np.array([c.n for c in counts]))
    p_values = _p_values(counts)
    found = []
    for row, count in enumerate(counts):
        estimate = SignalEstimate(
            **{name: getattr(count, name) for name in SignalCount.__dataclass_fields__},
            support=count.companies / count.n if count.n else 0.0,
            interval_low=float(low[row]),
            interval_high=float(high[row]),
        )
        if count.base_n and count.base_companies is not None:
            lift = shrunk_lift(count.companies, count.n * smoothed_rate(count.base_companies, count.base_n))
            estimate = replace(
                estimate,
                base_rate=count.base_companies / count.base_n,
                lift=lift,
                strength=estimate.support * math.log(lift),
                p_value=float(p_values[row]),
                label="no_evidence",
            )
        found.append(estimate)
    return found


def _p_values(counts: Sequence[SignalCount]) -> FloatArray:
    """(m,) p values; 1 without a base rate."""
    p: FloatArray = np.ones(len(counts))
    for (n, base_n), rows in _by_size(counts).items():
        if base_n:
            p[rows] = fisher(
                companies=np.array([counts[row].companies for row in rows]),
                drawn=n,
                base_companies=np.array([counts[row].base_companies or 0 for row in rows]),
                base_n=base_n,
            )
    return p


def _chance(counts: Sequence[SignalCount], base: Mapping[str, BaseSignal]) -> ChanceFindings:
    """What chance could have found: every value of every signal that this tenant's customers could have shown."""
    chance = ChanceFindings()
    ordered = sorted(counts, key=lambda count: count.signal_key)
    for signal, group in groupby(ordered, key=lambda count: count.signal_key):
        mine = [count for count in group if count.base_n]
        for (n, base_n), rows in _by_size(mine).items():
            same = [mine[row] for row in rows]
            showing: Counter[int] = Counter()
            if signal in base:
                showing.update(base[signal].counts.values())
                showing.subtract(base[signal].counts.get(count.value_key, 0) for count in same)
            showing.update(count.companies + (count.base_companies or 0) for count in same)
            kept = [(s, times) for s, times in showing.items() if times > 0 and s > 0]
            chance.add(
                showing=np.array([s for s, _ in kept], dtype=np.int64),
                times=np.array([times for _, times in kept], dtype=np.int64),
                drawn=n,
                others=base_n,
            )
    return chance


def _by_size(counts: Sequence[SignalCount]) -> dict[tuple[int, int], list[int]]:
    """Rows of counts that are out of the same numbers of companies."""
    groups: dict[tuple[int, int], list[int]] = {}
    for row, count in enumerate(counts):
        groups.setdefault((count.n, count.base_n or 0), []).append(row)
    return groups


def _false_discovery_rates(tested: Sequence[SignalEstimate], chance: ChanceFindings) -> list[float]:
    """The rate at which each would be labelled; 1 for all where the smallest p value is what chance gives anyway."""
    if not tested:
        return []
    p: FloatArray = np.array([e.p_value for e in tested], dtype=np.float64)
    expected = chance.expected(p)
    if expected.min() > ANY_SIGNAL:
        return [1.0] * len(tested)
    order = sorted(range(len(tested)), key=lambda row: (p[row], tested[row].signal_key, tested[row].value_key))
    rates = np.ones(len(tested))
    findings = _Branches()
    for rank, row in enumerate(order):
        findings.add(tested[row])
        if rank + 1 < len(order) and p[order[rank + 1]] <= p[row] * (1 + 1e-9):
            continue  # equal p values stand or fall together
        rates[rank] = expected[row] / len(findings)
    lowest = np.minimum.accumulate(np.minimum(rates, 1.0)[::-1])[::-1]
    by_row = dict(zip(order, lowest, strict=True))
    return [float(by_row[row]) for row in range(len(tested))]


class _Branches:
    """Findings, where an industry code counts only while no finer one below it is among them."""

    def __init__(self) -> None:
        self._others = 0
        self._codes: set[str] = set()

    def add(self, estimate: SignalEstimate) -> None:
        if estimate.signal_key not in SSIC_SIGNALS:
            self._others += 1
        elif not any(code.startswith(estimate.value_key) for code in self._codes):
            self._codes = {code for code in self._codes if not estimate.value_key.startswith(code)}
            self._codes.add(estimate.value_key)

    def __len__(self) -> int:
        return self._others + len(self._codes)
