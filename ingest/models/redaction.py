"""Addresses, numbers and keys out of text: what a log or a snippet may never hold."""

from __future__ import annotations

import re

# Bounded and anchored at the start of a word: linear on any text. The bounds are wider than an address may be: what a
# damaged page has of one is somebody's too.
EMAIL = re.compile(
    r"(?<![\w.+%'-])[\w.+%'-]{1,250}(?:@|\s?[\[({]\s?(?:at|AT|@)\s?[\])}]\s?)"
    r"[\w-]{1,250}(?:(?:\.|\s?[\[({]\s?(?:dot|DOT|\.)\s?[\])}]\s?)[\w-]{1,250}){1,5}"
)
PHONE = re.compile(r"(?<![\w$€£.,#])(?:\+|\(\+?)?\d(?:[\s().\u2010-\u2013/-]{0,3}\d){6,14}(?!\w)")
_KEY = re.compile(r"\b(?:sk|pk|rk|lsv2|ls|key|xoxb|ghp|apify_api|tvly|jina)[-_][\w-]{8,}|\b[Bb]earer\s+[\w.~+/=-]{8,}")
_AT = re.compile(r"@|[\[({]\s?(?:at|AT)\s?[\])}]")
EMAIL_GONE, PHONE_GONE, KEY_GONE = "[e-mail]", "[phone]", "[key]"


def without_addresses(text: str) -> str:
    """The text without e-mail addresses (``jane at acme`` in brackets too) and phone numbers."""
    if _AT.search(text):
        text = EMAIL.sub(EMAIL_GONE, text)
    return PHONE.sub(PHONE_GONE, text)


def redacted(text: str, limit: int = 500) -> str:
    """What may be logged of a text: no addresses, no numbers to call, no keys; cut to ``limit`` characters."""
    return _KEY.sub(KEY_GONE, without_addresses(text[: 4 * limit])).replace("\x00", " ")[:limit]
