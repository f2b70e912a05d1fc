"""The lock that one run holds."""

from __future__ import annotations

import psycopg
import pytest

from warehouse.connection import Warehouse
from warehouse.errors import Busy, WarehouseError
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import Settings


def test_the_pipeline_lock_is_held_by_one_and_names_its_holder(warehouse: Warehouse) -> None:
    busy = pytest.raises(Busy, match=r"learning_weekly 4f2a, since \d\d:\d\d")
    with warehouse.pipeline_lock("learning_weekly 4f2a"), busy, warehouse.pipeline_lock("another"):
        pass
    with warehouse.pipeline_lock("another"):
        pass


def test_the_lock_ends_with_a_failing_holder(warehouse: Warehouse) -> None:
    with pytest.raises(ZeroDivisionError), warehouse.pipeline_lock("one that fails"):
        _ = 1 / 0
    with warehouse.pipeline_lock("the next"):
        pass


def test_an_unreachable_server_is_named(tmp_path: object) -> None:
    nowhere = Settings(home=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none")  # type: ignore[arg-type]
    with pytest.raises(WarehouseError, match="ICP_DATABASE_URL"):
        Warehouse(nowhere).open()


def test_a_set_up_that_was_killed_after_it_made_the_login_goes_on(server: EmbeddedServer, template: str) -> None:
    with psycopg.connect(server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
        assert connection.execute("select 1 from pg_roles where rolname = 'icp'").fetchone() == (1,)
        assert connection.execute("select 1 from pg_database where datname = 'icp'").fetchone() is None
        try:
            warehouse = Warehouse(server.settings).open()
            with warehouse.connect() as opened:
                assert opened.execute("select current_database()").fetchone() == ("icp",)
            warehouse.close()
        finally:
            connection.execute("drop database if exists icp with (force)")


@pytest.mark.parametrize(("name", "value"), [("ICP_PG_PORT", "0"), ("ICP_PG_PORT", "x"), ("ICP_SCHEDULES", "maybe")])
def test_a_variable_that_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(WarehouseError, match=name):
        Settings.from_environment({name: value})
