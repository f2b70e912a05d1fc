"""`icp load registry` and `icp load industry-codes` as a person meets them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from icp.commands import registry
from ingest.errors import IngestError
from tests.ingest.registry.acra_files import Acra, company

app = typer.Typer()
app.command()(registry.registry)
app.command()(registry.industry_codes)


def icp(*arguments: Any, code: int = 0) -> Result:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(autouse=True)
def _shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The console writes to the output of the moment, not to the one it was imported under."""
    monkeypatch.setattr(registry.out, "_file", None)


def test_a_load_is_told_in_words(acra: Acra) -> None:
    acra.write(
        [
            company("1", "A", registration_incorporation_date="[red]never"),
            company("2", "B", entity_status_description="Struck Off"),
            company("3", "na"),
        ]
    )
    said = icp("registry", acra.folder).output
    assert "acra: 2 entities, 1 live (50.0 %)" in said
    assert "2020, the registry's default: no code list is loaded to tell by" in said
    assert "'[red]never'" in said
    assert "1 rows were rejected" in said
    assert "nothing was done" in icp("registry", acra.folder).output


def test_a_load_for_programs(acra: Acra) -> None:
    acra.write([company("1", "A")])
    said = json.loads(icp("registry", acra.folder, "--json", "--industry-version", "2025").stdout)
    assert (said["status"], said["entities"], said["total"]["inserted"]) == ("loaded", 1, 1)
    assert said["code_version"]["version"] == "2025"
    again = json.loads(icp("registry", acra.folder, "--again", "--partial", "--json").stdout)
    assert again["total"]["updated"] == 1  # 2020 again


def test_codes_are_told_by_level(acra: Acra, tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("code,title\n62,Computing\n62011,Software\n")
    said = icp("industry-codes", path, "--version", "2020").output
    assert "2 new" in said and "division" in said
    path.write_text("code,title\n62011,Software\n62012,Games\n")
    said = icp("industry-codes", path, "--version", "2025").output
    assert "2020: same code and title" in said
    assert "1 five-character codes of 2025 have nothing to become in 2020" in said
    table = tmp_path / "table.csv"
    table.write_text("from_code,to_code\n62011,62012\n")
    said = json.loads(
        icp("industry-codes", table, "--version", "2025", "--correspondence-from", "2020", "--json").stdout
    )
    assert said["links"] == {"2025: official": 1}


def test_what_cannot_be_is_one_sentence(acra: Acra, tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="There is no file"):
        icp("registry", tmp_path / "none.csv")
    with pytest.raises(IngestError, match="not to itself"):
        icp("industry-codes", tmp_path / "t.csv", "--version", "2025", "--correspondence-from", "2025")


def test_fields_are_explained() -> None:
    assert "registration_number" in icp("registry", "--explain").output
