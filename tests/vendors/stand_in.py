"""One local server that answers like Jina Reader, Tavily, Apify and an e-mail verifier, and fails as a test plans.

The documented shapes only; the real clients run against it by base URL. A plan is a queue of faults per vendor:
each call takes the next one, and none left means a good answer.
"""

from __future__ import annotations

import functools
import gzip
import json
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "stand-in-secret-of-letters-alone"


@functools.cache
def _bomb() -> bytes:
    return gzip.compress(b" " * 60_000_000, 6)


@dataclass(frozen=True)
class Fault:
    """One answer that is not the good one.

    Attributes:
        kind: status, hang (until the client goes), truncated (announces more than it sends), empty, garbage (no JSON),
            wrong_schema (JSON of another shape), bytes (the body as it is), half (JSON that breaks off), huge,
            reset (closes without a word), redirect, gzip_lie (says gzip, is not).
    """

    kind: str
    status: int = 200
    retry_after: str | None = None
    body: Any = None


@dataclass(frozen=True)
class Call:
    """What the server was asked."""

    vendor: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any


@dataclass
class JinaPage:
    """A page behind the reader."""

    title: str | None
    content: str
    warning: str | None = None
    url: str | None = None


@dataclass
class StandIn:
    """What the vendors know, what they were asked, what they are to do wrong.

    Attributes:
        pages: target url (without a slash at its end) → page, for Jina and Tavily.
        hits: search results, (url, title).
        actors: actor → items, or a function of the run's input.
        verdicts: address → status; others are "unknown".
        as_text: Jina answers in its text form.
        meet: calls wait here for one another before they are answered.
    """

    url: str = ""
    pages: dict[str, JinaPage] = field(default_factory=dict)
    hits: list[tuple[str, str]] = field(default_factory=list)
    actors: dict[str, list[dict[str, Any]] | Callable[[Any], list[dict[str, Any]]]] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    as_text: bool = False
    calls: list[Call] = field(default_factory=list)
    most_at_once: int = 0
    plans: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    closing: threading.Event = field(default_factory=threading.Event)
    meet: threading.Barrier | None = None

    def reset(self) -> None:
        """Forget everything; calls that hang end."""
        self.closing.set()
        fresh = StandIn(url=self.url)
        for each in fields(self):
            setattr(self, each.name, getattr(fresh, each.name))

    def plan(self, vendor: str, *faults: Fault) -> None:
        """The next calls of a vendor go like this."""
        self.plans[vendor].extend(faults)

    def asked(self, vendor: str) -> list[Call]:
        """Calls of one vendor, in order."""
        return [call for call in self.calls if call.vendor == vendor]

    def environment(self) -> dict[str, str]:
        """Variables that lead the real clients here."""
        return {
            "ICP_JINA_URL": f"{self.url}/jina",
            "JINA_API_KEY": KEY,
            "ICP_TAVILY_URL": f"{self.url}/tavily",
            "TAVILY_API_KEY": KEY,
            "ICP_APIFY_URL": f"{self.url}/apify",
            "APIFY_TOKEN": KEY,
            "ICP_VERIFIER_URL": f"{self.url}/verifier",
            "ICP_VERIFIER_KEY": KEY,
        }


@contextmanager
def vendors() -> Iterator[StandIn]:
    """Serve on 127.0.0.1 until the block ends."""
    world = StandIn()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(world))
    server.daemon_threads = True
    world.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield world
    finally:
        world.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(world: StandIn) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()
    busy = 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve(None)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            self._serve(json.loads(self.rfile.read(length) or b"null"))

        def log_message(self, *arguments: Any) -> None:
            pass

        def _serve(self, body: Any) -> None:
            nonlocal busy
            vendor, _, rest = self.path.lstrip("/").partition("/")
            parts = urlsplit(f"/{rest}")
            call = Call(vendor, parts.path, parse_qs(parts.query), dict(self.headers), body)
            with lock:
                busy += 1
                world.most_at_once = max(world.most_at_once, busy)
                world.calls.append(call)
                fault = world.plans[vendor].popleft() if world.plans[vendor] else None
            try:
                if world.meet is not None:
                    with suppress(threading.BrokenBarrierError):
                        world.meet.wait()
                if self.headers.get("Authorization") != f"Bearer {KEY}":
                    self._send(401, {"error": {"type": "unauthorized", "message": "no such key"}})
                elif fault is not None:
                    self._fail(fault)
                else:
                    self._answer(vendor, f"/{rest}", call)
            finally:
                with lock:
                    busy -= 1

        def _answer(self, vendor: str, whole: str, call: Call) -> None:
            if vendor == "jina":
                self._jina(unquote(whole[1:]))
            elif vendor == "tavily" and call.path == "/extract":
                self._extract(call.body["urls"])
            elif vendor == "tavily" and call.path == "/search":
                found = [{"title": title, "url": url, "content": "…", "score": 0.9} for url, title in world.hits]
                self._send(200, {"query": call.body["query"], "results": found[: call.body["max_results"]]})
            elif vendor == "apify":
                actor = call.path.split("/")[3]
                items = world.actors.get(actor, [])
                self._send(201, items(call.body) if callable(items) else items)
            elif vendor == "verifier":
                self._send(200, {"status": world.verdicts.get(call.body["email"], "unknown")})
            else:
                self._send(404, {"error": {"type": "not-found", "message": "no such path"}})

        def _jina(self, target: str) -> None:
            page = world.pages.get(target.rstrip("/"))
            if page is None:
                page = JinaPage("Not Found", "404", "Target URL returned error 404: Not Found")
            if not page.content and page.warning is None:
                self._send(422, {"code": 422, "status": 42206, "message": "No content available"})
            elif world.as_text:
                warning = f"Warning: {page.warning}\n\n" if page.warning else ""
                head = f"Title: {page.title or ''}\n\nURL Source: {page.url or target}\n\n{warning}"
                self._send_bytes(200, f"{head}Markdown Content:\n{page.content}".encode(), "text/plain; charset=utf-8")
            else:
                data = {"title": page.title or "", "description": "", "url": page.url or target}
                data |= {"content": page.content, "usage": {"tokens": len(page.content) // 4}}
                data |= {"warning": page.warning} if page.warning else {}
                self._send(200, {"code": 200, "status": 20000, "data": data})

        def _extract(self, urls: list[str]) -> None:
            if len(urls) > 20:
                self._send(400, {"detail": {"error": "Max 20 URLs are allowed."}})
                return
            known = {url: world.pages.get(url.rstrip("/")) for url in urls}
            self._send(
                200,
                {
                    "results": [{"url": url, "raw_content": page.content} for url, page in known.items() if page],
                    "failed_results": [{"url": url, "error": "Failed to fetch"} for url, p in known.items() if not p],
                    "response_time": 0.1,
                },
            )

        def _fail(self, fault: Fault) -> None:
            if fault.kind == "hang":
                world.closing.wait(20)
                self.close_connection = True
            elif fault.kind == "reset":
                self.close_connection = True
            elif fault.kind == "truncated":
                self._send_bytes(fault.status, b'[{"a": 1', "application/json", announce=5_000)
                self.close_connection = True
            elif fault.kind == "huge":
                self._send_bytes(200, b'["' + b"x" * 30_000_000 + b'"]', "application/json")
            elif fault.kind == "gzip_bomb":
                self._send_bytes(200, _bomb(), "application/json", encoding="gzip")
            elif fault.kind == "gzip_lie":
                self._send_bytes(200, b"not gzip at all", "application/json", encoding="gzip")
            elif fault.kind == "empty":
                self._send_bytes(fault.status, b"", "application/json")
            elif fault.kind == "garbage":
                self._send_bytes(200, b"<html>Bad gateway</html>", "text/html")
            elif fault.kind == "half":
                self._send_bytes(200, b'{"results": [{"url": "https://x.example', "application/json")
            elif fault.kind == "wrong_schema":
                self._send(200, fault.body if fault.body is not None else {"surprise": [1, 2]})
            elif fault.kind == "bytes":
                self._send_bytes(fault.status, fault.body, "application/json")
            elif fault.kind == "redirect":
                self._send_bytes(302, b"", "text/plain", location="https://elsewhere.example/")
            else:
                body = fault.body if fault.body is not None else {"error": {"type": "planned", "message": "as planned"}}
                self._send(fault.status, body, retry_after=fault.retry_after)

        def _send(self, status: int, body: Any, retry_after: str | None = None) -> None:
            self._send_bytes(status, json.dumps(body).encode(), "application/json", retry_after=retry_after)

        def _send_bytes(
            self,
            status: int,
            content: bytes,
            kind: str,
            *,
            announce: int | None = None,
            encoding: str | None = None,
            location: str | None = None,
            retry_after: str | None = None,
        ) -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(announce or len(content)))
                for name, value in (("Content-Encoding", encoding), ("Location", location)):
                    if value is not None:
                        self.send_header(name, value)
                if retry_after is not None:
                    self.send_header("Retry-After", retry_after)
                self.end_headers()
                self.wfile.write(content)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client has seen enough

    return Handler
