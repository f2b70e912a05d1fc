"""The stand-in vendors, the real clients, and one tenant."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import psycopg
import pytest

from ingest.enrichment.budget import Budget
from ingest.enrichment.settings import VendorSettings
from tests.vendors.stand_in import StandIn, vendors
from warehouse import tenants

# One for all: making it takes longer than a call of the stand-in.
TLS = ssl.create_default_context()
NOW = dt.datetime(2026, 6, 30, 9, 0, tzinfo=dt.UTC)

Clients = Callable[..., Any]


@pytest.fixture(scope="module")
def served() -> Iterator[StandIn]:
    with vendors() as world:
        yield world


@pytest.fixture
def world(served: StandIn) -> Iterator[StandIn]:
    """The vendors, knowing nothing, asked nothing, with nothing planned."""
    yield served
    served.reset()


@pytest.fixture(scope="module")
def tenant_id(warehouse: Any) -> int:
    with warehouse.connect(autocommit=True) as connection:
        return tenants.add_tenant(connection, slug="acme").tenant_id


@pytest.fixture
def fresh_tenant(connection: psycopg.Connection, request: pytest.FixtureRequest) -> int:
    """A tenant of this test alone, without any use of vendors."""
    count = connection.execute("select count(*) from raw.tenants").fetchone()
    assert count is not None
    return tenants.add_tenant(connection, slug=f"tenant-{count[0]}").tenant_id


@pytest.fixture
def ask(world: StandIn, connection: psycopg.Connection, fresh_tenant: int) -> Clients:
    """Run ``use(client)`` with a real client against the stand-in; the pauses between attempts are noted, not made."""

    def run(kind: Any, use: Callable[[Any], Awaitable[Any]], *, pauses: list[float] | None = None, **env: str) -> Any:
        settings = VendorSettings.from_environment(world.environment() | env)
        noted = pauses if pauses is not None else []

        async def pause(seconds: float) -> None:
            noted.append(seconds)

        async def main() -> Any:
            budget = Budget(connection, tenant_id=fresh_tenant, settings=settings, now=NOW)
            async with httpx.AsyncClient(trust_env=False, verify=TLS) as http:
                return await use(kind(http, settings=settings, budget=budget, pause=pause))

        return asyncio.run(main())

    return run


@pytest.fixture
def sites(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Domain → home page, or domain/path → page; everything else answers 404. All host names lead here."""
    pages: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host = (self.headers.get("Host") or "").split(":")[0].removeprefix("www.")
            found = pages.get(host + self.path.rstrip("/"))
            body = (found or "<title>Not found</title>").encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    monkeypatch.setenv("ICP_CONNECT_TO", f"* = 127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("ICP_CRAWL_DELAY_S", "0")
    try:
        yield pages
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
