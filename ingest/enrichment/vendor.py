"""One call of a vendor: the cap before it, one retry, a time and a size limit, and a typed failure after it.

No exception of the network leaves this module. What the answers mean is the business of the vendor's own module.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from ingest.crawl.bodies import Inflater
from ingest.enrichment.budget import Budget
from ingest.enrichment.settings import Vendor, VendorSettings

FailureKind = Literal[
    "no_key",  # not set up
    "cap",  # our own daily cap
    "limited",  # the vendor's limit (429 and its like)
    "timeout",  # no whole answer in time
    "unavailable",  # 5xx, or no connection
    "refused",  # another status: the request, the key or the account
    "not_found",  # what was asked for is not there
    "blocked",  # the target does not let the vendor in
    "empty",  # an answer without content
    "truncated",  # an answer that breaks off
    "too_large",
    "wrong_schema",  # an answer of another shape than documented
]
Pause = Callable[[float], Awaitable[None]]

_RETRY_PAUSE = 0.2  # seconds before the one retry where the vendor names no time itself
_SECRETS = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.]+|\+?\d[\d ()-]{7,}\d|\b(?:Bearer|token|key)\b\S*\s*\S{8,}", re.IGNORECASE
)


@dataclass(frozen=True)
class VendorFailure:
    """Why a vendor gave nothing.

    Attributes:
        reason: a sentence without names, addresses or keys; fit for a degraded reason and a log.
        status: the HTTP status that the vendor answered (for pages: the target's where the vendor tells it).
    """

    vendor: Vendor
    kind: FailureKind
    reason: str
    status: int | None = None

    @property
    def is_lasting(self) -> bool:
        """Whether asking the same vendor again in this run is useless."""
        return self.kind in ("no_key", "cap", "limited")


@dataclass(frozen=True)
class VendorAnswer:
    """What a vendor answered, read whole: a status that counts as success, lower-case header names, the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8; what is not is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON; raises ValueError where it is none, a RecursionError included."""
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


@dataclass(frozen=True)
class Manners:
    """How patient we are with a vendor.

    Attributes:
        seconds: for one attempt, from connecting to the last byte.
        most_bytes: of a decompressed answer.
        retried: statuses after which the one retry is made. Time-outs and broken connections are retried where
            408 is among them.
        success: statuses that count as an answer.
        limits: statuses that mean a limit of the vendor.
    """

    seconds: float
    most_bytes: int
    retried: frozenset[int] = frozenset({408, 429, 500, 502, 503, 504})
    success: frozenset[int] = frozenset({200})
    limits: frozenset[int] = frozenset({429})


class VendorClient:
    """What the clients of all vendors share. One per vendor, tenant and event loop."""

    vendor: Vendor

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        settings: VendorSettings,
        budget: Budget,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._http = http
        self._settings = settings
        self._access = settings.access(self.vendor)
        self._budget = budget
        self._pause = pause

    def _failure(self, kind: FailureKind, why: str, status: int | None = None) -> VendorFailure:
        if self._access.key:
            why = why.replace(self._access.key, "…")
        return VendorFailure(self.vendor, kind, f"{self.vendor}: {_SECRETS.sub('…', why)[:300]}", status)

    def unusable(self) -> VendorFailure | None:
        """The failure that any call would end in for want of a key; None where there is one."""
        if self._access.key is None:
            return self._failure("no_key", f"not used, {self._access.key_variable} is not set")
        return None

    async def _call(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        manners: Manners,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        units: float = 1.0,
    ) -> VendorAnswer | VendorFailure:
        """Ask once, and once more where that may help. Every attempt counts against the caps, with its ``units``."""
        missing = self.unusable()
        if missing is not None:
            return missing
        result: VendorAnswer | VendorFailure | None = None
        for attempt in (1, 2):
            refusal = self._budget.reserve(self.vendor, units)
            if refusal is not None:
                # A cap that bites between the attempts must not hide why the first one failed.
                return result or VendorFailure(self.vendor, "cap", refusal)
            result, wait = await self._attempt(method, path, manners, headers or {}, body)
            if isinstance(result, VendorAnswer):
                return result
            self._budget.failed(self.vendor)
            if attempt == 2 or wait is None or wait > self._settings.longest_wait:
                return result
            await self._pause(wait)
        raise AssertionError("two attempts, each of which returns")

    async def _attempt(
        self, method: str, path: str, manners: Manners, headers: Mapping[str, str], body: Any
    ) -> tuple[VendorAnswer | VendorFailure, float | None]:
        """One attempt; with a failure, how long to wait before another (None: another is useless)."""
        again = _RETRY_PAUSE if 408 in manners.retried else None
        try:
            async with asyncio.timeout(manners.seconds):
                status, answered, content = await self._exchange(method, path, manners, headers, body)
        except (TimeoutError, httpx.TimeoutException):
            return self._failure("timeout", f"no whole answer within {manners.seconds:g} s"), again
        except httpx.RemoteProtocolError:
            return self._failure("truncated", "the answer broke off"), again
        except httpx.DecodingError:
            return self._failure("truncated", "the answer cannot be decompressed"), again
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            return self._failure("refused", "the address to ask for is not valid"), None
        except httpx.HTTPError as error:
            return self._failure("unavailable", f"no connection ({type(error).__name__})"), again
        if content is None:
            return self._failure("too_large", f"more than {manners.most_bytes:,} bytes"), None
        if status in manners.success:
            return VendorAnswer(status, answered, content), None
        failure = self._refusal(status, manners, content)
        return failure, _wait(answered) if status in manners.retried else None

    async def _exchange(
        self, method: str, path: str, manners: Manners, headers: Mapping[str, str], body: Any
    ) -> tuple[int, dict[str, str], bytes | None]:
        """Status, headers and body; None for a body over the limit."""
        timeout = httpx.Timeout(manners.seconds, connect=min(manners.seconds, 5.0))
        request = self._http.build_request(
            method,
            f"{self._access.base_url}{path}",
            headers={**headers, "Authorization": f"Bearer {self._access.key}", "Accept-Encoding": "gzip"},
            json=body,
            timeout=timeout,
        )
        # A redirect is never followed: the key goes to the configured host alone.
        response = await self._http.send(request, stream=True, follow_redirects=False)
        try:
            encoding = response.headers.get("content-encoding", "").strip().lower()
            if not Inflater.knows(encoding):
                raise httpx.DecodingError("an encoding that was not asked for")
            inflater = Inflater(encoding, manners.most_bytes)
            async for part in response.aiter_raw():
                inflater.feed(part)
                if inflater.full:
                    return response.status_code, dict(response.headers), None
                if inflater.broken:
                    raise httpx.DecodingError("not what its header says")
        finally:
            await response.aclose()
        return response.status_code, dict(response.headers), inflater.body()

    def _refusal(self, status: int, manners: Manners, content: bytes) -> VendorFailure:
        said = _said(content)
        if status in manners.limits:
            return self._failure("limited", f"its limit is reached (status {status}){said}", status)
        if status == 408:
            return self._failure("timeout", f"it gave up waiting itself (status 408){said}", status)
        if status >= 500:
            return self._failure("unavailable", f"status {status}{said}", status)
        return self._failure("refused", f"status {status}{said}", status)


def _said(content: bytes) -> str:
    """The error message in a body, in the shapes the vendors document."""
    try:
        body = json.loads(content[:20_000])
    except (ValueError, RecursionError):
        return ""
    found: Any = body
    for name in ("error", "detail", "message", "readableMessage"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    if isinstance(found, dict):
        found = found.get("message") or found.get("type") or found.get("error")
    return f": {' '.join(found.split())[:160]}" if isinstance(found, str) and found.strip() else ""


def _wait(headers: Mapping[str, str]) -> float:
    """Seconds before another attempt: what Retry-After says (seconds or a date), else a little."""
    named = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,6}", named):
        return float(named)
    if named:
        try:
            until = email.utils.parsedate_to_datetime(named)
        except (ValueError, OverflowError):
            return _RETRY_PAUSE
        until = until if until.tzinfo else until.replace(tzinfo=dt.UTC)
        return max(0.0, (until - dt.datetime.now(dt.UTC)).total_seconds())
    return _RETRY_PAUSE
