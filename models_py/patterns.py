"""The WHO pattern: what is written to ``learned.conversion_patterns`` for people and programs to read.

Belongs here: the pydantic models, whose JSON Schema is the published contract, and the builder from
estimates. Not here: the estimates themselves; a clock (``computed_at`` is passed in).

The contract is the conversion intelligence specification's, field for field and with its meaning:
``conversion_rate`` is the raw rate in the window, ``sample`` the leads, ``lift`` the raw rate over that of
all leads, ``confidence`` the specification's sigmoid of the sample size. Beside every rate stands how sure it
is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from models_py.company_size import SIZE_BANDS, size_sweet_spot
from models_py.components import COMPONENTS
from models_py.errors import RangeError, ShapeError
from models_py.labels import Label
from models_py.rates import RateEstimates
from models_py.thresholds import MINIMUM_BOOKED, MINIMUM_LEADS
from models_py.timing import SIGNALS, TimingSignals

#: Attribute whose values are the names of SIZE_BANDS.
SIZE_ATTRIBUTE: Final = "size_band"
#: Values listed per attribute; labelled ones are listed beyond it.
LISTED_VALUES: Final = 50


class _Contract(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Contract):
    """Central 90 % posterior interval."""

    low: float = Field(ge=0.0)
    high: float = Field(ge=0.0)


class Rate(_Contract):
    """A booking rate and how sure it is."""

    conversion_rate: float = Field(ge=0.0, le=1.0, description="Booked / leads in the window, as counted.")
    sample: int = Field(ge=0, description="Leads; the same as n.")
    lift: float = Field(ge=0.0, description="conversion_rate over that of all leads.")
    shrunk_rate: float = Field(ge=0.0, le=1.0, description="Posterior mean; rank by this.")
    interval: Interval
    n: int = Field(ge=0, description="Leads.")
    probability_better: float = Field(
        ge=0.0, le=1.0, description="That the rate beats that of all leads; 0.5: unknown."
    )
    label: Label


class TitleRate(Rate):
    """A job title's rate."""

    title: str


class IndustryRate(Rate):
    """An industry's rate."""

    industry: str


class ValueRate(Rate):
    """The rate of a value of any other attribute."""

    value: str


class SizeRate(Rate):
    """A company size band's rate."""

    range: str


class SweetSpot(Rate):
    """The size band that stands out; max is null for the open band."""

    min: int
    max: int | None


class SizePattern(_Contract):
    """Company sizes. Empty ({}) where data are insufficient."""

    sweet_spot: SweetSpot | None = None
    distribution: list[SizeRate] = []

    @model_serializer(mode="wrap")
    def _empty_when_unknown(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return dict(serialise(self)) if self.distribution else {}


class SignalLift(_Contract):
    """A timing signal's relative risk, adjusted for the other signals, and how sure it is."""

    lift: float = Field(ge=0.0)
    interval: Interval
    n: int = Field(ge=0, description="Leads with the signal.")
    booked: int = Field(ge=0)
    probability_better: float = Field(ge=0.0, le=1.0)
    label: Label


class TimingPattern(_Contract):
    """Lifts of timing signals; 1.0 with fewer than five leads with or without the signal."""

    new_role_lift: float = Field(default=1.0, ge=0.0)
    hiring_lift: float = Field(default=1.0, ge=0.0)
    funded_lift: float = Field(default=1.0, ge=0.0)
    evidence: dict[str, SignalLift] = Field(default={}, description="By signal: new_role, hiring, funded.")


class ComponentWeights(_Contract):
    """Four weights that sum to 0.85."""

    data_quality: float = Field(ge=0.05, le=0.50)
    authority: float = Field(ge=0.05, le=0.50)
    company_fit: float = Field(ge=0.05, le=0.50)
    timing: float = Field(ge=0.05, le=0.50)


class WhoPattern(_Contract):
    """Which leads book meetings, for one tenant."""

    type: Literal["who"] = "who"
    version: Literal["1.0"] = "1.0"
    computed_at: AwareDatetime
    sample_size: int = Field(ge=0, description="Matured leads; 0 where data are insufficient.")
    confidence: float = Field(ge=0.0, le=1.0, description="Sample adequacy only; see the probabilities for the rest.")
    title_rankings: list[TitleRate] = []
    industry_rankings: list[IndustryRate] = []
    other_rankings: dict[str, list[ValueRate]] = {}
    size_analysis: SizePattern = SizePattern()
    timing_signals: TimingPattern = TimingPattern()
    recommended_weights: ComponentWeights = Field(description="The weights that are live.")
    proposed_weights: ComponentWeights | None = Field(default=None, description="Learned, but not (yet) live.")
    reason: str | None = Field(default=None, description="Why the pattern is empty, if it is.")


@dataclass(frozen=True, eq=False)
class Ranking:
    """One tenant's values of one attribute: names, their estimates and labels, all of one length."""

    values: Sequence[str]
    estimates: RateEstimates
    labels: Sequence[str]

    def __post_init__(self) -> None:
        if not len(self.values) == len(self.estimates) == len(self.labels):
            raise ShapeError(
                f"a ranking needs as many values as estimates and labels; got {len(self.values)}, "
                f"{len(self.estimates)} and {len(self.labels)}"
            )


def build_who(
    *,
    computed_at: datetime,
    leads: int,
    booked: int,
    rankings: Mapping[str, Ranking],
    timing: TimingSignals | None,
    tenant: int,
    live_weights: Sequence[float],
    proposed_weights: Sequence[float] | None = None,
    limit: int = LISTED_VALUES,
) -> WhoPattern:
    """One tenant's WHO pattern.

    computed_at     with a time zone
    leads, booked   matured leads of the tenant and those that booked within the window
    rankings        by attribute; 'title', 'industry', 'size_band' have their own fields, others go to other_rankings
    timing          signals of any tenants; the row of ``tenant`` is used, if there is one
    Fewer than 30 leads or 10 bookings give the specification's empty pattern, with the reason.
    """
    proposal = None if proposed_weights is None else _weights(proposed_weights)
    if leads < MINIMUM_LEADS or booked < MINIMUM_BOOKED:
        return WhoPattern(
            computed_at=computed_at,
            sample_size=0,
            confidence=0.0,
            recommended_weights=_weights(live_weights),
            proposed_weights=proposal,
            reason=f"{leads:,} leads with {booked:,} bookings so far; {MINIMUM_LEADS} and {MINIMUM_BOOKED} are needed.",
        )
    own = {"title", "industry", SIZE_ATTRIBUTE}
    return WhoPattern(
        computed_at=computed_at,
        sample_size=leads,
        confidence=sample_confidence(leads),
        title_rankings=[TitleRate(title=value, **rate) for value, rate in _ranked(rankings.get("title"), limit)],
        industry_rankings=[
            IndustryRate(industry=value, **rate) for value, rate in _ranked(rankings.get("industry"), limit)
        ],
        other_rankings={
            attribute: [ValueRate(value=value, **rate) for value, rate in _ranked(ranking, limit)]
            for attribute, ranking in sorted(rankings.items())
            if attribute not in own
        },
        size_analysis=_sizes(rankings.get(SIZE_ATTRIBUTE)),
        timing_signals=_signals(timing, tenant),
        recommended_weights=_weights(live_weights),
        proposed_weights=proposal,
    )


def sample_confidence(leads: int) -> float:
    """The specification's sigmoid of the sample size, centred at 100 leads, two decimals."""
    return round(1.0 / (1.0 + math.exp(-(leads - 100) / 30)), 2)


def json_schema(pattern: type[BaseModel] = WhoPattern) -> dict[str, Any]:
    """JSON Schema of a pattern as it is written (not as it is read: fields with a default are always present)."""
    return pattern.model_json_schema(mode="serialization")


def export_json_schema(path: Path, pattern: type[BaseModel] = WhoPattern) -> None:
    """Write the JSON Schema of a pattern to a file. The only place in this room that touches files."""
    path.write_text(json.dumps(json_schema(pattern), indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _weights(weights: Sequence[float]) -> ComponentWeights:
    return ComponentWeights(**{name: float(weight) for name, weight in zip(COMPONENTS, weights, strict=True)})


def _rate(estimates: RateEstimates, row: int, label: str) -> dict[str, Any]:
    leads = int(estimates.leads[row])
    return {
        "conversion_rate": round(float(estimates.raw_rate[row]), 4),
        "sample": leads,
        "lift": round(float(estimates.lift[row]), 2),
        "shrunk_rate": round(float(estimates.shrunk_rate[row]), 4),
        "interval": Interval(
            low=round(float(estimates.interval_low[row]), 4),
            high=round(float(estimates.interval_high[row]), 4),
        ),
        "n": leads,
        "probability_better": round(float(estimates.probability_better[row]), 3),
        "label": label,
    }


def _ranked(ranking: Ranking | None, limit: int) -> list[tuple[str, dict[str, Any]]]:
    """Listed values by falling shrunk rate; the first ``limit``, and every labelled one."""
    if ranking is None:
        return []
    estimates = ranking.estimates
    rows = [int(row) for row in np.flatnonzero(estimates.listed)]
    rows.sort(key=lambda row: (-estimates.shrunk_rate[row], -estimates.leads[row], ranking.values[row]))
    kept = [row for rank, row in enumerate(rows) if rank < limit or ranking.labels[row] != "no_evidence"]
    return [(ranking.values[row], _rate(estimates, row, str(ranking.labels[row]))) for row in kept]


def _sizes(ranking: Ranking | None) -> SizePattern:
    if ranking is None:
        return SizePattern()
    bands = {band.name: band for band in SIZE_BANDS}
    unknown = sorted(set(ranking.values) - set(bands))
    if unknown:
        raise RangeError(f"{SIZE_ATTRIBUTE} must hold {', '.join(bands)}; got {', '.join(unknown)}")
    rates = {
        value: _rate(ranking.estimates, row, str(ranking.labels[row]))
        for row, value in enumerate(ranking.values)
        if ranking.estimates.listed[row]
    }
    best = size_sweet_spot(ranking.estimates)
    spot = None
    if best is not None:
        band = bands[ranking.values[best]]
        spot = SweetSpot(min=band.minimum, max=band.maximum, **rates[band.name])
    return SizePattern(
        sweet_spot=spot, distribution=[SizeRate(range=name, **rates[name]) for name in bands if name in rates]
    )


def _signals(timing: TimingSignals | None, tenant: int) -> TimingPattern:
    if timing is None or tenant not in timing.tenant:
        return TimingPattern()
    row = int(np.flatnonzero(timing.tenant == tenant)[0])
    evidence = {
        signal: SignalLift(
            lift=round(float(timing.relative_risk[row, column]), 2),
            interval=Interval(
                low=round(float(timing.interval_low[row, column]), 2),
                high=round(float(timing.interval_high[row, column]), 2),
            ),
            n=int(timing.leads[row, column]),
            booked=int(timing.booked[row, column]),
            probability_better=round(float(timing.probability_better[row, column]), 3),
            label=str(timing.label[row, column]),  # type: ignore[arg-type]
        )
        for column, signal in enumerate(SIGNALS)
        if timing.listed[row, column]
    }
    lifts = {f"{signal}_lift": lift.lift for signal, lift in evidence.items()}
    return TimingPattern(**lifts, evidence=evidence)
