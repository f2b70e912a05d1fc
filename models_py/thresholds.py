"""What a tenant needs for weights of its own, and what weights need to go live.

Belongs here: the numbers, each with its reason. Not here: the arithmetic that applies them (fitting.py, gate.py).
"""

from __future__ import annotations

from typing import Final

#: A tenant's own fit needs this many matured leads, bookings among them, and leads that did not book.
MINIMUM_LEADS: Final = 30
MINIMUM_BOOKED: Final = 10
MINIMUM_FAILED: Final = 1

#: The signal test must be below this for weights to be published, ...
SIGNAL_P: Final = 0.05
#: ... and above this for published ones to be withdrawn; between the two nothing changes hands.
SIGNAL_P_LOST: Final = 0.20
#: New weights must rank better than what they replace with this probability. 0.65, not 0.60: in benchmarks/weights.py
#: nearly the same mean gain (4.7 thousandths of AUC) with fewer tenants worse off (3.3 instead of 3.6 %) and fewer
#: publications on shuffled outcomes (1.9 instead of 2.6 %). From 0.70 on the gain falls.
BETTER: Final = 0.65
#: Published ones are withdrawn when they no longer rank better than the fallback with this probability.
BETTER_LOST: Final = 0.50

#: With fewer tenants in the pool, one could dominate it, and be read from it.
MINIMUM_TENANTS: Final = 5
#: Pooled weights move a little with every run; a move below this is not worth a version.
POOLED_MOVE: Final = 0.01
