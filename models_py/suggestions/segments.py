"""Segments of a tenant's best customers: which of them belong together, and by what.

Belongs here: candidates, their score, and the choice among them. Not here: what a card shows of a segment.

A candidate is a condition that can be said in one breath: an industry node (a code at any level), a size band, an
integration or a buyer title, or an industry node together with one of the others. Customers that meet it are its
members. Two parts are one condition only where the second says something that the first does not: customers of the
industry have the trait clearly more often than companies at large. With five to fifteen customers all of this can be
enumerated, so nothing is left to a distance or to the seed of a random generator, and the condition itself is the
explanation. Of conditions with the same members the best one is kept. Score: support × log of the shrunk lift of the
condition (its base rate as if the two parts were independent), times one minus the share of lost customers that meet it
too; of two parts, less where the second one is less than twice as frequent as at large.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from models_py.suggestions.estimates import SSIC_SIGNALS, SignalEstimate, shrunk_lift, smoothed_rate
from models_py.suggestions.facts import Fact, Seed

#: Signals that tell customers apart beside the industry.
SECONDARY: Final = ("integration", "headcount", "buyer_title")
MOST_SEGMENTS: Final = 5
WANTED_SEGMENTS: Final = 3
#: Best customers with evidence from which on three segments are promised.
ENOUGH_SEEDS: Final = 5
#: A fourth and fifth segment is worth at least this share of the first one.
_WORTH: Final = 0.25
#: Customers that an earlier segment has already count this much in a later one.
_AGAIN: Final = 0.4
_MOST_OVERLAP: Final = 0.75
#: Without a base rate: common, so that no card rests on rarity nobody measured, and still short of what a customer
#: shows: an intake of two customers gets its two cards, flagged.
_UNKNOWN_RATE: Final = 0.25
_LEAST_SCORE: Final = 0.02
#: A condition, and the second part of one, has at least this shrunk lift.
_LEAST_LIFT: Final = 1.25
#: From this lift on the second part counts in full.
_FULL_LIFT: Final = 2.0

Trait = tuple[str, str]  # (signal_key, value_key)


@dataclass(frozen=True)
class Condition:
    """What makes a segment: an industry node (code at any level) and/or one other trait."""

    node: str | None = None
    trait: Trait | None = None

    def holds(self, traits: frozenset[Trait]) -> bool:
        """Whether a company with these traits meets it."""
        in_node = self.node is None or any(signal == "ssic" and value.startswith(self.node) for signal, value in traits)
        return in_node and (self.trait is None or self.trait in traits)


@dataclass(frozen=True)
class Segment:
    """A condition, who meets it, and what that is worth.

    Attributes:
        members: positions in the list of best customers with evidence.
        lift: shrunk; None where the condition has no known base rate.
        lost: lost customers that meet it too.
    """

    condition: Condition
    members: tuple[int, ...]
    n: int
    lift: float | None
    score: float
    lost: tuple[str, ...]


def traits_of(facts: Iterable[Fact]) -> frozenset[Trait]:
    """What is known of a company, each once."""
    return frozenset((fact.signal_key, fact.value_key) for fact in facts)


class BaseRates:
    """Base rates of traits and industry nodes, from the tenant's estimates."""

    def __init__(self, estimates: Iterable[SignalEstimate]) -> None:
        self._rates: dict[Trait, float] = {}
        for e in estimates:
            if e.base_n and e.base_companies is not None:
                signal = "ssic" if e.signal_key in SSIC_SIGNALS else e.signal_key
                self._rates[signal, e.value_key] = smoothed_rate(e.base_companies, e.base_n)

    def of(self, trait: Trait) -> float | None:
        """Share of companies at large; ('ssic', node) for a node of any level. None where unknown."""
        return self._rates.get(trait)

    def of_condition(self, condition: Condition) -> float | None:
        """As if its parts were independent; a part that is unknown counts as very common. None: all unknown."""
        parts: list[Trait] = [("ssic", condition.node)] if condition.node else []
        parts += [condition.trait] if condition.trait else []
        rates = [self.of(part) for part in parts]
        if all(rate is None for rate in rates):
            return None
        return math.prod(_UNKNOWN_RATE if rate is None else rate for rate in rates)


def find_segments(
    best: Sequence[Seed],
    lost: Sequence[Seed],
    estimates: Sequence[SignalEstimate],
    *,
    excluded_codes: Sequence[str] = (),
    excluded_traits: frozenset[Trait] = frozenset(),
) -> list[Segment]:
    """Up to five segments of best customers with evidence, best first; empty where there is none.

    Segments have two members at least, except that single customers fill up to three where enough seeds were given, or
    stand for themselves where fewer were.
    """
    companies = [traits_of(seed.facts) - excluded_traits for seed in best]
    candidates = _candidates(companies, lost, BaseRates(estimates), tuple(excluded_codes))
    several = [segment for segment in candidates if len(segment.members) >= 2]
    chosen = _choose(several, most=MOST_SEGMENTS)
    if len(chosen) < WANTED_SEGMENTS:
        single = [segment for segment in candidates if len(segment.members) == 1 and _is_told_apart(segment, best)]
        chosen = _choose(single, most=WANTED_SEGMENTS, chosen=chosen, only_new=True)
    return sorted(chosen, key=lambda segment: (len(segment.members) == 1, -segment.score, _order(segment)))


def _candidates(
    companies: Sequence[frozenset[Trait]], lost: Sequence[Seed], rates: BaseRates, excluded: tuple[str, ...]
) -> list[Segment]:
    """One segment per set of members: the best condition that picks out exactly these."""
    in_node, with_trait = _members(companies, excluded)
    everybody = frozenset(range(len(companies)))
    conditions = [(Condition(node=node), everybody, members) for node, members in in_node.items()]
    conditions += [(Condition(trait=trait), everybody, members) for trait, members in with_trait.items()]
    conditions += [
        (Condition(node, trait), inside, inside & members)
        for node, inside in in_node.items()
        for trait, members in with_trait.items()
        if len(members) >= 2 and inside & members  # only what two customers have can split an industry
    ]
    lost_traits = [(seed.name, traits_of(seed.facts)) for seed in lost if seed.has_evidence]
    found: dict[frozenset[int], Segment] = {}
    for condition, among, members in conditions:
        further = _further_lift(condition, len(members), len(among), rates)
        if further < _LEAST_LIFT:
            continue
        segment = _score(condition, tuple(sorted(members)), len(companies), lost_traits, rates)
        if condition.node and condition.trait:
            segment = replace(segment, score=segment.score * min(1.0, math.log(further) / math.log(_FULL_LIFT)))
        known = found.get(members)
        if segment.score > _LEAST_SCORE and (known is None or _preference(segment) < _preference(known)):
            found[members] = segment
    return sorted(found.values(), key=lambda segment: (-segment.score, _order(segment)))


def _members(
    companies: Sequence[frozenset[Trait]], excluded: tuple[str, ...]
) -> tuple[dict[str, frozenset[int]], dict[Trait, frozenset[int]]]:
    """Which customers are in each industry node, and which have each other trait, in a fixed order."""
    nodes: dict[str, set[int]] = {}
    traits: dict[Trait, set[int]] = {}
    for at, company in enumerate(companies):
        for signal, value in company:
            if signal == "ssic":
                for length in SSIC_SIGNALS.values():
                    nodes.setdefault(value[:length], set()).add(at)
            elif signal in SECONDARY:
                traits.setdefault((signal, value), set()).add(at)
    wanted = {node for node in nodes if not node.startswith(excluded)}
    return (
        {node: frozenset(nodes[node]) for node in sorted(wanted)},
        {trait: frozenset(traits[trait]) for trait in sorted(traits)},
    )


def _further_lift(condition: Condition, members: int, among: int, rates: BaseRates) -> float:
    """How much more frequent than at large the last part of a condition is, among those who meet the first."""
    rate = rates.of(condition.trait or ("ssic", condition.node or ""))
    if rate is None and condition.trait is None:
        return _FULL_LIFT  # an industry without a base rate is still an industry
    return shrunk_lift(members, among * (_UNKNOWN_RATE if rate is None else rate))


def _score(
    condition: Condition,
    members: tuple[int, ...],
    n: int,
    lost: Sequence[tuple[str, frozenset[Trait]]],
    rates: BaseRates,
) -> Segment:
    rate = rates.of_condition(condition)
    lift = shrunk_lift(len(members), n * (_UNKNOWN_RATE if rate is None else rate))
    also_lost = tuple(name for name, traits in lost if condition.holds(traits))
    kept = 1.0 - len(also_lost) / (len(lost) + 1.0)
    return Segment(
        condition=condition,
        members=members,
        n=n,
        lift=None if rate is None else lift,
        score=len(members) / n * math.log(lift) * kept,
        lost=also_lost,
    )


def _preference(segment: Segment) -> tuple[object, ...]:
    """Of the same members: an industry before no industry, one condition before two, then the higher score."""
    condition = segment.condition
    parts = (condition.node is not None) + (condition.trait is not None)
    return (condition.node is None, parts, -segment.score, _order(segment))


def _order(segment: Segment) -> tuple[object, ...]:
    """A total order, so that the same evidence gives the same segments: finer codes first, then by name."""
    condition = segment.condition
    return (-len(condition.node or ""), condition.node or "", condition.trait or ("", ""))


def _choose(
    candidates: Sequence[Segment], *, most: int, chosen: Sequence[Segment] = (), only_new: bool = False
) -> list[Segment]:
    """Best first, where customers that are covered already count less.

    only_new    a candidate has to bring a customer that no segment has yet
    """
    kept = list(chosen)
    covered: dict[int, int] = {}
    for segment in kept:
        for member in segment.members:
            covered[member] = covered.get(member, 0) + 1
    while len(kept) < most:
        gains = [
            (sum(_AGAIN ** covered.get(member, 0) for member in segment.members) / len(segment.members), segment)
            for segment in candidates
            if _differs(segment, kept) and not (only_new and any(member in covered for member in segment.members))
        ]
        if not gains:
            break
        novelty, best = max(gains, key=lambda gain: gain[0] * gain[1].score)
        if len(kept) >= WANTED_SEGMENTS and novelty * best.score < _WORTH * kept[0].score:
            break
        kept.append(best)
        for member in best.members:
            covered[member] = covered.get(member, 0) + 1
    return kept


def _differs(segment: Segment, kept: Sequence[Segment]) -> bool:
    mine = set(segment.members)
    return all(
        segment.condition != other.condition
        and len(mine & set(other.members)) <= _MOST_OVERLAP * len(mine | set(other.members))
        for other in kept
    )


def _is_told_apart(segment: Segment, best: Sequence[Seed]) -> bool:
    """A single customer stands for a segment only with an industry, or with two facts of its site."""
    return segment.condition.node is not None or len(best[segment.members[0]].facts) >= 2


def trait_texts(facts: Iterable[Fact]) -> Mapping[Trait, str]:
    """How people write each trait: the most frequent spelling, the first in alphabet among equals."""
    counts: dict[Trait, dict[str, int]] = {}
    for fact in facts:
        spelled = counts.setdefault((fact.signal_key, fact.value_key), {})
        spelled[fact.text] = spelled.get(fact.text, 0) + 1
    return {trait: min(spelled, key=lambda text: (-spelled[text], text)) for trait, spelled in counts.items()}
