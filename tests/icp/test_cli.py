"""The command line as a person meets it: the walk-through of the README, and refusals."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.loop import Rows
from warehouse.connection import Warehouse
from warehouse.settings import PROJECT_ROOT

Icp = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def icp(warehouse: Warehouse) -> Icp:
    """Run the command in a process of its own, on this module's warehouse."""

    def call(*arguments: str, code: int = 0, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "icp.main", *arguments],
            capture_output=True,
            text=True,
            input=stdin,
            cwd=PROJECT_ROOT,
            env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
        )
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done

    return call


@pytest.fixture(scope="module")
def walked(icp: Icp, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The walk-through of the README, step by step; what each step printed."""
    folder = tmp_path_factory.mktemp("examples")
    shutil.copytree(PROJECT_ROOT / "examples" / "brightside", folder / "brightside")
    mapping = str(folder / "brightside" / "mapping.yaml")
    said = {"empty": icp("status").stdout}
    said["add"] = icp("tenant", "add", "brightside", "--timezone", "Europe/Berlin").stdout
    said["load"] = icp("load", "outcomes", mapping).stdout
    said["loaded"] = icp("status").stdout
    said["run"] = icp("run", "--as-of", "2026-06-30").stdout
    said["status"] = icp("status").stdout
    said["again"] = icp("load", "outcomes", mapping).stdout
    return said


def test_an_empty_warehouse_says_how_to_begin(walked: dict[str, str]) -> None:
    assert "icp tenant add" in walked["empty"]
    assert "icp demo" in walked["empty"]


def test_the_walk_through_loads_rejects_and_learns(walked: dict[str, str], rows: Rows) -> None:
    assert re.search(r"leads\.csv\s+loaded\s+422\s+420", walked["load"])
    assert "3 rows were rejected" in walked["load"]
    assert "1 of them wait for leads" in walked["load"]
    assert "icp run" in walked["loaded"]
    assert re.search(r"Checks: \d+ of \d+ hold", walked["run"])
    reasons = [row[0] for row in rows("select reason from raw.rejected_rows order by entity, row_number")]
    assert reasons[0] == "lead 'B-7777': no lead with this id has been loaded"
    assert "created_at '31.02.2026 09:00' is not a date" in reasons[1]
    assert "employee_count 'viele' is not a whole number" in reasons[2]


def test_loading_again_says_that_nothing_was_done(walked: dict[str, str]) -> None:
    assert walked["again"].count("unchanged") == 4


def test_status_shows_what_is_there_and_where(walked: dict[str, str]) -> None:
    assert re.search(r"brightside\s+4\d\d\s+3\d\d\s+\d\d", walked["status"])
    assert "DAGSTER_HOME" in walked["status"]
    assert "2026-06-30" in walked["status"]


def test_status_is_json_for_programs(icp: Icp, walked: dict[str, str]) -> None:
    status = json.loads(icp("status", "--json").stdout)
    (tenant,) = status["tenants"]
    assert tenant["tenant"] == "brightside"
    assert tenant["open_rejects"] == 3
    assert status["as_of"] == "2026-06-30"


def test_weights_are_shown_with_their_reason_and_history(icp: Icp, walked: dict[str, str]) -> None:
    assert "brightside:" in icp("weights", "show").stdout
    (shown,) = json.loads(icp("weights", "show", "brightside", "--json").stdout)
    assert round(sum(shown[name] for name in ("data_quality", "authority", "company_fit", "timing")), 3) == 0.85
    history = json.loads(icp("weights", "history", "brightside", "--json").stdout)
    assert [version["version"] for version in history] == list(range(len(history), 0, -1))


def test_a_lead_is_scored_from_json_in_three_ways(icp: Icp, walked: dict[str, str], tmp_path: Path) -> None:
    lead = '{"data_quality": 20, "authority": 25, "company_fit": 25, "timing": 15, "risk": 0}'
    path = tmp_path / "lead.json"
    path.write_text(json.dumps({"als_components": json.loads(lead)}))
    results = [
        json.loads(icp("score", "brightside", "--lead", lead, "--json").stdout),
        json.loads(icp("score", "brightside", "--lead", str(path), "--json").stdout),
        json.loads(icp("score", "brightside", "--lead", "-", "--json", stdin=lead).stdout),
    ]
    assert results[0] == results[1] == results[2]
    assert (results[0]["score"], results[0]["tier"]) == (100.0, "hot")


def test_a_tenant_is_scored_with_reasons(icp: Icp, walked: dict[str, str]) -> None:
    scored = json.loads(icp("score", "brightside", "--limit", "3", "--json").stdout)
    assert len(scored["leads"]) == 3
    assert sum(scored["tiers"].values()) > 400
    assert scored["leads"][0]["score"] >= scored["leads"][1]["score"]


def test_a_rollback_and_its_release_are_said(icp: Icp, walked: dict[str, str]) -> None:
    version = json.loads(icp("weights", "show", "brightside", "--json").stdout)[0]["version"]
    if version == 0:
        refused = icp("weights", "rollback", "brightside", "--reason", "test", code=2)
        assert "live already" in refused.stderr
    else:
        assert "held there" in icp("weights", "rollback", "brightside", "--reason", "test").stdout
        assert "released" in icp("weights", "release", "brightside").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["load", "outcomes", "nowhere.yaml"], 2, "There is no mapping"),
        (["run", "learning_monthly"], 2, "There is no job 'learning_monthly'"),
        (["weights", "show", "nobody"], 2, "There is no tenant 'nobody'"),
        (["tenant", "add", "Not A Slug"], 2, "small letters"),
        (["tenant", "add", "x", "--setting", "colour=red"], 2, "colour"),
        (["score", "brightside", "--lead", "{broken"], 2, "not JSON"),
        (["score", "brightside", "--lead", '{"authority": 99}'], 2, "0 to 25 points"),
        (["score", "brightside", "--lead", '{"charm": 9}'], 2, "no component 'charm'"),
        (["demo"], 2, "holds real tenants"),
    ],
)
def test_a_refusal_is_one_sentence_and_an_exit_code(
    icp: Icp, walked: dict[str, str], arguments: list[str], code: int, words: str
) -> None:
    refused = icp(*arguments, code=code)
    assert words in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.stderr


def test_a_held_warehouse_is_exit_code_three(icp: Icp, walked: dict[str, str], warehouse: Warehouse) -> None:
    with warehouse.pipeline_lock("somebody else"):
        assert "somebody else" in icp("run", code=3).stderr


def test_psql_reaches_the_warehouse_as_the_pipeline(icp: Icp, walked: dict[str, str]) -> None:
    assert "icp_pipeline" in icp("psql", "--", "-Atc", "select current_user").stdout


def test_help_teaches_commands_examples_and_exit_codes(icp: Icp) -> None:
    top = icp("--help").stdout
    for command in ("demo", "run", "load", "tenant", "status", "weights", "score", "simulate", "ui", "psql", "reset"):
        assert command in top
    assert "Exit codes" in top
    assert "Examples" in icp("run", "--help").stdout


def test_the_fields_of_a_mapping_can_be_listed(icp: Icp) -> None:
    explained = icp("load", "outcomes", "--explain").stdout
    assert "first_contact_at" in explained
    assert "score_snapshots" in explained


def test_simulated_files_are_the_same_for_the_same_seed(icp: Icp, tmp_path: Path) -> None:
    for name in ("one", "two"):
        icp("simulate", str(tmp_path / name), "--tenants", "1", "--leads", "50", "--seed", "4")
    for path in (tmp_path / "one" / "tenant-00000").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / "tenant-00000" / path.name).read_bytes()


def test_reset_leaves_nothing(icp: Icp, warehouse: Warehouse) -> None:
    icp("reset", "--yes")
    assert "icp tenant add" in icp("status").stdout
