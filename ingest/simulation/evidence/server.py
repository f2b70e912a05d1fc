"""Sites on 127.0.0.1, answered by the Host header: one server for a whole world.

Belongs here: what a web server does: pages, 404, ETag and Last-Modified, robots.txt, sitemaps, and the sites that
block or hang up. Not here: what pages say (sites.py).
"""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple

from ingest.simulation.evidence.sites import render, sitemap
from ingest.simulation.evidence.spec import Company

_LAST_MODIFIED: Final = "Mon, 01 Jun 2026 08:00:00 GMT"


class _Answer(NamedTuple):
    status: int
    content_type: str
    body: bytes


class Sites:
    """The answers of a world's sites, made when they are first asked for."""

    def __init__(self, companies: Mapping[str, Company]) -> None:
        self._companies = companies
        self._pages: dict[str, dict[str, str]] = {}

    def company(self, host: str) -> Company | None:
        """Whose host it is."""
        name = host.rsplit(":", 1)[0].lower()
        return self._companies.get(name) or self._companies.get(name.removeprefix("www."))

    def answer(self, company: Company, path: str) -> _Answer:
        """What a site answers to a path without its query."""
        assert company.domain is not None
        if company.state == "blocked":
            return _Answer(403, "text/html", b"<html><body><h1>Access denied</h1></body></html>")
        pages = self._pages.get(company.domain)
        if pages is None:
            pages = self._pages[company.domain] = render(company)
        if path == "/robots.txt":
            lines = f"User-agent: *\nAllow: /\nSitemap: http://{company.domain}/sitemap.xml\n"
            return _Answer(200, "text/plain", lines.encode())
        if path == "/sitemap.xml":
            return _Answer(200, "application/xml", sitemap(company, list(pages)).encode())
        page = pages.get(path) or pages.get(path.rstrip("/"))
        if page is None:
            return _Answer(404, "text/html", b"<html><body><h1>Not found</h1></body></html>")
        return _Answer(200, "text/html; charset=utf-8", page.encode())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "sites"
    sys_version = ""
    sites: Sites

    def do_GET(self) -> None:
        self._respond(with_body=True)

    def do_HEAD(self) -> None:
        self._respond(with_body=False)

    def _respond(self, *, with_body: bool) -> None:
        company = self.sites.company(self.headers.get("Host", ""))
        if company is None or company.state == "dead":
            self.close_connection = True  # as a host that is gone: no answer at all
            return
        answer = self.sites.answer(company, self.path.split("?")[0].split("#")[0])
        etag = f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
        if answer.status == 200 and self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.send_header("ETag", etag)
            self.end_headers()
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if answer.status == 200:
            self.send_header("ETag", etag)
            self.send_header("Last-Modified", _LAST_MODIFIED)
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: a test's output is its own."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a reader that was killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def serve(companies: Mapping[str, Company], *, port: int = 0) -> Iterator[int]:
    """Serve the sites of companies by domain on 127.0.0.1; yields the port. Ends with the context."""
    handler = type("Handler", (_Handler,), {"sites": Sites(companies)})
    with _Server(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
