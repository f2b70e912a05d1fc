"""The exception family of this room."""

from __future__ import annotations

_HEAD, _TAIL = 1_000, 300  # characters that are shown of a sentence that quotes something endless


class IngestError(Exception):
    """A mapping or a file that cannot be used. One sentence for the person who brought it; nothing was loaded.

    Args:
        sentences: as they are shown, each on a line of its own. What they quote of the input may be anything:
            characters that no terminal and no database should get are escaped, and what is endless is cut.
    """

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(map(_shown, sentences)))


def _shown(sentence: str) -> str:
    text = "".join(
        character
        if character.isprintable()
        else " "
        if character.isspace()
        else character.encode("unicode_escape").decode()
        for character in sentence
    )
    return text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]} … {text[-_TAIL:]}"
