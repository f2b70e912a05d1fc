"""What long work says while it goes on; an application shows it in its chat, the command line above its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Note:
    """One message.

    Attributes:
        event: what happened, for programs: enrich:start, enrich:company_tick, enrich:cap or enrich:summary.
        message: the same for people. Never anything about a person.
        context: counts, company ids and names of companies.
    """

    event: str
    message: str
    context: dict[str, Any] = field(default_factory=dict)


Progress = Callable[[Note], None]
