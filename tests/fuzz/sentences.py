"""What an error message is: one bounded sentence that a terminal and a database can take."""

from __future__ import annotations


def assert_sentence(error: Exception, *names: str) -> None:
    """Fails unless the error speaks to a person; ``names``: what it has to name."""
    said = str(error)
    assert said.strip() and "\n" not in said and "\x00" not in said, said
    assert len(said) <= 1_500, f"{len(said)} characters: {said[:200]}"
    assert "Traceback" not in said and all(name in said for name in names), said
    said.encode()
