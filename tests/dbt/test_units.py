"""dbt's own unit tests: definitions in SQL, against rows written by hand."""

from __future__ import annotations

import pytest

from dagster_defs.project import DBT_FOLDER
from tests.loop import build_marts
from warehouse.connection import Warehouse
from warehouse.settings import PROJECT_ROOT


def test_every_dbt_unit_test_passes(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    from dbt.cli.main import dbtRunner

    build_marts(warehouse, as_of="2026-06-30")  # dbt wants the relations there, if empty
    for name, value in warehouse.dbt_environment().items():
        monkeypatch.setenv(name, value)
    places = ["--project-dir", str(PROJECT_ROOT), "--profiles-dir", str(DBT_FOLDER)]
    result = dbtRunner().invoke(["--quiet", "test", "--select", "test_type:unit", *places])
    failures = {r.node.name: r.message for r in result.result if r.status != "pass"}
    assert failures == {}
    assert len(result.result.results) >= 6
