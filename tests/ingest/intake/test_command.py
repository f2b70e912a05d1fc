"""`icp load intake`, in this process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from icp.commands.intake import intake
from icp.console import out
from ingest.errors import IngestError
from ingest.intake import IntakeError
from tests.ingest.intake.payloads import FLAT, NESTED
from tests.loop import Rows
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.settings import PROJECT_ROOT

EXAMPLE = PROJECT_ROOT / "examples" / "intake" / "brightside.json"
app = typer.Typer()
app.command()(intake)


@pytest.fixture(scope="module", autouse=True)
def brightside(warehouse: Warehouse) -> None:
    with warehouse.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug="brightside")
        tenants.add_tenant(connection, slug="other")


def test_an_intake_shows_what_was_understood() -> None:
    with out.capture() as captured:
        CliRunner().invoke(app, [str(EXAMPLE), "--tenant", "brightside"], catch_exceptions=False)
    said = captured.get()
    assert "brightside: version 1; 6 best and 3 lost customers" in said
    assert "EUR 18,000" in said and "Head of Marketing" in said and "kept once" in said
    assert "Next: icp run" in said


def test_a_folder_is_loaded_tenant_by_tenant(tmp_path: Path, rows: Rows) -> None:
    shutil.copy(EXAMPLE, tmp_path / "brightside.json")
    (tmp_path / "other.json").write_text(json.dumps(NESTED), encoding="utf-8")
    with out.capture() as captured:
        CliRunner().invoke(app, [str(tmp_path), "--by", "maya"], catch_exceptions=False)
    assert "other: version 1" in captured.get()
    assert rows(
        "select submitted_by from raw.icp_intake_responses join raw.tenants using (tenant_id) where slug = 'other'"
    ) == [("maya",)]


def test_one_bad_file_of_a_folder_does_not_stop_the_others(tmp_path: Path, rows: Rows) -> None:
    (tmp_path / "brightside.json").write_text("not json", encoding="utf-8")
    (tmp_path / "other.json").write_text(json.dumps({**FLAT, "triggers": ["new"]}), encoding="utf-8")
    with out.capture() as captured, pytest.raises(IntakeError, match=r"^brightside\.json: The intake is not JSON"):
        CliRunner().invoke(app, [str(tmp_path)], catch_exceptions=False)
    assert "other: version" in captured.get()
    assert rows("select file from raw.rejected_rows where resolved_at is null") == [("brightside.json",)]


def test_the_questions_can_be_listed() -> None:
    with out.capture() as captured:
        CliRunner().invoke(app, ["--explain"], catch_exceptions=False)
    said = captured.get()
    assert "best_customers" in said and "advanced.anti_icp (or C)" in said and "seed_name" in said


def test_what_cannot_be_used_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "other.json"
    bad.write_text(json.dumps({**FLAT, "website": "javascript:alert(1)"}), encoding="utf-8")
    with pytest.raises(IntakeError, match="website"):
        CliRunner().invoke(app, [str(bad)], catch_exceptions=False)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(IngestError, match="no JSON file"):
        CliRunner().invoke(app, [str(empty)], catch_exceptions=False)
    with pytest.raises(IngestError, match=r"no brightside\.json"):
        CliRunner().invoke(app, [str(tmp_path), "--tenant", "brightside"], catch_exceptions=False)
