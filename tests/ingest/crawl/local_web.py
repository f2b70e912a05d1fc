"""A web of one process: any host name, answered on 127.0.0.1 by the ``Host`` header, with faults no framework would
let one send."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    host: str
    path: str
    headers: Mapping[str, str]


Handler = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class LocalWeb:
    """``pages``: (host, path) → what is sent; a path ``*`` answers all others of its host, else 404."""

    port: int = 0
    pages: dict[tuple[str, str], Handler] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)

    def add(self, host: str, pages: Mapping[str, Handler | str | bytes]) -> None:
        for path, content in pages.items():
            self.pages[host, path] = content if callable(content) else page(content)

    def paths(self, host: str) -> list[str]:
        """What was asked of a host, robots.txt left out."""
        return [each.path for each in self.requests if each.host == host and each.path != "/robots.txt"]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = {}
                for line in head[1:]:
                    name, _, value = line.partition(":")
                    headers[name.strip().lower()] = value.strip()
                request = Request(headers.get("host", ""), head[0].split(" ")[1], headers)
                self.requests.append(request)
                handler = self.pages.get((request.host, request.path)) or self.pages.get((request.host, "*"))
                await (handler or status(404))(request, _Counting(writer, self, request.host))
        writer.close()

    @contextlib.contextmanager
    def running(self) -> Iterator[LocalWeb]:
        loop = asyncio.new_event_loop()

        async def start() -> asyncio.Server:
            return await asyncio.start_server(self.answer, "127.0.0.1", 0, limit=1_000_000)

        server = loop.run_until_complete(start())
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(_stop(server), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class _Counting:
    """A writer that counts what a host has sent."""

    def __init__(self, writer: asyncio.StreamWriter, web: LocalWeb, host: str) -> None:
        self._writer, self._web, self._host = writer, web, host

    def write(self, data: bytes) -> None:
        self._web.sent[self._host] += len(data)
        self._writer.write(data)

    async def drain(self) -> None:
        await self._writer.drain()


def page(
    content: str | bytes, *, kind: str = "text/html; charset=utf-8", code: str = "200 OK", **headers: str
) -> Handler:
    """A whole answer; header names with ``_`` for ``-``."""
    body = content.encode() if isinstance(content, str) else content
    head = [f"HTTP/1.1 {code}", f"Content-Length: {len(body)}"] + ([f"Content-Type: {kind}"] if kind else [])
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    data = "\r\n".join(head).encode() + b"\r\n\r\n" + body

    async def send(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()

    return send


def status(code: int, **headers: str) -> Handler:
    return page(f"status {code}", code=f"{code} Said", **headers)


def redirect(location: str) -> Handler:
    return status(302, Location=location)


def dated(content: str, *, etag: str | None = None, last_modified: str | None = None) -> Handler:
    """A page that answers 304 to whoever has it."""
    validators = {"ETag": etag, "Last_Modified": last_modified}
    whole = page(content, **{name: value for name, value in validators.items() if value})

    async def send(request: Request, writer: asyncio.StreamWriter) -> None:
        has_it = etag is not None and request.headers.get("if-none-match") == etag
        has_it |= last_modified is not None and request.headers.get("if-modified-since") == last_modified
        if has_it:
            writer.write(b"HTTP/1.1 304 Not Modified\r\n\r\n")
            await writer.drain()
        else:
            await whole(request, writer)

    return send


async def hang(request: Request, writer: asyncio.StreamWriter) -> None:
    """No answer, ever."""
    await asyncio.Event().wait()


async def hang_up(request: Request, writer: asyncio.StreamWriter) -> None:
    """The connection ends within the headers."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-")
    raise ConnectionError


async def drip(request: Request, writer: asyncio.StreamWriter) -> None:
    """A byte now and then: every single wait is short, the page never ends."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def flood(request: Request, writer: asyncio.StreamWriter) -> None:
    """Two gigabytes of page."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2147483648\r\n\r\n<p>Much ado</p>")
    for _ in range(2_147_483_648 // 65_536):
        writer.write(b"<p>more</p>" * 5957)
        await writer.drain()


async def header_flood(request: Request, writer: asyncio.StreamWriter) -> None:
    """Headers without end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"y" * 1000 + b"\r\n")
        await writer.drain()


async def gibberish(request: Request, writer: asyncio.StreamWriter) -> None:
    """No HTTP."""
    writer.write(b"\x00\x01\x02 SSH-2.0-OpenSSH_9.2\r\n\r\n")
    raise ConnectionError
