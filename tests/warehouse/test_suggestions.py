"""Suggestions in the database: who reads the words behind them, and which rules they can become."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_args

import psycopg
import pytest
from psycopg.types.json import Jsonb

from models_py.suggestions.contracts import IcpRule
from tests import servers
from tests.loop import Rows
from warehouse import roles, suggestions, tenants
from warehouse.connection import Warehouse
from warehouse.suggestion_sets import NewLookalike, NewSet, NewSuggestion, publish_sets

WORDS = "We pay Jane's team with PayBuddy"
CARD = "sugg_000000000001"
CODES = "a list of industry codes of two to five digits"
OF_CARD = 'of "Software": give'


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
        opened.append(psycopg.connect(servers.conninfo_of(warehouse, f"t_{role}"), autocommit=True))
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


@pytest.fixture
def accept(acme: int, logins: Callable[[str], psycopg.Connection], rows: Rows) -> Callable[..., dict[str, Any]]:
    """Accept the card as an application of ops would, by SQL; returns the rule."""
    ops = logins("icp_ops")

    def call(overrides: Any) -> dict[str, Any]:
        made = ops.execute("select learned.accept_suggestion(%s, %s, 'maya', %s)", (acme, CARD, Jsonb(overrides)))
        ((payload,),) = rows("select payload from learned.icp_rules where rule_id = %s", *made.fetchall()[0])
        return IcpRule.model_validate(payload).model_dump(exclude_unset=True)

    return call


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"headcount_min": "ten"}, 'headcount_min must be a whole number, 0 or more; got "ten".'),
        ({"headcount_min": -1}, "headcount_min must be a whole number, 0 or more; got -1."),
        ({"headcount_max": 10.5}, "headcount_max must be a whole number, 0 or more; got 10.5."),
        ({"headcount_max": True}, "headcount_max must be a whole number, 0 or more; got true."),
        ({"headcount_max": [50]}, "headcount_max must be a whole number, 0 or more; got [50]."),
        ({"integrations": "Xero"}, 'integrations must be a list of texts; got "Xero".'),
        ({"champions": ["CFO", 1]}, 'champions must be a list of texts; got ["CFO", 1].'),
        ({"exclusions": None}, "exclusions must be a list of texts; got null."),
        ({"countries": {"SG": 1}}, 'countries must be a list of texts; got {"SG": 1}.'),
        ({"ssic_codes": [47211]}, f"ssic_codes must be {CODES}; got [47211]."),
        ({"exclude_ssic_codes": [""]}, f'exclude_ssic_codes must be {CODES}; got [""].'),
        ({"exclude_ssic_codes": "47"}, f'exclude_ssic_codes must be {CODES}; got "47".'),
        ({"name": " "}, 'name must be a text; got " ".'),
        ({"colour": "red"}, "A rule has no field colour."),
        ([], "Overrides are a JSON object with fields of a rule."),
        (None, "Overrides are a JSON object with fields of a rule."),
        ({"headcount_min": 51},
         f"headcount_min (51) is above headcount_max (50) {OF_CARD} headcount_max too (--headcount-max)."),
        ({"headcount_max": 10},
         f"headcount_min (11) is above headcount_max (10) {OF_CARD} headcount_min too (--headcount-min)."),
        ({"headcount_min": 5, "headcount_max": 4}, "headcount_min (5) is above headcount_max (4)."),
    ],
)  # fmt: skip
def test_what_would_make_no_rule_of_the_published_schema_is_refused(
    overrides: Any, said: str, accept: Callable[..., dict[str, Any]], rows: Rows
) -> None:
    before = rows("select count(*) from learned.icp_rules")
    with pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
        accept(overrides)
    assert refused.value.diag.message_primary == said
    assert rows("select count(*) from learned.icp_rules") == before


def test_overrides_make_a_rule_of_the_published_schema(accept: Callable[..., dict[str, Any]]) -> None:
    of_card = {"ssic_codes": ["47211", "62011"], "headcount_min": 11, "headcount_max": 50}
    assert accept({}) == of_card
    assert accept({"headcount_min": 50}) == of_card | {"headcount_min": 50}
    assert accept({"headcount_min": 100, "headcount_max": 500}) == of_card | {
        "headcount_min": 100,
        "headcount_max": 500,
    }
    assert accept({"headcount_min": 100, "headcount_max": None}) == {
        "ssic_codes": of_card["ssic_codes"],
        "headcount_min": 100,
    }
    assert accept({"countries": ["SG"], "integrations": []}) == of_card | {"countries": ["SG"], "integrations": []}


@pytest.mark.parametrize(
    ("excluded", "left"),
    [
        (["47"], ["62011"]), (["472"], ["62011"]), (["47211"], ["62011"]), (["47212"], ["47211", "62011"]),
        (["21"], ["47211", "62011"]), (["62", "472"], []), ([], ["47211", "62011"]),
    ],
)  # fmt: skip
def test_an_excluded_code_takes_those_below_it_along(
    excluded: list[str], left: list[str], accept: Callable[..., dict[str, Any]]
) -> None:
    rule = accept({"exclude_ssic_codes": excluded})
    assert (rule["ssic_codes"], rule.get("excluded_ssic_codes", [])) == (left, excluded)


def test_exclusions_hold_for_codes_that_were_given_too(accept: Callable[..., dict[str, Any]]) -> None:
    given = {"ssic_codes": ["62011", "46900", "46410"], "exclude_ssic_codes": ["464"]}
    assert accept(given)["ssic_codes"] == ["62011", "46900"]
