"""The WHO pattern is the specification's contract, with how sure it is beside every number."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models_py.components import DEFAULT_WEIGHTS
from models_py.errors import RangeError, ShapeError
from models_py.patterns import Ranking, WhoPattern, build_who, export_json_schema, json_schema, sample_confidence
from models_py.rates import estimate, label
from models_py.timing import timing_signals

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
LEARNED = (0.10, 0.30, 0.25, 0.20)


def ranking(values: list[str], leads: list[int], booked: list[int]) -> Ranking:
    estimates = estimate(np.zeros(len(values), int), leads, booked)
    labels = label(np.zeros(len(values), int), estimates, tenant_booked=np.full(len(values), sum(booked)))
    return Ranking(values, estimates, labels.tolist())


RANKINGS = {
    # Of eight analysts two booked: the highest raw rate, and the least known one.
    "title": ranking(["Analyst", "Owner", "CEO", "Intern", "Émile 🚀"], [8, 300, 250, 192, 3], [2, 60, 20, 4, 1]),
    "industry": ranking(["Dental", "Legal"], [400, 353], [60, 27]),
    "size_band": ranking(["6-15", "16-30", "501+"], [300, 250, 203], [15, 60, 12]),
    "source": ranking(["referral", "apollo"], [153, 600], [40, 47]),
    "landing_page": ranking(["/a", "/b"], [353, 400], [42, 45]),
}
SIGNALS = timing_signals(
    np.full(4, 7),
    np.array([[False, False, False], [True, False, False], [False, True, False], [False, False, True]]),
    [500, 100, 150, 3],
    [40, 25, 20, 2],
)


def who(**changes: Any) -> WhoPattern:
    given: dict[str, Any] = {
        "computed_at": NOW,
        "leads": 753,
        "booked": 87,
        "rankings": RANKINGS,
        "timing": SIGNALS,
        "tenant": 7,
        "live_weights": DEFAULT_WEIGHTS,
        "proposed_weights": LEARNED,
    }
    return build_who(**(given | changes))


def test_the_specifications_fields_are_all_there_with_their_meaning() -> None:
    pattern = json.loads(who().model_dump_json())
    assert pattern["type"] == "who" and pattern["version"] == "1.0"
    assert pattern["computed_at"] == "2026-06-30T12:00:00Z"
    assert pattern["sample_size"] == 753 and pattern["confidence"] == 1.0
    owner = pattern["title_rankings"][0]
    assert owner["title"] == "Owner"
    assert owner["conversion_rate"] == 0.2 and owner["sample"] == 300
    assert owner["lift"] == pytest.approx(0.2 / (87 / 753), abs=0.005)
    assert pattern["industry_rankings"][0]["industry"] == "Dental"
    assert [entry["range"] for entry in pattern["size_analysis"]["distribution"]] == ["6-15", "16-30", "501+"]
    spot = pattern["size_analysis"]["sweet_spot"]
    assert (spot["min"], spot["max"], spot["conversion_rate"]) == (16, 30, 0.24)
    assert set(pattern["timing_signals"]) >= {"new_role_lift", "hiring_lift", "funded_lift"}
    assert pattern["recommended_weights"] == dict(
        zip(("data_quality", "authority", "company_fit", "timing"), DEFAULT_WEIGHTS, strict=True)
    )


def test_every_rate_says_how_sure_it_is() -> None:
    pattern = json.loads(who().model_dump_json())
    size = pattern["size_analysis"]
    rates = [*pattern["title_rankings"], *pattern["industry_rankings"], *size["distribution"], size["sweet_spot"]]
    rates += [rate for ranked in pattern["other_rankings"].values() for rate in ranked]
    assert len(rates) == 4 + 2 + 3 + 1 + 4
    for rate in rates:
        assert rate["interval"]["low"] <= rate["shrunk_rate"] <= rate["interval"]["high"]
        assert rate["n"] == rate["sample"] >= 5
        assert 0 <= rate["probability_better"] <= 1
        assert rate["label"] in ("better", "strong", "worse", "no_evidence")


def test_values_are_ranked_by_shrunk_rate_and_tiny_ones_left_out() -> None:
    titles = who().title_rankings
    assert [rate.title for rate in titles] == ["Owner", "Analyst", "CEO", "Intern"]
    assert titles[1].conversion_rate > titles[0].conversion_rate
    assert [rate.shrunk_rate for rate in titles] == sorted((rate.shrunk_rate for rate in titles), reverse=True)
    assert titles[0].label == "strong" and titles[-1].label == "worse"


def test_a_limit_keeps_the_first_values_and_all_labelled_ones() -> None:
    titles = who(limit=1).title_rankings
    labelled = {rate.title for rate in who().title_rankings if rate.label != "no_evidence"}
    assert {rate.title for rate in titles} == labelled | {"Owner"}
    assert "Intern" in labelled


def test_attributes_without_a_field_of_their_own_are_kept() -> None:
    others = who().other_rankings
    assert list(others) == ["landing_page", "source"]
    assert others["source"][0].value == "referral"


def test_signals_with_fewer_than_five_leads_have_a_lift_of_one() -> None:
    timing = who().timing_signals
    assert timing.funded_lift == 1.0 and "funded" not in timing.evidence
    assert timing.new_role_lift == timing.evidence["new_role"].lift > 1.5
    assert timing.evidence["new_role"].interval.low > 1.0
    assert timing.evidence["new_role"].n == 100


def test_another_tenants_signals_are_not_used() -> None:
    assert who(tenant=8).timing_signals.new_role_lift == 1.0


def test_the_live_weights_are_recommended_and_a_proposal_stands_beside_them() -> None:
    pattern = who()
    assert pattern.recommended_weights.authority == 0.25
    assert pattern.proposed_weights is not None and pattern.proposed_weights.authority == 0.30
    assert who(proposed_weights=None).proposed_weights is None


@pytest.mark.parametrize(("leads", "booked"), [(29, 20), (500, 9), (0, 0)])
def test_too_few_data_give_the_specifications_empty_pattern_with_the_reason(leads: int, booked: int) -> None:
    pattern = json.loads(who(leads=leads, booked=booked, proposed_weights=None).model_dump_json())
    assert pattern["title_rankings"] == [] and pattern["industry_rankings"] == []
    assert pattern["size_analysis"] == {}
    for signal in ("new_role_lift", "hiring_lift", "funded_lift"):
        assert pattern["timing_signals"][signal] == 1.0
    assert pattern["sample_size"] == 0 and pattern["confidence"] == 0.0
    assert pattern["recommended_weights"]["data_quality"] == 0.20
    assert f"{booked} booking" in pattern["reason"] and "30 and 10 are needed" in pattern["reason"]


@pytest.mark.parametrize(("leads", "confidence"), [(100, 0.5), (156, 0.87), (30, 0.09), (1_000_000, 1.0)])
def test_confidence_is_the_specifications_sigmoid(leads: int, confidence: float) -> None:
    assert sample_confidence(leads) == confidence


def test_a_pattern_survives_being_written_and_read() -> None:
    pattern = who()
    assert WhoPattern.model_validate_json(pattern.model_dump_json()) == pattern
    empty = who(leads=0, booked=0)
    assert WhoPattern.model_validate_json(empty.model_dump_json()) == empty


def test_the_schema_admits_what_is_written_and_names_every_field(tmp_path: Path) -> None:
    schema = json_schema(WhoPattern)
    assert set(schema["properties"]) == set(WhoPattern.model_fields)
    export_json_schema(tmp_path / "who.json")
    assert json.loads((tmp_path / "who.json").read_text(encoding="utf-8")) == schema


def test_a_time_without_a_zone_and_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        who(computed_at=datetime(2026, 6, 30))
    with pytest.raises(ValidationError, match="Extra inputs"):
        WhoPattern.model_validate({**json.loads(who().model_dump_json()), "surprise": 1})


def test_rankings_that_do_not_fit_together_are_refused() -> None:
    estimates = RANKINGS["industry"].estimates
    with pytest.raises(ShapeError, match="as many values"):
        Ranking(["Dental"], estimates, ["better", "better"])
    with pytest.raises(RangeError, match="size_band must hold"):
        who(rankings={"size_band": ranking(["1-10"], [100], [20])})
