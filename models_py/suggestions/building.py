"""A tenant's suggestions put together.

Belongs here: evidence and counts in, estimates, cards, negative ICP and advice out. Not here: look-alikes, which need
companies that the tenant has not named (``lookalikes``), and the database.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from models_py.suggestions.advice import advise
from models_py.suggestions.cards import CardMaker, Suggestion
from models_py.suggestions.contracts import NegativeIcp
from models_py.suggestions.estimates import BaseSignal, SignalCount, SignalEstimate, estimate_signals
from models_py.suggestions.facts import TenantEvidence
from models_py.suggestions.negative import negative_icp
from models_py.suggestions.segments import ENOUGH_SEEDS, WANTED_SEGMENTS, find_segments

#: Part of every set's hash: raise it when the same evidence should give another set.
METHOD: Final = 1


@dataclass(frozen=True)
class SuggestionSet:
    """What is suggested to one tenant, and what it rests on."""

    tenant_id: int
    estimates: tuple[SignalEstimate, ...]
    suggestions: tuple[Suggestion, ...]
    negative: NegativeIcp
    advice: tuple[str, ...]
    best_seeds: int
    seeds_with_evidence: int
    reduced_evidence: bool
    inputs_hash: str


def build_suggestions(
    evidence: TenantEvidence, counts: Sequence[SignalCount], base: Mapping[str, BaseSignal] | None = None
) -> SuggestionSet:
    """Estimates, three to five cards where five customers have evidence (fewer otherwise), negative ICP, advice.

    counts  one per signal and value of the tenant's customers
    base    see :func:`estimate_signals`
    The same input in any order gives the same set, ids included.
    """
    estimates = estimate_signals(counts, base)
    negative = negative_icp(evidence, estimates)
    told = [seed for seed in evidence.best if seed.has_evidence]
    segments = find_segments(
        told,
        evidence.lost,
        estimates,
        excluded_codes=evidence.answers.excluded_codes,
        excluded_traits=evidence.answers.excluded_traits,
    )
    maker = CardMaker(evidence, estimates, negative)
    suggestions: dict[str, Suggestion] = {}
    for segment in segments:
        made = maker.make(segment)
        if made is not None:
            suggestions.setdefault(made.card.id, made)
    advice = advise(evidence, suggestions=len(suggestions))
    kept = tuple(suggestions.values())
    return SuggestionSet(
        tenant_id=evidence.tenant_id,
        estimates=estimates,
        suggestions=kept,
        negative=negative,
        advice=advice,
        best_seeds=len(evidence.best),
        seeds_with_evidence=len(told),
        reduced_evidence=len(told) < ENOUGH_SEEDS
        or len(kept) < WANTED_SEGMENTS
        or all(made.card.reduced_evidence for made in kept),
        inputs_hash=_hash(kept, negative, advice, len(evidence.best), len(told)),
    )


def _hash(suggestions: Sequence[Suggestion], negative: NegativeIcp, advice: Sequence[str], best: int, told: int) -> str:
    """Of all that a reader would see: evidence that changes nothing of it makes no new generation."""
    content = {
        "method": METHOD,
        "best": best,
        "told": told,
        "cards": [[part.model_dump(mode="json") for part in (made.card, made.pack, made.rule)] for made in suggestions],
        "negative": negative.model_dump(mode="json"),
        "advice": list(advice),
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
