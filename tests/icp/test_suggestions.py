"""`icp suggestions` as people and programs use it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from icp.commands.suggestions import app
from tests.loop import Rows
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.errors import WarehouseError
from warehouse.suggestion_sets import NewLookalike, NewSet, NewSuggestion, publish_sets


def suggestion(at: int, title: str, codes: list[str], evidence: list[int]) -> NewSuggestion:
    card = {
        "id": f"sugg_{at:012x}",
        "title": title,
        "ssic_cluster": codes,
        "ssic_titles": [f"Industry {code}" for code in codes],
        "headcount_band": "51-200",
        "integrations": ["HubSpot"],
        "champions": ["Head of Sales"],
        "triggers": [],
        "evidence_ids": evidence,
        "evidence_count": len(evidence),
        "rationale": f"Observed across 4 of 5 seeds: {title}.",
        "registry": {"total": 120, "sample": ["Nine Pte Ltd"]},
        "negative_flags": ["budget < SGD 10,000"],
        "from_answers": ["champions"],
        "support": {"names": ["Supply Nine"]},
    }
    pack = {"ssic_filters": codes, "technographic_filters": ["HubSpot"], "pitch": f"Pitch of {title}."}
    rule = {"ssic_codes": codes, "integrations": ["HubSpot"], "champions": ["Head of Sales"], "exclusions": []}
    rule |= {"headcount_min": 51, "headcount_max": 200}
    return NewSuggestion(card["id"], title, 1.0, evidence, False, card, pack, rule)  # type: ignore[arg-type]


def generation(tenant: int, hash_: str, made: list[NewSuggestion], **more: Any) -> NewSet:
    fields: dict[str, Any] = {
        "tenant_id": tenant,
        "intake_version": 1,
        "inputs_hash": hash_,
        "best_seeds": 5,
        "seeds_with_evidence": 4,
        "reduced_evidence": True,
        "negative_icp": {
            "themes": [{"theme": "budget too low", "kind": "loss_reason", "count": 2, "companies": ["T"]}]
        },
        "advice": ["1 of 5 customers have no website (Orchard): add it, and their sites can be read."],
        "suggestions": made,
    }
    return NewSet(**(fields | more))


@pytest.fixture(scope="module")
def acme(warehouse: Warehouse) -> int:
    with warehouse.connect() as connection:
        tenant = tenants.add_tenant(connection, slug="acme").tenant_id
        row = connection.execute(
            "with company as (insert into raw.companies (company_key, name) values ('supply.example', 'Supply Nine')"
            " returning company_id) insert into raw.icp_evidence (tenant_id, company_id, signal_key, value_key, value,"
            " source, url, snippet, confidence, observed_at, content_hash) select %s, company_id, 'integration',"
            " 'hubspot', '{}', 'seed_site', 'https://supply.example', 'We run [bold]HubSpot', 0.9, now(), 'h'"
            " from company returning evidence_id",
            (tenant,),
        ).fetchone()
        assert row is not None
        first = suggestion(1, "Software", ["62011", "62012"], [row[0]])
        second = suggestion(2, "Trading", ["46900"], [row[0]])
        like = NewLookalike(first.suggestion_id, 1, None, 7, "Like One", None, "like.example", 0.8, "It runs it.", "w")
        publish_sets(connection, [generation(tenant, "a", [second, first], lookalikes=[like])], run_id=None)
        publish_sets(connection, [generation(tenant, "b", [first], best_seeds=6, lookalikes=[like])], run_id=None)
    return tenant


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_list_shows_cards_evidence_counts_rationale_and_advice(
    acme: int, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = json.loads(run("list", "acme", "--json"))
    assert [made["title"] for made in listed["suggestions"]] == ["Software"]
    assert listed["suggestions"][0]["evidence_count"] == 1
    shown = run("list", "acme", "--generation", "1")
    assert "Observed across 4 of 5 seeds: Trading." in shown
    assert "Reduced evidence" in shown and "no website" in shown


def test_a_suggestion_is_shown_whole(acme: int) -> None:
    shown = run("show", "acme", "1")
    for words in ("We run [bold]HubSpot", "Like One", "Pitch of Software", "budget too low", "from answers: champions"):
        assert words in shown, words
    whole = json.loads(run("show", "acme", "1", "--json"))
    assert whole["suggestions"][0]["evidence"][0]["snippet"] == "We run [bold]HubSpot"


def test_accepting_writes_a_rule_with_the_overrides(acme: int, rows: Rows) -> None:
    options = ["--headcount-min", "10", "--exclude-ssic", "62012", "--by", "maya", "--json"]
    adopted = json.loads(run("accept", "acme", "1", *options))
    (rule,) = adopted["rules"]
    assert rule["payload"]["headcount_min"] == 10 and rule["payload"]["ssic_codes"] == ["62011"]
    assert rows("select actor from learned.audit_log where action = 'accept_suggestion'") == [("maya",)]
    assert "accepted" in run("list", "acme")
    run("reject", "acme", "1", "--reason", "too small", "--by", "maya")
    assert rows("select count(*) from learned.icp_rules where is_active") == [(0,)]


def test_an_excluded_code_takes_those_below_it_along(acme: int) -> None:
    adopted = json.loads(run("accept", "acme", "1", "--exclude-ssic", "62012", "--exclude-ssic", "63", "--json"))
    assert adopted["rules"][0]["payload"]["ssic_codes"] == ["62011"]
    (rule,) = json.loads(run("accept", "acme", "1", "--exclude-ssic", "620", "--json"))["rules"]
    assert rule["payload"]["ssic_codes"] == [] and rule["payload"]["excluded_ssic_codes"] == ["620"]


def test_two_generations_are_compared(acme: int) -> None:
    shown = run("compare", "acme")
    assert "Generation 1 → 2: 5 → 6 best customers" in shown
    assert "gone Trading" in shown and "kept Software" in shown
    assert [made["title"] for made in json.loads(run("compare", "acme", "--json"))["removed"]] == ["Trading"]


def test_what_cannot_be_is_refused_in_a_sentence(acme: int, warehouse: Warehouse) -> None:
    with warehouse.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug="empty")
    for arguments, words in (
        (["list", "empty"], "no suggestions yet"),
        (["list", "acme", "--generation", "9"], "no generation 9"),
        (["accept", "acme", "7"], "there are 1 to 1"),
        (["accept", "empty", "1"], "there are none yet"),
        (
            ["accept", "acme", "1", "--headcount-min", "9", "--headcount-max", "2"],
            r"\(9\) is above headcount_max \(2\)\.",
        ),
        (
            ["accept", "acme", "1", "--headcount-min", "300"],
            r'\(200\) of "Software": give headcount_max too \(--headcount',
        ),
        (
            ["accept", "acme", "1", "--headcount-max", "50"],
            r'\(50\) of "Software": give headcount_min too \(--headcount',
        ),
        (["accept", "acme", "1", "--exclude-ssic", "G"], r'industry codes of two to five digits; got \["G"\]'),
        (["compare", "empty"], "two are needed"),
        (["list", "nobody"], "no tenant 'nobody'"),
    ):
        with pytest.raises(WarehouseError, match=words):
            CliRunner().invoke(app, arguments, catch_exceptions=False)
