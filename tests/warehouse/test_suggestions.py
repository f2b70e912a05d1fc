"""Suggestions in the database: who reads the words behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import get_args

import psycopg
import pytest
from psycopg import conninfo

from tests.loop import Rows
from warehouse import roles, suggestions, tenants
from warehouse.connection import Warehouse
from warehouse.suggestion_sets import NewLookalike, NewSet, NewSuggestion, publish_sets

WORDS = "We pay Jane's team with PayBuddy"
CARD = "sugg_000000000001"


@pytest.fixture(scope="module")
def acme(warehouse: Warehouse) -> int:
    """A tenant with a card, a fact and a look-alike, each with words of a page."""
    rule = {"ssic_codes": ["47211", "62011"], "headcount_min": 11, "headcount_max": 50}
    made = NewSuggestion(CARD, "Software", 1.0, [1], False, {}, {}, rule)
    like = NewLookalike(CARD, 1, None, None, "Like One", None, None, 0.8, "Same industry.", WORDS)
    with warehouse.connect() as connection:
        tenant = tenants.add_tenant(connection, slug="acme").tenant_id
        publish_sets(connection, [NewSet(tenant, 1, "a", 5, 5, False, {}, [], [made], [like])], run_id=None)
        connection.execute(
            "with company as (insert into raw.companies (company_key, name) values ('a', 'A') returning company_id),"
            " shared as (insert into raw.company_signals select company_id, 'h', 'integration', 'x', '{}', null,"
            " %(words)s, 0.9, now() from company)"
            " insert into raw.icp_evidence (tenant_id, company_id, signal_key, value_key, value, source, snippet,"
            " confidence, observed_at, content_hash) select %(tenant)s, company_id, 'integration', 'x', '{}', 'crawl',"
            " %(words)s, 0.9, now(), 'h' from company",
            {"tenant": tenant, "words": WORDS},
        )
    return tenant


@pytest.fixture(scope="module")
def logins(warehouse: Warehouse, acme: int) -> Iterator[Callable[[str], psycopg.Connection]]:
    """A connection as a login with a role."""
    opened: list[psycopg.Connection] = []

    def connect(role: str) -> psycopg.Connection:
        opened.append(psycopg.connect(conninfo.make_conninfo(warehouse.conninfo, user=f"t_{role}"), autocommit=True))
        return opened[-1]

    for role in get_args(roles.Role):
        roles.add_login(warehouse, f"t_{role}", role=role, tenant="acme" if role in roles.OF_ONE_TENANT else None)
    yield connect
    for connection in opened:
        connection.close()
    for role in get_args(roles.Role):
        roles.revoke_login(warehouse, f"t_{role}", drop=True)


@pytest.mark.parametrize("role", get_args(roles.Role))
def test_words_of_pages_are_read_by_ops_alone(
    role: roles.Role, logins: Callable[[str], psycopg.Connection], rows: Rows
) -> None:
    reader = logins(role)
    readable = rows(
        "select c.oid::regclass::text from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        " where relkind in ('r', 'v', 'm', 'p') and nspname <> 'access' and nspname !~ '^(pg_|information_schema)'"
        " and has_schema_privilege(%s, n.oid, 'usage') and has_table_privilege(%s, c.oid, 'select') order by 1",
        reader.info.user,
        reader.info.user,
    )
    telling = [
        relation
        for (relation,) in readable
        if any(WORDS in row[0] for row in reader.execute(f"select t::text from {relation} as t".encode()))
    ]
    assert telling == (["learned.evidence", "learned.lookalike_companies"] if role == "icp_ops" else [])


@pytest.mark.parametrize("role", ["icp_viewer", "icp_bi"])
def test_who_does_not_read_words_reads_that_there_are_some(
    role: str, acme: int, logins: Callable[[str], psycopg.Connection]
) -> None:
    (like,) = suggestions.lookalikes_of(logins(role), acme, CARD)
    assert (like["name"], like["why"], like["snippet"]) == ("Like One", "Same industry.", "(masked)")
