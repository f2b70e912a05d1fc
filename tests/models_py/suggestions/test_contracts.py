"""What is published is what the code writes."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from models_py.patterns import json_schema
from models_py.suggestions.contracts import SCHEMAS, SuggestionCard
from warehouse.settings import PROJECT_ROOT


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_published_schemas_are_those_of_the_code(name: str) -> None:
    published = json.loads((PROJECT_ROOT / "docs" / "schemas" / name).read_text(encoding="utf-8"))
    assert published == json_schema(SCHEMAS[name])


def test_the_specifications_key_names_are_kept() -> None:
    named = {"ssic_cluster", "headcount_band", "integrations", "champions", "evidence_count", "rationale"}
    assert named | {"id", "title", "negative_flags"} <= set(SuggestionCard.model_fields)
    pack = SCHEMAS["targeting_pack.schema.json"].model_fields
    assert set(pack) == {"ssic_filters", "technographic_filters", "pitch"}
    rule = SCHEMAS["icp_rule.schema.json"].model_fields
    assert {"ssic_codes", "integrations", "champions", "exclusions", "headcount_min", "headcount_max"} <= set(rule)


def test_a_card_without_evidence_is_no_card() -> None:
    with pytest.raises(ValidationError, match="evidence"):
        SuggestionCard.model_validate({"id": "sugg_000000000000", "evidence_count": 0, "evidence_ids": []})
