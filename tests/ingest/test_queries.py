"""Another Postgres by its connection string: what is new since the last load, and nothing told of the secret."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import conninfo

from ingest.errors import IngestError
from ingest.outcomes import load as load_module
from ingest.outcomes import watermarks
from ingest.outcomes.load import FileReport
from ingest.outcomes.mapping import read_mapping
from tests.ingest.customer import Customer
from warehouse.connection import Warehouse

SECRET = "correct-horse"


class Crm(Customer):
    """A customer whose leads and touches are tables of another database (here: another schema)."""

    db: psycopg.Connection


@pytest.fixture
def crm(customer: Customer, warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[Crm]:
    customer.__class__ = Crm
    assert isinstance(customer, Crm)
    customer.db = connection = psycopg.connect(str(warehouse.settings.database_url), autocommit=True)
    connection.execute("create schema crm")
    connection.execute(
        "create table crm.leads (id int, title text, created timestamp, size numeric, info jsonb, active boolean,"
        " removed timestamptz, changed timestamptz)"
    )
    connection.execute("create table crm.touches (nr bigint, lead int, kind text, at timestamptz, said jsonb)")
    monkeypatch.setenv("CRM_DSN", str(warehouse.settings.database_url))
    customer.mapping = {
        "name": customer.tenant.slug,
        "tenant": customer.tenant.slug,
        "timezone": "America/Sao_Paulo",
        "date_formats": ["%d.%m.%Y"],  # of texts: dates of the database need none
        "postgres": {"dsn_env": "CRM_DSN", "timeout": "20 seconds"},
        "leads": {
            "query": "select * from crm.leads -- all of them",
            "watermark": {"column": "changed", "lag": "10 minutes"},
            "columns": {
                **{"lead_id": "id", "title": "title", "created_at": "created", "employee_count": "size"},
                **{"is_hiring": "active", "deleted_at": "removed"},
            },
            "attributes": {"tier": "info"},
        },
        "activities": {
            "query": "select * from crm.touches;",
            "watermark": {"column": "nr", "lag": "2"},
            "columns": {
                **{"activity_id": "nr", "lead_id": "lead", "action": "kind", "occurred_at": "at"},
                **{"content_snapshot": "said"},
            },
        },
    }
    yield customer
    connection.execute("drop schema crm cascade")
    connection.close()


def add_lead(crm: Crm, number: int, changed: str, **values: Any) -> None:
    row = {"id": number, "changed": changed, **values}
    crm.db.execute(
        f"insert into crm.leads ({', '.join(row)}) values ({', '.join(['%s'] * len(row))})".encode(),
        tuple(row.values()),
    )


def add_touch(crm: Crm, number: int, lead: int, kind: str = "email_sent") -> None:
    crm.db.execute(
        "insert into crm.touches values (%s, %s, %s, '2026-01-05', %s)", (number, lead, kind, '{"cta": "call"}')
    )


def load(crm: Crm, **options: Any) -> dict[str, FileReport]:
    return {file.entity: file for file in crm.load(**options).files}


def test_typed_columns_arrive_as_they_are(crm: Crm) -> None:
    values = {"created": "2026-01-01 09:30:00.123456", "size": "120.0", "info": '{"a": [1, "é"]}', "active": True}
    add_lead(crm, 1, "2026-01-01", title=' "quoted",\nand broken ', **values)
    add_lead(crm, 2, "2026-01-01", created="-infinity", removed="infinity")
    add_touch(crm, 1, 1)
    counts = load(crm)["leads"].counts
    assert (counts.inserted, counts.rejected) == (1, 1)
    row = crm.connection.execute(
        "select title, created_at, employee_count, is_hiring, attributes ->> 'tier' from raw.leads"
        " where tenant_id = %s",
        (crm.tenant.tenant_id,),
    ).fetchone()
    created = dt.datetime(2026, 1, 1, 12, 30, 0, 123456, tzinfo=dt.UTC)
    assert row == ('"quoted",\nand broken', created, 120, True, '{"a": [1, "é"]}')
    assert "created_at '0001-01-01 00:00:00' is not a date of 1970-2100" in crm.rejects()[0][2]
    assert crm.count("activities", """content_snapshot = '{"cta": "call"}'""") == 1


def test_a_load_reads_what_is_new_and_a_little_before_it(crm: Crm) -> None:
    add_lead(crm, 1, "2026-01-01 10:00")
    add_lead(crm, 2, "2026-01-01 12:00")
    assert load(crm)["leads"].counts.inserted == 2
    again = load(crm)["leads"].counts
    assert (again.read, again.unchanged) == (1, 1)
    add_lead(crm, 3, "2026-01-01 11:55")  # became visible late
    add_lead(crm, 4, "2026-01-01 11:45")  # later than the lag allows for
    add_lead(crm, 5, "2026-01-01 13:00")
    assert load(crm)["leads"].counts.inserted == 2
    assert load(crm, again=True)["leads"].counts.inserted == 1
    crm.mapping["leads"]["columns"]["country"] = "title"
    assert load(crm)["leads"].counts.read == 5  # another mapping: from the beginning


def test_rows_without_a_watermark_are_read_every_time_and_none_from_the_future_hides_others(crm: Crm) -> None:
    add_lead(crm, 1, "2999-01-01")
    crm.db.execute("insert into crm.leads (id) values (2)")
    load(crm)
    add_lead(crm, 3, dt.datetime.now(dt.UTC).isoformat())
    counts = load(crm)["leads"].counts
    assert (counts.read, counts.inserted) == (3, 1)


def test_a_killed_load_is_repeated(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    add_lead(crm, 1, "2026-01-01")
    add_touch(crm, 1, 1)
    load(crm)
    for number in (7, 8, 9):
        add_touch(crm, number, 1)
    remember = watermarks.remember

    def die(*arguments: Any) -> None:
        remember(*arguments)
        if arguments[2] == "activities":
            raise KeyboardInterrupt

    monkeypatch.setattr(load_module.watermarks, "remember", die)
    with pytest.raises(KeyboardInterrupt):
        load(crm)
    monkeypatch.undo()
    monkeypatch.setenv("CRM_DSN", str(crm.warehouse.settings.database_url))
    assert crm.count("activities") == 1
    assert load(crm)["activities"].counts.inserted == 3


def test_a_row_that_waits_for_its_lead_is_read_again_when_leads_came(crm: Crm) -> None:
    add_lead(crm, 1, "2026-01-01")
    add_touch(crm, 1, 99)
    for number in range(10, 20):
        add_touch(crm, number, 1)
    assert load(crm)["activities"].counts.waiting == 1
    add_touch(crm, 30, 98)
    assert load(crm)["activities"].counts.waiting == 1
    assert [reject[1] for reject in crm.rejects()] == ["1", "30"]  # the first one was not read again, and is kept
    add_lead(crm, 99, "2026-02-01")
    assert load(crm)["activities"].counts.inserted == 1
    assert [reject[1] for reject in crm.rejects()] == ["30"]
    assert load(crm)["activities"].counts.read < 5
    add_lead(crm, 98, "2026-03-01")
    load(crm)
    assert crm.rejects() == [] and crm.count("activities") == 12


def test_rejects_name_their_key_and_their_place_in_the_load(crm: Crm) -> None:
    add_lead(crm, 1, "2026-01-01")
    add_touch(crm, 1, 1)
    add_touch(crm, 2, 1, kind="pigeon_sent")
    load(crm)
    found = crm.connection.execute(
        "select file, row_number, record_key from raw.rejected_rows where source = %s", (crm.tenant.slug,)
    ).fetchall()
    assert found == [("query to CRM_DSN", 2, "2")]


def test_a_full_extract_can_be_a_query(crm: Crm) -> None:
    del crm.mapping["leads"]["watermark"]
    crm.mapping["leads"]["full_extract"] = True
    add_lead(crm, 1, "2026-01-01")
    add_lead(crm, 2, "2026-01-01")
    load(crm)
    crm.db.execute("delete from crm.leads where id = 2")
    assert load(crm)["leads"].counts.gone == 1


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("dsn", "sentence"),
    [
        (None, "environment variable CRM_DSN is not set.*export CRM_DSN="),
        (f"postgresql://u:p@{SECRET}@127.0.0.1/crm", "CRM_DSN is not a connection string"),
        (f"postgresql://u:p/{SECRET}@127.0.0.1/crm", "CRM_DSN is not a connection string"),
        (f"host={SECRET} {SECRET}", "CRM_DSN is not a connection string"),
        (f"postgresql://u:{SECRET}@127.0.0.1:%PORT%/crm", "Cannot connect to the Postgres of CRM_DSN: .*refused"),
    ],
)
def test_a_server_that_cannot_be_reached_is_said_without_the_secret(
    crm: Crm, monkeypatch: pytest.MonkeyPatch, dsn: str | None, sentence: str
) -> None:
    monkeypatch.delenv("CRM_DSN")
    if dsn:
        monkeypatch.setenv("CRM_DSN", dsn.replace("%PORT%", str(free_port())))
    with pytest.raises(IngestError, match=sentence) as refusal:
        load(crm)
    assert SECRET not in str(refusal.value) and "\n" not in str(refusal.value)
    assert refusal.value.__cause__ is None  # which could hold it


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"query": "select 1 from nowhere"}, r"query of leads cannot be run on the Postgres of CRM_DSN: .*nowhere"),
        ({"query": "select id as lead from crm.leads"}, "query of leads has no column"),
        ({"query": "select 1 as a, 2 as a"}, "column 'a' twice"),
        ({"query": "select 1) as s; drop table crm.leads; select (1"}, "query of leads cannot be run"),
        ({"query": "with gone as (delete from crm.leads returning *) select * from gone"}, "cannot be run"),
        ({"query": "select *, pg_sleep(9) from crm.leads"}, r"took too long .*timeout: 1 hour"),
        ({"watermark": {"column": "when"}}, "no column 'when' for its watermark"),
        ({"watermark": {"column": "title"}}, "'title' must be a date, a timestamp or a whole number"),
        ({"watermark": {"column": "changed", "lag": "5"}}, "say its lag as '2 hours'"),
        ({"watermark": {"column": "id", "lag": "5 hours"}}, "say its lag as one, such as 1000"),
    ],
)
def test_a_query_that_cannot_be_used_is_refused_in_a_sentence_and_changes_nothing(
    crm: Crm, change: dict[str, Any], sentence: str
) -> None:
    add_lead(crm, 1, "2026-01-01")
    crm.mapping["leads"].pop("watermark")
    crm.mapping["leads"].update(change)
    crm.mapping["postgres"]["timeout"] = "1 second"
    with pytest.raises(IngestError, match=sentence) as refusal:
        load(crm)
    assert "\n" not in str(refusal.value)
    assert crm.db.execute("select count(*) from crm.leads").fetchone() == (1,)
    assert crm.count("leads") == 0


def test_the_secret_is_nowhere_in_the_warehouse(crm: Crm, monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = conninfo.make_conninfo(str(crm.warehouse.settings.database_url), application_name=SECRET)
    monkeypatch.setenv("CRM_DSN", dsn)
    add_lead(crm, 1, "2026-01-01")
    load(crm)
    crm.mapping["leads"]["query"] = "select * from nowhere"
    with pytest.raises(IngestError):
        load(crm)
    for table in ("sources", "loads", "source_watermarks", "rejected_rows"):
        rows = crm.connection.execute(f"select t::text from raw.{table} as t".encode()).fetchall()
        assert rows or table == "rejected_rows"
        assert SECRET not in str(rows) and dsn not in str(rows)


def test_a_connection_lost_on_the_way_loads_nothing(crm: Crm) -> None:
    add_lead(crm, 1, "2026-01-01")
    crm.mapping["leads"]["query"] = "select *, pg_terminate_backend(pg_backend_pid()) from crm.leads"
    with pytest.raises(IngestError, match="query of leads cannot be run on the Postgres of CRM_DSN"):
        load(crm)
    assert crm.count("leads") == 0
    with psycopg.connect(str(crm.warehouse.settings.database_url)) as still_there:
        assert still_there.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize(
    ("part", "settings", "sentence"),
    [
        ({}, {}, "give either files or a query"),
        ({"files": "x.csv", "query": "select 1"}, {}, "give either files or a query"),
        ({"query": "select 1"}, {}, r"say which database: 'postgres: \{dsn_env: CRM_DSN\}'"),
        ({"files": "x.csv", "watermark": {"column": "a"}}, {}, "watermark belongs to a query"),
        ({"query": "x", "watermark": {"column": "a"}, "full_extract": "true"}, {}, "leave the watermark out"),
        ({"query": "x", "watermark": {"column": "a", "lag": "soon"}}, {}, "'soon' is no duration such as"),
        ({"query": "x"}, {"postgres": {"dsn_env": f"postgresql://u:{SECRET}@h/d"}}, "takes the name of an environment"),
        ({"query": "x"}, {"postgres": {"dsn": f"postgresql://u:{SECRET}@h/d"}}, "no such setting|Field required"),
        ({"query": "x"}, {"postgres": {"dsn_env": "A", "timeout": "0x"}}, "'0x' is no duration"),
    ],
)
def test_a_wrong_query_is_answered_before_anything_is_asked(
    tmp_path: Path, part: dict[str, Any], settings: dict[str, Any], sentence: str
) -> None:
    path = tmp_path / "mapping.yaml"
    leads = {"columns": {"lead_id": "id"}, **part}
    path.write_text(yaml.safe_dump({"name": "crm", "tenant": "acme", "leads": leads, **settings}))
    with pytest.raises(IngestError, match=sentence) as refusal:
        read_mapping(path)
    assert SECRET not in str(refusal.value)


def test_only_leads_can_be_a_full_extract(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    columns = {"lead_id": "l", "occurred_at": "a", "status": "s"}
    events = {"files": "e.csv", "full_extract": "true", "columns": columns}
    path.write_text(yaml.safe_dump({"name": "crm", "tenant": "acme", "status_events": events}))
    with pytest.raises(IngestError, match="only leads are marked as deleted"):
        read_mapping(path)
