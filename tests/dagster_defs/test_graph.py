"""The graph as it is declared: keys, edges, groups, and what every mart must carry."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg
import pytest

from dagster_defs.definitions import build_defs, defs
from dagster_defs.project import Translator, ensure_manifest
from warehouse.settings import Settings

EXTERNAL = {"raw/tenants", "raw/activity_kinds", "raw/icp_intake_inbox", "raw/match_decisions"}
GROUPS = {
    *("outcomes", "conversion", "learning", "scoring", "health"),
    *("registry", "retention", "intake", "crawl", "icp"),
}
SHARED = {"industry_segments"}  # a reference without tenants


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(ensure_manifest().read_text())
    return loaded


def test_definitions_are_loadable() -> None:
    dg.Definitions.validate_loadable(defs)


def test_every_asset_is_produced_or_listed_as_external() -> None:
    graph = defs.resolve_asset_graph()
    unproduced = {key.to_user_string() for key in graph.get_all_asset_keys() if not graph.get(key).is_materializable}
    assert unproduced == EXTERNAL


def test_every_key_is_schema_and_table_and_every_asset_has_a_group_and_says_what_a_row_is() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        schema, _table = key.path
        assert schema in {"raw", "staging", "intermediate", "marts", "learned"}, key
        assert graph.get(key).group_name in GROUPS, key
        assert "ne row" in (graph.get(key).description or ""), key


def test_every_dbt_source_is_an_asset_of_the_graph(manifest: dict[str, Any]) -> None:
    known = defs.resolve_asset_graph().get_all_asset_keys()
    translator = Translator()
    for source in manifest["sources"].values():
        assert translator.get_asset_key(source) in known, source["name"]


def test_every_edge_of_dbt_is_an_edge_of_the_graph(manifest: dict[str, Any]) -> None:
    graph = defs.resolve_asset_graph()
    translator = Translator()
    nodes = manifest["nodes"] | manifest["sources"]
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model":
            parents = {translator.get_asset_key(nodes[parent]) for parent in node["depends_on"]["nodes"]}
            assert parents <= graph.get(translator.get_asset_key(node)).parent_keys, node["name"]


def test_learning_waits_for_stage_1_and_stage_2_waits_for_learning() -> None:
    graph = defs.resolve_asset_graph()

    def before(key: str) -> set[str]:
        return {found.to_user_string() for found in graph.get_ancestor_asset_keys(dg.AssetKey.from_user_string(key))}

    assert {"raw/leads", "intermediate/run_settings", "marts/lead_outcomes"} <= before("learned/weight_versions")
    assert {"learned/current_weights", "marts/weight_training_cells"} <= before("marts/lead_scores")
    assert {"marts/lead_outcomes", "marts/score_band_performance"} <= before("marts/pipeline_health")


def test_suggestions_come_after_intake_registry_matching_crawl_and_marts() -> None:
    graph = defs.resolve_asset_graph()
    suggestions = dg.AssetKey(["learned", "icp_suggestions"])
    before = {found.to_user_string() for found in graph.get_ancestor_asset_keys(suggestions)}
    assert {
        *("raw/icp_intake_inbox", "raw/customer_seeds", "raw/registry_entities", "learned/company_matches"),
        *("raw/icp_evidence", "marts/icp_pattern_signals"),
    } <= before


@pytest.mark.parametrize(("job", "does"), [("intake_process", False), ("patterns_nightly", True), ("everything", True)])
def test_the_enrichment_queue_waits_for_the_night(job: str, does: bool) -> None:
    asset = dg.AssetKey(["raw", "company_enrichment_runs"])
    assert (asset in defs.resolve_job_def(job).asset_layer.executable_asset_keys) is does


def test_every_mart_has_a_contract_a_description_a_key_test_and_an_owner(manifest: dict[str, Any]) -> None:
    marts = [n for n in manifest["nodes"].values() if n["resource_type"] == "model" and n["schema"] == "marts"]
    assert len(marts) >= 10
    tests = [n for n in manifest["nodes"].values() if n["resource_type"] == "test"]
    for mart in marts:
        name = mart["name"]
        assert mart["config"]["contract"]["enforced"], name
        assert mart["description"].startswith("One row per"), name
        assert mart["config"]["materialized"] == "incremental", name
        first = "version" if name in SHARED else "tenant_id"
        assert next(iter(mart["columns"])) == first, name
        assert all(column["description"] and column["data_type"] for column in mart["columns"].values()), name
        owner = manifest["groups"][f"group.icp.{mart['config']['group']}"]["owner"]
        assert owner["email"], name
        keys = [
            t
            for t in tests
            if t["attached_node"] == mart["unique_id"] and t["test_metadata"]["name"] == "unique_together"
        ]
        assert len(keys) == 1, name
        assert keys[0]["test_metadata"]["kwargs"]["columns"][0] == first, name


def test_every_mart_is_read_by_an_exposure(manifest: dict[str, Any]) -> None:
    marts = {key for key, n in manifest["nodes"].items() if n["resource_type"] == "model" and n["schema"] == "marts"}
    exposed = {node for exposure in manifest["exposures"].values() for node in exposure["depends_on"]["nodes"]}
    assert marts <= exposed


def test_no_sql_asks_the_clock(manifest: dict[str, Any]) -> None:
    for node in manifest["nodes"].values():
        code = node.get("raw_code", "").lower()
        for clock in ("current_date", "current_timestamp", "now()", "clock_timestamp"):
            assert clock not in code, (node["name"], clock)


def test_schedules_run_only_where_the_environment_opts_in() -> None:
    def status(schedules: bool) -> dg.DefaultScheduleStatus:
        from pathlib import Path

        built = build_defs(settings=Settings(home=Path("unused"), schedules=schedules))
        return built.resolve_schedule_def("learning_weekly_on_mondays").default_status

    assert status(False) is dg.DefaultScheduleStatus.STOPPED
    assert status(True) is dg.DefaultScheduleStatus.RUNNING


def test_the_parse_is_repeated_only_when_a_file_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_manifest()
    monkeypatch.setattr("dbt.cli.main.dbtRunner", lambda: pytest.fail("parsed again"))
    ensure_manifest()
