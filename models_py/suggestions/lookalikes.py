"""Companies like the customers of a segment: which of many candidates come first, and why.

Belongs here: the score, on arrays of candidates, and its reasons. Not here: which candidates there are (SQL, in
``dagster_defs``).

The score is a sum of log likelihood ratios: how much more often a fact is seen at the segment's customers than at
companies at large, fact by fact, as if facts were independent. What is unknown of a candidate adds nothing. It is
shown between 0 and 1, and it orders; it is no probability of buying.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models_py.components import BoolArray, FloatArray, IntArray
from models_py.errors import ShapeError
from models_py.suggestions.estimates import SignalEstimate
from models_py.suggestions.facts import HEADCOUNT_BANDS
from models_py.suggestions.segments import BaseRates, Trait

MOST_LOOKALIKES: Final = 50
#: One fact alone says this much at most, for or against.
_MOST: Final = 2.0
_AGAINST: Final = -1.0
#: Worth of an industry code by the characters it shares with the nearest code of the segment (0 … 5).
_CODE_WORTH: Final = np.array([-1.0, -1.0, 0.3, 0.8, 1.4, 2.0])
_BAND_WORTH: Final = np.array([0.8, 0.0, -0.8])
_AGE_WORTH: Final = 0.6
_AGE_SPREAD: Final = 0.7  # of the logarithm of the years
_NAME_WORTH: Final = 0.5
_SCALE: Final = 3.0
_DULL_WORDS_TEXT: Final = """
with other activities services service company companies private limited holdings group international global asia
singapore general products except including based
"""
_DULL_WORDS: Final = frozenset(_DULL_WORDS_TEXT.split())

BANDS: Final = tuple(HEADCOUNT_BANDS)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Companies to choose from; arrays of one length m.

    code        industry code, '' where unknown
    band        position in ``BANDS``, -1 where unknown
    age         years since incorporation, NaN where unknown
    name        for words that customers' names share
    traits      (m, t) whether the company shows ``Target.traits``; read is whether its site was read at all
    key         ties are broken by it
    """

    code: NDArray[np.str_]
    band: IntArray
    age: FloatArray
    name: Sequence[str]
    traits: BoolArray
    read: BoolArray
    key: IntArray

    def __post_init__(self) -> None:
        m = len(self.key)
        parts = (self.code, self.band, self.age, self.name, self.traits, self.read)
        if any(len(part) != m for part in parts):
            raise ShapeError(f"candidates need arrays of one length ({m})")

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True)
class Target:
    """What a segment's customers look like.

    Attributes:
        bands: neighbouring size bands; band_members: members whose size they hold.
        ages: years since incorporation of members, where known.
        traits: integrations and titles of the card, with texts, and with the shares of members and of companies at
            large that show each.
        words: words that tell of the industry, lower case.
    """

    codes: tuple[str, ...]
    titles: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    band_members: int = 0
    ages: tuple[float, ...] = ()
    words: frozenset[str] = frozenset()
    traits: tuple[Trait, ...] = ()
    trait_texts: tuple[str, ...] = ()
    trait_shares: tuple[float, ...] = ()
    trait_rates: tuple[float, ...] = ()


@dataclass(frozen=True)
class Lookalike:
    """A candidate's row in :class:`Candidates`, its score and why."""

    row: int
    score: float
    why: str


@dataclass(frozen=True, eq=False)
class _Scored:
    total: FloatArray
    shared: IntArray
    band_worth: FloatArray
    age_worth: FloatArray
    named: list[str] = field(default_factory=list)


def telling_words(names: Sequence[str], titles: Sequence[str]) -> frozenset[str]:
    """Words of the industry's titles, and those that two members' names share."""
    counts = Counter(word for name in names for word in set(_words(name)))
    shared = {word for word, count in counts.items() if count >= 2}
    return frozenset(shared | {word for title in titles for word in _words(title)})


def target_rates(
    traits: Sequence[Trait], members: Sequence[frozenset[Trait]], estimates: Sequence[SignalEstimate]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(shares, rates) of traits: among the members, shrunk, and among companies at large (0.5 where unknown)."""
    base = BaseRates(estimates)
    n = len(members)
    shares = tuple((sum(trait in member for member in members) + 0.5) / (n + 1.0) for trait in traits)
    rates = tuple(known if (known := base.of(trait)) is not None else 0.5 for trait in traits)
    return shares, rates


def find_lookalikes(candidates: Candidates, target: Target, most: int = MOST_LOOKALIKES) -> list[Lookalike]:
    """Up to ``most`` candidates, best first; only those for which more speaks than against."""
    if not len(candidates):
        return []
    scored = _score(candidates, target)
    order = np.lexsort((candidates.key, -scored.total))[:most]
    return [
        Lookalike(
            row=int(row),
            score=round(float(1.0 - np.exp(-scored.total[row] / _SCALE)), 4),
            why=_why(candidates, target, scored, int(row)),
        )
        for row in order
        if scored.total[row] > 0
    ]


def _score(candidates: Candidates, target: Target) -> _Scored:
    shared = _shared_characters(candidates.code, target.codes)
    code_worth = np.where(candidates.code == "", 0.0, _CODE_WORTH[shared]) if target.codes else np.zeros(len(shared))
    band_worth = _bands(candidates.band, target)
    age_worth = _ages(candidates.age, target)
    named = [next((word for word in _words(name) if word in target.words), "") for name in candidates.name]
    name_worth = np.where(np.array(named, dtype=np.str_) != "", _NAME_WORTH, 0.0)
    total = code_worth + band_worth + age_worth + name_worth + _traits(candidates, target)
    return _Scored(total, shared, band_worth, age_worth, named)


def _shared_characters(codes: NDArray[np.str_], wanted: Sequence[str]) -> IntArray:
    """(m,) characters that each code has in common with the nearest of the wanted ones, from the left."""
    distinct, at = np.unique(codes, return_inverse=True)
    common = [max((_common(code, other) for other in wanted), default=0) for code in (str(code) for code in distinct)]
    found: IntArray = np.array(common, dtype=np.int64)[at]
    return found


def _common(one: str, other: str) -> int:
    length = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        length += 1
    return min(length, len(_CODE_WORTH) - 1)


def _bands(band: IntArray, target: Target) -> FloatArray:
    if not target.bands or not target.band_members:
        return np.zeros(len(band))
    low, high = BANDS.index(target.bands[0]), BANDS.index(target.bands[-1])
    off = np.maximum(np.maximum(low - band, band - high), 0)
    distance = np.minimum(off, len(_BAND_WORTH) - 1)
    # One member with a known size says less than five.
    weight = target.band_members / (target.band_members + 1.0)
    worth: FloatArray = np.where(band >= 0, weight * _BAND_WORTH[distance], 0.0)
    return worth


def _ages(age: FloatArray, target: Target) -> FloatArray:
    if not target.ages:
        return np.zeros(len(age))
    centre = float(np.mean(np.log1p(np.array(target.ages))))
    known = ~np.isnan(age)
    off = (np.log1p(np.where(known, age, 0.0)) - centre) / _AGE_SPREAD
    weight = len(target.ages) / (len(target.ages) + 1.0)
    worth: FloatArray = np.where(known, weight * _AGE_WORTH * np.maximum(1.0 - off**2 / 2.0, -1.0), 0.0)
    return worth


def _traits(candidates: Candidates, target: Target) -> FloatArray:
    if not target.traits:
        return np.zeros(len(candidates))
    share, rate = np.array(target.trait_shares), np.array(target.trait_rates)
    present = np.clip(np.log(share / rate), _AGAINST, _MOST)
    absent = np.clip(np.log((1.0 - share) / (1.0 - rate)), _AGAINST, _MOST)
    worth = np.where(candidates.traits, present, absent).sum(axis=1)
    read: FloatArray = np.where(candidates.read, worth, 0.0)
    return read


def _why(candidates: Candidates, target: Target, scored: _Scored, row: int) -> str:
    parts = []
    code, shared = str(candidates.code[row]), int(scored.shared[row])
    if code and target.codes and shared >= 2:
        at = max(range(len(target.codes)), key=lambda position: _common(code, target.codes[position]))
        title = f" ({target.titles[at]})" if at < len(target.titles) and target.titles[at] else ""
        level = {5: "the same industry", 4: "the same class of industry", 3: "the same group", 2: "the same division"}
        parts.append(f"{level[shared]} as your customers: {code}{title if shared == 5 else ''}")
    shows = [text for text, has in zip(target.trait_texts, candidates.traits[row], strict=True) if has]
    if shows:
        parts.append(f"its site shows {', '.join(shows)}")
    if scored.band_worth[row] > 0:
        parts.append(f"{BANDS[candidates.band[row]]} people, as your customers have")
    if scored.age_worth[row] > 0:
        parts.append(f"about as old as your customers ({candidates.age[row]:.0f} years)")
    if scored.named[row]:
        parts.append(f"its name says {scored.named[row]!r}")
    sentence = "; ".join(parts) or "resembles your customers"
    return f"{sentence[0].upper()}{sentence[1:]}."


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W\d_]{4,}", text.lower()) if word not in _DULL_WORDS]
