"""The negative ICP: themes in why customers were lost, what the tenant excludes, and what only lost customers share.

Belongs here: grouping of wordings and the themes. Not here: that a segment's customers resemble lost ones
(``segments`` and ``cards`` use it as a penalty and a flag).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from rapidfuzz import fuzz
from rapidfuzz.distance import Prefix

from models_py.suggestions.contracts import NegativeIcp, NegativeTheme
from models_py.suggestions.estimates import SSIC_SIGNALS, SignalEstimate
from models_py.suggestions.facts import Answers, Fact, Industry, TenantEvidence

WANTED_THEMES: Final = 3
MOST_TRAITS: Final = 3
#: Two words are one from this similarity on, or with this many letters of a stem.
_SAME_WORD: Final = 85
_STEM: Final = 4
_SAME_WORDING: Final = 0.5
# Words that say how, not what: "budget too low", "no budget" and "small budget" are about the budget.
_FILLERS_TEXT: Final = """
a an the too very not no non only just of for to in on at with and or their they we our us it its was were is are
had has have did didn don t s want wanted need needed needs require required lack lacked lacking missing without
low high small big large limited tight enough insufficient less more than below under over above
company companies customer customers business client clients
"""
_FILLERS: Final = frozenset(_FILLERS_TEXT.split())
_SHARED_SIGNALS: Final = {
    "integration": "runs {}",
    "headcount": "{} people",
    "buyer_title": "buyer is {}",
    "location": "based in {}",
    "hiring": "hiring {}",
    "pricing": "pricing: {}",
}


def negative_icp(evidence: TenantEvidence, estimates: Sequence[SignalEstimate]) -> NegativeIcp:
    """Themes by how much stands behind them: losses, then exclusions and price floor, then shared traits."""
    themes = _losses(evidence)
    for theme in _answered(evidence.answers, evidence.themes):
        at = next((at for at, known in enumerate(themes) if same_theme(known.theme, theme.theme)), None)
        # A price floor says a number that no story says: it stands beside a loss over the budget.
        if at is None or theme.kind == "price_floor":
            themes.append(theme)
        else:
            themes[at] = _with_wording(themes[at], theme)
    themes += _shared_traits(estimates, evidence.industries)
    missing = WANTED_THEMES - len(themes)
    note = None
    if missing > 0:
        have = "no theme" if not themes else f"{len(themes)} theme{'s' if len(themes) > 1 else ''}"
        note = (
            f"There is {have} in what was answered; add lost customers with the reason, a price floor, or "
            f"what you exclude, for {missing} more."
        )
    return NegativeIcp(themes=themes, note=note)


def same_theme(one: str, other: str) -> bool:
    """Whether two reasons are about the same: they share half of the words of the shorter one that say what."""
    mine, theirs = _words(one), _words(other)
    if not mine or not theirs:
        return " ".join(one.lower().split()) == " ".join(other.lower().split())
    shorter, longer = sorted((mine, theirs), key=len)
    shared = sum(any(_same_word(word, candidate) for candidate in longer) for word in shorter)
    return shared / len(shorter) > _SAME_WORDING or (shared == 1 and len(shorter) == 1)


def budget_theme(price_floor: str) -> str:
    """A price floor as a red flag."""
    return f"budget < {price_floor}"


def _words(text: str) -> list[str]:
    words = re.findall(r"[^\W\d_]+", text.lower())
    return list(dict.fromkeys(word for word in words if word not in _FILLERS and len(word) > 1))


def _same_word(one: str, other: str) -> bool:
    """The same stem (price, pricing), or a slip of the hand."""
    stem = Prefix.similarity(one, other)
    return stem >= max(_STEM, 0.8 * min(len(one), len(other))) or fuzz.ratio(one, other) >= _SAME_WORD


def _losses(evidence: TenantEvidence) -> list[NegativeTheme]:
    """Reasons of lost customers, similar ones as one; the most frequent first."""
    groups: list[list[tuple[str, str]]] = []  # (reason, customer)
    for seed in sorted(evidence.lost, key=lambda seed: (seed.name, seed.seed_id)):
        reason = " ".join((seed.reason or "").split()).rstrip(".")
        if not reason:
            continue
        group = next((group for group in groups if same_theme(group[0][0], reason)), None)
        if group is None:
            groups.append([(reason, seed.name)])
        else:
            group.append((reason, seed.name))
    themes = []
    for group in groups:
        wordings = list(dict.fromkeys(reason for reason, _ in group))
        wording = min(wordings, key=lambda text: (-sum(text == reason for reason, _ in group), len(text), text))
        themes.append(
            NegativeTheme(
                theme=wording,
                kind="loss_reason",
                count=len({name for _, name in group}),
                companies=list(dict.fromkeys(name for _, name in group)),
                wordings=wordings if len(wordings) > 1 else [],
                evidence_ids=_citing(wordings, evidence.themes),
            )
        )
    return sorted(themes, key=lambda theme: (-theme.count, theme.theme))


def _answered(answers: Answers, facts: Sequence[Fact]) -> list[NegativeTheme]:
    """What the tenant excludes, and its price floor."""
    themes: list[NegativeTheme] = []
    for exclusion in dict.fromkeys(" ".join(text.split()) for text in answers.exclusions):
        if exclusion and not any(known.theme.casefold() == exclusion.casefold() for known in themes):
            ids = _citing([exclusion], facts)
            themes.append(NegativeTheme(theme=exclusion, kind="exclusion", count=1, evidence_ids=ids))
    if answers.price_floor:
        floor = budget_theme(answers.price_floor)
        themes.append(NegativeTheme(theme=floor, kind="price_floor", count=1, evidence_ids=_citing([floor], facts)))
    return themes


def _with_wording(known: NegativeTheme, other: NegativeTheme) -> NegativeTheme:
    """One theme for a loss and for an exclusion that says the same."""
    wordings = dict.fromkeys([*(known.wordings or [known.theme]), other.theme])
    ids = sorted({*known.evidence_ids, *other.evidence_ids})
    return known.model_copy(update={"wordings": list(wordings) if len(wordings) > 1 else [], "evidence_ids": ids})


def _citing(wordings: Sequence[str], facts: Sequence[Fact]) -> list[int]:
    said = {" ".join(text.lower().split()) for text in wordings}
    return sorted(fact.evidence_id for fact in facts if " ".join(fact.text.lower().split()).rstrip(".") in said)


def _shared_traits(estimates: Sequence[SignalEstimate], industries: Mapping[str, Industry]) -> list[NegativeTheme]:
    """What two or more lost customers share and no best customer has; of nested codes the finest."""
    only_lost = [e for e in estimates if e.lost_companies >= 2 and e.companies == 0]
    codes = [e for e in only_lost if e.signal_key in SSIC_SIGNALS]
    finest = [
        e
        for e in codes
        if not any(
            o.value_key != e.value_key and o.value_key.startswith(e.value_key) and o.lost_companies == e.lost_companies
            for o in codes
        )
    ]
    ranked = sorted(
        finest + [e for e in only_lost if e.signal_key in _SHARED_SIGNALS],
        key=lambda e: (-e.lost_companies / e.lost_n, -e.lost_companies, e.base_rate or 0.0, e.signal_key, e.value_key),
    )
    return [
        NegativeTheme(theme=_trait_text(e, industries), kind="shared_trait", count=e.lost_companies)
        for e in ranked[:MOST_TRAITS]
    ]


def _trait_text(estimate: SignalEstimate, industries: Mapping[str, Industry]) -> str:
    if estimate.signal_key in SSIC_SIGNALS:
        known = industries.get(estimate.value_key)
        title = known.title if known else estimate.label_text
        name = title if title and title != estimate.value_key else ""
        return f"industry {estimate.value_key} {name}".strip()
    return _SHARED_SIGNALS[estimate.signal_key].format(estimate.label_text)
