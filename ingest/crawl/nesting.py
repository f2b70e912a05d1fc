"""Whether a page can be parsed in reasonable time."""

from __future__ import annotations

import re

DEEPEST = 3_000
MOST_TAGS = 100_000
# Elements that close themselves, or one another, do not nest.
_NESTING = re.compile(
    r"</?(?!(?:br|img|input|meta|link|hr|p|li|option|td|th|tr|dt|dd|source|wbr|col|area|embed|param|track"
    r"|base)\b)[a-zA-Z]"
)


def is_nested_too_deep(source: str) -> bool:
    """Whether parsing would take seconds: the time of an HTML5 parser grows with the square of the open elements."""
    if source.count("<") < DEEPEST:
        return False
    depth = deepest = 0
    for match in _NESTING.finditer(source):
        depth = max(0, depth - 1) if match[0][1] == "/" else depth + 1
        deepest = max(deepest, depth)
    return deepest > DEEPEST or source.count("<") > MOST_TAGS
