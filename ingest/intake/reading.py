"""Bytes → a JSON object that Postgres can hold, or one sentence.

Belongs here: size, depth, encoding, duplicate keys, numbers without end. Not here: what the keys mean (payload.py).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any, Final

from ingest.intake.errors import IntakeError

LARGEST: Final = 1_000_000
"""Characters of a payload, bytes of a file. A whole intake with 200 customers has about 40,000."""
DEEPEST: Final = 12


def read_json(content: bytes | str) -> dict[str, Any]:
    """The object in a file or a row of the inbox.

    Raises:
        IntakeError: it is empty, too large, not JSON, not an object, nested too deep, or says a key twice.
    """
    if len(content) > LARGEST:
        raise IntakeError([f"The intake is larger than {LARGEST:,} characters; leave out what is not an answer."])
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        raise IntakeError([f"The intake is not UTF-8 (byte {error.start:,}); save it as UTF-8."]) from error
    if not text.strip():
        raise IntakeError(["The intake is empty; it takes a JSON object with at least a website or a customer."])
    try:
        value = json.loads(text, object_pairs_hook=_no_key_twice, parse_constant=_no_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise IntakeError([f"The intake is not JSON: {error.msg} at line {error.lineno}, {error.colno}."]) from error
    except RecursionError as error:
        raise IntakeError([f"The intake is nested deeper than {DEEPEST} levels."]) from error
    except ValueError as error:  # an integer of thousands of digits
        raise IntakeError([f"The intake holds a number that cannot be one: {error}."]) from error
    return check(value)


def check(value: Any) -> dict[str, Any]:
    """The same for what is parsed already: an object of moderate depth, without characters Postgres cannot hold.

    Raises:
        IntakeError: it is not an object or nested too deep.
    """
    if not isinstance(value, dict):
        raise IntakeError([f'The intake is {_kind(value)}; it takes a JSON object such as {{"website": …}}.'])
    cleaned: dict[str, Any] = _clean(value, DEEPEST)
    return cleaned


def _clean(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict | list | tuple) and levels == 0:
        raise IntakeError([f"The intake is nested deeper than {DEEPEST} levels."])
    if isinstance(value, dict):
        return {clean_text(str(key)): _clean(inner, levels - 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner, levels - 1) for inner in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not abs(value) < 10**18:  # NaN included
            raise IntakeError(["The intake holds a number that is larger than any that can be meant."])
        return value
    raise IntakeError([f"The intake holds {_kind(value)} where JSON has text, numbers, lists and objects."])


def clean_text(text: str) -> str:
    """Text without NULs and halves of pairs, which Postgres cannot hold."""
    return text.replace("\x00", " ").encode("utf-8", "replace").decode()


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise IntakeError([f"The key {shown(twice)} is there twice in one object; keep one of them."])
    return made


def _no_constant(name: str) -> Any:
    raise IntakeError([f"The intake holds {name}, which is not JSON; leave the key out where there is no number."])


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise IntakeError([f"The intake holds the number {text[:40]}, which is larger than any that can be meant."])
    return number


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else f"a {type(value).__name__}")


def shown(value: Any, width: int = 60) -> str:
    """A value as a message quotes it: short and on one line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= width else text[: width - 1] + "…"
