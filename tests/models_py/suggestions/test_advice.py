"""Advice names what is missing, and who."""

from __future__ import annotations

import dataclasses
from typing import Any

from models_py.suggestions.advice import advise
from models_py.suggestions.facts import TenantEvidence
from tests.models_py.suggestions.worlds import evidence_of

TOLD = {"ssic": {"62011"}, "integration": {"hubspot"}}


def changed(evidence: TenantEvidence, rows: list[int], **fields: Any) -> TenantEvidence:
    seeds = tuple(dataclasses.replace(seed, **fields) if at in rows else seed for at, seed in enumerate(evidence.seeds))
    return dataclasses.replace(evidence, seeds=seeds)


def test_a_complete_tenant_gets_none() -> None:
    evidence = evidence_of([TOLD] * 6, [TOLD] * 2, reasons=("budget", "on-prem"))
    assert advise(evidence, suggestions=3) == ()


def test_each_gap_is_a_sentence_that_names_the_customers() -> None:
    evidence = evidence_of([TOLD, TOLD, {}], [])
    evidence = changed(evidence, [0, 1], domain=None)
    evidence = changed(evidence, [2], crawl="blocked", match="review")
    said = " ".join(advise(evidence, suggestions=2))
    assert "There are only 3 best customers: five give high confidence, so add 2 or more." in said
    assert "2 of 3 customers have no website (Best 1, Best 2)" in said
    assert "The sites of 1 of 3 customers could not be read (Best 3)" in said
    assert "more than one candidate for Best 3" in said
    assert "There is no lost customer yet" in said


def test_long_lists_are_cut() -> None:
    evidence = changed(evidence_of([TOLD] * 9, [TOLD] * 2, reasons=("a", "b")), list(range(9)), domain=None)
    assert advise(evidence, suggestions=3) == (
        "9 of 9 customers have no website (Best 1, Best 2, Best 3 and 6 more): add it, and their sites can be read.",
    )


def test_a_reason_that_is_missing_is_asked_for() -> None:
    evidence = evidence_of([TOLD] * 5, [TOLD] * 2, reasons=("budget", None))
    assert advise(evidence, suggestions=3) == ("1 of 2 lost customers have no reason (Lost 2): one line is enough.",)
