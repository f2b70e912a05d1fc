"""Seeds matched in the warehouse: paths, evidence, decisions that outlive re-runs, and only who is due."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from typer.testing import CliRunner

from dagster_defs.matching import READS, RELATION, checks, match_tenants
from icp.commands.matches import app
from ingest.companies import company_key, ensure_companies
from models_py.matching.names import name_key
from tests.loop import Rows
from warehouse import matches, tenants
from warehouse.connection import Warehouse
from warehouse.versions import due_tenants

NOW = dt.datetime(2026, 6, 30, 12, tzinfo=dt.UTC)
ENTITIES = (
    # number, name, former names, live, code, second code, domain
    ("U1", "GREENPACK SOLUTIONS PTE. LTD.", (), True, "62011", "46900", None),
    ("U2", "HARBOUR LIGHT MARINE PTE. LTD.", ("Old Quay Marine Pte Ltd",), True, "50001", None, None),
    ("U3", "WHOLLY OTHER HOLDINGS PTE. LTD.", (), True, "64202", None, "acmetools.com"),
    ("U4", "TWIN STAR TRADING PTE. LTD.", (), True, "46900", None, None),
    ("U5", "TWIN STAR TRADING PTE. LTD.", (), True, "46900", None, None),
    ("U6", "CLOSED DOOR DESIGN PTE. LTD.", (), False, "74101", None, None),
    ("U7", "SUNRISE KITCHEN FOODS PTE. LTD.", (), True, "56111", None, None),
)


def run(connection: psycopg.Connection, tenant_ids: Sequence[int] | None = None) -> set[int]:
    """Match who is due (among these); returns who was."""
    due = due_tenants(connection, RELATION, READS)
    due = {tenant: built for tenant, built in due.items() if tenant_ids is None or tenant in tenant_ids}
    match_tenants(connection, due, now=NOW, run_id="test")
    return set(due)


def add_seeds(connection: psycopg.Connection, tenant_id: int, *seeds: tuple[str, str | None]) -> dict[str, int]:
    """Add best customers; returns their seed ids by name."""
    for (name, domain), company in zip(seeds, ensure_companies(connection, seeds), strict=True):
        connection.execute(
            "insert into raw.customer_seeds (tenant_id, kind, seed_key, seed_name, domain, company_id, first_version,"
            " last_version, is_active) values (%s, 'best', %s, %s, %s, %s, 1, 1, true)",
            (tenant_id, company_key(name, domain), name, domain, company),
        )
    connection.execute("select intermediate.touch('raw.customer_seeds', array[%s])", (tenant_id,))
    return dict(
        connection.execute(
            "select seed_name, seed_id from raw.customer_seeds where tenant_id = %s", (tenant_id,)
        ).fetchall()
    )


def add_tenant(connection: psycopg.Connection, slug: str) -> int:
    return tenants.add_tenant(connection, slug=slug, name=slug, external_id=slug, timezone="UTC").tenant_id


@pytest.fixture(scope="module")
def registry(warehouse: Warehouse) -> Iterator[dict[str, int]]:
    """A small registry; entity ids by registration number."""
    with warehouse.connect(autocommit=True) as connection:
        for number, name, former, live, code, second, domain in ENTITIES:
            connection.execute(
                "insert into raw.registry_entities (registry, registration_number, name, name_key, former_names,"
                " former_name_keys, status, is_live, industry_code, secondary_industry_code, industry_code_version,"
                " website_domain, row_hash, load_id)"
                " values ('acra', %s, %s, %s, %s, %s, 'x', %s, %s, %s, '2020', %s, 0, 1)",
                (number, name, name_key(name), list(former), [name_key(old) for old in former], live, code, second)
                + (domain,),
            )
        connection.execute(
            "insert into raw.industry_codes (version, code, level, title, load_id)"
            " values ('2020', '62011', 'subclass', 'Development of software', 1)"
        )
        yield dict(connection.execute("select registration_number, entity_id from raw.registry_entities").fetchall())


@pytest.fixture
def acme(connection: psycopg.Connection, registry: dict[str, int], request: pytest.FixtureRequest) -> int:
    return add_tenant(connection, f"t{abs(hash(request.node.name)) % 10**10}")


def path_of(rows: Rows, tenant_id: int, seed_id: int) -> tuple[str, int | None]:
    ((path, entity),) = rows(
        "select path, entity_id from learned.company_matches where tenant_id = %s and seed_id = %s", tenant_id, seed_id
    )
    return path, entity


def test_without_a_registry_every_seed_has_a_reason_and_nothing_fails(
    connection: psycopg.Connection, rows: Rows
) -> None:
    tenant_id = add_tenant(connection, "early")
    with connection.transaction(force_rollback=True):
        connection.execute("delete from raw.registry_entities")
        seeds = add_seeds(connection, tenant_id, ("Greenpack Solutions", None))
        run(connection, [tenant_id])
        found = connection.execute(
            "select path, entity_id, reason from learned.company_matches where seed_id = %s",
            (seeds["Greenpack Solutions"],),
        ).fetchone()
    assert found is not None and found[:2] == ("none", None)
    assert "icp load registry" in found[2]


def test_seeds_are_found_by_domain_name_former_name_and_spelling(
    connection: psycopg.Connection, acme: int, registry: dict[str, int], rows: Rows
) -> None:
    seeds = add_seeds(
        connection,
        acme,
        ("Greenpack Solutions", None),
        ("Old Quay Marine", None),
        ("Acme Tools", "acmetools.com"),
        ("Sunrise Kitchn Foods", None),
        ("Twin Star Trading", None),
        ("Quite Unheard Of", None),
    )
    run(connection, [acme])
    assert path_of(rows, acme, seeds["Greenpack Solutions"]) == ("exact_name", registry["U1"])
    assert path_of(rows, acme, seeds["Acme Tools"]) == ("domain", registry["U3"])
    assert path_of(rows, acme, seeds["Old Quay Marine"])[1] == registry["U2"]
    assert path_of(rows, acme, seeds["Sunrise Kitchn Foods"])[1] == registry["U7"]
    assert path_of(rows, acme, seeds["Twin Star Trading"])[0] == "review"
    assert path_of(rows, acme, seeds["Quite Unheard Of"]) == ("none", None)
    queue = rows(
        "select rank, registration_number, probability > 0, features ->> 'why' from learned.match_candidates"
        " where tenant_id = %s and seed_id = %s order by rank limit 2",
        acme,
        seeds["Twin Star Trading"],
    )
    assert [row[0] for row in queue] == [1, 2]
    assert {row[1] for row in queue} == {"U4", "U5"}
    assert all(row[2] and "equal name" in row[3] for row in queue)


def test_codes_of_living_matches_become_evidence_and_go_with_the_match(
    connection: psycopg.Connection, acme: int, rows: Rows
) -> None:
    seeds = add_seeds(connection, acme, ("Greenpack Solutions", None), ("Closed Door Design", None))
    run(connection, [acme])
    evidence = "select value_key, value ->> 'title', source, source_name from raw.icp_evidence where tenant_id = %s"
    assert rows(f"{evidence} order by 1", acme) == [
        ("46900", None, "registry", "acra"),
        ("62011", "Development of software", "registry", "acra"),
    ]
    linked = "select entity_id is not null from raw.companies join raw.customer_seeds using (company_id)"
    assert rows(f"{linked} where tenant_id = %s and seed_name = 'Greenpack Solutions'", acme) == [(True,)]
    matches.decide(
        connection,
        tenant_id=acme,
        seed_id=seeds["Greenpack Solutions"],
        decision="none",
        entity_id=None,
        actor="maya",
    )
    run(connection, [acme])
    assert rows(evidence, acme) == []


def test_evidence_moves_the_version_of_those_alone_whose_codes_changed(
    connection: psycopg.Connection, registry: dict[str, int], rows: Rows
) -> None:
    one, other = add_tenant(connection, "codes-1"), add_tenant(connection, "codes-2")
    for tenant_id in (one, other):
        add_seeds(connection, tenant_id, ("Greenpack Solutions", None))
    run(connection, [one, other])
    evidence = "select tenant_id, evidence_id, observed_at from raw.icp_evidence where tenant_id = any(%s) order by 2"
    version = (
        "select tenant_id, version from intermediate.tenant_versions where relation = 'raw.icp_evidence'"
        " and tenant_id = any(%s)"
    )
    before, versions = rows(evidence, [one, other]), dict(rows(version, [one, other]))
    assert len(before) == 4
    add_seeds(connection, one, ("Sunrise Kitchen Foods", None))
    connection.execute("select intermediate.touch('raw.customer_seeds', array[%s])", (other,))
    assert run(connection, [one, other]) == {one, other}
    after = rows(evidence, [one, other])
    assert [row for row in after if row in before] == before
    assert len(after) == 5
    now = dict(rows(version, [one, other]))
    assert now[one] != versions[one]
    assert now[other] == versions[other]


def test_what_a_person_decided_outlives_re_runs(
    connection: psycopg.Connection, acme: int, registry: dict[str, int], rows: Rows
) -> None:
    seeds = add_seeds(connection, acme, ("Twin Star Trading", None))
    seed = seeds["Twin Star Trading"]
    run(connection, [acme])
    matches.decide(connection, tenant_id=acme, seed_id=seed, decision="pick", entity_id=registry["U5"], actor="maya")
    for _ in range(2):
        connection.execute("select intermediate.touch('raw.registry_entities', array[%s])", (acme,))
        assert run(connection, [acme]) == {acme}
        assert path_of(rows, acme, seed) == ("decided", registry["U5"])
    ((reason,),) = rows("select reason from learned.company_matches where tenant_id = %s", acme)
    assert reason == "maya picked."
    assert rows("select count(*) from learned.match_candidates where tenant_id = %s", acme) == [(0,)]


def test_a_corrected_name_is_matched_anew_and_can_be_taken_back(
    connection: psycopg.Connection, acme: int, registry: dict[str, int], rows: Rows
) -> None:
    seeds = add_seeds(connection, acme, ("GP", None))
    run(connection, [acme])
    assert path_of(rows, acme, seeds["GP"])[0] in ("none", "review")
    matches.decide(
        connection,
        tenant_id=acme,
        seed_id=seeds["GP"],
        decision="none",
        entity_id=None,
        actor="maya",
        edits={"name": "Greenpack Solutions"},
    )
    run(connection, [acme])
    assert path_of(rows, acme, seeds["GP"]) == ("exact_name", registry["U1"])
    assert matches.withdraw(connection, tenant_id=acme, seed_id=seeds["GP"], actor="maya")
    assert not matches.withdraw(connection, tenant_id=acme, seed_id=seeds["GP"], actor="maya")
    run(connection, [acme])
    assert path_of(rows, acme, seeds["GP"])[0] in ("none", "review")


def test_only_the_tenant_whose_seeds_changed_is_matched(
    connection: psycopg.Connection, registry: dict[str, int], rows: Rows
) -> None:
    many = [add_tenant(connection, f"many-{number}") for number in range(40)]
    for tenant_id in many:
        add_seeds(connection, tenant_id, ("Greenpack Solutions", None), ("Twin Star Trading", None))
    run(connection)
    before = dict(rows("select tenant_id, max(xmin::text) from learned.company_matches group by 1"))
    assert run(connection) == set()
    add_seeds(connection, many[7], *((f"Newcomer {number} Marine", None) for number in range(10)))
    assert run(connection) == {many[7]}
    after = dict(rows("select tenant_id, max(xmin::text) from learned.company_matches group by 1"))
    assert {tenant for tenant in after if after[tenant] != before.get(tenant)} == {many[7]}


def test_one_tenant_s_decision_is_no_other_tenant_s_match(
    connection: psycopg.Connection, registry: dict[str, int], rows: Rows
) -> None:
    one, other = add_tenant(connection, "isolated-1"), add_tenant(connection, "isolated-2")
    mine = add_seeds(connection, one, ("Greenpack Solutions", None))["Greenpack Solutions"]
    theirs = add_seeds(connection, other, ("Greenpack Solutions", None))["Greenpack Solutions"]
    run(connection)
    matches.decide(connection, tenant_id=one, seed_id=mine, decision="pick", entity_id=registry["U2"], actor="maya")
    assert run(connection) == {one}
    assert path_of(rows, one, mine) == ("decided", registry["U2"])
    assert path_of(rows, other, theirs) == ("exact_name", registry["U1"])
    connection.execute("select intermediate.touch('raw.customer_seeds', array[%s])", (other,))
    run(connection)
    assert path_of(rows, other, theirs) == ("exact_name", registry["U1"])
    codes = "select value_key from raw.icp_evidence where tenant_id = %s order by 1"
    assert rows(codes, one) == [("50001",)]
    assert rows(codes, other) == [("46900",), ("62011",)]


def test_the_command_shows_confirms_picks_and_edits(
    connection: psycopg.Connection, acme: int, registry: dict[str, int], rows: Rows
) -> None:
    seeds = add_seeds(connection, acme, ("Twin Star Trading", None), ("Greenpack Solutions", None))
    run(connection, [acme])
    slug = rows("select slug from raw.tenants where tenant_id = %s", acme)[0][0]
    call = CliRunner().invoke
    listed = call(app, ["list", slug])
    assert listed.exit_code == 0, listed.output
    twin, green = str(seeds["Twin Star Trading"]), str(seeds["Greenpack Solutions"])
    assert call(app, ["confirm", slug, green, "--by", "maya"]).exit_code == 0
    assert call(app, ["pick", slug, twin, "U4", "--by", "maya"]).exit_code == 0
    assert rows(
        "select decision, entity_id, decided_by from raw.match_decisions where tenant_id = %s order by decision", acme
    ) == [("confirm", registry["U1"], "maya"), ("pick", registry["U4"], "maya")]
    assert isinstance(call(app, ["pick", slug, twin, "U999"]).exception, matches.MatchError)
    assert isinstance(call(app, ["confirm", slug, "999999999"]).exception, matches.MatchError)
    assert isinstance(call(app, ["edit", slug, twin, "--domain", "not a site"]).exception, matches.MatchError)
    assert call(app, ["edit", slug, twin, "--domain", "https://www.twin.example.com/x"]).exit_code == 0
    (view,) = matches.read_matches(connection, acme, seed_id=seeds["Twin Star Trading"])
    assert view.edits == {"domain": "example.com"}
    (view,) = matches.read_matches(connection, acme, seed_id=seeds["Greenpack Solutions"])
    assert view.detected["ssic"][-1] == "62011 Development of software" or "46900" in view.detected["ssic"]


def test_checks_have_thresholds() -> None:
    names = {key.name for check in checks for key in check.check_keys}
    assert names == {"most_seeds_are_mapped", "mapping_is_quick", "the_review_queue_is_short"}
