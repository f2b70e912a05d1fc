"""What became of a code: from one version of a classification to another, by code and title.

A code that stays is no proof (in 2025 SSIC 18122 is colour separation, which in 2015 was typesetting), so titles come
first: the same code and title; the same title elsewhere; a similar title, by character 3- and 4-grams weighted by how
rare they are; and the same code only where nothing else of the old version has a claim on it. Pure: no database.

The thresholds are from SSIC 2015 to 2025, read by one person: of the 131 codes of 2015 that 2025 no longer has and
whose title went with them, the most similar title is what became of it for 38 of 40 at or above .7 within the division,
for 10 of 15 between .6 and .7, and for none of 7 outside the division (all of those below .85).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIMILAR_WITHIN = 0.7
SIMILAR_ACROSS = 0.85
SAME_CODE_WEIGHT = 0.5  # nothing but the number speaks for it
_SPELLINGS = (("&", " and "), ("n.e.c.", " nec "), ("n.e.c", " nec "), ("not elsewhere classified", " nec "))


@dataclass(frozen=True)
class CodeLink:
    """A code of the old version and one of the new that it became; ``weight`` in (0, 1]."""

    from_code: str
    to_code: str
    basis: str
    weight: float


def correspond(old: Mapping[str, str], new: Mapping[str, str]) -> list[CodeLink]:
    """Links from every code of ``old`` that can be found again in ``new``; the weights of one code sum to at most 1.

    Args:
        old, new: code → title; codes are compared with codes of the same length.
    """
    links = []
    for length in sorted({len(code) for code in old}):
        then = {code: normal_title(title) for code, title in sorted(old.items()) if len(code) == length}
        now = {code: normal_title(title) for code, title in sorted(new.items()) if len(code) == length}
        if now:
            links += _level(then, now)
    return links


def normal_title(title: str) -> str:
    """A title as it is compared: lower case, words only, one spelling of "and" and "n.e.c."."""
    text = title.lower()
    for spelling, common in _SPELLINGS:
        text = text.replace(spelling, common)
    return " ".join(re.findall(r"\w+", text))


def _level(old: Mapping[str, str], new: Mapping[str, str]) -> list[CodeLink]:
    """Links among the codes of one length."""
    by_title: dict[str, list[str]] = defaultdict(list)
    for code, title in new.items():
        by_title[title].append(code)
    links, rest = [], []
    for code, title in old.items():
        same = by_title.get(title, [])
        if new.get(code) == title:
            links.append(CodeLink(code, code, "same code and title", 1.0))
        elif same:
            links += [CodeLink(code, other, "same title", 1 / len(same)) for other in same]
        else:
            rest.append(code)
    similar = _similar(old, new, rest)
    links += similar
    claimed = {link.to_code for link in links}
    found = {link.from_code for link in similar}
    links += [
        CodeLink(code, code, "same code", SAME_CODE_WEIGHT)
        for code in rest
        if code not in found and code in new and code not in claimed
    ]
    return sorted(links, key=lambda link: (link.from_code, link.to_code))


def _similar(old: Mapping[str, str], new: Mapping[str, str], codes: list[str]) -> list[CodeLink]:
    """The most similar title of each code, where it is similar enough; the same code first among equals."""
    if not codes:
        return []
    targets = list(new)
    similarity = _similarities([old[code] for code in codes], list(new.values()), [*old.values(), *new.values()])
    same_code = np.array([[code == target for target in targets] for code in codes])
    within = np.array([[code[:2] == target[:2] for target in targets] for code in codes])
    enough = similarity >= np.where(within, SIMILAR_WITHIN, SIMILAR_ACROSS)
    rank = np.where(enough, similarity + 1e-6 * same_code, -1.0)
    best = rank.argmax(axis=1)
    return [
        CodeLink(code, targets[at], "similar title", float(min(1.0, similarity[row, at])))
        for row, (code, at) in enumerate(zip(codes, best, strict=True))
        if rank[row, at] > 0
    ]


def _similarities(titles: list[str], others: list[str], corpus: list[str]) -> NDArray[np.float64]:
    """Cosines, (titles, others)."""
    # Takes a second to import, and only loading a code list needs it.
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not any(corpus):
        return np.zeros((len(titles), len(others)))
    grams = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True).fit(corpus)
    product = grams.transform(titles) @ grams.transform(others).T
    return np.asarray(product.toarray(), dtype=np.float64)
