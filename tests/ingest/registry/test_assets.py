"""The assets: what was loaded once is loaded again when its files change; checks have a value and a threshold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import psycopg

from dagster_defs import registry as registry_assets
from dagster_defs.resources import WarehouseResource
from ingest.registry.load_codes import load_industry_codes
from tests.ingest.registry.acra_files import Acra, company
from warehouse.connection import Warehouse


def run() -> dg.ExecuteInProcessResult:
    result = dg.materialize(registry_assets.assets, resources={"warehouse": WarehouseResource()})
    assert result.success
    return result


def checks(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, Any]]:
    return {
        evaluation.check_name: (evaluation.passed, evaluation.metadata["value"].value)
        for evaluation in result.get_asset_check_evaluations()
    }


def metadata(result: dg.ExecuteInProcessResult, table: str) -> dict[str, Any]:
    (made,) = [
        event.materialization
        for event in result.get_asset_materialization_events()
        for event in [event.step_materialization_data]
        if event.materialization.asset_key == dg.AssetKey(["raw", table])
    ]
    return {name: value.value for name, value in made.metadata.items()}


def test_an_empty_warehouse_is_fine(clean: psycopg.Connection) -> None:
    assert checks(run()) == {
        "every_code_list_could_be_read": (True, 0),
        "every_registry_could_be_read": (True, 0),
        "live_entities_have_an_industry_code": (True, "nothing to measure"),
        "few_registry_rows_are_rejected": (True, "nothing to measure"),
    }


def test_changed_files_are_loaded_again_and_only_those(warehouse: Warehouse, acra: Acra, tmp_path: Path) -> None:
    codes = tmp_path / "codes.csv"
    codes.write_text("code,title\n62011,Software\n")
    load_industry_codes(warehouse, codes, version="2020")
    acra.write([company("1", "A"), company("2", "B", primary_ssic_code="na")])
    acra.load()
    first = run()
    assert metadata(first, "industry_codes")["lists_loaded"] == 0
    assert checks(first)["live_entities_have_an_industry_code"] == (False, 0.5)
    codes.write_text("code,title\n62011,Software\n62012,Games\n")
    acra.write([company("1", "A"), company("2", "B", primary_ssic_code="62012"), company("na", "C")])
    second = run()
    assert metadata(second, "industry_codes")["lists_loaded"] == 1
    assert metadata(second, "registry_entities")["dagster/row_count"] == 2
    assert acra.all("industry_code") == ["62011", "62012"]
    assert checks(second)["live_entities_have_an_industry_code"] == (True, 1.0)
    passed, value = checks(second)["few_registry_rows_are_rejected"]
    assert (passed, round(float(value), 3)) == (False, 0.333)
    loads = acra.connection.execute("select count(*) from raw.loads where run_id = %s", (second.run_id,)).fetchone()
    assert loads == (2,)


def test_a_file_that_is_not_there_any_more_is_a_failed_check(acra: Acra) -> None:
    path = acra.write([company("1", "A")])
    acra.load()
    path.unlink()
    assert checks(run())["every_registry_could_be_read"] == (False, 1)
    assert acra.count() == 1
