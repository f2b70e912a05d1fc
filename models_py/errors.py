"""The one exception family of models_py.

Belongs here: the exceptions this room raises on bad input. Not here: anything a caller raises about its own
sources.
"""


class InputError(ValueError):
    """Input this room cannot compute with; the message names the argument, what was wrong and what to do."""


class ShapeError(InputError):
    """An array has the wrong number of dimensions, rows or columns."""


class RangeError(InputError):
    """A value lies outside what it can be: negative or infinite points, more booked than leads, and the like."""
