"""From a segment to a card, its targeting pack and its rule.

Belongs here: what a segment's members share, put into the contract's fields and words. Not here: which segments
there are (``segments``), and the set of them (``building``).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models_py.suggestions.contracts import (
    AnswerField,
    IcpRule,
    Interval,
    NegativeIcp,
    RegistryView,
    SignalFlag,
    SuggestionCard,
    Support,
    TargetingPack,
    ThemeKind,
)
from models_py.suggestions.estimates import SSIC_SIGNALS, SignalEstimate, shrunk_lift
from models_py.suggestions.exact import jeffreys_interval
from models_py.suggestions.facts import HEADCOUNT_BANDS, Fact, Seed, TenantEvidence, band_range
from models_py.suggestions.segments import (
    ENOUGH_SEEDS,
    BaseRates,
    Segment,
    Trait,
    trait_texts,
    traits_of,
)

MOST_CODES: Final = 6
MOST_VALUES: Final = 3
MOST_FLAGS: Final = 5
MOST_SAMPLES: Final = 5
MOST_BANDS: Final = 2
_HELD: Final = 0.7
_TRIGGER_SIGNALS: Final = ("trigger", "hiring")
_UNKNOWN_RATE: Final = 0.5


@dataclass(frozen=True)
class Suggestion:
    """A card with what belongs to it."""

    card: SuggestionCard
    pack: TargetingPack
    rule: IcpRule
    #: Positions of the members among the best customers with evidence.
    members: tuple[int, ...]


@dataclass(frozen=True)
class _Content:
    """What a card targets; ``bands`` are neighbours."""

    codes: tuple[str, ...]
    bands: tuple[str, ...]
    integrations: tuple[str, ...]
    champions: tuple[str, ...]
    triggers: tuple[str, ...]
    from_answers: tuple[AnswerField, ...]
    traits: frozenset[Trait]  # of the content, as found; cited


class CardMaker:
    """Makes the cards of one tenant."""

    def __init__(self, evidence: TenantEvidence, estimates: Sequence[SignalEstimate], negative: NegativeIcp) -> None:
        self._evidence = evidence
        self._negative = negative
        self._best: tuple[Seed, ...] = tuple(seed for seed in evidence.best if seed.has_evidence)
        self._rates = BaseRates(estimates)
        self._estimates = {(e.signal_key, e.value_key): e for e in estimates}
        self._text = trait_texts(fact for seed in self._best for fact in seed.facts)

    def make(self, segment: Segment) -> Suggestion | None:
        """The card of a segment; None where it would cite nothing (its codes are all excluded, say)."""
        members = [self._best[at] for at in segment.members]
        content = self._content(segment, members)
        cited = self._cited(content, members)
        if not cited or not (content.codes or content.integrations or content.champions or content.bands):
            return None
        card = self._card(segment, members, content, cited)
        return Suggestion(
            card=card,
            pack=_pack(card, self._named(segment, content)),
            rule=self._rule(card, content.bands),
            members=segment.members,
        )

    def _content(self, segment: Segment, members: Sequence[Seed]) -> _Content:
        found: dict[AnswerField, list[Trait]] = {
            "headcount_band": self._bands(segment, members),
            "integrations": self._shared(("integration",), segment, members),
            "champions": self._shared(("buyer_title",), segment, members),
            "triggers": self._shared(_TRIGGER_SIGNALS, segment, members),
        }
        answers = self._evidence.answers
        said: dict[AnswerField, tuple[str, ...]] = {
            "headcount_band": tuple(band for band in answers.headcount_bands if band in HEADCOUNT_BANDS),
            "integrations": answers.integrations[:MOST_VALUES],
            "champions": answers.champions[:MOST_VALUES],
            "triggers": answers.triggers[:MOST_VALUES],
        }
        answered: tuple[AnswerField, ...] = tuple(name for name in said if not found[name] and said[name])
        use = {
            name: said[name] if name in answered else tuple(dict.fromkeys(self._words(trait) for trait in found[name]))
            for name in found
        }
        codes = self._codes(segment, members)
        traits = {("ssic", code) for code in codes} | {trait for traits in found.values() for trait in traits}
        if not codes and answers.ssic_codes:
            codes, answered = answers.ssic_codes[:MOST_CODES], ("ssic_cluster", *answered)
        bands = [band for band in HEADCOUNT_BANDS if band in use["headcount_band"]]
        return _Content(
            codes=codes,
            bands=tuple(bands),
            integrations=use["integrations"],
            champions=use["champions"],
            triggers=use["triggers"],
            from_answers=answered,
            traits=frozenset(traits),
        )

    def _codes(self, segment: Segment, members: Sequence[Seed]) -> tuple[str, ...]:
        """The members' codes within the segment's node, most frequent first."""
        node, excluded = segment.condition.node or "", self._evidence.answers.excluded_codes
        counts = Counter(
            value
            for seed in members
            for signal, value in traits_of(seed.facts)
            if signal == "ssic" and value.startswith(node) and not any(value.startswith(code) for code in excluded)
        )
        if segment.condition.node is None and any(count >= 2 for count in counts.values()):
            # What the members share is not the industry: a code of one of them alone would be noise in a filter.
            counts = Counter({code: count for code, count in counts.items() if count >= 2})
        return tuple(sorted(counts, key=lambda code: (-counts[code], code))[:MOST_CODES])

    def _shared(self, signals: Sequence[str], segment: Segment, members: Sequence[Seed]) -> list[Trait]:
        """What a third of the members share, two at least, and companies at large do not, strongest first."""
        counts = Counter(trait for seed in members for trait in traits_of(seed.facts) if trait[0] in signals)
        least = max(min(2, len(members)), math.ceil(len(members) / 3))
        ranked: list[tuple[float, Trait]] = []
        for trait, count in counts.items():
            if trait in self._evidence.answers.excluded_traits:
                continue
            rate = self._rates.of(trait)
            lift = shrunk_lift(count, len(members) * (_UNKNOWN_RATE if rate is None else rate))
            worth = count / len(members) * math.log(lift)
            if trait == segment.condition.trait:
                ranked.append((-math.inf, trait))
            elif count >= least and worth > 0:
                ranked.append((-worth, trait))
        return [trait for _, trait in sorted(ranked)[:MOST_VALUES]]

    def _bands(self, segment: Segment, members: Sequence[Seed]) -> list[Trait]:
        """The fewest neighbouring size bands that hold seven of ten members of known size; none if they scatter."""
        first = segment.condition.trait
        if first is not None and first[0] == "headcount":
            return [first]
        known = [
            band
            for seed in members
            for signal, band in sorted(traits_of(seed.facts))
            if signal == "headcount" and band in HEADCOUNT_BANDS
        ]
        if len(known) < min(2, len(members)):
            return []
        bands = [band for band in HEADCOUNT_BANDS if ("headcount", band) not in self._evidence.answers.excluded_traits]
        runs = [
            bands[start : start + width]
            for width in range(1, MOST_BANDS + 1)
            for start in range(len(bands) - width + 1)
        ]
        holding = [run for run in runs if sum(band in run for band in known) >= _HELD * len(known)]
        best = min(holding, key=lambda run: (len(run), -sum(band in run for band in known)), default=[])
        return [("headcount", band) for band in best]

    def _words(self, trait: Trait) -> str:
        if trait[0] == "headcount":
            return trait[1]
        text = self._text[trait]
        return f"hiring {text}" if trait[0] == "hiring" and not text.lower().startswith("hiring") else text

    def _cited(self, content: _Content, members: Sequence[Seed]) -> list[Fact]:
        """Every fact that shows what the card says: the members', and those of the tenant's own site."""
        own = [fact for fact in self._evidence.own_facts if fact.signal_key not in ("ssic", "headcount")]
        facts = [fact for seed in members for fact in (*seed.facts, *seed.model_facts)] + own
        return [fact for fact in facts if (fact.signal_key, fact.value_key) in content.traits]

    def _card(
        self, segment: Segment, members: Sequence[Seed], content: _Content, cited: Sequence[Fact]
    ) -> SuggestionCard:
        low, high = jeffreys_interval(np.array([len(members)]), np.array([segment.n]))
        ids = sorted({fact.evidence_id for fact in cited})
        industries = [self._evidence.industries.get(code) for code in content.codes]
        samples = [name for known in industries if known for name in known.sample]
        signals = self._signals(segment, content)
        return SuggestionCard(
            id=self._identity(segment, content),
            title=self._title(segment, content),
            ssic_cluster=list(content.codes),
            ssic_titles=[self._industry(code) for code in content.codes],
            ssic_version=self._evidence.version if content.codes else None,
            headcount_band=band_range(content.bands)[0] if content.bands else None,
            integrations=list(content.integrations),
            champions=list(content.champions),
            triggers=list(content.triggers),
            evidence_count=len(ids),
            evidence_ids=ids,
            registry=RegistryView(
                total=sum(known.live_entities for known in industries if known),
                sample=list(dict.fromkeys(samples))[:MOST_SAMPLES],
            ),
            rationale=self._rationale(segment, members, content, cited),
            negative_flags=self._flags(segment),
            support=Support(
                companies=len(members),
                n=segment.n,
                share=round(len(members) / segment.n, 4),
                interval=Interval(low=round(float(low[0]), 4), high=round(float(high[0]), 4)),
                names=[seed.name for seed in members],
            ),
            lift=None if segment.lift is None else round(segment.lift, 2),
            score=round(segment.score, 4),
            signals=signals,
            from_answers=list(content.from_answers),
            reduced_evidence=self._is_reduced(members, signals),
        )

    def _is_reduced(self, members: Sequence[Seed], signals: Sequence[SignalFlag]) -> bool:
        """Fewer than five customers with evidence, one customer alone, nothing but registry entries, or nothing in it
        that chance would not show among as many customers."""
        only_registry = all(fact.source == "registry" for seed in members for fact in seed.facts)
        may_be_chance = all(signal.label != "characteristic" for signal in signals)
        return len(self._best) < ENOUGH_SEEDS or len(members) < 2 or only_registry or may_be_chance

    def _identity(self, segment: Segment, content: _Content) -> str:
        """The same for what targets the same: a decision about it holds when more evidence comes in."""
        condition = segment.condition
        what = [
            self._evidence.tenant_id,
            self._evidence.version,
            sorted(content.codes),
            condition.node if not content.codes else None,
            condition.trait,
        ]
        digest = hashlib.sha256(json.dumps(what, ensure_ascii=False).encode()).hexdigest()
        return f"sugg_{digest[:12]}"

    def _title(self, segment: Segment, content: _Content) -> str:
        trait = segment.condition.trait
        named = self._named(segment, content) if segment.condition.node else ""
        parts = [named] if named else []
        if trait is not None:
            parts.append(_said(trait, self._words(trait)))
        title = ", ".join(parts) or ", ".join(content.codes[:2])
        return title[:1].upper() + title[1:]

    def _named(self, segment: Segment, content: _Content) -> str:
        """The segment's industry in words; empty where its customers are of several."""
        node = segment.condition.node
        if len(content.codes) == 1:
            return self._industry(content.codes[0]) or content.codes[0]
        whole = self._evidence.industries.get(node) if node else None
        return whole.title if whole else ""

    def _industry(self, code: str) -> str:
        known = self._evidence.industries.get(code)
        return known.title if known else self._text.get(("ssic", code), "")

    def _rationale(self, segment: Segment, members: Sequence[Seed], content: _Content, cited: Sequence[Fact]) -> str:
        where = f"Observed across {len(members)} of {segment.n} seeds"
        if any(fact.source == "user_site" for fact in cited):
            where += " and the tenant's own site"
        said = [f"industry {', '.join(content.codes[:3])}"] if segment.condition.node else []
        for trait in self._in_order(segment, content):
            count = sum(trait in traits_of(seed.facts) for seed in members)
            said.append(f"{_said(trait, self._words(trait))} at {count}")
        if content.bands and "headcount_band" not in content.from_answers:
            in_bands = {("headcount", band) for band in content.bands}
            count = sum(not in_bands.isdisjoint(traits_of(seed.facts)) for seed in members)
            said.append(f"{band_range(content.bands)[0]} people at {count}")
        what = "; ".join(said)
        labels = {self._estimates[trait].label for trait in self._defining(segment) if trait in self._estimates}
        if "characteristic" in labels:
            surety = "more than chance explains"
        elif labels <= {"no_base_rate"}:
            surety = "no base rate to compare with yet"
        else:
            surety = "may still be chance with so few customers"
        answered = f"; from the intake's answers: {', '.join(content.from_answers)}" if content.from_answers else ""
        lift = f", {segment.lift:.1f} times as often as among companies at large" if segment.lift else ""
        return f"{where}: {what}{lift} ({surety}){answered}."

    def _signals(self, segment: Segment, content: _Content) -> list[SignalFlag]:
        """The estimates behind the card, the node's own level first."""
        wanted = self._defining(segment) + sorted(content.traits)
        flags = []
        for trait in dict.fromkeys(wanted):
            e = self._estimates.get(trait)
            if e is not None:
                flags.append(
                    SignalFlag(
                        signal=e.signal_key,
                        value=e.value_key,
                        text=self._text.get(trait, e.label_text),
                        companies=e.companies,
                        n=e.n,
                        lift=None if e.lift is None else round(e.lift, 2),
                        p_value=None if e.p_value is None else float(f"{e.p_value:.3g}"),
                        label=e.label,
                    )
                )
        return flags

    @staticmethod
    def _in_order(segment: Segment, content: _Content) -> list[Trait]:
        """The card's traits but industries and sizes: what defines the segment, integrations, titles, triggers."""
        order = {"integration": 0, "buyer_title": 1, "trigger": 2, "hiring": 2}
        kept = [trait for trait in content.traits if trait[0] in order]
        return sorted(kept, key=lambda trait: (trait != segment.condition.trait, order[trait[0]], trait))

    @staticmethod
    def _defining(segment: Segment) -> list[Trait]:
        """The estimates of the segment's condition: of its node at the node's own level, and of its trait."""
        node, trait = segment.condition.node, segment.condition.trait
        level = {length: signal for signal, length in SSIC_SIGNALS.items()}
        found = [(level[len(node)], node)] if node else []
        return found + ([trait] if trait else [])

    def _flags(self, segment: Segment) -> list[str]:
        flags = []
        if segment.lost:
            told = sum(seed.has_evidence for seed in self._evidence.lost)
            flags.append(f"{len(segment.lost)} of {told} lost customers look like this too")
        order: list[ThemeKind] = ["price_floor", "loss_reason", "exclusion", "shared_trait"]
        themes = sorted(self._negative.themes, key=lambda theme: order.index(theme.kind))
        return (flags + [theme.theme for theme in themes])[:MOST_FLAGS]

    def _rule(self, card: SuggestionCard, bands: Sequence[str]) -> IcpRule:
        _, low, high = band_range(bands) if bands else (None, None, None)
        return IcpRule(
            ssic_codes=card.ssic_cluster,
            ssic_version=card.ssic_version,
            integrations=card.integrations,
            champions=card.champions,
            exclusions=[theme.theme for theme in self._negative.themes],
            headcount_min=low,
            headcount_max=high,
            triggers=card.triggers,
        )


def _said(trait: Trait, text: str) -> str:
    words = {"headcount": "{} people", "integration": "runs {}", "buyer_title": "buyer {}"}
    return words.get(trait[0], "{}").format(text)


def _pack(card: SuggestionCard, industry: str) -> TargetingPack:
    who = " or ".join(card.champions[:2]) or "buyers"
    where = f"{industry} companies" if industry else "companies"
    size = f" of {card.headcount_band} people" if card.headcount_band else ""
    stack = f" that run {' or '.join(card.integrations[:2])}" if card.integrations else ""
    why = f"{card.support.companies} of {card.support.n} of your best customers look like this"
    return TargetingPack(
        ssic_filters=card.ssic_cluster,
        technographic_filters=card.integrations,
        pitch=f"{who[:1].upper()}{who[1:]} at {where}{size}{stack}: {why}.",
    )
