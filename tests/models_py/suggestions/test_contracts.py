"""What is published is what the code writes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from models_py.patterns import json_schema
from models_py.suggestions.contracts import (
    SCHEMAS,
    IcpPatterns,
    IndustryCount,
    IntegrationCount,
    SuggestionCard,
    TitleCount,
)
from warehouse.settings import PROJECT_ROOT


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_published_schemas_are_those_of_the_code(name: str) -> None:
    published = json.loads((PROJECT_ROOT / "docs" / "schemas" / name).read_text(encoding="utf-8"))
    assert published == json_schema(SCHEMAS[name])


def test_the_specifications_key_names_are_kept() -> None:
    named = {"ssic_cluster", "headcount_band", "integrations", "champions", "evidence_count", "rationale"}
    assert named | {"id", "title", "negative_flags"} <= set(SuggestionCard.model_fields)
    assert {"top_ssics", "common_integrations", "frequent_buyer_titles"} <= set(IcpPatterns.model_fields)
    for counted, key in ((IndustryCount, "code"), (IntegrationCount, "name"), (TitleCount, "title")):
        assert {key, "cnt"} <= set(counted.model_fields)
    pack = SCHEMAS["targeting_pack.schema.json"].model_fields
    assert set(pack) == {"ssic_filters", "technographic_filters", "pitch"}
    rule = SCHEMAS["icp_rule.schema.json"].model_fields
    assert {"ssic_codes", "integrations", "champions", "exclusions", "headcount_min", "headcount_max"} <= set(rule)


def test_patterns_may_be_empty_and_hold_nothing_else() -> None:
    row: dict[str, Any] = {"tenant_id": 3, "intake_version": None, "is_low_confidence": True}
    row |= {"best_companies": 0, "companies_with_evidence": 0}
    row |= {key: [] for key in ("top_ssics", "common_integrations", "frequent_buyer_titles", "themes")}
    row |= {"headcount": {"median_low": None, "median_high": None, "bands": []}}
    IcpPatterns.model_validate(row)
    for more in ({"colour": "red"}, {"common_integrations": [{"name": "Xero"}]}, {"themes": None}):
        with pytest.raises(ValidationError, match=next(iter(more))):
            IcpPatterns.model_validate(row | more)


def test_a_card_without_evidence_is_no_card() -> None:
    with pytest.raises(ValidationError, match="evidence"):
        SuggestionCard.model_validate({"id": "sugg_000000000000", "evidence_count": 0, "evidence_ids": []})
