"""A refused intake says everything that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.errors import IngestError

_SHOWN = 20


class IntakeError(IngestError):
    """An intake that cannot be used; nothing of it was stored.

    Attributes:
        problems: one sentence each, with the path in the payload, what was given and what is taken.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        shown = list(self.problems[:_SHOWN])
        if len(self.problems) > _SHOWN:
            shown.append(f"… and {len(self.problems) - _SHOWN} more.")
        super().__init__(*shown)
