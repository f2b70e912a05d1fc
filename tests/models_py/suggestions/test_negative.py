"""The negative ICP says what was said, once, and invents nothing."""

from __future__ import annotations

import pytest

from models_py.suggestions.estimates import estimate_signals
from models_py.suggestions.facts import Answers, Fact, Industry
from models_py.suggestions.negative import negative_icp, same_theme
from tests.models_py.suggestions.worlds import counts_of, evidence_of


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("budget too low", "no budget", True),
        ("Budget too low", "budget < $10k", True),
        ("on-prem only", "needs on-premise hosting", True),
        ("price too high", "pricing", True),
        ("missing SAP integration", "no integration with SAP", True),
        ("budget too low", "on-prem only", False),
        ("team too small", "small budget", False),
        ("went with a competitor", "no budget", False),
        ("too small", "too small", True),
        ("too small", "too large", False),
    ],
)
def test_reasons_about_the_same_are_one_theme(one: str, other: str, same: bool) -> None:
    assert same_theme(one, other) is same
    assert same_theme(other, one) is same


def test_losses_exclusions_and_price_floor_make_themes_with_their_companies() -> None:
    evidence = evidence_of(
        [{}] * 3,
        [{}] * 4,
        reasons=("budget too low", "no budget", "On-prem only.", None),
        answers=Answers(price_floor="USD 10,000", exclusions=("on-premise", "government tenders")),
        themes=(Fact(77, "theme", "government tenders", "government tenders", "intake"),),
    )
    found = negative_icp(evidence, [])
    assert [(theme.theme, theme.kind, theme.count) for theme in found.themes] == [
        ("no budget", "loss_reason", 2),
        ("On-prem only", "loss_reason", 1),
        ("government tenders", "exclusion", 1),
        ("budget < USD 10,000", "price_floor", 1),
    ]
    assert found.themes[0].companies == ["Lost 1", "Lost 2"]
    assert found.themes[0].wordings == ["budget too low", "no budget"]
    assert found.themes[1].wordings == ["On-prem only", "on-premise"]
    assert found.themes[2].evidence_ids == [77]
    assert found.note is None


def test_what_two_lost_customers_share_and_no_best_one_has_is_a_theme() -> None:
    best = [{"ssic": {"62011"}, "integration": {"hubspot"}}] * 4
    lost = [{"ssic": {"56111"}, "integration": {"hubspot"}}, {"ssic": {"56111"}}, {"ssic": {"56112"}}]
    industries = {"5611": Industry("2025", "5611", "Restaurants"), "56111": Industry("2025", "56111", "Cafes")}
    found = negative_icp(evidence_of(best, lost, industries=industries), estimate_signals(counts_of(best, lost)))
    assert [(theme.theme, theme.kind, theme.count) for theme in found.themes] == [
        ("industry 5611 Restaurants", "shared_trait", 3),
        ("industry 56111 Cafes", "shared_trait", 2),
    ]


def test_nothing_is_invented() -> None:
    found = negative_icp(evidence_of([{}] * 5, [{"ssic": {"56111"}}]), [])
    assert found.themes == []
    assert found.note is not None and "for 3 more" in found.note
