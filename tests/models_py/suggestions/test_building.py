"""Cards: as many as the evidence supports, each with what its customers share and nothing else."""

from __future__ import annotations

import random
from dataclasses import replace as replaced

import pytest

from models_py.suggestions.building import SuggestionSet, build_suggestions
from models_py.suggestions.estimates import BaseSignal
from models_py.suggestions.facts import Answers, Fact
from tests.models_py.suggestions.worlds import World, counts_of, evidence_of

Company = dict[str, set[str]]

SOFTWARE: Company = {"ssic": {"62011"}, "integration": {"hubspot"}, "buyer_title": {"head of sales"}}
TRADING: Company = {"ssic": {"46900"}, "integration": {"shopify"}}
BASE = {
    "integration": BaseSignal(300, {"hubspot": 40, "shopify": 30, "slack": 90, "stripe": 30}),
    "buyer_title": BaseSignal(300, {"head of sales": 20, "ceo": 200}),
    "headcount": BaseSignal(300, {"1-10": 100, "11-50": 100, "51-200": 60, "201-500": 30}),
    "trigger": BaseSignal(300, {"new market": 10}),
    "ssic": BaseSignal(50_000, {"62011": 400, "62012": 100, "46900": 2_000, "56111": 900}),
    "ssic_4": BaseSignal(50_000, {"6201": 500, "4690": 2_000, "5611": 900}),
    "ssic_3": BaseSignal(50_000, {"620": 900, "469": 2_000, "561": 1_500}),
    "ssic_2": BaseSignal(50_000, {"62": 1_000, "46": 9_000, "56": 2_500}),
}


def built(customers: list[Company], lost: list[Company] | None = None, **more: object) -> SuggestionSet:
    return build_suggestions(evidence_of(customers, lost, **more), counts_of(customers, lost), BASE)  # type: ignore[arg-type]


def test_tenants_with_five_customers_with_evidence_get_three_to_five_cards() -> None:
    world = World(8)
    for at in range(30):
        customers, _ = world.tenant(5 + at % 10, planted=bool(at % 2))
        found = build_suggestions(evidence_of(customers), counts_of(customers), world.base)
        assert 3 <= len(found.suggestions) <= 5
        assert len({made.card.id for made in found.suggestions}) == len(found.suggestions)


def test_a_planted_segment_is_on_the_first_cards() -> None:
    world = World(9)
    hits = 0
    for _ in range(20):
        customers, truth = world.tenant(10, planted=True)
        cards = [
            s.card for s in build_suggestions(evidence_of(customers), counts_of(customers), world.base).suggestions
        ]
        hits += any(truth.code in card.ssic_cluster[:1] for card in cards[:2]) and any(
            truth.integration.title() in card.integrations for card in cards[:2]
        )
    assert hits >= 18


def test_customers_that_are_all_alike_make_one_card_and_say_so() -> None:
    found = built([{"ssic": {"62011"}}] * 5)
    assert len(found.suggestions) == 1
    assert found.reduced_evidence
    assert any("too alike" in sentence for sentence in found.advice)


def test_alike_customers_are_told_apart_by_what_tells_them_apart() -> None:
    same = {"ssic": {"62011"}}
    customers = [same | {"integration": {"hubspot"}}] * 3 + [same | {"integration": {"shopify"}}] * 3
    cards = [made.card for made in built(customers).suggestions]
    assert len(cards) == 3
    assert {card.title for card in cards[1:]} == {"Industry 62011, runs Hubspot", "Industry 62011, runs Shopify"}
    assert {card.support.companies for card in cards[1:]} == {3}


def test_a_tool_that_half_of_all_companies_run_makes_no_segment() -> None:
    customers = [{"ssic": {"62011"}, "integration": {"everywhere"}}] * 3 + [{"ssic": {"62011"}}] * 2
    base = BASE | {"integration": BaseSignal(300, {"everywhere": 150})}
    counts = [replaced(count, n=5) if count.signal_key == "integration" else count for count in counts_of(customers)]
    found = build_suggestions(evidence_of(customers), counts, base)
    assert [made.card.title for made in found.suggestions] == ["Industry 62011"]


def test_every_card_cites_facts_that_show_what_it_says() -> None:
    customers = [SOFTWARE, SOFTWARE, SOFTWARE, TRADING, TRADING]
    evidence = evidence_of(customers, own_facts=(Fact(900, "integration", "hubspot", "HubSpot", "user_site"),))
    found = build_suggestions(evidence, counts_of(customers), BASE)
    facts = {fact.evidence_id: fact for seed in evidence.seeds for fact in seed.facts}
    for made in found.suggestions:
        card = made.card
        assert card.evidence_count == len(set(card.evidence_ids))
        shown = {facts[id_].value_key for id_ in card.evidence_ids if id_ in facts}
        assert shown <= {*card.ssic_cluster, *(value.lower() for value in card.integrations + card.champions)}
    software = next(made.card for made in found.suggestions if "62011" in made.card.ssic_cluster)
    assert 900 in software.evidence_ids and "the tenant's own site" in software.rationale
    assert f"{software.support.companies} of 5 seeds" in software.rationale


def test_cards_do_not_depend_on_the_order_of_evidence() -> None:
    world = World(10)
    customers, _ = world.tenant(9, planted=True)
    evidence = evidence_of(customers)
    first = build_suggestions(evidence, counts_of(customers), world.base)
    shuffled = list(evidence.seeds)
    random.Random(1).shuffle(shuffled)
    second = build_suggestions(replaced(evidence, seeds=tuple(shuffled)), counts_of(customers)[::-1], world.base)
    assert [s.card.id for s in first.suggestions] == [s.card.id for s in second.suggestions]
    assert [s.card.evidence_ids for s in first.suggestions] == [s.card.evidence_ids for s in second.suggestions]


def test_ids_are_the_tenants_own_and_outlive_more_evidence() -> None:
    customers = [SOFTWARE, SOFTWARE, SOFTWARE, TRADING, TRADING]
    before = {made.card.id for made in built(customers).suggestions}
    assert before & {made.card.id for made in built([*customers, SOFTWARE]).suggestions}
    assert before.isdisjoint({made.card.id for made in built(customers, tenant_id=8).suggestions})


def test_answers_fill_what_was_not_found_and_are_marked() -> None:
    answers = Answers(headcount_bands=("51-200",), integrations=("Xero",), champions=("RevOps",), triggers=("hiring",))
    cards = [made.card for made in built([SOFTWARE, SOFTWARE, TRADING, TRADING, TRADING], answers=answers).suggestions]
    software = next(card for card in cards if "62011" in card.ssic_cluster)
    assert software.integrations == ["Hubspot"] and software.champions == ["Head Of Sales"]
    assert software.headcount_band == "51-200"
    assert software.from_answers == ["headcount_band", "triggers"]
    assert "from the intake's answers: headcount_band, triggers" in software.rationale
    rule = next(made.rule for made in built([SOFTWARE, SOFTWARE], answers=answers).suggestions)
    assert (rule.headcount_min, rule.headcount_max) == (51, 200)


def test_sizes_next_to_one_another_are_one_range_and_scattered_ones_none() -> None:
    near = [{"ssic": {"62011"}, "headcount": {band}} for band in ("11-50", "51-200", "11-50", "51-200", "51-200")]
    far = [{"ssic": {"62011"}, "headcount": {band}} for band in ("1-10", "51-200", "201-500", "1001-5000", "5001+")]
    assert built(near).suggestions[0].card.headcount_band == "11-200"
    assert built(far).suggestions[0].card.headcount_band is None


def test_what_the_tenant_excludes_is_suggested_nowhere() -> None:
    answers = Answers(excluded_codes=("46",), excluded_traits=frozenset({("integration", "hubspot")}))
    for made in built([SOFTWARE, SOFTWARE, SOFTWARE, TRADING, TRADING], answers=answers).suggestions:
        assert "46900" not in [*made.card.ssic_cluster, made.card.title.removeprefix("Industry ")]
        assert "industry ;" not in made.card.rationale
        assert "Hubspot" not in made.card.integrations + [made.card.title]


def test_a_segment_that_lost_customers_share_is_worth_less_and_says_so() -> None:
    customers = [SOFTWARE, SOFTWARE, SOFTWARE, TRADING, TRADING, TRADING]
    without = {made.card.title: made.card for made in built(customers, [{"ssic": {"56111"}}]).suggestions}
    with_loss = {made.card.title: made.card for made in built(customers, [TRADING, TRADING]).suggestions}
    (title,) = {title for title in with_loss if "46900" in title}
    assert with_loss[title].score < 0.5 * without[title].score
    assert with_loss[title].negative_flags[0] == "2 of 2 lost customers look like this too"


@pytest.mark.parametrize("told", [0, 1, 2, 4])
def test_fewer_customers_make_fewer_cards_with_a_flag(told: int) -> None:
    customers: list[Company] = [SOFTWARE, TRADING, SOFTWARE, {"ssic": {"56111"}}][:told] + [{}]
    found = built(customers)
    assert found.reduced_evidence and found.seeds_with_evidence == told
    assert len(found.suggestions) <= min(told, 3)
    assert bool(found.suggestions) == bool(told)
    assert all(made.card.reduced_evidence for made in found.suggestions)


def test_the_pack_and_the_rule_say_what_the_card_says() -> None:
    for made in built([SOFTWARE, SOFTWARE, SOFTWARE, TRADING, TRADING]).suggestions:
        assert made.pack.ssic_filters == made.rule.ssic_codes == made.card.ssic_cluster
        assert made.pack.technographic_filters == made.rule.integrations == made.card.integrations
        assert f"{made.card.support.companies} of 5" in made.pack.pitch


def test_the_same_evidence_has_the_same_hash_and_other_evidence_another() -> None:
    customers = [SOFTWARE, SOFTWARE, SOFTWARE, TRADING, TRADING]
    assert built(customers).inputs_hash == built(customers).inputs_hash
    assert built(customers).inputs_hash != built([*customers, TRADING]).inputs_hash
    assert built(customers).inputs_hash != built(customers, answers=Answers(price_floor="USD 5,000")).inputs_hash
