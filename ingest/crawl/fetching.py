"""One request, whatever the other side does: checked addresses, bounded time, bytes and redirects, and an answer or a
failure with its reason. No exception of the network leaves this module.

Does not belong here: robots.txt and pacing (the caller's ``permit`` is asked before each hop), what the page says.
"""

from __future__ import annotations

import asyncio
import math
import os
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
import certifi
import yarl

from ingest.crawl.addresses import CheckedResolver, ForbiddenAddress, Lookup, NoAddress, guarded_socket, system_lookup
from ingest.crawl.bodies import Inflater
from ingest.crawl.settings import CrawlSettings
from ingest.crawl.urls import normalise

FailureKind = Literal[
    "url",  # not an address we fetch
    "address",  # leads to a machine that is not public
    "dns",
    "connect",
    "tls",
    "timeout",
    "broken",  # the connection or the answer broke off or is no HTTP
    "redirects",
    "refused",  # the caller's permit said no
    "content",  # not of a type that was asked for
    "bomb",
]
#: Asked before every request, redirects too: None to go on, else why not.
Permit = Callable[[str], Awaitable[str | None]]
_REDIRECTS = {301, 302, 303, 307, 308}
_BOMB_RATIO = 100


@dataclass(frozen=True)
class Limits:
    """What one answer may cost: seconds until connected, seconds from there to the end of the body, bytes of the body
    after decompression (and at most as many before it), and seconds in all where that is less than the sum."""

    connect_seconds: float
    read_seconds: float
    max_bytes: int
    total_seconds: float = math.inf


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        url: where the last redirect led.
        location: of a redirect; answers handed out have none.
        body: decompressed; empty unless the status is 200 and the type was wanted.
        wire_bytes: transferred as bodies, redirects included.
        is_cut: the body was longer than the limit; this is its beginning.
    """

    url: str
    status: int
    content_type: str | None
    body: bytes
    etag: str | None = None
    last_modified: str | None = None
    retry_after: str | None = None
    location: str | None = None
    wire_bytes: int = 0
    is_cut: bool = False


@dataclass(frozen=True)
class FetchFailure:
    """Why nothing came back, in a sentence."""

    url: str
    kind: FailureKind
    reason: str
    wire_bytes: int = 0


class Fetcher:
    """Keeps the connections of one crawl. An async context manager; one event loop."""

    def __init__(self, settings: CrawlSettings, *, lookup: Lookup = system_lookup) -> None:
        self.settings = settings
        self._lookup = lookup
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(self.settings, self._lookup),
            socket_factory=guarded_socket(self.settings),
            ssl=_tls(),
            limit=0,  # sites and requests per site are limited above
            ttl_dns_cache=60,
            keepalive_timeout=15,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,  # ours is bounded
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            read_bufsize=32_768,  # what may arrive beyond a cap
            max_line_size=16_384,
            max_field_size=32_768,  # real content security policies are that long
            max_headers=200,
            headers={
                "User-Agent": self.settings.agent,
                "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.1",
                "Accept-Language": "en;q=0.9,*;q=0.5",
                "Accept-Encoding": "gzip, deflate",
            },
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()
        self._session = None

    async def get(
        self,
        url: str,
        *,
        limits: Limits,
        permit: Permit | None = None,
        wanted: Callable[[str | None], bool] | None = None,
        validators: Callable[[str], tuple[str | None, str | None]] | None = None,
    ) -> Answer | FetchFailure:
        """Fetch one address, following redirects.

        Args:
            wanted: is given the content type; False leaves the body unread and gives a ``content`` failure.
            validators: ETag and Last-Modified of the copy at hand of an address, redirects' targets too.
        """
        spent = 0
        seen: set[str] = set()
        for _ in range(self.settings.max_redirects + 1):
            if url in seen:
                return FetchFailure(url, "redirects", "the site redirects in a circle", spent)
            seen.add(url)
            problem = self._unfit(url)
            if problem is not None:
                return FetchFailure(url, problem[0], problem[1], spent)
            refusal = await permit(url) if permit is not None else None
            if refusal is not None:
                return FetchFailure(url, "refused", refusal, spent)
            headers = _conditions(*validators(url)) if validators is not None else {}
            result = await self._once(url, limits, wanted, headers, spent)
            spent = result.wire_bytes
            if isinstance(result, FetchFailure) or result.status not in _REDIRECTS:
                return result
            target = _join(url, result.location or "")
            if target is None:
                return FetchFailure(url, "redirects", "the site redirects to nowhere", spent)
            url = target
        return FetchFailure(url, "redirects", f"more than {self.settings.max_redirects} redirects", spent)

    async def addresses(self, url: str) -> tuple[str, ...]:
        """The checked addresses of an address's host; none where it has none or may not be connected to."""
        try:
            found = await CheckedResolver(self.settings, self._lookup).resolve(urlsplit(url).hostname or "")
        except (OSError, ValueError):
            return ()
        return tuple(entry["host"] for entry in found)

    def _unfit(self, url: str) -> tuple[FailureKind, str] | None:
        """Why an address is not fetched at all: scheme, port, credentials, or a machine's own address."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            return "url", "the address cannot be read"
        if parts.scheme not in ("http", "https") or not host or parts.username is not None:
            return "url", "only http and https addresses of hosts are fetched"
        target = self.settings.target(host)
        if port not in (None, 80, 443) and (target is None or port != target.port):
            return "url", f"port {port} is not fetched"
        return None

    async def _once(
        self,
        url: str,
        limits: Limits,
        wanted: Callable[[str | None], bool] | None,
        headers: dict[str, str],
        spent: int,
    ) -> Answer | FetchFailure:
        """One request and its answer; redirects are not followed."""
        meter = _Meter(spent)
        started = time.monotonic()
        try:
            async with asyncio.timeout(min(limits.total_seconds, limits.connect_seconds + limits.read_seconds)):
                return await self._request(url, limits, wanted, headers, meter)
        except (TimeoutError, aiohttp.ServerTimeoutError):
            seconds = time.monotonic() - started
            what = "the answer did not end" if meter.bytes > spent or meter.has_headers else "no answer"
            return FetchFailure(url, "timeout", f"{what} within {seconds:.1f} s", meter.bytes)
        except aiohttp.ClientConnectorDNSError as error:
            return _dns_failure(url, error.os_error, meter.bytes)
        except (aiohttp.ClientConnectorSSLError, aiohttp.ClientConnectorCertificateError, ssl.SSLError) as error:
            return FetchFailure(url, "tls", f"no secure connection ({_short(error)})", meter.bytes)
        except aiohttp.ClientConnectorError as error:
            return _dns_failure(url, error.os_error, meter.bytes, kind="connect")
        except aiohttp.InvalidURL:
            return FetchFailure(url, "url", "the address cannot be read", meter.bytes)
        except (aiohttp.ClientError, OSError, ValueError, AssertionError, UnicodeError) as error:
            return FetchFailure(url, "broken", f"the answer broke off ({_short(error)})", meter.bytes)

    async def _request(
        self,
        url: str,
        limits: Limits,
        wanted: Callable[[str | None], bool] | None,
        headers: dict[str, str],
        meter: _Meter,
    ) -> Answer | FetchFailure:
        assert self._session is not None, "the fetcher is used outside its context"
        timeout = aiohttp.ClientTimeout(total=None, connect=limits.connect_seconds, sock_read=limits.read_seconds)
        target = yarl.URL(self._local(url), encoded=True)
        response = await self._session.get(target, headers=headers, allow_redirects=False, timeout=timeout)
        keep = False
        try:
            meter.has_headers = True
            kind = response.headers.get("Content-Type")
            answer = Answer(
                url,
                response.status,
                kind,
                b"",
                etag=_bounded(response.headers.get("ETag")),
                last_modified=_bounded(response.headers.get("Last-Modified")),
                retry_after=_bounded(response.headers.get("Retry-After")),
                location=response.headers.get("Location"),
                wire_bytes=meter.bytes,
            )
            if response.status in _REDIRECTS or response.status == 304:
                keep = response.status == 304
                return answer
            if response.status == 200 and wanted is not None and not wanted(kind):
                return FetchFailure(url, "content", f"is {_named(kind)}, not a page", meter.bytes)
            encoding = response.headers.get("Content-Encoding", "").strip().lower()
            if not Inflater.knows(encoding):
                return FetchFailure(
                    url, "content", f"is encoded as {encoding[:40]!r}, which was not asked for", meter.bytes
                )
            # The page of an error is read too, briefly: it may say that a captcha stands before the site.
            most = limits.max_bytes if response.status == 200 else min(limits.max_bytes, 100_000)
            inflater = Inflater(encoding, most)
            keep = await _read(response, inflater, meter, meter.bytes + most)
            body = inflater.body()
            if inflater.full and len(body) > _BOMB_RATIO * inflater.consumed:
                reason = f"a small body that decompresses to more than {most:,} bytes"
                return FetchFailure(url, "bomb", reason, meter.bytes)
            if inflater.broken and not body:
                return FetchFailure(url, "broken", "the body cannot be decompressed", meter.bytes)
            return replace(answer, body=body, location=None, wire_bytes=meter.bytes, is_cut=not keep)
        finally:
            # What was not read to its end must not be: closing drops the connection instead.
            response.release() if keep else response.close()

    def _local(self, url: str) -> str:
        """Hosts that the connect-to setting sends to a local server are asked by plain http."""
        parts = urlsplit(url)
        if self.settings.target(parts.hostname or "") is None:
            return url
        return parts._replace(scheme="http", netloc=parts.hostname or "").geturl()


@dataclass
class _Meter:
    bytes: int
    has_headers: bool = False


async def _read(response: aiohttp.ClientResponse, inflater: Inflater, meter: _Meter, most: int) -> bool:
    """Read the body into the inflater; whether it was read to its end."""
    async for chunk in response.content.iter_any():
        meter.bytes += len(chunk)
        inflater.feed(chunk)
        if inflater.full or inflater.broken or meter.bytes > most:
            return False
    return True


def _join(base: str, location: str) -> str | None:
    location = location.strip()
    if not location or len(location) > 4_000:
        return None
    try:
        return normalise(urljoin(base, location), keep_query=True)
    except ValueError:
        return None


def _dns_failure(url: str, error: OSError, wire_bytes: int, kind: FailureKind = "dns") -> FetchFailure:
    if isinstance(error, ForbiddenAddress):
        return FetchFailure(url, "address", str(error), wire_bytes)
    if isinstance(error, NoAddress):
        return FetchFailure(url, "dns", str(error), wire_bytes)
    if "not a public address" in str(error):  # gathered from several addresses
        return FetchFailure(url, "address", _short(error), wire_bytes)
    return FetchFailure(url, kind, f"no connection ({_short(error)})", wire_bytes)


def _tls() -> ssl.SSLContext:
    """Certificates are always verified: with the system's variables where they are set, else the list of certifi."""
    defaults = ssl.get_default_verify_paths()
    if os.environ.get(defaults.openssl_cafile_env) or os.environ.get(defaults.openssl_capath_env):
        return ssl.create_default_context()
    return ssl.create_default_context(cafile=certifi.where())


def _conditions(etag: str | None, last_modified: str | None) -> dict[str, str]:
    named = {"If-None-Match": etag, "If-Modified-Since": last_modified}
    return {name: value for name, value in named.items() if value and _is_header(value)}


def _is_header(value: str) -> bool:
    return value.isascii() and value.isprintable() and len(value) <= 1_000


def _bounded(value: str | None) -> str | None:
    return value if value is not None and _is_header(value) else None


def _named(content_type: str | None) -> str:
    return (content_type or "of no type").split(";")[0].strip()[:60]


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (text or type(error).__name__)[:160]
