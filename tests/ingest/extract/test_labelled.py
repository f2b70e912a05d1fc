"""Precision and recall on the labelled pages; ``python -m benchmarks.extract`` writes the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.crawl.extract import IndustryVocabulary
from tests.ingest.extract.labelled import (
    PROFILE,
    SIGNALS,
    Found,
    find,
    is_held_out,
    measure,
    official_vocabulary,
    own_pages,
    real_pages,
)

# What was reached (precision, recall) on the pages that rules may be fitted to, rounded down: a rule that costs more
# than a page or two fails here.
FLOORS = {
    "ssic": (0.95, 0.70),
    "integration": (0.96, 0.85),
    "customer": (0.96, 0.94),
    "headcount": (0.92, 0.90),
    "hiring": (0.92, 0.92),
    "buyer_title": (0.92, 0.85),
    "pricing": (0.92, 0.92),
    "location": (0.96, 0.96),
    "trigger": (0.90, 0.90),
    "email": (1.0, 0.92),
    "phone": (1.0, 0.90),
    "linkedin": (1.0, 1.0),
}
# All kinds together on the pages that they may not be.
HELD_OUT = (0.93, 0.75)


@pytest.fixture(scope="module")
def cases(shared_data: Path) -> list[Found]:
    return list(find([*own_pages(), *real_pages(shared_data)], official_vocabulary(shared_data)))


@pytest.mark.parametrize("signal", FLOORS)
def test_extractor_reaches_its_floor(cases: list[Found], signal: str) -> None:
    score = measure([case for case in cases if not is_held_out(case.name)], signal)
    precision, recall = FLOORS[signal]
    assert score.precision >= precision, score.wrong
    assert score.recall >= recall, score.missed


def test_precision_holds_on_pages_that_the_rules_were_not_tuned_on(cases: list[Found]) -> None:
    held_out = [case for case in cases if is_held_out(case.name)]
    whole = [case for case in held_out if "only" not in case.label]
    assert 50 <= len(whole) <= len(cases) / 2
    scores = [measure(held_out, signal) for signal in (*SIGNALS, *PROFILE)]
    right, wrong = sum(score.right for score in scores), [line for score in scores for line in score.wrong]
    missed = sum(len(score.missed) for score in scores)
    assert right / (right + len(wrong)) >= HELD_OUT[0], wrong
    assert right / (right + missed) >= HELD_OUT[1]


def test_nothing_personal_comes_out_of_any_page(cases: list[Found]) -> None:
    forbidden = [(case, text) for case in cases for text in case.label.get("never", [])]
    assert len(forbidden) >= 70
    leaks = [(case.name, text) for case, text in forbidden if text in repr(case.items) + repr(case.profile)]
    assert leaks == []


def test_every_item_says_where_it_was_found(cases: list[Found]) -> None:
    items = [(case, item) for case in cases for item in case.items]
    assert len(items) > 400
    for case, item in items:
        assert item.url == case.page.url
        assert item.snippet and len(item.snippet) <= 300
        assert 0 < item.confidence <= 1
        assert item.value_key == item.value_key.lower().strip() != ""


def test_without_a_classification_only_industries_are_missing(cases: list[Found]) -> None:
    own = own_pages()
    plain = find(own, IndustryVocabulary("", ()))
    for with_codes, without in zip(cases[: len(own)], plain, strict=True):
        assert [item for item in with_codes.items if item.signal_key != "ssic"] == without.items
