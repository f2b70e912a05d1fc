"""Jina Reader: a public page as text, without a browser and without a visit of ours."""

from __future__ import annotations

import json
import re
import urllib.parse
from dataclasses import dataclass
from typing import Any

from ingest.enrichment.vendor import FailureKind, Manners, VendorClient, VendorFailure

LONGEST_TEXT = 200_000  # characters of one page that are kept
_MOST_BYTES = 5_000_000
_TARGET_STATUS = re.compile(r"target url returned error (\d{3})", re.IGNORECASE)
_BLOCKED = re.compile(r"captcha|access denied|forbidden|blocked|verify you are human", re.IGNORECASE)
_HEAD = re.compile(r"^(Title|URL Source|Published Time|Warning|Markdown Content):[ \t]*(.*)$")


@dataclass(frozen=True)
class ReadPage:
    """A page as a reader service gives it.

    Attributes:
        url: where it really was, after redirects.
        text: Markdown.
        warning: what the reader was not sure of; an error of the target is a failure, never a warning.
        tokens: what the reader charges for.
    """

    url: str
    title: str | None
    text: str
    warning: str | None = None
    tokens: int | None = None


class JinaClient(VendorClient):
    """``GET {base}/{target url}``."""

    vendor = "jina"

    async def read(self, url: str) -> ReadPage | VendorFailure:
        """One page. A target that answers 404 is ``not_found``, although the reader itself answers 200."""
        manners = Manners(seconds=self._settings.reader_seconds, most_bytes=_MOST_BYTES)
        # The target is a path of the reader: its own '#', '?' and spaces must not become the reader's.
        target = urllib.parse.quote(url, safe=":/?&=%+,;@~!$'()*-._[]")
        answer = await self._call("GET", f"/{target}", manners=manners, headers={"Accept": "application/json"})
        if isinstance(answer, VendorFailure):
            if answer.status == 422:
                return self._failure("empty", "the page has no content that it can read", 422)
            return answer
        page = self._parse(url, answer.body, answer.text)
        return page if isinstance(page, VendorFailure) else self._judged(page)

    def _parse(self, url: str, body: bytes, text: str) -> ReadPage | VendorFailure:
        if not body.strip():
            return self._failure("empty", "an empty answer")
        if body.lstrip()[:1] in (b"{", b"["):
            return self._from_json(url, body)
        return self._from_text(url, text)

    def _from_json(self, url: str, body: bytes) -> ReadPage | VendorFailure:
        try:
            answer: Any = json.loads(body)
        except (ValueError, RecursionError):
            return self._failure("truncated", "the answer is JSON that breaks off")
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict) or not isinstance(data.get("content", ""), str):
            return self._failure("wrong_schema", "the answer has no data.content")
        code = answer.get("code", 200)
        if isinstance(code, int) and code >= 400:
            return self._failure("refused", f"code {code}", code)
        usage = data.get("usage")
        tokens = usage.get("tokens") if isinstance(usage, dict) else None
        return ReadPage(
            url=_text(data.get("url")) or url,
            title=_text(data.get("title")),
            text=data.get("content", "")[:LONGEST_TEXT],
            warning=_text(data.get("warning")),
            tokens=tokens if isinstance(tokens, int) else None,
        )

    def _from_text(self, url: str, text: str) -> ReadPage | VendorFailure:
        """``Title: …``, ``URL Source: …``, perhaps ``Warning: …``, then ``Markdown Content:`` and the rest."""
        head: dict[str, str] = {}
        lines = text.split("\n")
        for number, line in enumerate(lines):
            found = _HEAD.match(line.strip("\r"))
            if found is not None:
                head.setdefault(found[1], found[2].strip())
                if found[1] == "Markdown Content":
                    content = "\n".join([found[2], *lines[number + 1 :]]).strip()
                    return ReadPage(
                        url=head.get("URL Source") or url,
                        title=head.get("Title") or None,
                        text=content[:LONGEST_TEXT],
                        warning=head.get("Warning") or None,
                    )
            elif line.strip() and not head:
                break
        return self._failure("wrong_schema", "the answer has no line 'Markdown Content:'")

    def _judged(self, page: ReadPage) -> ReadPage | VendorFailure:
        """The reader answers 200 for pages that are not there, and says so in ``warning`` alone."""
        status = _TARGET_STATUS.search(page.warning or "")
        if status is not None:
            code = int(status[1])
            if code in (404, 410):
                return self._failure("not_found", f"the page answers {code}", code)
            kind: FailureKind = "blocked" if code in (401, 403, 429, 451, 503) else "unavailable"
            return self._failure(kind, f"the page answers {code}", code)
        if page.warning and _BLOCKED.search(page.warning) and len(page.text) < 1_000:
            return self._failure("blocked", "the page does not let it in")
        if not page.text.strip():
            return self._failure("empty", "the page has no text")
        return page


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
