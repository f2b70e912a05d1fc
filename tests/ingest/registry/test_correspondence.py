"""What became of a code: titles before numbers, nothing claimed twice, weights that sum to at most one."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.registry.correspondence import correspond, normal_title

codes = st.text("0123", min_size=5, max_size=5)
titles = st.text("abc &.", max_size=12)
lists = st.dictionaries(codes, titles, max_size=12)


@given(lists, lists)
def test_every_link_is_between_codes_that_are_there_and_weights_sum_to_one(
    old: dict[str, str], new: dict[str, str]
) -> None:
    links = correspond(old, new)
    weights: dict[str, float] = defaultdict(float)
    for link in links:
        assert link.from_code in old and link.to_code in new
        assert 0 < link.weight <= 1
        weights[link.from_code] += link.weight
    assert all(weight <= 1 + 1e-9 for weight in weights.values())
    assert len({(link.from_code, link.to_code) for link in links}) == len(links)
    same = {code for code in old if code in new and normal_title(old[code]) == normal_title(new[code])}
    assert {link.from_code for link in links if link.basis == "same code and title"} == same


def test_spelling_is_no_difference() -> None:
    assert normal_title("Repair of cars & vans, N.E.C.") == normal_title("repair of cars and vans n.e.c.")


def test_several_codes_of_one_title_share_the_weight() -> None:
    links = correspond({"11111": "Beans"}, {"22222": "Beans", "33333": "Beans"})
    assert [(link.to_code, link.weight) for link in links] == [("22222", 0.5), ("33333", 0.5)]


def test_levels_are_not_mixed() -> None:
    assert correspond({"62": "Software"}, {"62011": "Software"}) == []


# Read one by one from both publications: codes of 2015 whose number or title is gone, and what they are in 2025.
BECAME = {
    "18115": "18113",  # silk screen printing
    "21014": "21013",  # veterinary pharmaceuticals
    "23919": "23910",  # clay products
    "28196": "28195",  # packaging machinery
    "47111": "47101",  # supermarkets
    "47199": "47109",  # other non-specialised shops
    "61013": "61010",  # satellite networks
    "65302": "65300",  # pension funding
    "74209": "74200",  # photography
    "80001": "80200",  # detectives
    "85211": "85310",  # secondary schools
    "90001": "90201",  # live theatre
    "25913": "25912",  # lead frames: the number is metal stampings now
    "64150": "64140",  # merchant banks: the number is finance companies now
    "63901": "60301",  # news agencies: the number is search engines now
    "43293": "43292",  # building automation
    "85502": "85602",  # examinations
}
VANISHED = ("01413", "25915", "32112", "47420", "55103", "68109", "79103")  # nothing in 2025 is clearly the same


def test_real_codes_of_2015_are_found_again_in_2025(shared_data: Path) -> None:
    with (shared_data / "ssic" / "ssic2025.csv").open(newline="", encoding="utf-8") as file:
        new = {row["code"]: row["title"] for row in csv.DictReader(file) if len(row["code"]) == 5}
    lines = (shared_data / "ssic" / "ssic2015.csv").read_text(encoding="utf-8").splitlines()[1:]
    old = {line.split(";", 2)[1]: line.split(";", 2)[2] for line in lines}
    links = {link.from_code: link.to_code for link in correspond(old, new)}
    assert {code: links.get(code) for code in BECAME} == BECAME
    assert [code for code in VANISHED if code in links] == []
    assert len(links) / len(old) == pytest.approx(0.89, abs=0.02)
