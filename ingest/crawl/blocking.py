"""How a site says that it does not want us, in its status or in a page that only looks like an answer."""

from __future__ import annotations

import datetime as dt
import email.utils
import re

BLOCKING = {401: "asks for a login", 403: "forbids the visit", 407: "asks for a login", 429: "limits the visits"}
BLOCKING |= {451: "is withheld for legal reasons", 503: "turns visits away", 999: "turns visits away"}
_CHALLENGE = re.compile(
    r"just a moment\.\.\.|attention required!|cf-chl-|cf_chl_|challenge-platform|px-captcha|perimeterx|_incapsula_|"
    r"incapsula incident|datadome|geo\.captcha-delivery|are you a robot|are you human|"
    r"verify (?:that )?you are (?:a )?human|"
    r"unusual traffic|ddos protection by|request unsuccessful|bot verification|sgcaptcha|checking your browser",
    re.IGNORECASE,
)
# Contact forms hold these too; only where there is nothing else they mean that the site is closed.
_CAPTCHA = re.compile(r"g-recaptcha|h-captcha|hcaptcha\.com|access denied|captcha", re.IGNORECASE)
_GONE = re.compile(
    r"^(?:error )?404\b|\bpage (?:not found|does not exist|cannot be found)|^not found\b|\bnot found$|nicht gefunden|"
    r"page introuvable|página no encontrada",
    re.IGNORECASE,
)
_LONGEST_CHALLENGE = 800
_LONGEST_CAPTCHA = 150


def refusal_of(status: int) -> str | None:
    """What a status says about our visit; None where it is not about that."""
    said = BLOCKING.get(status)
    return f"the site {said} (status {status})" if said else None


def is_challenge(html: str, text: str) -> bool:
    """Whether a page is a question for humans and nothing else: its marks, and next to no text around them."""
    # Page builders load a captcha's script into every page they make; those pages are long.
    if len(text) < _LONGEST_CHALLENGE and len(html) < 60_000 and _CHALLENGE.search(html):
        return True
    return len(text) < _LONGEST_CAPTCHA and len(html) < 15_000 and bool(_CAPTCHA.search(html))


def is_gone(title: str | None, text: str) -> bool:
    """Whether a page that came with status 200 says that there is none."""
    return bool(title and len(text) < 3_000 and _GONE.search(title))


def waiting_time(retry_after: str | None, now: dt.datetime) -> float | None:
    """Seconds that a Retry-After header asks for; None where it cannot be read."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isdigit() and len(text) < 10:
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    return max(0.0, (when - now).total_seconds())
