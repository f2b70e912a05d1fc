"""The exception family of this room."""


class IngestError(Exception):
    """A mapping or a file that cannot be used. One sentence for the person who brought it; nothing was loaded."""
