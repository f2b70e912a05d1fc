"""A customer to load for."""

from __future__ import annotations

import itertools
from pathlib import Path

import psycopg
import pytest

from tests.ingest.customer import Customer
from warehouse.connection import Warehouse

NUMBER = itertools.count(1)


@pytest.fixture
def customer(
    warehouse: Warehouse, connection: psycopg.Connection, tmp_path: Path, request: pytest.FixtureRequest
) -> Customer:
    name = request.node.originalname.removeprefix("test_")[:55]
    return Customer(warehouse, connection, tmp_path, f"{name}-{next(NUMBER)}")
