"""What would make a tenant's suggestions surer, in sentences.

Belongs here: the sentences. Not here: anything that changes a suggestion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from models_py.suggestions.facts import Seed, TenantEvidence
from models_py.suggestions.segments import ENOUGH_SEEDS, WANTED_SEGMENTS

_NAMED: Final = 3
_WANTED_LOST: Final = 2
_CRAWL_FAILED: Final = ("blocked", "failed", "unresolved")


def advise(evidence: TenantEvidence, *, suggestions: int) -> tuple[str, ...]:
    """Sentences, the most useful first; none where nothing is missing."""
    best, lost = evidence.best, evidence.lost
    told = [seed for seed in best if seed.has_evidence]
    advice: list[str] = []
    if len(best) < ENOUGH_SEEDS:
        advice.append(
            f"There {_are(len(best), 'best customer')}: five give high confidence, so add {ENOUGH_SEEDS - len(best)} "
            "or more."
        )
    without = [seed for seed in best if not seed.domain]
    if without:
        advice.append(
            f"{len(without)} of {len(best)} customers have no website ({_names(without)}): add it, and their sites "
            "can be read."
        )
    blocked = [seed for seed in best if seed.crawl in _CRAWL_FAILED]
    if blocked:
        advice.append(
            f"The sites of {len(blocked)} of {len(best)} customers could not be read ({_names(blocked)}): add "
            "customers whose sites are open, or tell what these run and who buys there."
        )
    doubtful = [seed for seed in best if seed.match == "review"]
    if doubtful:
        advice.append(
            f"The registry has more than one candidate for {_names(doubtful)}: confirm or pick the right one "
            "(icp matches list)."
        )
    unknown = [seed for seed in best if seed.match == "none"]
    if unknown:
        advice.append(
            f"{len(unknown)} of {len(best)} customers were not found in the registry ({_names(unknown)}): add the "
            "registered name or the registration number."
        )
    if len(best) >= ENOUGH_SEEDS > len(told):
        advice.append(
            f"Only {len(told)} of {len(best)} customers have any evidence; with {ENOUGH_SEEDS} there are "
            f"{WANTED_SEGMENTS} suggestions or more."
        )
    elif len(told) >= ENOUGH_SEEDS and suggestions < WANTED_SEGMENTS:
        advice.append(
            f"The {len(told)} customers with evidence are too alike for more than {suggestions} "
            f"suggestion{'' if suggestions == 1 else 's'}: add customers of another kind, if you have them."
        )
    advice += _about_losses(lost)
    return tuple(advice)


def _about_losses(lost: Sequence[Seed]) -> list[str]:
    if len(lost) < _WANTED_LOST:
        return [f"There {_are(len(lost), 'lost customer')}: two or three with a reason sharpen whom to leave alone."]
    silent = [seed for seed in lost if not (seed.reason or "").strip()]
    if silent:
        return [f"{len(silent)} of {len(lost)} lost customers have no reason ({_names(silent)}): one line is enough."]
    return []


def _are(count: int, what: str) -> str:
    return f"is no {what} yet" if count == 0 else f"is only 1 {what}" if count == 1 else f"are only {count} {what}s"


def _names(seeds: Sequence[Seed]) -> str:
    names = [seed.name for seed in seeds[:_NAMED]]
    return ", ".join(names) + (f" and {len(seeds) - _NAMED} more" if len(seeds) > _NAMED else "")
