"""JSON-LD as sites really write it: lists, ``@graph``, trailing commas, comments, line breaks in strings.

What cannot be read is left out: structured data is a bonus, never a requirement.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

LONGEST = 200_000
_MOST_OBJECTS = 500
_DEEPEST = 12
_COMMENTED = re.compile(r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[)|(?:-->|//\s*\]\]>|\]\]>)\s*$")
_LINE_COMMENT = re.compile(r"(?m)(^|[\s,{}\[\]])//[^\n\"]*$")
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_MISSING_COMMA = re.compile(r'(")(\s*\n\s*")')

ORGANISATIONS_WORDS = """
organization organisation corporation localbusiness professionalservice ngo store restaurant foodestablishment cafe
medicalbusiness dentist financialservice accountingservice insuranceagency legalservice attorney employmentagency
homeandconstructionbusiness generalcontractor electrician plumber hotel lodgingbusiness travelagency
automotivebusiness educationalorganization school onlinebusiness onlinestore realestateagent hospital
medicalorganization newsmediaorganization bakery barorpub fastfoodrestaurant healthandbeautybusiness movingcompany
"""
ORGANISATIONS = frozenset(ORGANISATIONS_WORDS.split())


def objects(text: str) -> list[dict[str, Any]]:
    """All objects of one JSON-LD block, the nested ones too; empty where it cannot be read."""
    value = _parse(text[:LONGEST])
    return [] if value is None else list(_walk(value, 0))[:_MOST_OBJECTS]


def types(node: dict[str, Any]) -> set[str]:
    """The types of an object in lower case, without their vocabulary."""
    declared = node.get("@type")
    found = declared if isinstance(declared, list) else [declared]
    return {kind.rsplit("/", 1)[-1].rsplit(":", 1)[-1].lower() for kind in found if isinstance(kind, str)}


def is_organisation(node: dict[str, Any]) -> bool:
    """Whether an object describes a company or a business."""
    return not types(node).isdisjoint(ORGANISATIONS)


def inner(node: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects that a property holds, be it one or a list."""
    value = node.get(name)
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def string(value: Any) -> str | None:
    """The text of a value that may be wrapped in a list or an object; None where there is none."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("name") or value.get("@value")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = " ".join(html.unescape(str(value)).split())
    return text[:1_000] or None


def _parse(text: str) -> Any:
    for candidate in _mended(text):
        try:
            return json.loads(candidate.strip(), strict=False)
        except (ValueError, RecursionError):
            continue
    return None


def _mended(text: str) -> Iterator[str]:
    """The block as it is, then with one kind of mistake after another taken out."""
    yield text
    bare = _COMMENTED.sub("", text)
    yield bare
    yield _TRAILING_COMMA.sub(r"\1", _LINE_COMMENT.sub(r"\1", bare)).rstrip("; \n\t")
    yield _MISSING_COMMA.sub(r"\1,\2", _TRAILING_COMMA.sub(r"\1", _COMMENTED.sub("", html.unescape(text))))


def _walk(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for inner in value:
            yield from _walk(inner, depth + 1)
    elif isinstance(value, dict):
        if "@type" in value:
            yield value
        for inner in value.values():
            if isinstance(inner, dict | list):
                yield from _walk(inner, depth + 1)
