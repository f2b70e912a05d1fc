"""Why a tenant's weights went live or did not, in one sentence a RevOps person understands.

Belongs here: the sentences; each states the number that decided and the one that was needed. Not here: the arithmetic
(gate.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

from models_py.thresholds import (
    BETTER,
    BETTER_LOST,
    MINIMUM_BOOKED,
    MINIMUM_FAILED,
    MINIMUM_LEADS,
    SIGNAL_P,
    SIGNAL_P_LOST,
)

Action = Literal["publish", "propose", "keep", "withdraw"]
Source = Literal["learned", "pooled", "default"]

_THEIR: Final[dict[Source, str]] = {
    "default": "the default weights",
    "pooled": "the pooled weights",
    "learned": "the live learned weights",
}


@dataclass(frozen=True)
class Evidence:
    """The numbers a sentence may state; None where nothing was fitted or compared."""

    leads: int
    booked: int
    measured: bool
    fitted: bool
    signal_p: float | None
    probability_better: float | None


def sentence(action: Action, evidence: Evidence, *, was: Source, becomes: Source, against: Source) -> str:
    """One sentence.

    was, becomes: whose weights are live before and after; against: whose the evidence compares with.
    """
    if action == "publish" and becomes == "learned":
        step = ", half a step on from the live ones" if against == "learned" else ""
        return (
            f"Published{step}: {_counts(evidence)} show that the components tell bookers from others (signal test p "
            f"{_p(evidence)}, below {SIGNAL_P:.2f} is needed), and these weights rank leads better than "
            f"{_THEIR[against]} with probability {_chance(evidence)} ({BETTER:.2f} is needed)."
        )
    if action == "withdraw" and was == "learned":
        return f"Withdrawn, {_THEIR[becomes]} are live again: {_loss(evidence, becomes)}."
    shortfall = _shortfall(evidence, against)
    if action == "propose":
        return f"Proposed only, {_THEIR[was]} stay: {shortfall}."
    if action == "keep":
        return f"Kept {_THEIR[was]}: {shortfall}."
    if action == "withdraw":
        return f"Back to {_THEIR[becomes]}, as there are no pooled ones for this tenant now: {shortfall}."
    return f"Published {_THEIR[becomes]}, which tenants share: {shortfall}."


def _shortfall(evidence: Evidence, against: Source) -> str:
    """Why the tenant's own weights do not go live."""
    if not evidence.fitted:
        return _missing_data(evidence)
    if evidence.probability_better is None:
        return f"{_counts(evidence)} lead to these weights too"
    if evidence.signal_p is None or evidence.signal_p >= SIGNAL_P:
        return (
            f"{_counts(evidence)} do not show yet that the components tell bookers from others (signal test p "
            f"{_p(evidence)}, below {SIGNAL_P:.2f} is needed)"
        )
    return (
        f"on {_counts(evidence)} the tenant's own weights rank leads better than {_THEIR[against]} with probability "
        f"{_chance(evidence)} only ({BETTER:.2f} is needed)"
    )


def _missing_data(evidence: Evidence) -> str:
    needed = f"{MINIMUM_LEADS} leads and {MINIMUM_BOOKED} bookings are needed"
    if evidence.leads == 0:
        return f"no matured leads yet; {needed}"
    if not evidence.measured:
        return f"none of {_counts(evidence)} has score components from its first outreach, so there is nothing to weigh"
    if evidence.leads < MINIMUM_LEADS or evidence.booked < MINIMUM_BOOKED:
        return f"{_counts(evidence)} so far; {needed}"
    return f"all of {_counts(evidence)} booked; at least {MINIMUM_FAILED} that did not is needed to compare with"


def _loss(evidence: Evidence, fallback: Source) -> str:
    """Why published weights no longer hold."""
    if not evidence.fitted:
        return _missing_data(evidence)
    if evidence.signal_p is not None and evidence.signal_p > SIGNAL_P_LOST:
        return (
            f"{_counts(evidence)} no longer show that the components tell bookers from others (signal test p "
            f"{_p(evidence)}, above {SIGNAL_P_LOST:.2f})"
        )
    return (
        f"on {_counts(evidence)} they rank leads better than {_THEIR[fallback]} with probability "
        f"{_chance(evidence)} only (below {BETTER_LOST:.2f})"
    )


def _counts(evidence: Evidence) -> str:
    leads = "1 lead" if evidence.leads == 1 else f"{evidence.leads:,} leads"
    bookings = "1 booking" if evidence.booked == 1 else f"{evidence.booked:,} bookings"
    return f"{leads} with {bookings}"


def _p(evidence: Evidence) -> str:
    if evidence.signal_p is None:
        return "unknown"
    return "< 0.001" if evidence.signal_p < 0.001 else f"= {evidence.signal_p:.3f}"


def _chance(evidence: Evidence) -> str:
    if evidence.probability_better is None:
        return "unknown"
    # Rounding must not turn a near miss into a hit, nor a high probability into certainty.
    hundredths = math.floor(evidence.probability_better * 100)
    return "above 0.99" if hundredths >= 99 else f"{hundredths / 100:.2f}"
