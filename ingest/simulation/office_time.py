"""Local times as seconds since 1970, and the hours at which people work and answer.

Belongs here: arithmetic on simulated local times. Nights are avoided also because clocks change then: a local
time that does not exist would be refused on loading.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

DAY: Final = 86_400
HOUR: Final = 3_600
#: Hours in which touches go out.
OFFICE_HOURS: Final = np.arange(8, 19)
_SHARES: Final = np.array([4, 10, 14, 12, 7, 7, 11, 13, 11, 7, 4]) / 100
_WAKING_HOUR: Final = 7


def midnight(day: date) -> int:
    """Start of a day."""
    return int(np.datetime64(day, "D").astype(np.int64)) * DAY


def to_office_hours(times: IntArray, random: np.random.Generator) -> IntArray:
    """A random office hour on the same day, or on the Monday after a weekend."""
    days = times // DAY
    weekday = (days + 3) % 7
    days = days + np.maximum(0, 7 - weekday) * (weekday >= 5)
    hours = OFFICE_HOURS[np.searchsorted(np.cumsum(_SHARES)[:-1], random.random(len(times)), side="right")]
    return np.asarray(days * DAY + hours * HOUR + random.integers(0, HOUR, len(times)), dtype=np.int64)


def to_waking_hours(times: IntArray, *, back: bool = False) -> IntArray:
    """Times before seven in the morning move seven hours on, or ``back`` to the evening before."""
    asleep = times % DAY < _WAKING_HOUR * HOUR
    return np.asarray(times + (-1 if back else 1) * asleep * _WAKING_HOUR * HOUR, dtype=np.int64)
