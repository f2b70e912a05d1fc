"""The stand-in vendors, the real clients, and one tenant."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import Awaitable, Callable, Iterator
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
