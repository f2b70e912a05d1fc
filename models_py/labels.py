"""Which findings may be called better, strong or worse.

Belongs here: the labels, and the rule by which they are given. Not here: the probabilities (rates.py,
timing.py).
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from models_py.components import BoolArray, FloatArray, IntArray

Label = Literal["better", "strong", "worse", "no_evidence"]
LABELS: Final[tuple[Label, ...]] = get_args(Label)

#: A tenant with fewer bookings in the window gets no labels.
LABELLED_BOOKED: Final = 50
#: Share of a tenant's labels of one kind that may be expected to be false.
FALSE_DISCOVERY_RATE: Final = 0.10
#: And no single label on less than four to one, however sure the tenant's other ones are: among many near-certain
#: findings the rate alone would label values at 0.7. It costs an eighth to a fifth of the labels.
LEAST_PROBABILITY: Final = 0.80


def assign_labels(
    tenant: IntArray,
    *,
    better: FloatArray,
    strong: FloatArray,
    eligible: BoolArray,
    false_discovery_rate: float = FALSE_DISCOVERY_RATE,
) -> NDArray[np.str_]:
    """(m,) labels from the probabilities (m,) of being better, and of being better by half.

    Findings are labelled in order of probability for as long as the expected share of false ones among a tenant's
    labels stays within the rate, and each of them has a probability of at least 0.8.
    """
    labels = np.full(len(tenant), "no_evidence", dtype="<U11")
    labels[_discoveries(tenant, better, eligible, false_discovery_rate)] = "better"
    labels[_discoveries(tenant, 1.0 - better, eligible, false_discovery_rate)] = "worse"
    labels[_discoveries(tenant, strong, eligible, false_discovery_rate)] = "strong"
    return labels


def _discoveries(tenant: IntArray, probability: FloatArray, eligible: BoolArray, rate: float) -> BoolArray:
    """Per tenant, the largest top set of eligible rows whose mean probability of being false is within ``rate``."""
    rows = np.flatnonzero(eligible & (probability >= LEAST_PROBABILITY))
    order = rows[np.lexsort((-probability[rows], tenant[rows]))]
    found = np.zeros(len(tenant), dtype=np.bool_)
    if not len(order):
        return found
    starts = np.flatnonzero(np.concatenate(([True], tenant[order][1:] != tenant[order][:-1])))
    lengths = np.diff(np.append(starts, len(order)))
    false = np.cumsum(1.0 - probability[order])
    before = np.repeat(np.concatenate(([0.0], false))[starts], lengths)
    rank = np.arange(1, len(order) + 1) - np.repeat(starts, lengths)
    # The running mean rises along the order, so the set is a prefix.
    found[order] = (false - before) <= rate * rank
    return found
