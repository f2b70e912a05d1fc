"""Both shapes of a payload: understood whole, or refused with everything that is wrong."""

from __future__ import annotations

import json
import re
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.intake import Answers, IntakeError, json_schema, understand
from ingest.intake.answers import Advanced
from ingest.intake.evidence import evidence_of
from ingest.intake.payload import answers_hash, merged
from ingest.intake.reading import LARGEST, read_json
from tests.ingest.intake.payloads import FLAT, NESTED, mutated
from warehouse.settings import PROJECT_ROOT


def problems(payload: Any) -> str:
    with pytest.raises(IntakeError) as caught:
        understand(payload)
    return str(caught.value)


def test_the_specification_s_flat_example_is_understood_whole() -> None:
    answers = understand(FLAT).answers
    assert answers.website == "acmeanalytics.io"
    assert [(seed.name, seed.domain) for seed in answers.best_customers] == [
        ("Supply59", "supply59.com"),
        ("GreenPack Pte Ltd", "greenpack.sg"),
    ]
    assert answers.lost_or_churned[0].reason == "budget too low"
    assert answers.employee_band and answers.employee_band.bands == ("51-200",)
    place = answers.geo_language_tz
    assert (place.geo, place.language, place.tz) == (("SG",), ("en",), ("Asia/Singapore",))
    assert answers.must_have_integrations == ("HubSpot", "Shopify")
    deal = answers.deal
    assert deal.acv and (deal.acv.amount, deal.acv.currency, deal.cycle_days) == (25_000, "USD", 60)
    assert deal.price_floor and deal.price_floor.amount == 10_000
    assert answers.champion_titles == ("Head of Sales", "RevOps")
    assert len(answers.triggers) == 3


def test_the_specification_s_nested_example_is_understood_whole() -> None:
    understood = understand(NESTED)
    answers = understood.answers
    assert [seed.domain for seed in answers.best_customers] == ["supply59.com", "betalogistics.sg"]
    assert answers.lost_or_churned[0].domain == "globex.sg"
    assert answers.geo_language_tz.geo == ("SG", "MY")
    assert answers.deal.price_floor and answers.deal.price_floor.currency == "SGD"
    assert answers.champion_titles == ("Head of Sales", "CTO")
    assert any("taken as USD" in note for note in understood.notes)
    assert understood.is_low_confidence and any("fewer than 5" in note for note in understood.notes)


def test_sections_are_found_by_letter_and_by_name() -> None:
    by_letter = {
        "A": {"company_name": "Acme", "team_size": "<10"},
        "b) Seed Customers": {"best_customers": [{"name": "Beta", "website": "beta.com"}], "traits": "export"},
        "C": ["62011", "agencies", "<10 people"],
        "Section D": {"employee_band": ["11-50", "51–200"], "revenue_min": "S$1m"},
        "technographics": "HubSpot, Xero",
        "F) Buying Motion": {"champions": "head of sales", "cycle": "2 months"},
        "g": ["new warehouse"],
        "Outcomes & Proof": {"metrics": ["-30 % returns"]},
    }
    answers = understand({"website": "acme.com", "advanced": by_letter}).answers
    advanced = answers.advanced
    assert advanced.other == {}
    assert all(
        not getattr(advanced, name).is_empty()
        for name in Advanced.model_fields
        if name not in ("other",) and name != "seed_customers"
    )
    assert [seed.domain for seed in answers.best_customers] == ["beta.com"]
    assert advanced.anti_icp.ssic_codes == ("62011",) and advanced.anti_icp.red_flags == ("agencies",)
    assert advanced.anti_icp.employee_bands[0].bands == ("1-10",)
    assert advanced.firmographics.revenue_from and advanced.firmographics.revenue_from.currency == "SGD"
    assert advanced.technographics.must_have == ("HubSpot", "Xero")
    assert advanced.buying_motion.champion_titles == ("Head of Sales",)


def test_all_problems_come_at_once_with_the_path_as_it_was_sent() -> None:
    said = problems(
        {
            "answers": {"website": "javascript:alert(1)", "optional": {"acv": "lots", "price_floor": -5}},
            "seeds": [{"seed_name": "x", "domain": "nope"}, 5, {"seed_name": "🚀"}],
            "advanced": {"C) Anti-ICP": {"ssic_codes": ["abc"]}},
        }
    ).splitlines()
    paths = [line.split(": ")[0] for line in said]
    assert sorted(paths) == sorted(
        ["answers.website", "answers.optional.acv", "answers.optional.price_floor", "seeds[0].domain", "seeds[1]"]
        + ["seeds[2]", "advanced.C) Anti-ICP.ssic_codes"]
    )
    assert all(" – " in line and line.endswith(".") for line in said)
    assert '"javascript:alert(1)" – it takes the address' in said[paths.index("answers.website")]


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        ({}, "neither a website nor a customer"),
        ({"best_customers": [{"name": "", "website": ""}]}, "neither a website nor a customer"),
        ([], "a list; it takes a JSON object"),
        ("x", "a text"),
        ({"answers": 5}, "answers: 5"),
        ({"website": "acme.com", "deal": {"acv_usd": "-5"}}, 'deal.acv_usd: "-5" – an amount is not negative'),
        ({"website": "acme.com", "deal": 5}, "deal: 5"),
        ({"website": "acme.com", "deal": 5, "acv": 3}, "deal"),
        ({"website": "acme.com", "employee_band": "many"}, "employee_band"),
        ({"website": "acme.com", "best_customers": ["x"] * 201}, "at most 200 companies"),
        ({"website": "acme.com", "best_customers": {"name": "x"}}, "a list of companies"),
        ({"website": "acme.com", "triggers": ["x"] * 51}, "at most 50"),
        ({"website": "acme.com", "triggers": {"a": 1}}, "a list of texts"),
        ({"website": "acme.com", "merge": "yes"}, "merge"),
        ({"website": "acme.com", "advanced": {"A": {"what_you_sell": "x" * 5_001}}}, "at most 5,000 characters"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(payload: Any, complaint: str) -> None:
    assert complaint in problems(payload)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"not json", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[1]", "a list"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "larger than any"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number"),
        (b'{"website": "a.com", "website": "b.com"}', '"website" is there twice'),
        (b'{"a": {"b": 1, "b": 2}}', '"b" is there twice'),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "nested deeper"),
        (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested deeper"),
        (b'{"a": "' + b"x" * (LARGEST * 10) + b'"}', "larger than"),
    ],
)
def test_bad_content_is_refused_in_a_sentence(content: bytes, complaint: str) -> None:
    with pytest.raises(IntakeError, match=complaint):
        read_json(content)


def test_nuls_and_halves_of_pairs_become_storable() -> None:
    payload = read_json('{"website": "acme.com", "triggers": ["a\\u0000b", "x\\ud83d", "🚀"]}')
    assert understand(payload).answers.triggers == ("a b", "x?", "🚀")
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_unknown_keys_are_kept_as_they_are_with_a_note() -> None:
    understood = understand({"website": "acme.com", "Colour": {"x": [1]}, "advanced": {"Z": 1, "A": {"mood": "good"}}})
    answers = understood.answers
    assert answers.other == {"Colour": {"x": [1]}}
    assert answers.advanced.other == {"Z": 1}
    assert answers.advanced.your_business.other == {"mood": "good"}
    assert sum("no known question" in note for note in understood.notes) == 3


def test_customers_are_named_once_and_never_the_tenant_itself() -> None:
    understood = understand(
        {
            "website": "acme.com",
            "best_customers": [
                {"name": "Beta Pte Ltd", "website": "beta.com"},
                {"name": "BETA", "website": ""},
                "Beta — https://www.beta.com/en",
                {"name": "Gamma"},
                {"name": "Gamma Pte. Ltd."},
                {"name": "Acme", "website": "https://acme.com"},
                {"name": "Delta", "website": "https://facebook.com/delta"},
                {"name": "", "website": ""},
                {"website": "https://epsilon.sg"},
            ],
            "lost": [{"name": "Beta", "url": "beta.com", "reason": "moved"}],
        }
    )
    named = [(seed.name, seed.domain) for seed in understood.answers.best_customers]
    assert named == [("Beta Pte Ltd", "beta.com"), ("Gamma", None), ("Delta", None), ("Epsilon", "epsilon.sg")]
    said = " ".join(understood.notes)
    assert "more than once" in said and "own website" in said and "platform" in said and "counts as both" in said


def test_customers_as_lines_of_text() -> None:
    answers = understand(
        {
            "website": "acme.com",
            "best_customers": "Beta — beta.com; Gamma Logistics - gamma.sg\nCoca-Cola; Delta (delta.com)",
            "lost": "Globex — globex.sg (budget < $10k)",
        }
    ).answers
    named = [(seed.name, seed.domain) for seed in answers.best_customers]
    assert named == [("Beta", "beta.com"), ("Gamma Logistics", "gamma.sg"), ("Coca-Cola", None), ("Delta", "delta.com")]
    lost = answers.lost_or_churned[0]
    assert (lost.name, lost.domain, lost.reason) == ("Globex", "globex.sg", "budget < $10k")


@pytest.mark.parametrize(("text", "domain"), [("Beta.com", "beta.com"), ("1.00000", None), ("A.b", None)])
def test_a_name_that_looks_like_an_address_is_read_the_same_when_it_is_read_again(
    text: str, domain: str | None
) -> None:
    """Stored answers are read again by the next intake: what they refused would block the tenant for ever."""
    for customers in (text, [text], [{"name": text}]):
        answers = understand({"website": "acme.com", "best_customers": customers}).answers
        assert [(seed.name, seed.domain) for seed in answers.best_customers] == [(text, domain)]
        assert Answers.model_validate(answers.model_dump(mode="json")) == answers


def test_five_best_customers_are_confident() -> None:
    seeds = [{"seed_name": f"Firm {number}"} for number in range(5)]
    assert not understand({"answers": {}, "seeds": seeds}).is_low_confidence
    assert understand({"answers": {}, "seeds": seeds[:4]}).is_low_confidence


def test_merging_adds_to_lists_and_replaces_single_answers() -> None:
    before = understand(FLAT).answers
    added = understand(
        {"merge": True, "best_customers": "Beta — beta.com; Supply59", "employee_band": "<10", "exclude": ["62011"]}
    )
    assert added.merge
    both = understand(merged(before, added.answers).model_dump(mode="json")).answers
    assert [seed.domain for seed in both.best_customers] == ["supply59.com", "greenpack.sg", "beta.com"]
    assert both.employee_band and both.employee_band.bands == ("1-10",)
    assert both.advanced.anti_icp.ssic_codes == ("62011",)
    assert both.deal == before.deal and both.lost_or_churned == before.lost_or_churned


def test_the_order_of_lists_is_no_new_content() -> None:
    turned = {**FLAT, "best_customers": FLAT["best_customers"][::-1], "triggers": FLAT["triggers"][::-1]}
    assert answers_hash(understand(turned).answers) == answers_hash(understand(FLAT).answers)
    other = {**FLAT, "triggers": ["something else"]}
    assert answers_hash(understand(other).answers) != answers_hash(understand(FLAT).answers)


def test_evidence_says_what_is_wanted_and_what_is_ruled_out() -> None:
    payload = {**FLAT, "advanced": {"C": {"ssic_codes": ["62011"], "red_flags": ["tender only"]}, "E": ["Xero"]}}
    items = evidence_of(understand(payload).answers)
    by_key = {(item.signal_key, item.value_key): item.value for item in items}
    assert len(by_key) == len(items)
    assert by_key["integration", "hubspot"] == {"integration": "HubSpot", "bucket": "crm", "how": "named"}
    assert ("integration", "xero") in by_key
    assert by_key["buyer_title", "head of sales"] == {"buyer_title": "Head of Sales"}
    assert by_key["headcount", "51-200"] == {"headcount_band": "51-200", "low": 51, "high": 200}
    assert by_key["location", "sg"] == {"country": "SG"}
    assert by_key["trigger", "opening new market"] == {"trigger": "opening new market"}
    negative = {key for (signal, key), value in by_key.items() if signal == "theme" and value["kind"] == "negative"}
    assert negative == {"budget too low", "budget < usd 10,000", "industry 62011", "tender only"}
    assert all(0 < item.confidence < 1 for item in items)


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads((PROJECT_ROOT / "docs" / "schemas" / "intake.schema.json").read_text(encoding="utf-8"))
    assert published == json_schema()


@pytest.mark.parametrize("name", ["brightside.json", "added_later.json"])
def test_the_examples_are_understood_whole(name: str) -> None:
    understood = understand(read_json((PROJECT_ROOT / "examples" / "intake" / name).read_bytes()))
    assert not [note for note in understood.notes if "no known question" in note]
    assert understood.merge == (name == "added_later.json")


def check_understood_or_refused(payload: Any) -> None:
    try:
        understood = understand(payload)
    except IntakeError as error:
        assert error.problems
        for problem in error.problems:  # what was wrong, and what is taken; not what a library calls it
            assert problem.endswith(".") and "\n" not in problem, problem
            assert "it takes" in problem or "The intake" in problem or " – " in problem, problem
            assert not re.search(r"validation error|type=|pydantic|Traceback|NoneType", problem), problem
        return
    assert all(note.endswith(".") and "\n" not in note for note in understood.notes)
    assert (
        understood.merge
        or understood.answers.website
        or understood.answers.best_customers
        or (understood.answers.lost_or_churned)
    )
    # What was understood can be stored, and read again is the same.
    dumped = json.loads(json.dumps(understood.answers.model_dump(mode="json"), allow_nan=False))
    assert "\x00" not in json.dumps(dumped, ensure_ascii=False)
    again = Answers.model_validate(dumped)
    assert again == understood.answers
    assert answers_hash(again) == answers_hash(understood.answers)
    for item in evidence_of(again):
        assert item.value_key and 0 < item.confidence < 1


@hypothesis.settings(max_examples=300)
@given(mutated())
def test_any_payload_is_understood_or_refused_with_sentences(payload: Any) -> None:
    check_understood_or_refused(payload)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@hypothesis.settings(max_examples=20_000)
@given(mutated())
def test_twenty_thousand_payloads_are_understood_or_refused_with_sentences(payload: Any) -> None:
    check_understood_or_refused(payload)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_any_json_is_understood_or_refused(payload: Any) -> None:
    try:
        understand(payload)
    except IntakeError as error:
        assert error.problems
