"""Log lines: what they say, what they never say, and that their ids lead to loads and runs."""

from __future__ import annotations

import datetime as dt
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from ingest.simulation.files import write_world
from ingest.simulation.worlds import world
from tests.loop import Rows, load_world
from warehouse import logs, tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError
from warehouse.settings import PROJECT_ROOT, Settings

log = logging.getLogger("warehouse.test")


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Any]:
    """Log to a file; returns its lines, parsed."""
    file = tmp_path / "icp.log"
    logs.configure(Settings(home=tmp_path, log_format="json", log_level="info", log_file=file))
    yield lambda: [json.loads(line) for line in file.read_text().splitlines()]
    logs.configure(Settings(home=tmp_path))


def icp(*arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "icp.main", *arguments],
        capture_output=True,
        text=True,
        cwd=PROJECT_ROOT,
        env={**os.environ, "NO_COLOR": "1", **environment},
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


def test_a_line_carries_the_ids_of_what_it_belongs_to(lines: Any) -> None:
    with logs.bound(run_id="4f2a"), logs.span(log, "load", load_id=7, tenant="acme") as results:
        results["rows_read"] = 3
    log.info("after it")
    started, ended, after = lines()
    assert started.items() >= {"message": "load started", "run_id": "4f2a", "load_id": 7, "tenant": "acme"}.items()
    assert ended.items() >= {"message": "load ended", "rows_read": 3, "level": "info"}.items()
    assert "load_id" not in after and "run_id" not in after
    assert dt.datetime.fromisoformat(after["time"]).utcoffset() == dt.timedelta(0)


def test_an_error_is_told_without_the_row_that_it_quotes(lines: Any, connection: psycopg.Connection) -> None:
    connection.execute("create temporary table people (email text primary key, age int)")
    connection.execute("insert into people values ('jane.doe@acme.com', 40)")
    for statement in (
        "insert into people values ('jane.doe@acme.com')",
        "select 'Jane Doe'::int",
        "select repeat('Jane Doe', -1) from nothing",
    ):
        with pytest.raises(psycopg.Error), logs.span(log, "statement"):
            connection.execute(statement.encode())
    with pytest.raises(ZeroDivisionError), logs.span(log, "statement"):
        try:
            raise ValueError("Jane Doe was here")
        except ValueError as error:
            raise ZeroDivisionError("Jane Doe too") from error
    failed = [line["error"] for line in lines() if line["message"] == "statement failed"]
    assert [error.get("sqlstate") for error in failed] == ["23505", "22P02", "42P01", None]
    assert failed[0]["constraint_name"] == "people_pkey"
    assert failed[3]["cause"]["type"] == "builtins.ValueError"
    assert any("test_logs.py" in place for place in failed[0]["at"])
    assert not any(name in json.dumps(lines()).lower() for name in ("jane", "doe", "@"))


def test_a_handler_of_the_root_gets_no_line_of_ours(lines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = io.StringIO()
    monkeypatch.setattr(logging.root, "handlers", [logging.StreamHandler(heard)])
    logging.warning("of a library")
    with pytest.raises(ValueError), logs.span(log, "load"):
        raise ValueError("what a row says")
    assert heard.getvalue() == "of a library\n"
    assert [line["message"] for line in lines()] == ["load started", "load failed"]


def test_addresses_and_passwords_are_taken_out_of_messages(lines: Any) -> None:
    log.warning("asked %s at postgresql://icp:se:cret@db.example.com/icp", "jane.doe@acme.co.uk")
    (line,) = lines()
    assert line["message"] == "asked [address] at [address]/icp"


def test_text_lines_say_the_same(tmp_path: Path) -> None:
    file = tmp_path / "icp.log"
    logs.configure(Settings(home=tmp_path, log_file=file, log_level="info"))
    with logs.bound(run_id="4f2a"):
        log.info("done", extra={"rows_read": 3})
        log.debug("not told")
    logs.configure(Settings(home=tmp_path))
    (line,) = file.read_text().splitlines()
    assert line.endswith('INFO warehouse.test: done run_id="4f2a" rows_read=3')


@pytest.mark.parametrize(
    ("name", "value"), [("ICP_LOG_FORMAT", "xml"), ("ICP_LOG_LEVEL", "loud"), ("ICP_SCHEDULES", "yes")]
)
def test_a_wrong_setting_is_named_with_what_it_takes(name: str, value: str) -> None:
    with pytest.raises(WarehouseError, match=f"{name} is '{value}'; it takes one of '"):
        Settings.from_environment({name: value})


def test_a_log_file_that_cannot_be_written_is_said_and_not_passed_over(tmp_path: Path) -> None:
    done = icp("status", code=2, ICP_LOG_FILE=str(tmp_path / "nowhere" / "icp.log"))
    assert "ICP_LOG_FILE" in done.stderr and "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_line_on_standard_error_is_json_where_that_is_asked_for(warehouse: Warehouse, tmp_path: Path) -> None:
    refused = icp("load", "outcomes", str(tmp_path / "no [such] mapping.yaml"), code=2, ICP_LOG_FORMAT="json")
    wrong = icp("status", "--nonsense", code=2, ICP_LOG_FORMAT="json")
    told = [json.loads(line) for done in (refused, wrong) for line in done.stderr.splitlines()]
    assert [line["exit_code"] for line in told if line["message"] == "command ended"] == [2, 2]
    assert any("no [such] mapping.yaml" in line["message"] for line in told)
    assert {line.get("command") for line in told} == {"load outcomes", "status"}


def test_the_ids_of_a_load_lead_to_its_record(lines: Any, warehouse: Warehouse, rows: Rows, tmp_path: Path) -> None:
    load_world(warehouse, world(tenants=1, leads=40, seed=4), tmp_path)
    told = [(line["load_id"], line["read"], line["tenant"]) for line in lines() if line["message"] == "load ended"]
    assert told == rows("select load_id, rows_read, slug from raw.loads, raw.tenants order by load_id")


@pytest.mark.slow
@pytest.mark.timeout(1800)  # minutes of work, more on a busy machine
def test_the_ids_of_a_load_and_a_run_lead_to_their_records(warehouse: Warehouse, rows: Rows, tmp_path: Path) -> None:
    _, (spec, mapping) = write_world(world(tenants=2, leads=60, seed=5), tmp_path)
    with warehouse.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug=spec.slug, external_id=spec.external_id, timezone=spec.timezone)
    (before,) = rows("select coalesce(max(load_id), 0) from raw.loads")
    file = tmp_path / "icp.log"
    asked = {"ICP_LOG_FILE": str(file), "ICP_LOG_FORMAT": "json"}
    loaded = icp("load", "outcomes", str(mapping), **asked)
    with (mapping.parent / "leads.csv").open("a") as leads:
        leads.write("\n")  # another checksum: the run loads it again
    icp("run", "learning_weekly", "--as-of", "2026-06-30", **asked)
    assert loaded.stderr == ""
    told = [json.loads(line) for line in file.read_text().splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in told)

    known = rows("select load_id, run_id, rows_read from raw.loads where load_id > %s order by load_id", *before)
    ended = [line for line in told if line["message"] == "load ended"]
    assert [(line["load_id"], line.get("run_id"), line["read"]) for line in ended] == known
    assert {line["tenant"] for line in ended} == {spec.slug}
    assert [line.get("run_id") for line in ended].count(None) == len(ended) - 1  # the run loaded one file again

    (run_id,) = {line["run_id"] for line in told if "run_id" in line}
    with dg.DagsterInstance.from_config(str(warehouse.settings.dagster_home)) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None and run.is_success
        messages = [entry.user_message for entry in instance.all_logs(run_id) if not entry.dagster_event]
    steps = [line["step"] for line in told if line["message"] == "step ended"]
    assert "load_outcomes" in steps and "dbt_stage_1" in steps and len(steps) == len(set(steps))
    assert [line["message"] for line in told if line.get("run_id")][-1] == "run ended"
    # In Dagster's own log a line stands once, and steps stand there as events only.
    assert messages.count("load ended") == 1 and "step started" not in messages
    leads = (mapping.parent / "leads.csv").read_text().splitlines()[1:]
    assert len(leads) > 30 and not [lead for lead in leads if lead and lead.split(",")[0] in file.read_text()]
