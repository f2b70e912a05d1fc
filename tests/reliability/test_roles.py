"""Every role against every table, view, sequence, function and schema: what it may do is what is declared here.

The probes are attempts, made as logins of these roles; nothing they do stays.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg import sql

from tests.loop import Rows, build_marts
from tests.planting import plant
from tests.servers import conninfo_of
from warehouse import roles, tenants
from warehouse.connection import Warehouse

# viewer, ops, bi, scorer; r select, a insert, w update, d delete, t truncate, x execute, u nextval.
MATRIX = {
    "r r r -": """
        learned.audit_log learned.company_matches learned.conversion_pattern_history learned.conversion_patterns
        learned.evidence learned.icp_rules learned.icp_suggestion_sets learned.icp_suggestions
        learned.lookalike_companies learned.match_candidates learned.rate_estimates learned.signal_estimates
        learned.suggestion_decisions learned.weight_decisions learned.weight_holds learned.weight_versions
        marts.icp_pattern_signals marts.icp_patterns marts.industry_segments marts.lead_conversion_rates
        marts.lead_outcomes marts.lead_scores marts.pipeline_health marts.score_band_performance
        marts.seed_company_matches marts.weight_training_cells
    """,
    "r r r r": "learned.current_weights learned.tenants",
    "- ra - -": "raw.icp_intake_inbox",
    "- - - -": """
        access.alembic_version access.tenant_logins learned.lookalikes
        raw.activities raw.activity_kinds raw.background_crawls raw.companies raw.company_enrichment_runs
        raw.company_signals raw.contacts raw.crawl_pages raw.crawl_runs raw.customer_seeds raw.icp_evidence
        raw.icp_flow raw.icp_intake_responses raw.industry_code_links raw.industry_codes raw.lead_score_snapshots
        raw.lead_sources raw.lead_status_events raw.leads raw.loads raw.match_decisions raw.model_calls
        raw.registry_entities raw.rejected_rows raw.retention_runs raw.source_watermarks raw.sources
        raw.suppressions raw.tenants raw.vendor_usage
        staging.* intermediate.* sequence:*
        access.protect(regclass,name[]) access.must_decide_for(integer) intermediate.touch(text,integer[])
        learned.must_be_overrides(jsonb)
    """,
    "x x x x": "access.current_tenant() access.sees_all_tenants() learned.lead_score(*) learned.lead_tier(*)"
    " learned.score_lead(*)",
    "- x - -": "learned.accept_suggestion(*) learned.reject_suggestion(*) learned.decide_match(*)",
}
ROLES = ("icp_viewer", "icp_ops", "icp_bi", "icp_scorer")
SCHEMAS = ("access", "raw", "staging", "intermediate", "marts", "learned")
_ATTEMPTS = {
    "r": "select * from {} limit 1",
    "a": "insert into {} default values",
    "w": "update {} set {} = default where false",
    "d": "delete from {} where false",
    "t": "truncate {}",
}
# What a reader could do to the server or the pipeline beyond our tables.
_FORBIDDEN = (
    *(f"create table {schema}.mine ()" for schema in (*SCHEMAS, "public")),
    "create schema mine",
    "create role mine",
    "set role icp_pipeline",
    "set session authorization icp",
    "copy (select 1) to program 'true'",
    "copy (select 1) to '/tmp/mine'",
    "select pg_read_file('PG_VERSION')",
    "select lo_import('/etc/passwd')",
    "alter table learned.audit_log disable row level security",
    "alter role icp_viewer superuser",
    "grant icp_bi to current_user",
    "create policy mine on learned.audit_log using (true)",
    "comment on table learned.audit_log is 'mine'",
    "alter function access.current_tenant() security invoker",
    "create or replace function access.current_tenant() returns integer language sql as 'select 2'",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'icp'",
)


def declared(name: str) -> dict[str, str] | None:
    """Role → what it may do to an object; None where the object is not in the matrix."""
    for rights, objects in MATRIX.items():
        for pattern in objects.split():
            if re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name):
                return {role: may.replace("-", "") for role, may in zip(ROLES, rights.split(), strict=True)}
    return None


@dataclass(frozen=True)
class Login:
    """Somebody who tries.

    Attributes:
        role: whose rights it has; None: of no role of ours.
        tenant: whose rows it may see: a slug; ``*`` all; None nobody's.
        names: the tenant it names by app.tenant_id.
    """

    title: str
    role: str | None
    tenant: str | None
    names: str | None = None


LOGINS = (
    Login("viewer of acme", "icp_viewer", "acme"),
    Login("viewer of acme that names another", "icp_viewer", "acme", names="other"),
    Login("ops of acme", "icp_ops", "acme"),
    Login("application that names acme", "icp_viewer", "acme", names="acme"),
    Login("application that names nobody", "icp_viewer", None),
    Login("application of ops that names acme", "icp_ops", "acme", names="acme"),
    Login("viewer that is not listed", "icp_viewer", None, names="acme"),
    Login("ops that is not listed", "icp_ops", None, names="acme"),
    Login("bi", "icp_bi", "*"),
    Login("scorer", "icp_scorer", "*"),
    Login("login without a role", None, None, names="acme"),
)


@dataclass
class Probes:
    """What was tried, and what did not come out as declared."""

    tried: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    foreign: int = 0


@pytest.fixture(scope="module")
def ids(warehouse: Warehouse) -> dict[str, int]:
    with warehouse.connect(autocommit=True) as connection:
        return {slug: tenants.add_tenant(connection, slug=slug).tenant_id for slug in ("acme", "other")}


@pytest.fixture(scope="module")
def logins(warehouse: Warehouse, ids: dict[str, int]) -> Iterator[dict[Login, str]]:
    """Connection strings. The logins are this module's own."""
    made = {login: f"t_probe_{number}" for number, login in enumerate(LOGINS)}
    for login, name in made.items():
        if login.role in roles.OF_ONE_TENANT and "not listed" not in login.title:
            application = "application" in login.title
            tenant = None if application else login.tenant
            roles.add_login(warehouse, name, role=login.role, tenant=tenant, application=application)  # type: ignore[arg-type]
        elif login.role is not None and login.tenant == "*":
            roles.add_login(warehouse, name, role=login.role)  # type: ignore[arg-type]
        else:  # by hand, past `icp roles`
            with warehouse.connect(autocommit=True) as connection:
                connection.execute("set role none")
                connection.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
                if login.role:
                    connection.execute(
                        sql.SQL("grant {} to {}").format(sql.Identifier(login.role), sql.Identifier(name))
                    )
    yield {login: conninfo_of(warehouse, name) for login, name in made.items()}
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("delete from access.tenant_logins")
        connection.execute("set role none")
        for name in made.values():
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))


def objects(rows: Rows) -> dict[str, tuple[str, str]]:
    """Name in the matrix → (kind, name for SQL)."""
    schemas = list(SCHEMAS)
    found = {
        f"sequence:{name}" if kind == "S" else name: (kind, name)
        for name, kind in rows(
            "select oid::regclass::text, relkind::text from pg_class where relkind in ('r', 'p', 'v', 'm', 'f', 'S')"
            " and relnamespace::regnamespace::text = any(%s)", schemas,
        )
    }  # fmt: skip
    for name, call in rows(
        "select oid::regprocedure::text, oid::regproc || '(' || coalesce((select string_agg('null::' || format_type("
        "kind, null), ', ') from unnest(proargtypes::oid[]) as kind), '') || ')' from pg_proc"
        " where pronamespace::regnamespace::text = any(%s)", schemas,
    ):  # fmt: skip
        found[name.replace(" ", "")] = ("x", call)
    return found


def is_refused(connection: psycopg.Connection, statement: str) -> bool:
    """Whether the server refuses a statement for want of rights. What it does is undone."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege as error:
        words = error.diag.message_primary or ""
        return not words.startswith(("new row violates row-level security", "Only icp_ops"))
    except (psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.WrongObjectType):
        return True  # nobody can: a view that stands for no single table
    except psycopg.Error:
        return False  # a right it has, used with nonsense
    return False


def probe(login: Login, dsn: str, rows: Rows, ids: dict[str, int], planted: set[str], *, rights: bool = True) -> Probes:
    """Try everything on everything, as this login; without ``rights`` only look for rows."""
    done = Probes()
    last_column = dict(
        rows("select attrelid::regclass::text, quote_ident(attname) from pg_attribute where attnum > 0 order by attnum")
    )
    tenant_tables = {
        table for (table,) in rows("select attrelid::regclass::text from pg_attribute where attname = 'tenant_id'")
    }
    with psycopg.connect(dsn) as connection:
        if login.names:
            connection.execute("select set_config('app.tenant_id', %s, false)", (str(ids[login.names]),))
            connection.commit()
        for name, (kind, called) in objects(rows).items():
            may = (declared(name) or {}).get(login.role or "", "")
            if kind == "x":
                attempts = {"x": f"select {called}"}
            elif kind == "S":
                attempts = {"u": f"select nextval('{called}')", "r": f"select * from {called}"}
            else:
                attempts = {right: text.format(called, last_column.get(called)) for right, text in _ATTEMPTS.items()}
            for right, statement in attempts.items() if rights else ():
                done.tried[right] += 1
                if is_refused(connection, statement) == (right in may):
                    done.wrong.append(f"{login.title}: {statement} is {'refused' if right in may else 'allowed'}")
            if "r" in may and called in tenant_tables:
                done.tried["rows"] += 1
                own, foreign = _count(connection, called, ids.get(login.tenant or ""))
                done.foreign += foreign if login.tenant != "*" else 0
                expected = login.tenant is not None and called in planted
                if expected and not own and login.tenant != "*":
                    done.wrong.append(f"{login.title} does not see its own row in {called}")
                if login.tenant == "*" and called in planted and foreign < 2:
                    done.wrong.append(f"{login.title} does not see all rows of {called}")
        for statement in _FORBIDDEN if rights else ():
            done.tried["!"] += 1
            if not is_refused(connection, statement):
                done.wrong.append(f"{login.title}: {statement} is allowed")
    return done


def _count(connection: psycopg.Connection, table: str, tenant_id: int | None) -> tuple[int, int]:
    with connection.transaction():
        row = connection.execute(
            f"select count(*) filter (where tenant_id = %s), count(*) filter (where tenant_id is distinct from %s)"
            f" from {table}".encode(),
            (tenant_id, tenant_id),
        ).fetchone()
    assert row is not None
    return row


def probe_all(rows: Rows, ids: dict[str, int], logins: dict[Login, str], planted: set[str], *, all_rights: bool) -> int:
    """Every login; returns the number of probes, and prints them for docs/reliability.md.

    Args:
        all_rights: try what a role may do with every login of it, else with the first only.
    """
    first = {login.role: login for login in reversed(LOGINS)}
    done = {
        login: probe(login, dsn, rows, ids, planted, rights=all_rights or first[login.role] is login)
        for login, dsn in logins.items()
    }
    assert [wrong for probes in done.values() for wrong in probes.wrong] == []
    assert sum(probes.foreign for probes in done.values()) == 0
    total = sum(sum(probes.tried.values()) for probes in done.values())
    sys.stdout.write(
        f"\n{len(done)} logins x {len(objects(rows))} tables, views, sequences and functions, with "
        f"{len(_FORBIDDEN)} statements each that only an administrator may run: {total:,} probes, all as declared; "
        f"rows in {len(planted)} tables; rows of other tenants seen: 0\n"
    )
    return total


def test_every_object_is_declared(warehouse: Warehouse, rows: Rows) -> None:
    new = [name for name in objects(rows) if declared(name) is None]
    assert new == [], (
        f"{', '.join(new)}: say in MATRIX (tests/reliability/test_roles.py) what each role may do with it."
    )


def test_a_new_table_is_noticed(warehouse: Warehouse, rows: Rows) -> None:
    rows("create table raw.brand_new (tenant_id integer)")
    try:
        assert [name for name in objects(rows) if declared(name) is None] == ["raw.brand_new"]
    finally:
        rows("drop table raw.brand_new")


def test_every_role_may_do_with_every_object_what_is_declared_and_sees_its_own_rows_only(
    warehouse: Warehouse, rows: Rows, ids: dict[str, int], logins: dict[Login, str]
) -> None:
    planted = set()
    for tenant_id in ids.values():
        planted |= plant(warehouse, rows, words=f"of {tenant_id}", tenant_id=tenant_id)
    assert probe_all(rows, ids, logins, planted, all_rights=False) > 1_500


@pytest.mark.slow  # builds the marts; tests/dagster_defs/test_loop.py looks at their rights in every session
def test_the_marts_are_as_closed(
    warehouse: Warehouse, rows: Rows, ids: dict[str, int], logins: dict[Login, str]
) -> None:
    build_marts(warehouse, as_of="2026-06-30")
    planted = set()
    for tenant_id in ids.values():
        planted |= plant(warehouse, rows, words=f"of {tenant_id} too", tenant_id=tenant_id)
    assert any(table.startswith("marts.") for table in planted)
    assert [name for name in objects(rows) if declared(name) is None] == []
    assert probe_all(rows, ids, logins, planted, all_rights=True) > 5_000


def test_what_is_opened_is_found(rows: Rows, ids: dict[str, int], logins: dict[Login, str]) -> None:
    login = LOGINS[0]
    rows("grant select on raw.contacts to public")
    rows("grant update on learned.weight_holds to icp_viewer")
    rows("create policy leak on learned.audit_log for select to icp_viewer using (true)")
    rows(
        "insert into learned.audit_log (tenant_id, actor, action, object) select tenant_id, '', '', '' from raw.tenants"
    )
    try:
        found = probe(login, logins[login], rows, ids, set())
    finally:
        rows("drop policy leak on learned.audit_log")
        rows("revoke select on raw.contacts from public")
        rows("revoke update on learned.weight_holds from icp_viewer")
    assert found.foreign > 0
    # The grant on contacts opens nothing, without usage on the schema.
    assert found.wrong == [f"{login.title}: update learned.weight_holds set held_at = default where false is allowed"]


def test_the_pipeline_may_do_everything_to_its_tables(warehouse: Warehouse, rows: Rows) -> None:
    with warehouse.connect() as connection:
        for name, (kind, called) in objects(rows).items():
            if kind in ("r", "x"):
                first = _ATTEMPTS["r"].format(called) if kind == "r" else f"select {called}"
                assert not is_refused(connection, first), name


def test_a_type_of_the_same_name_gets_nobody_the_pipeline_s_rights(
    rows: Rows, ids: dict[str, int], logins: dict[Login, str]
) -> None:
    """Types of temporary schemas are found first, unless a function's path names them; their checks run within it."""
    ran_as: list[str] = []
    ops = next(login for login in LOGINS if login.role == "icp_ops")
    with psycopg.connect(logins[ops]) as connection:
        connection.add_notice_handler(lambda notice: ran_as.append(notice.message_primary or ""))
        connection.execute(
            "create function pg_temp.spy(pg_catalog.jsonb) returns boolean language plpgsql as"
            " $$ begin raise notice '%', current_user; return true; end $$"
        )
        for name in ("jsonb", "text", "record", "int4", "int8", "name"):
            base = "jsonb" if name == "record" else name
            connection.execute(
                f"create domain pg_temp.{name} as pg_catalog.{base}"
                " check (pg_temp.spy(pg_catalog.to_jsonb(value)))".encode()
            )
        for call in (
            "learned.accept_suggestion({}, 'x', 'me', '{{}}'::pg_catalog.jsonb)",
            "learned.reject_suggestion({}, 'x', 'me', 'why')",
            "learned.decide_match({}, -1, 'none', null, 'me', '{{}}'::pg_catalog.jsonb)",
        ):
            with pytest.raises(psycopg.errors.NoDataFound), connection.transaction():
                connection.execute(f"select {call.format(ids['acme'])}".encode())
    assert "icp_pipeline" not in ran_as


def test_functions_with_their_owner_s_rights_name_their_search_path(rows: Rows) -> None:
    careless = rows(
        "select oid::regprocedure::text from pg_proc where prosecdef and pronamespace::regnamespace::text = any(%s)"
        " and proconfig is distinct from array['search_path=pg_catalog, pg_temp']",
        list(SCHEMAS),
    )
    assert careless == []
