"""The lock that one run holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

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


def test_who_lost_the_lock_with_a_restarted_server_does_not_go_on(warehouse: Warehouse, server: EmbeddedServer) -> None:
    with (
        psycopg.connect(server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as restart,
        warehouse.pipeline_lock("one whose server is restarted"),
    ):
        warehouse.connect().close()
        restart.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name like 'icp: one whose%'"
        )
        other = Warehouse(warehouse.settings).pipeline_lock("another")
        with other, pytest.raises(WarehouseError, match="start the same again"):
            warehouse.connect()
    warehouse.connect().close()


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


def test_every_parameter_of_the_connection_reaches_dbt(tmp_path: Path) -> None:
    url = (
        "postgresql://analytics:s3cret@db.example.com:6432/company?sslmode=verify-full&sslrootcert=/etc/ca%20x.pem"
        "&sslcert=/c.pem&sslkey=/k.pem&channel_binding=require&connect_timeout=5&options=-cstatement_timeout%3D1h"
    )
    environment = Warehouse(Settings(home=tmp_path, database_url=url)).dbt_environment()
    assert environment == {
        "ICP_DBT_HOST": "db.example.com",
        "ICP_DBT_PORT": "6432",
        "ICP_DBT_USER": "analytics",
        "ICP_DBT_DBNAME": "company",
        "DBT_ENV_SECRET_ICP_PASSWORD": "s3cret",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/etc/ca x.pem",
        "PGSSLCERT": "/c.pem",
        "PGSSLKEY": "/k.pem",
        "PGCHANNELBINDING": "require",
        "PGCONNECT_TIMEOUT": "5",
        "PGOPTIONS": "-cstatement_timeout=1h",
    }


def test_server_options_of_the_connection_are_kept_beside_our_own(warehouse: Warehouse) -> None:
    url = f"{warehouse.conninfo} options='-c statement_timeout=7s'"
    with Warehouse(dataclasses.replace(warehouse.settings, database_url=url)).connect() as connection:
        shown = connection.execute("select current_user, current_setting('statement_timeout')").fetchone()
    assert shown == ("icp_pipeline", "7s")


def test_programs_get_the_password_where_nobody_else_reads_it(tmp_path: Path) -> None:
    url = "postgresql://analytics:s3cret@db.example.com/company?sslmode=require"
    connection, environment = Warehouse(Settings(home=tmp_path, database_url=url)).for_programs("-c role=icp_pipeline")
    assert "s3cret" not in connection and "sslmode=require" in connection and "icp_pipeline" in connection
    assert environment["PGPASSWORD"] == "s3cret"


def test_what_the_connection_leaves_out_comes_from_libpqs_own_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGHOST": "db", "PGPORT": "6432", "PGUSER": "analytics", "PGPASSWORD": "s3cret"}.items():
        monkeypatch.setenv(name, value)
    environment = Warehouse(Settings(home=tmp_path, database_url="postgresql:///?sslmode=require")).dbt_environment()
    assert environment == {
        "ICP_DBT_HOST": "db",
        "ICP_DBT_PORT": "6432",
        "ICP_DBT_USER": "analytics",
        "ICP_DBT_DBNAME": "analytics",
        "DBT_ENV_SECRET_ICP_PASSWORD": "s3cret",
        "PGSSLMODE": "require",
    }
