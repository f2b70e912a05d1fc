"""SQL by way of names, mappings, settings, arguments, payloads and app.tenant_id: a sentence, or the text kept as data.

Each way in is the real one. Afterwards every table, role, grant and policy is there as before, and so are the rows of
a tenant that had nothing to do with it.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
import yaml
from psycopg import conninfo
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from icp.main import app, main
from ingest.errors import IngestError
from ingest.intake import process_inbox
from tests.ingest.intake.payloads import FLAT
from tests.loop import Rows
from tests.servers import conninfo_of
from warehouse import matches, publication, retention, roles, suggestions, tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError
from warehouse.settings import Settings

HOSTILE = (
    "1; drop table raw.tenants; --",
    "1' or '1'='1",
    "'); delete from raw.leads; --",
    '"; drop schema raw cascade; --',
    'icp_viewer"; grant icp_bi to public; --',
    "$$; select pg_sleep(9); $$",
    "' || pg_sleep(9) || '",
    "\\'; drop table raw.leads; --",
    "%s %(tenant)s {} {0} %",
    "{{ env_var('HOME') }}{% raw %}",
    "[/red] \x1b[31m",
    "\\N\t\\.\n",
)
STATE = (
    "select 'table ' || oid::regclass || ' ' || coalesce(relacl::text, '') || relrowsecurity from pg_class"
    " where relnamespace::regnamespace::text = any(array['access', 'raw', 'intermediate', 'learned'])"
    " union all select 'policy ' || polrelid::regclass || polname || coalesce(pg_get_expr(polqual, polrelid), '')"
    " from pg_policy union all select 'function ' || oid::regprocedure || coalesce(proacl::text, '') from pg_proc"
    " where pronamespace::regnamespace::text = any(array['access', 'intermediate', 'learned'])"
    " union all select 'role ' || rolname || rolsuper || rolcreaterole from pg_roles where rolname !~ '^t_inj'"
    " union all select 'member ' || roleid::regrole || ' ' || member::regrole from pg_auth_members"
    " where member::regrole::text !~ 't_inj' union all select 'lead ' || leads.* from raw.leads as leads"
    " join raw.tenants using (tenant_id) where slug = 'bystander'"
    " union all select 'tenant ' || tenants.* from raw.tenants as tenants where slug = 'bystander' order by 1"
)


@dataclass
class Ground:
    """What the ways in need.

    Attributes:
        kept: texts that a way in says it stored, with the query that finds them.
    """

    warehouse: Warehouse
    connection: psycopg.Connection
    rows: Rows
    folder: Path
    ops: str
    application: str
    tenant_id: int
    seed_id: int
    kept: list[tuple[str, str]] = field(default_factory=list)

    def icp(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command in this process; its refusal is raised."""
        done = CliRunner().invoke(app, list(arguments), input=stdin)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        if done.exit_code:
            raise WarehouseError(done.output)
        return done.output

    def file(self, name: str, text: str) -> str:
        """Write a file and return its path."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8", newline="")
        return str(path)


@pytest.fixture(scope="module")
def ground(warehouse: Warehouse, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with warehouse.connect(autocommit=True) as connection:
        bystander = tenants.add_tenant(connection, slug="bystander").tenant_id
        tenant = tenants.add_tenant(connection, slug="acme")
        rows("insert into raw.leads (tenant_id, source_id, load_id) values (%s, 'L', 1)", bystander)
        ((company,),) = rows("insert into raw.companies (company_key, name) values ('a', 'A') returning company_id")
        ((seed,),) = rows(
            "insert into raw.customer_seeds (tenant_id, kind, seed_key, seed_name, company_id, first_version,"
            " last_version, is_active) values (%s, 'best', 'a', 'A', %s, 1, 1, true) returning seed_id",
            tenant.tenant_id, company,
        )  # fmt: skip
        rows(
            "insert into learned.icp_suggestion_sets (tenant_id, generation, inputs_hash, best_seeds,"
            " seeds_with_evidence, reduced_evidence, negative_icp) values (%s, 1, '', 1, 1, false, '{}')",
            tenant.tenant_id,
        )
        rows(
            "insert into learned.icp_suggestions (tenant_id, generation, suggestion_id, rank, title, score,"
            " evidence_count, evidence_ids, reduced_evidence, card, targeting_pack, rule_payload)"
            " values (%s, 1, 's', 1, 't', 1, 0, '{}', false, '{}', '{}', '{\"ssic_codes\": []}')", tenant.tenant_id,
        )  # fmt: skip
        roles.add_login(warehouse, "t_inj_ops", role="icp_ops", tenant="acme")
        roles.add_login(warehouse, "t_inj_app", role="icp_ops", application=True)
        logins = [conninfo_of(warehouse, name) for name in ("t_inj_ops", "t_inj_app")]
        folder = tmp_path_factory.mktemp("hostile")
        yield Ground(warehouse, connection, rows, folder, *logins, tenant.tenant_id, seed)
        for name in ("t_inj_ops", "t_inj_app"):
            roles.revoke_login(warehouse, name, drop=True)


# -- the ways in ----------------------------------------------------------------------------------------------------


def tenant_slug(ground: Ground, text: str) -> None:
    ground.icp("tenant", "add", "--", text)


def tenant_names(ground: Ground, text: str) -> None:
    ground.icp("tenant", "add", "named", "--name", text, "--external-id", text)
    ground.kept.append((text, "select name from raw.tenants where slug = 'named'"))
    ground.kept.append((text + text, "select external_id from raw.tenants where slug = 'named'"))
    ground.rows("update raw.tenants set external_id = %s where slug = 'named'", text + text)  # for the other ways


def tenant_timezone(ground: Ground, text: str) -> None:
    ground.icp("tenant", "add", "acme", "--timezone", text)


def tenant_setting_name(ground: Ground, text: str) -> None:
    ground.icp("tenant", "add", "acme", "--setting", f"{text}=1")


def tenant_setting_value(ground: Ground, text: str) -> None:
    ground.icp("tenant", "add", "acme", "--setting", f"maturity_days={text}")


def login_name(ground: Ground, text: str) -> None:
    name = f"t_inj{text}"
    try:
        ground.icp("roles", "add", name, "--role", "icp_viewer", "--tenant", "acme")
        ground.icp("roles", "list")
        kept = ground.rows("select object from learned.audit_log where action = 'add_login' order by entry_id desc")
        assert kept[0] == (name,)
    finally:
        roles.revoke_login(ground.warehouse, name, drop=True)


def login_role(ground: Ground, text: str) -> None:
    ground.icp("roles", "add", "t_inj_x", "--role", text)


def login_tenant(ground: Ground, text: str) -> None:
    ground.icp("roles", "add", "t_inj_x", "--role", "icp_viewer", "--tenant", text)


def login_to_revoke(ground: Ground, text: str) -> None:
    ground.icp("roles", "revoke", "--drop", "--", text)


def reads_of_a_tenant(ground: Ground, text: str) -> None:
    for command in (
        ("weights", "show"),
        ("weights", "history"),
        ("score",),
        ("suggestions", "list"),
        ("matches", "list"),
    ):
        with pytest.raises(WarehouseError):
            ground.icp(*command, "--", text)


def run_of_a_tenant(ground: Ground, text: str) -> None:
    ground.icp("crawl", "--tenant", text)


def weights_reason(ground: Ground, text: str) -> None:
    tenant = tenants.get(ground.connection, "acme")
    publication.rollback(ground.connection, tenant, to_version=0, reason=text)


def person(ground: Ground, text: str) -> None:
    ground.icp("forget", "--person", text, "--tenant", "acme", "--yes", "--by", text)


def person_s_tenant(ground: Ground, text: str) -> None:
    ground.icp("forget", "--person", "x@y.example", "--tenant", text, "--yes")


def mapping_texts(ground: Ground, text: str) -> None:
    """Source, columns, attribute names, constants, translations, formats: everything that a mapping may say."""
    header, cells = ["id", text, "country"], [text, text, text]
    with (ground.folder / "leads.csv").open("w", encoding="utf-8", newline="") as content:
        csv.writer(content).writerows([header, cells])
    said = {
        "name": text,
        "tenant": "acme",
        "null_values": [text + text],
        "leads": {
            "files": "leads.csv",
            "columns": {
                "lead_id": "id",
                "title": text,
                "industry": {"value": text},
                "country": {"column": "country", "values": {text: text}},
            },
            "attributes": {text: text},
        },
    }
    ground.icp("load", "outcomes", ground.file("mapping.yaml", yaml.safe_dump(said)))
    trimmed = text.strip()
    for column in ("source_id", "title", "industry", "attributes ->> %s"):
        ground.kept.append((trimmed, f"select {column} from raw.leads where source_id = %s"))
    ground.kept.append((text, "select source from raw.sources where source = %s"))


def mapping_tenant(ground: Ground, text: str) -> None:
    ground.file("leads.csv", "id\n1\n")
    said = {"name": "m", "tenant": text, "leads": {"files": "leads.csv", "columns": {"lead_id": "id"}}}
    ground.icp("load", "outcomes", ground.file("mapping.yaml", yaml.safe_dump(said)))


def mapping_dates(ground: Ground, text: str) -> None:
    ground.file("leads.csv", "id,at\n1,2026-01-01\n")
    columns = {"lead_id": "id", "created_at": {"column": "at", "formats": [text]}}
    said = {"name": "d", "tenant": "acme", "leads": {"files": "leads.csv", "columns": columns}}
    ground.icp("load", "outcomes", ground.file("mapping.yaml", yaml.safe_dump(said)))


def mapping_file(ground: Ground, text: str) -> None:
    said = {"name": "f", "tenant": "acme", "leads": {"files": text, "columns": {"lead_id": "id"}}}
    ground.icp("load", "outcomes", ground.file("mapping.yaml", yaml.safe_dump(said)))


def classification_version(ground: Ground, text: str) -> None:
    ground.icp("load", "industry-codes", ground.file("codes.csv", f"code,title\n62011,{text!r}\n"), "--version", text)


def intake_payload(ground: Ground, text: str) -> None:
    payload = {
        **FLAT,
        "best_customers": [{"name": text, "website": "https://x.example"}],
        "champion_titles": [text],
        "lost_or_churned": [{"name": f"Lost {text}", "reason": text}],
    }
    ground.icp("load", "intake", ground.file("intake.json", json.dumps(payload)), "--tenant", "acme", "--by", text)
    ground.kept.append((text, "select submitted_by from raw.icp_intake_responses order by response_id desc limit 1"))


def inbox(ground: Ground, text: str) -> None:
    with psycopg.connect(ground.ops) as connection:
        connection.execute(
            "insert into raw.icp_intake_inbox (tenant_id, payload, submitted_by) values (%s, %s, %s)",
            (ground.tenant_id, Jsonb({**FLAT, text: text, "website": text, "merge": text}), text),
        )
    process_inbox(ground.connection, dt.datetime.now(dt.UTC))
    ground.kept.append((text, "select submitted_by from raw.icp_intake_inbox order by inbox_id desc limit 1"))


def decisions(ground: Ground, text: str) -> None:
    """What people decide, by the database's functions."""
    with psycopg.connect(ground.ops, autocommit=True) as connection:
        suggestions.accept(
            connection, tenant_id=ground.tenant_id, suggestion_ids=["s"], actor=text, overrides={"name": text}
        )
        suggestions.reject(connection, tenant_id=ground.tenant_id, suggestion_ids=["s"], actor=text, reason=text)
        matches.decide(
            connection, tenant_id=ground.tenant_id, seed_id=ground.seed_id, decision="none", entity_id=None,
            actor=text, edits={"name": text},
        )  # fmt: skip
    for query in (
        "select name from learned.icp_rules where name = %s",
        "select reason from learned.suggestion_decisions",
        "select details ->> 'name' from raw.match_decisions",
    ):
        ground.kept.append((text, query))


def decision_on_what_is_not_there(ground: Ground, text: str) -> None:
    with psycopg.connect(ground.ops, autocommit=True) as connection:
        suggestions.accept(connection, tenant_id=ground.tenant_id, suggestion_ids=[text], actor="a")


def registration_number(ground: Ground, text: str) -> None:
    ground.icp("matches", "pick", "acme", str(ground.seed_id), "--", text)


def tenant_of_an_application(ground: Ground, text: str) -> None:
    """app.tenant_id: no tenant's number is no tenant."""
    with psycopg.connect(ground.application) as connection:
        connection.execute("select set_config('app.tenant_id', %s, true)", (text,))
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            connection.execute("select * from learned.tenants")
    with psycopg.connect(ground.ops) as connection:  # a mapped login may set what it likes
        connection.execute("select set_config('app.tenant_id', %s, true)", (text,))
        found = connection.execute("select tenant_id from learned.tenants").fetchall()
        assert found == [(ground.tenant_id,)]


def retention_setting(ground: Ground, text: str) -> None:
    retention.days_from_environment({"ICP_RETAIN_PAGES_DAYS": text})


def database_name(ground: Ground, text: str) -> None:
    url = conninfo.make_conninfo(ground.warehouse.conninfo, dbname=text)
    Warehouse(Settings(home=ground.folder, database_url=url)).open()


WAYS: tuple[Callable[[Ground, str], None], ...] = (
    tenant_slug, tenant_names, tenant_timezone, tenant_setting_name, tenant_setting_value, login_name, login_role,
    login_tenant, login_to_revoke, reads_of_a_tenant, run_of_a_tenant, weights_reason, person, person_s_tenant,
    mapping_texts, mapping_tenant, mapping_dates, mapping_file, classification_version, intake_payload, inbox,
    decisions, decision_on_what_is_not_there, registration_number, tenant_of_an_application,
    retention_setting, database_name,
)  # fmt: skip


# One text that is everything at once, and the usual two; all of them in the slow proofs.
FEW = ("1; drop table raw.tenants; --", "1' or '1'='1", "\"'); drop schema raw cascade; -- [/red] %s {} {{ x }} \\' $$")


LONG = (classification_version, reads_of_a_tenant)  # seconds each: among the slow proofs only


@pytest.mark.parametrize("way", [way for way in WAYS if way not in LONG], ids=lambda way: way.__name__)
def test_a_sentence_or_data_and_nothing_else_changed(ground: Ground, way: Callable[[Ground, str], None]) -> None:
    attack(ground, way, FEW)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_no_other_text_gets_further(ground: Ground, way: Callable[[Ground, str], None]) -> None:
    attack(ground, way, HOSTILE)


def attack(ground: Ground, way: Callable[[Ground, str], None], texts: tuple[str, ...]) -> None:
    """Try texts by one way in, and look at everything before and after."""
    before = ground.rows(STATE)
    assert len(before) > 100
    for text in texts:
        ground.kept.clear()
        began = time.monotonic()
        try:
            way(ground, text)
        except (WarehouseError, IngestError, typer.BadParameter) as refusal:
            assert str(refusal).strip(), text
        assert time.monotonic() - began < 8, text  # nothing slept
        for expected, query in ground.kept:
            found: list[tuple[Any, ...]] = ground.rows(query, *[expected] * query.count("%s"))
            assert (expected,) in found, (text, query)
    assert ground.rows(STATE) == before


def test_arguments_that_are_no_text_are_refused(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["icp", "tenant", "add", "acme", "--name", b"caf\xe9".decode(errors="surrogateescape")]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "not UTF-8" in capsys.readouterr().err
