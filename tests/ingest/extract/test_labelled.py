"""Precision and recall on the labelled pages; ``pytest -s`` shows the table."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ingest.crawl.extract import IndustryVocabulary
from tests.ingest.extract.labelled import (
    SIGNALS,
    Labelled,
    Score,
    measure,
    measure_profile,
    official_vocabulary,
    read_labelled,
)

# What was reached (precision, recall), rounded down: a rule that costs more than one page fails here.
FLOORS = {
    "ssic": (0.93, 0.90),
    "integration": (0.96, 0.95),
    "customer": (0.94, 0.94),
    "headcount": (0.92, 0.90),
    "hiring": (0.90, 0.90),
    "buyer_title": (0.92, 0.90),
    "pricing": (0.90, 0.90),
    "location": (0.95, 0.95),
    "trigger": (0.88, 0.88),
    "email": (1.0, 0.88),
    "phone": (1.0, 0.85),
    "linkedin": (1.0, 1.0),
}


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> list[Labelled]:
    return list(read_labelled(official_vocabulary(shared_data)))


def scored(cases: list[Labelled], signal: str) -> Score:
    return measure(cases, signal) if signal in SIGNALS else measure_profile(cases, signal)


@pytest.mark.parametrize("signal", FLOORS)
def test_extractor_reaches_its_floor(cases: list[Labelled], signal: str) -> None:
    tuned = scored([case for case in cases if not case.label.get("held_out")], signal)
    precision, recall = FLOORS[signal]
    assert tuned.precision >= precision, tuned.wrong
    assert tuned.recall >= recall, tuned.missed


def test_precision_holds_on_pages_that_the_rules_were_not_tuned_on(cases: list[Labelled]) -> None:
    held_out = [case for case in cases if case.label.get("held_out")]
    scores = [scored(held_out, signal) for signal in FLOORS]
    right, wrong = sum(score.right for score in scores), [line for score in scores for line in score.wrong]
    missed = sum(len(score.missed) for score in scores)
    assert right / (right + len(wrong)) >= HELD_OUT[0], wrong
    assert right / (right + missed) >= HELD_OUT[1]


HELD_OUT = (0.9, 0.6)


def test_table(cases: list[Labelled]) -> None:
    lines = [f"{'':14}{'pages':>6}{'right':>7}{'wrong':>7}{'missed':>7}{'precision':>11}{'recall':>8}"]
    for group, chosen in (
        ("tuned", [case for case in cases if not case.label.get("held_out")]),
        ("held out", [case for case in cases if case.label.get("held_out")]),
    ):
        for signal in FLOORS:
            score = scored(chosen, signal)
            lines.append(
                f"{signal:14}{len(chosen):6}{score.right:7}{len(score.wrong):7}{len(score.missed):7}"
                f"{score.precision:11.2f}{score.recall:8.2f}  {group}"
            )
    sys.stdout.write("\n".join(["", *lines, ""]))
    assert len(cases) >= 40


def test_nothing_personal_comes_out_of_any_page(cases: list[Labelled]) -> None:
    forbidden = [(case, text) for case in cases for text in case.label.get("never", [])]
    assert len(forbidden) >= 30
    leaks = [(case.name, text) for case, text in forbidden if text in repr(case.items) + repr(case.profile)]
    assert leaks == []


def test_every_item_says_where_it_was_found(cases: list[Labelled]) -> None:
    items = [(case, item) for case in cases for item in case.items]
    assert len(items) > 150
    for case, item in items:
        assert item.url == case.label["url"]
        assert item.snippet and len(item.snippet) <= 300
        assert 0 < item.confidence <= 1
        assert item.value_key == item.value_key.lower().strip() != ""


def test_without_a_classification_only_industries_are_missing(cases: list[Labelled]) -> None:
    plain = list(read_labelled(IndustryVocabulary("", ())))
    for with_codes, without in zip(cases, plain, strict=True):
        assert [item for item in with_codes.items if item.signal_key != "ssic"] == without.items
