"""robots.txt: what a site lets us read, how slowly, and where its sitemaps are (RFC 9309; the rules are protego's)."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from protego import Protego

from ingest.crawl.fetching import Answer, FetchFailure

#: RFC 9309 asks for at least this much to be read; what comes behind is not.
LONGEST = 500 * 1024
_MARKUP = re.compile(r"^\s*<(!doctype|html|head|body|\?xml|!--)", re.IGNORECASE)
# An address or e-mail within the agent's name is for people: a site's rule for "bot" is not about our contact page.
_CONTACT = re.compile(r"\+?[^\s;()]*(?:://|@)[^\s;()]*")


@dataclass(frozen=True)
class Robots:
    """The rules of one origin.

    Attributes:
        text: as decoded; what the cache keeps.
        refusal: why nothing may be read whatever the rules, in a sentence.
        failure: what kept the file from being read, where that is why.
    """

    agent: str
    text: str = ""
    refusal: str | None = None
    failure: FetchFailure | None = None
    _rules: Protego | None = None

    @classmethod
    def parse(cls, body: bytes | str, agent: str) -> Robots:
        """Read a robots.txt in whatever state it is; a page of HTML in its place has no rules."""
        text = _decode(body) if isinstance(body, bytes) else body
        if not text.strip() or _MARKUP.match(text):
            return cls(agent)
        return cls(agent, text, _rules=Protego.parse(text))

    @classmethod
    def judge(cls, result: Answer | FetchFailure, agent: str) -> Robots:
        """The rules that an answer for /robots.txt stands for: 4xx allows all, 5xx and no answer allow nothing."""
        if isinstance(result, FetchFailure):
            if result.kind in ("content", "bomb", "redirects"):
                return cls(agent)  # there is something, and it is not a robots.txt
            return cls(agent, refusal=f"robots.txt could not be read: {result.reason}", failure=result)
        if result.status == 200:
            return cls.parse(result.body, agent)
        if 400 <= result.status < 500 and result.status != 429:
            return cls(agent)
        return cls(agent, refusal=f"robots.txt answers with status {result.status}, so nothing may be read")

    def refuses(self, url: str) -> str | None:
        """Why this address may not be read, in a sentence; None where it may."""
        if self.refusal is not None:
            return self.refusal
        if self._rules is None or self._rules.can_fetch(url, _name(self.agent)):
            return None
        return "robots.txt does not allow it"

    @property
    def delay(self) -> float | None:
        """Seconds between two requests that the site asks for."""
        if self._rules is None:
            return None
        rate = self._rules.request_rate(_name(self.agent))
        asked = [self._rules.crawl_delay(_name(self.agent))]
        asked += [rate.seconds / rate.requests] if rate is not None and rate.requests else []
        return max((float(seconds) for seconds in asked if seconds is not None), default=None)

    @property
    def sitemaps(self) -> list[str]:
        """Addresses of sitemaps, as they are written."""
        return [] if self._rules is None else list(self._rules.sitemaps)


def _decode(body: bytes) -> str:
    """UTF-8, or UTF-16 by its mark; cut at a line's end; NUL dropped."""
    if len(body) > LONGEST:
        body = body[:LONGEST]
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = body.decode("utf-16", "replace")
    else:
        text = body.decode("utf-8-sig", "replace")
    return text.replace("\x00", "")


def _name(agent: str) -> str:
    return _CONTACT.sub("", agent)
