"""From evidence in the warehouse to published suggestions, and what people decide about them.

The marts are made here by a few statements of their own, with the columns that dbt's have: what is tested is what
is made of them.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from dagster_defs.resources import WarehouseResource
from dagster_defs.suggestions import checks, learn_suggestions, suggest
from ingest.companies import ensure_companies
from ingest.evidence import EvidenceItem, store_company_signals, store_evidence
from models_py.suggestions.contracts import IcpRule, NegativeIcp, SuggestionCard, TargetingPack
from tests.loop import Rows
from tests.servers import conninfo_of
from warehouse import roles, suggestions, tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError

NOW = dt.datetime(2026, 6, 30, tzinfo=dt.UTC)
AS_OF = dt.date(2026, 6, 30)
SOFTWARE, CONSULTING, TRADING, CAFES = "62011", "62021", "46900", "56111"

MARTS = """
create table marts.seed_company_matches (
    tenant_id int, seed_id bigint, seed_name text, kind text, company_id bigint, domain text, entity_id bigint,
    registry text, registration_number text, entity_name text, industry_code text, path text,
    probability float8, runner_up_margin float8
);
create table marts.industry_segments (
    version text, code text, level text, title text, entities bigint, live_entities bigint, share float8, sample jsonb
);
create table marts.icp_pattern_signals (
    tenant_id int, signal_key text, value_key text, label_text text, companies int, n_companies int,
    evidence_items int, evidence_ids bigint[], support float8, base_companies int, base_n int, base_rate float8,
    lift float8, lost_companies int, lost_n int, from_answers boolean
);
"""
SEGMENTS = """
truncate marts.industry_segments;
insert into marts.industry_segments
select '2025', codes.code, codes.level, codes.title, count(entities.*), count(entities.*), 0.0,
    coalesce(jsonb_agg(jsonb_build_object('registration_number', entities.registration_number, 'name', entities.name)
        order by entities.entity_id) filter (where entities.rank <= 3), '[]')
from raw.industry_codes as codes
left join (
    select *, row_number() over (partition by industry_code order by entity_id) as rank from raw.registry_entities
) as entities on entities.industry_code like codes.code || '%'
group by codes.code, codes.level, codes.title
"""
SIGNALS = """
delete from marts.icp_pattern_signals where tenant_id = any(%(ids)s);
"""
SIGNALS_INSERT = """
insert into marts.icp_pattern_signals
with facts as (
    select seeds.tenant_id, seeds.kind, seeds.company_id, evidence.evidence_id,
        case levels.length when 5 then evidence.signal_key else 'ssic_' || levels.length end as signal_key,
        left(evidence.value_key, levels.length) as value_key
    from raw.customer_seeds as seeds
    join raw.icp_evidence as evidence using (tenant_id, company_id)
    cross join (values (2), (3), (4), (5)) as levels (length)
    where seeds.is_active and evidence.signal_key = 'ssic' and seeds.tenant_id = any(%(ids)s)
    union all
    select seeds.tenant_id, seeds.kind, seeds.company_id, evidence.evidence_id, evidence.signal_key, evidence.value_key
    from raw.customer_seeds as seeds join raw.icp_evidence as evidence using (tenant_id, company_id)
    where seeds.is_active and evidence.signal_key <> 'ssic' and seeds.tenant_id = any(%(ids)s)
),
sizes as (
    select tenant_id, signal_key, count(distinct company_id) filter (where kind = 'best') as n,
        count(distinct company_id) filter (where kind = 'lost') as lost_n
    from facts group by 1, 2
)
select facts.tenant_id, signal_key, value_key, value_key, count(distinct company_id) filter (where kind = 'best'), n,
    count(*), array_agg(evidence_id order by evidence_id), 0.0,
    case when signal_key like 'ssic%%' then (
        select count(*) from raw.registry_entities as e where e.industry_code like value_key || '%%') end,
    case when signal_key like 'ssic%%' then (select count(*) from raw.registry_entities) end,
    null, null, count(distinct company_id) filter (where kind = 'lost'), lost_n, false
from facts join sizes using (tenant_id, signal_key)
group by facts.tenant_id, signal_key, value_key, n, lost_n
"""


@dataclass(frozen=True)
class Customer:
    """A seed with the facts that a crawl and the registry would give."""

    name: str
    code: str | None
    tools: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    band: str | None = None
    kind: str = "best"
    reason: str | None = None


ACME = (
    Customer("Supply Nine", SOFTWARE, ("HubSpot", "Slack"), ("Head of Sales",), "51-200"),
    Customer("GreenPack", SOFTWARE, ("HubSpot",), ("Head of Sales",), "51-200"),
    Customer("Bluewave", SOFTWARE, ("HubSpot",), (), "11-50"),
    Customer("Orchard Data", CONSULTING, ("HubSpot",), ("Head of Sales",), "51-200"),
    Customer("Harbour Trade", TRADING, ("Shopify",), ("COO",), "11-50"),
    Customer("Anchor Goods", TRADING, ("Shopify",), (), None),
    Customer("TinyMart", CAFES, (), (), "1-10", "lost", "budget too low"),
    Customer("Corner Cafe", CAFES, (), (), "1-10", "lost", "On-prem only"),
)
ANSWERS = {
    "website": "acme-analytics.example",
    "champion_titles": ["RevOps"],
    "deal": {"price_floor": {"amount": 10000, "currency": "SGD"}},
    "advanced": {"anti_icp": {"ssic_codes": ["92000"], "red_flags": ["government tenders"]}},
}


@pytest.fixture(scope="module", autouse=True)
def references(warehouse: Warehouse) -> None:
    """The marts, 600 registry entities, and a background sample of 60 crawled companies."""
    leaves = {SOFTWARE: 40, "62012": 20, CONSULTING: 30, TRADING: 200, CAFES: 250, "92000": 60}
    titles = {SOFTWARE: "Development of software", CONSULTING: "IT consultancy", TRADING: "Wholesale trade"}
    with warehouse.connect(autocommit=True) as connection:
        connection.execute(MARTS.encode())
        levels = {2: "division", 3: "group", 4: "class", 5: "subclass"}
        for code, level in {(code[:length], level) for code in leaves for length, level in levels.items()}:
            connection.execute(
                "insert into raw.industry_codes (version, code, level, title, load_id) values ('2025', %s, %s, %s, 1)",
                (code, level, titles.get(code, f"Industry {code}")),
            )
        entities = [
            (f"U{code}{at:04d}", f"{code} Company {at} Pte Ltd", f"{code} company {at}", code, 2000 + at % 25)
            for code, count in leaves.items()
            for at in range(count)
        ]
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into raw.registry_entities (registry, registration_number, name, name_key, is_live,"
                " incorporated_on, industry_code, industry_code_version, row_hash, load_id)"
                " values ('acra', %s, %s, %s, true, make_date(%s, 3, 1), %s, '2025', 1, 1)",
                [(number, name, key, year, code) for number, name, key, code, year in entities],
            )
        connection.execute(SEGMENTS.encode())
        ids = ensure_companies(connection, [(f"Site {at}", f"site{at}.example") for at in range(60)])
        for at, company in enumerate(ids):
            tools = ["HubSpot"] * (at % 10 == 0) + ["Slack"] * (at % 4 == 0) + ["Shopify"] * (at % 12 == 1)
            facts = items(
                Customer("", SOFTWARE if at % 10 == 0 else None, tuple(tools or ["Stripe"]), ("CEO",), "11-50")
            )
            store_company_signals(connection, company_id=company, items=facts, now=NOW)


def items(customer: Customer) -> list[EvidenceItem]:
    found = []
    for signal, values, name in (
        ("integration", customer.tools, "integration"),
        ("buyer_title", customer.titles, "buyer_title"),
        ("headcount", (customer.band,) if customer.band else (), "headcount_band"),
    ):
        for value in values:
            found.append(
                EvidenceItem(
                    signal, value.lower(), {name: value}, "https://x.example", f"We use {value} every day.", 0.9
                )
            )
    if customer.code:
        found.append(EvidenceItem("ssic", customer.code, {"ssic": customer.code, "version": "2025"}))
    return found


def intake(
    connection: psycopg.Connection,
    slug: str,
    customers: tuple[Customer, ...],
    answers: dict[str, Any] | None = None,
    version: int = 1,
) -> int:
    """A tenant whose intake, matching and crawl are done."""
    tenant = tenants.add_tenant(connection, slug=slug).tenant_id
    connection.execute(
        "insert into raw.icp_intake_responses (tenant_id, version, submitted_by, submitted_at, payload, answers,"
        " answers_hash, is_low_confidence) values (%s, %s, 'maya', %s, '{}', %s, 'x', false)",
        (tenant, version, NOW, Jsonb(answers or {})),
    )
    connection.execute(
        "insert into raw.icp_flow (tenant_id, state) values (%s, 'pattern_mining')"
        " on conflict (tenant_id) do update set state = 'pattern_mining'",
        (tenant,),
    )
    domains = [f"{customer.name.lower().replace(' ', '-')}.example" for customer in customers]
    ids = ensure_companies(connection, [(c.name, domain) for c, domain in zip(customers, domains, strict=True)])
    for customer, company, domain in zip(customers, ids, domains, strict=True):
        seed = connection.execute(
            "insert into raw.customer_seeds (tenant_id, kind, seed_key, seed_name, domain, reason, company_id,"
            " first_version, last_version, is_active) values (%s, %s, %s, %s, %s, %s, %s, 1, 1, true)"
            " on conflict (tenant_id, kind, seed_key) do update set last_version = 1 returning seed_id",
            (tenant, customer.kind, domain, customer.name, domain, customer.reason, company),
        ).fetchone()
        assert seed is not None
        registered = [item for item in items(customer) if item.signal_key == "ssic"]
        crawled = [item for item in items(customer) if item.signal_key != "ssic"]
        for source, found in (("registry", registered), ("seed_site", crawled)):
            store_evidence(
                connection,
                tenant_id=tenant,
                company_id=company,
                source=source,  # type: ignore[arg-type]
                source_name="acra" if source == "registry" else None,
                items=found,
                now=NOW,
                replace=True,
            )
        connection.execute("delete from marts.seed_company_matches where seed_id = %s", seed)
        connection.execute(
            "insert into marts.seed_company_matches (tenant_id, seed_id, company_id, path) values (%s, %s, %s, %s)",
            (tenant, seed[0], company, "exact_name" if customer.code else "none"),
        )
    connection.execute("select intermediate.touch('raw.icp_intake_responses', array[%s]::int[])", (tenant,))
    mine(connection, tenant)
    return tenant


def mine(connection: psycopg.Connection, *ids: int) -> None:
    """What dbt does."""
    connection.execute(b"delete from marts.icp_pattern_signals where tenant_id = any(%s)", (list(ids),))
    connection.execute(SIGNALS_INSERT.encode(), {"ids": list(ids)})
    connection.execute("select intermediate.touch('marts.icp_pattern_signals', %s)", (list(ids),))


def learn(connection: psycopg.Connection, *ids: int) -> dict[int, int]:
    """Suggest for these tenants; returns the new generations."""
    return suggest(connection, {tenant: "test" for tenant in ids}, as_of=AS_OF, run_id="run")[1]


@pytest.fixture(scope="module")
def acme(warehouse: Warehouse) -> int:
    with warehouse.connect(autocommit=True) as connection:
        tenant = intake(connection, "acme", ACME, ANSWERS)
        assert learn(connection, tenant) == {tenant: 1}
    return tenant


def newest(connection: psycopg.Connection, tenant: int) -> suggestions.Generation:
    found = suggestions.current(connection, tenant)
    assert found is not None
    return found


def test_what_only_a_model_read_is_cited_and_changes_nothing_else(connection: psycopg.Connection) -> None:
    tenant = intake(connection, "reads-along", ACME, ANSWERS)
    assert learn(connection, tenant) == {tenant: 1}
    before = newest(connection, tenant)
    (company,) = ensure_companies(connection, [("Bluewave", "bluewave.example")])
    read = [dataclasses.replace(item, is_model_only=True) for item in items(Customer("", None, (), ("Head of Sales",)))]
    read += [dataclasses.replace(item, is_model_only=True) for item in items(Customer("", TRADING, ("Shopify",)))]
    store_evidence(
        connection, tenant_id=tenant, company_id=company, source="seed_site", items=read, now=NOW, replace=False
    )
    learn(connection, tenant)
    after = newest(connection, tenant)

    def but_citations(found: suggestions.Generation) -> list[dict[str, Any]]:
        return [{k: v for k, v in made.card.items() if not k.startswith("evidence")} for made in found.suggestions]

    assert but_citations(after) == but_citations(before)
    cited = {
        fact["value_key"]
        for made in after.suggestions
        for fact in suggestions.evidence_of(connection, tenant, made.evidence_ids)
        if fact["is_model_only"]
    }
    assert cited == {"head of sales"}


def test_cards_packs_rules_and_negative_icp_are_of_the_published_contracts(
    connection: psycopg.Connection, acme: int
) -> None:
    found = newest(connection, acme)
    assert 3 <= len(found.suggestions) <= 5
    assert not found.reduced_evidence
    NegativeIcp.model_validate(found.negative_icp)
    for made in found.suggestions:
        card = SuggestionCard.model_validate(made.card)
        TargetingPack.model_validate(made.targeting_pack)
        IcpRule.model_validate(made.rule_payload)
        assert card.id == made.suggestion_id
        assert made.evidence_count == len(made.evidence_ids) == card.evidence_count


def test_the_first_card_is_the_segment_that_was_planted(connection: psycopg.Connection, acme: int) -> None:
    card = newest(connection, acme).suggestions[0].card
    assert card["ssic_cluster"][:1] == [SOFTWARE]
    assert card["integrations"][0] == "HubSpot"
    assert card["champions"][0] == "Head of Sales"
    assert "of 6 seeds" in card["rationale"]
    assert {"TinyMart", "Corner Cafe"}.isdisjoint(card["support"]["names"])


def test_registry_totals_and_samples_are_those_of_the_registry(
    connection: psycopg.Connection, acme: int, rows: Rows
) -> None:
    for made in newest(connection, acme).suggestions:
        codes = made.card["ssic_cluster"]
        ((total,),) = rows("select count(*) from raw.registry_entities where industry_code = any(%s)", codes)
        names = {row[0] for row in rows("select name from raw.registry_entities where industry_code = any(%s)", codes)}
        assert made.card["registry"]["total"] == total
        assert made.card["registry"]["sample"] and set(made.card["registry"]["sample"]) <= names


def test_every_cited_fact_is_the_tenants_own(connection: psycopg.Connection, acme: int, rows: Rows) -> None:
    for made in newest(connection, acme).suggestions:
        owners = rows("select tenant_id from raw.icp_evidence where evidence_id = any(%s)", made.evidence_ids)
        assert owners == [(acme,)] * made.evidence_count


def test_the_negative_icp_has_losses_exclusions_price_floor_and_what_only_losses_share(
    connection: psycopg.Connection, acme: int
) -> None:
    themes = newest(connection, acme).negative_icp["themes"]
    kinds = {theme["theme"]: theme["kind"] for theme in themes}
    assert kinds["budget too low"] == "loss_reason"
    assert kinds["budget < SGD 10,000"] == "price_floor"
    assert kinds["government tenders"] == "exclusion"
    assert any(kind == "shared_trait" and CAFES in theme for theme, kind in kinds.items())


def test_estimates_label_what_was_planted_and_flow_is_ready(acme: int, rows: Rows) -> None:
    labelled = rows(
        "select signal_key, value_key from learned.signal_estimates where tenant_id = %s and label = 'characteristic'",
        acme,
    )
    assert ("integration", "hubspot") in labelled
    assert ("ssic", SOFTWARE) in labelled
    assert rows("select state from raw.icp_flow where tenant_id = %s", acme) == [("suggestions_ready",)]


def test_look_alikes_are_like_the_customers_and_none_of_them(
    connection: psycopg.Connection, acme: int, rows: Rows
) -> None:
    made = newest(connection, acme).suggestions[0]
    likes = suggestions.lookalikes_of(connection, acme, made.suggestion_id)
    assert len(likes) == 50
    assert [like["rank"] for like in likes] == list(range(1, 51))
    assert [like["score"] for like in likes] == sorted((like["score"] for like in likes), reverse=True)
    seeds = {row[0] for row in rows("select company_id from raw.customer_seeds where tenant_id = %s", acme)}
    assert all(like["company_id"] not in seeds for like in likes)
    assert all(like["why"] and like["snippet"] for like in likes)
    assert likes[0]["company_id"] is not None and "HubSpot" in likes[0]["why"]  # crawled, of the industry, runs it
    registered = [like for like in likes if like["entity_id"] is not None]
    assert registered and all("same" in like["why"] for like in registered)
    for unwanted in newest(connection, acme).suggestions:
        for like in suggestions.lookalikes_of(connection, acme, unwanted.suggestion_id):
            assert not (like["registration_number"] or "").startswith("U92000")


def test_what_the_site_of_a_look_alike_says_counts_for_the_tenant_that_had_it_read_alone(
    connection: psycopg.Connection, rows: Rows
) -> None:
    tenant, other = intake(connection, "reads", ACME, ANSWERS), intake(connection, "reads-not", ACME, ANSWERS)
    learn(connection, tenant, other)

    def likes(of: int) -> list[dict[str, Any]]:
        return suggestions.lookalikes_of(connection, of, newest(connection, of).suggestions[0].suggestion_id)

    before, rates = likes(other), rows("select t::text from marts.icp_pattern_signals as t order by 1")
    (last,) = [like for like in likes(tenant) if like["entity_id"] is not None and like["company_id"] is None][-1:]
    (company,) = ensure_companies(connection, [(last["name"], "read.example")])
    connection.execute("update raw.companies set entity_id = %s where company_id = %s", (last["entity_id"], company))
    # Its site speaks of cafés; the registry knows better what it is.
    read = items(Customer("", CAFES, ("HubSpot",), ("Head of Sales",)))
    store_evidence(connection, tenant_id=tenant, company_id=company, source="crawl", items=read, now=NOW, replace=True)
    mine(connection, tenant, other)
    assert learn(connection, tenant, other) == {}  # the cards are those of before
    (after,) = [like for like in likes(tenant) if like["entity_id"] == last["entity_id"]]
    assert after["company_id"] == company and after["snippet"].startswith("We use H")
    assert after["rank"] < last["rank"] and after["score"] > last["score"] and "same industry" in after["why"]
    assert likes(other) == before
    assert rows("select t::text from marts.icp_pattern_signals as t order by 1") == rates


def test_the_same_evidence_makes_no_new_generation(connection: psycopg.Connection, acme: int, rows: Rows) -> None:
    before = rows("select t::text from learned.lookalike_companies as t order by 1")
    version = rows("select version from intermediate.tenant_versions where relation = 'learned.icp_suggestions'")
    assert learn(connection, acme) == {}
    assert rows("select t::text from learned.lookalike_companies as t order by 1") == before
    after = rows("select version from intermediate.tenant_versions where relation = 'learned.icp_suggestions'")
    assert after == version


def test_one_tenants_evidence_does_not_move_another_ones(connection: psycopg.Connection, acme: int) -> None:
    before = newest(connection, acme)
    other = intake(connection, "neighbour", tuple(Customer(f"N{at}", CAFES, ("Toast",)) for at in range(6)))
    assert learn(connection, other, acme) == {other: 1}
    assert newest(connection, acme) == before


def test_three_customers_give_fewer_cards_a_flag_and_advice(connection: psycopg.Connection) -> None:
    tenant = intake(
        connection,
        "thin",
        (Customer("One", SOFTWARE), Customer("Two", TRADING, ("Shopify",)), Customer("Three", None)),
        {"employee_band": {"given": "50-200", "low": 50, "high": 200, "bands": ["51-200"]}, **ANSWERS},
    )
    learn(connection, tenant)
    found = newest(connection, tenant)
    assert found.reduced_evidence and 1 <= len(found.suggestions) <= 2
    card = found.suggestions[0].card
    assert card["reduced_evidence"]
    assert card["headcount_band"] == "51-200" and "headcount_band" in card["from_answers"]
    assert card["champions"] == ["RevOps"] and "champions" in card["from_answers"]
    assert any("five give high confidence" in sentence for sentence in found.advice)


def test_customers_without_any_evidence_make_no_cards(connection: psycopg.Connection) -> None:
    tenant = intake(connection, "blank", tuple(Customer(f"Blank {at}", None) for at in range(6)), ANSWERS)
    learn(connection, tenant)
    found = newest(connection, tenant)
    assert found.suggestions == [] and found.reduced_evidence
    assert any("not found in the registry" in sentence for sentence in found.advice)


def test_new_seeds_make_a_generation_that_can_be_compared(connection: psycopg.Connection, acme: int) -> None:
    tenant = intake(connection, "growing", ACME[:6])
    learn(connection, tenant)
    with pytest.raises(WarehouseError, match="one generation"):
        suggestions.compare(connection, tenant, None, None)
    more = (*ACME[:6], Customer("Cafe One", CAFES, ("Toast",)), Customer("Cafe Two", CAFES, ("Toast",)))
    intake(connection, "growing", more, {"advanced": {"anti_icp": {"ssic_codes": [TRADING]}}}, version=2)
    assert learn(connection, tenant) == {tenant: 2}
    compared = suggestions.compare(connection, tenant, None, None)
    assert (compared.before.generation, compared.after.generation) == (1, 2)
    assert any(CAFES in made.card["ssic_cluster"] for made in compared.added)
    assert all(TRADING not in made.card["ssic_cluster"] for made in compared.after.suggestions)
    assert any(TRADING in made.card["ssic_cluster"] for made in compared.removed)
    assert any(TRADING in theme for theme in compared.themes_added)
    with pytest.raises(WarehouseError, match="no generation 9"):
        suggestions.compare(connection, tenant, 9, 2)


# --- deciding ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def logins(warehouse: Warehouse, acme: int) -> Iterator[Callable[[str], psycopg.Connection]]:
    """Connections of people: ops and viewer of acme, ops of another tenant."""
    with warehouse.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug="other")
    made = {
        "ops": (f"t_{uuid.uuid4().hex[:8]}", "icp_ops", "acme"),
        "viewer": (f"t_{uuid.uuid4().hex[:8]}", "icp_viewer", "acme"),
        "other ops": (f"t_{uuid.uuid4().hex[:8]}", "icp_ops", "other"),
    }
    for login, role, slug in made.values():
        roles.add_login(warehouse, login, role=role, tenant=slug)  # type: ignore[arg-type]
    opened = []

    def connect(who: str) -> psycopg.Connection:
        connection = psycopg.connect(conninfo_of(warehouse, made[who][0]), autocommit=True)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("delete from access.tenant_logins")
        connection.execute("set role none")
        for login, _, _ in made.values():
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(login)))


def test_ops_accept_with_overrides_and_the_audit_says_who_when_what(
    connection: psycopg.Connection, acme: int, rows: Rows, logins: Callable[[str], psycopg.Connection]
) -> None:
    first = newest(connection, acme).suggestions[0]
    dropped = first.card["ssic_cluster"][-1]
    ops = logins("ops")
    ids = suggestions.resolve(ops, acme, ["1"])
    assert ids == [first.suggestion_id]
    overrides = {"headcount_min": 10, "exclude_ssic_codes": [dropped]}
    (rule,) = suggestions.accept(ops, tenant_id=acme, suggestion_ids=ids, actor="maya", overrides=overrides)
    ((name, payload, active, by),) = rows(
        "select name, payload, is_active, created_by from learned.icp_rules where tenant_id = %s and rule_id = %s",
        acme,
        rule,
    )
    IcpRule.model_validate(payload)
    assert (name, active, by) == (first.title, True, "maya")
    assert payload["headcount_min"] == 10 and dropped not in payload["ssic_codes"]
    assert payload["excluded_ssic_codes"] == [dropped]
    ((actor, at, detail),) = rows(
        "select actor, at, detail from learned.audit_log where tenant_id = %s and action = 'accept_suggestion'"
        " and object = %s",
        acme,
        first.suggestion_id,
    )
    assert actor == "maya" and at is not None
    assert detail["rule_id"] == rule and detail["overrides"] == overrides and detail["login"].startswith("t_")
    again = suggestions.accept(ops, tenant_id=acme, suggestion_ids=ids, actor="maya")
    kept = rows(
        "select rule_id, is_active, ended_at is not null from learned.icp_rules where tenant_id = %s order by 1", acme
    )
    assert kept == [(rule, False, True), (again[0], True, False)]


def test_a_decision_outlives_generations_and_its_look_alikes_stay(connection: psycopg.Connection, rows: Rows) -> None:
    tenant = intake(connection, "deciding", ACME)
    learn(connection, tenant)
    generation = newest(connection, tenant)
    trading = next(made for made in generation.suggestions if TRADING in made.card["ssic_cluster"])
    suggestions.accept(connection, tenant_id=tenant, suggestion_ids=[trading.suggestion_id], actor="maya")
    intake(connection, "deciding", (*ACME, Customer("Late Soft", SOFTWARE, ("HubSpot",))), version=2)
    assert learn(connection, tenant) == {tenant: 2}
    decided = {made.suggestion_id: made.decision for made in newest(connection, tenant).suggestions}
    assert decided[trading.suggestion_id] == "accepted"
    connection.execute(
        "update raw.customer_seeds set is_active = false where tenant_id = %s and seed_id in (select"
        " seed_id from marts.seed_company_matches join raw.icp_evidence using (tenant_id, company_id)"
        " where tenant_id = %s and value_key = %s)",
        (tenant, tenant, TRADING),
    )
    mine(connection, tenant)
    assert learn(connection, tenant) == {tenant: 3}
    assert trading.suggestion_id not in {made.suggestion_id for made in newest(connection, tenant).suggestions}
    assert len(suggestions.lookalikes_of(connection, tenant, trading.suggestion_id)) == 50


def test_ops_of_another_tenant_neither_see_nor_decide(
    connection: psycopg.Connection, acme: int, rows: Rows, logins: Callable[[str], psycopg.Connection]
) -> None:
    suggestion = newest(connection, acme).suggestions[1].suggestion_id
    stranger = logins("other ops")
    assert suggestions.current(stranger, acme) is None
    with pytest.raises(WarehouseError, match="no suggestion '1'"):
        suggestions.resolve(stranger, acme, ["1"])
    before = rows("select count(*) from learned.icp_rules")
    with pytest.raises(WarehouseError, match="Only icp_ops of this tenant"):
        suggestions.accept(stranger, tenant_id=acme, suggestion_ids=[suggestion], actor="mallory")
    with pytest.raises(WarehouseError, match="Only icp_ops of this tenant"):
        suggestions.reject(stranger, tenant_id=acme, suggestion_ids=[suggestion], actor="mallory")
    assert rows("select count(*) from learned.icp_rules") == before
    assert suggestions.evidence_of(stranger, acme, newest(connection, acme).suggestions[0].evidence_ids) == []


def test_a_viewer_reads_cards_with_masked_snippets_and_decides_nothing(
    connection: psycopg.Connection, acme: int, logins: Callable[[str], psycopg.Connection]
) -> None:
    made = newest(connection, acme).suggestions[1]
    viewer, ops = logins("viewer"), logins("ops")
    assert suggestions.current(viewer, acme) is not None
    seen = suggestions.evidence_of(viewer, acme, made.evidence_ids)
    assert len(seen) == made.evidence_count
    assert {fact["snippet"] for fact in seen} <= {"(masked)", None} and any(fact["snippet"] for fact in seen)
    assert any("every day" in (fact["snippet"] or "") for fact in suggestions.evidence_of(ops, acme, made.evidence_ids))
    assert {like["snippet"] for like in suggestions.lookalikes_of(viewer, acme, made.suggestion_id)} == {"(masked)"}
    with pytest.raises(WarehouseError, match="Only icp_ops of this tenant"):
        suggestions.accept(viewer, tenant_id=acme, suggestion_ids=[made.suggestion_id], actor="vic")


def test_several_are_accepted_together_or_not_at_all(connection: psycopg.Connection, rows: Rows) -> None:
    tenant = intake(connection, "several", ACME)
    learn(connection, tenant)
    ids = suggestions.resolve(connection, tenant, ["1", "#3"])
    with pytest.raises(WarehouseError, match="no suggestion sugg_nothing"):
        suggestions.accept(connection, tenant_id=tenant, suggestion_ids=[*ids, "sugg_nothing"], actor="maya")
    assert rows("select count(*) from learned.icp_rules where tenant_id = %s", tenant) == [(0,)]
    with pytest.raises(WarehouseError, match="no field colour"):
        suggestions.accept(connection, tenant_id=tenant, suggestion_ids=ids, actor="maya", overrides={"colour": "red"})
    with pytest.raises(WarehouseError, match="above"):
        suggestions.accept(
            connection,
            tenant_id=tenant,
            suggestion_ids=ids,
            actor="maya",
            overrides={"headcount_min": 50, "headcount_max": 10},
        )
    assert len(suggestions.accept(connection, tenant_id=tenant, suggestion_ids=ids, actor="maya")) == 2
    suggestions.reject(connection, tenant_id=tenant, suggestion_ids=ids[:1], actor="maya", reason="too small")
    active = rows("select suggestion_id from learned.icp_rules where tenant_id = %s and is_active", tenant)
    assert active == [(ids[1],)]


def test_the_asset_publishes_once_and_its_checks_hold(warehouse: Warehouse, acme: int, rows: Rows) -> None:
    def run() -> dg.ExecuteInProcessResult:
        return dg.materialize([learn_suggestions, *checks], resources={"warehouse": WarehouseResource()})

    first = run()
    assert first.success
    evaluated = {e.check_name: e.passed for e in first.get_asset_check_evaluations()}
    assert len(evaluated) == len(checks) and evaluated["suggestions_cite_evidence_of_their_tenant"]
    described = next(
        event.materialization.metadata
        for event in first.get_asset_materialization_events()
        if event.materialization.asset_key.path[-1] == "icp_suggestions"
    )
    assert "cards" in described and "suggestions for" in str(described["summary"].value)
    generations = rows("select tenant_id, max(generation) from learned.icp_suggestion_sets group by 1 order by 1")
    assert run().success
    assert (
        rows("select tenant_id, max(generation) from learned.icp_suggestion_sets group by 1 order by 1") == generations
    )
    assert json.dumps(rows("select state from raw.icp_flow where state = 'pattern_mining'")) == "[]"
