"""Answers: paths, probabilities, competition, and the ranker that comes with the package."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from benchmarks.matching_speed import make_names, spoil
from models_py.errors import InputError
from models_py.matching.competition import best_other, ranks
from models_py.matching.evaluation import calibration_error, curve
from models_py.matching.features import feature_names
from models_py.matching.index import MatchIndex, Queries
from models_py.matching.match import match
from models_py.matching.names import name_key
from models_py.matching.ranker import Ranker, default_ranker

FILLER = make_names(2_000)


def index(names: list[str], **known: object) -> MatchIndex:
    """These entities among two thousand others."""
    filled = {
        key: [*values, *([() if key == "former_names" else key == "is_live" or None] * len(FILLER))]  # type: ignore[misc]
        for key, values in known.items()
    }
    return MatchIndex.build([*names, *FILLER], **filled)  # type: ignore[arg-type]


# -- answers -----------------------------------------------------------------------------------------------------


def test_an_equal_name_is_found_on_its_path_with_its_reason() -> None:
    found = match(Queries(["Greenpack Solutions"]), index(["GREENPACK SOLUTIONS PTE. LTD."]))
    assert (found.entity[0], found.path[0]) == (0, "exact_name")
    assert found.probability[0] > 0.8
    assert "equal name" in found.why[0] and "GREENPACK SOLUTIONS PTE. LTD." in found.why[0]


def test_a_misspelled_name_is_found_or_asked_about() -> None:
    found = match(Queries(["Grenpack Solutions Pte Ltd"]), index(["GREENPACK SOLUTIONS PTE. LTD."]))
    assert found.candidates[0][0].entity == 0
    assert found.path[0] in ("fuzzy", "review")


def test_a_typing_error_counts_less_where_the_domain_is_made_of_the_name() -> None:
    known = index(["ALTTERIX HARVEST MEDICAL PTE. LTD."])
    domains = ["altterixharvestmedical-shop.com"]
    found = match(Queries(["Altetrix Harvest Medical"], domains=domains), known)
    assert (found.entity[0], found.path[0]) == (0, "fuzzy")
    other = match(Queries(["Altetrix Harvest Medical"], domains=["quiteelse.com"]), known)
    assert other.probability[0] < found.probability[0]


def test_names_that_share_no_more_than_a_word_are_never_accepted() -> None:
    known = index(["ALTTERIX MARINE ENGINEERING PTE. LTD.", "HARVEST FOODS PTE. LTD."])
    found = match(Queries(["Altterix", "Altterix Beauty Lounge", "Harvest Medical Supplies"]), known)
    assert set(found.path) <= {"review", "none"}


def test_an_equal_domain_is_found_although_the_names_are_unlike() -> None:
    known = index(["Wholly Other Pte Ltd"], domains=["acmetools.com"])
    found = match(Queries(["Acme Tools"], domains=["acmetools.com"]), known)
    assert (found.entity[0], found.path[0]) == (0, "domain")


def test_a_word_in_common_is_no_match() -> None:
    found = match(Queries(["Greenpack"]), index(["GREENFIELD PTE. LTD.", "GREEN TRADING PTE. LTD."]))
    assert found.path[0] in ("none", "review")
    assert found.probability[0] < default_ranker().variant_for(["name"]).accept


def test_two_entities_of_one_name_are_for_a_person_to_choose() -> None:
    found = match(Queries(["Acme Rockets"]), index(["ACME ROCKETS PTE. LTD.", "ACME ROCKETS PTE. LTD."]))
    assert found.path[0] == "review"
    assert {each.entity for each in found.candidates[0][:2]} == {0, 1}


def test_of_two_alike_the_living_one_is_more_probable() -> None:
    known = index(["ACME ROCKETS PTE. LTD.", "ACME ROCKETS PTE. LTD."], is_live=[False, True])
    found = match(Queries(["Acme Rockets"]), known)
    assert found.candidates[0][0].entity == 1
    assert found.candidates[0][0].probability > found.candidates[0][1].probability


def test_a_former_name_counts_a_little_less_than_the_present_one() -> None:
    known = index(["OTHER MATTERS PTE. LTD."], former_names=[["Acme Rockets Pte Ltd"]])
    former = match(Queries(["Acme Rockets Pte Ltd"]), known)
    present = match(Queries(["Acme Rockets Pte Ltd"]), index(["Acme Rockets Pte Ltd"]))
    assert former.entity[0] == present.entity[0] == 0
    assert former.probability[0] < present.probability[0]
    assert "former name" in former.why[0]


def test_an_empty_registry_gives_no_answer_and_says_so() -> None:
    found = match(Queries(["Acme"]), MatchIndex.build([]))
    assert (found.entity[0], found.path[0], found.probability[0]) == (-1, "none", 0.0)
    assert found.why[0].startswith("No entity")
    assert len(match(Queries([]), MatchIndex.build(["Acme"])).path) == 0


def test_a_query_s_answer_does_not_depend_on_its_neighbours() -> None:
    known = index(["GREENPACK SOLUTIONS PTE. LTD."], domains=["greenpack.sg"])
    random = np.random.default_rng(3)
    names = ["Greenpack", *(spoil(name, random) for name in FILLER[:40])]
    domains = ["greenpack.sg", *[None] * 40]
    together = match(Queries(names, domains=domains), known)
    for row in (0, 7, 31):
        alone = match(Queries([names[row]], domains=[domains[row]]), known)
        assert alone.entity[0] == together.entity[row]
        assert alone.probability[0] == pytest.approx(together.probability[row], abs=1e-6)


def test_misspelled_names_are_mostly_found_and_seldom_wrongly_accepted() -> None:
    random = np.random.default_rng(5)
    rows = random.choice(len(FILLER), 200, replace=False)
    found = match(Queries([spoil(FILLER[row], random) for row in rows]), MatchIndex.build(FILLER))
    keys = [name_key(name) for name in FILLER]
    right = np.array([keys[entity] == keys[row] for entity, row in zip(found.entity, rows, strict=True)])
    accepted = np.isin(found.path, ("exact_name", "fuzzy"))
    assert right.mean() >= 0.8
    assert right[accepted].mean() >= 0.95


# -- evidence raises probability -----------------------------------------------------------------------------------


def test_more_agreement_is_more_probable() -> None:
    names = ["ACME ROCKETS PTE. LTD."]
    known = index(names, domains=["acmerockets.com"], cities=["Singapore"], years=[2001], countries=["SG"])

    def chance(**more: object) -> float:
        given = {key: [value] for key, value in more.items()}
        return float(match(Queries(["Acme Rocket Engineering"], **given), known).candidates[0][0].probability)  # type: ignore[arg-type]

    other = chance(domains="other.com", cities="Singapore", years=2001)
    same = chance(domains="acmerockets.com", cities="Singapore", years=2001)
    elsewhere = chance(domains="acmerockets.com", cities="Berlin", years=1950)
    assert same > other
    assert same > elsewhere


def test_the_model_says_where_it_comes_from() -> None:
    ranker = default_ranker()
    assert "company_matching" in ranker.provenance.data
    assert "by profile" in ranker.provenance.split
    assert ranker.provenance.profiles_fitted + ranker.provenance.profiles_held_out == 2_071
    for variant in ranker.variants:
        measured = ranker.provenance.figures["+".join(variant.known)]
        assert 0.5 < measured["held_out_pair_f1"] < 1
        assert measured["held_out_calibration_error"] < 0.02
        assert measured["held_out_accepted_precision"] >= 0.95
        assert variant.review <= min(variant.accept, variant.accept_equal)
        assert set(variant.first.features) == set(feature_names(variant.known))


def test_the_variant_is_the_one_that_uses_most_of_what_is_known() -> None:
    ranker = default_ranker()
    assert ranker.variant_for(["name"]).known == ("name",)
    assert ranker.variant_for(["name", "address"]).known == ("name", "address")
    assert set(ranker.variant_for(["name", "address", "domain"]).known) == {"name", "address", "domain"}
    with pytest.raises(InputError, match="gets by with nothing"):
        ranker.variant_for([])


def test_a_ranker_file_with_a_missing_coefficient_is_refused() -> None:
    broken = default_ranker().model_dump(mode="json")
    broken["variants"][0]["first"]["coefficients"].pop()
    with pytest.raises(ValueError, match="differ in length"):
        Ranker.model_validate(broken)


# -- figures -------------------------------------------------------------------------------------------------------


def test_competition_is_within_a_query() -> None:
    query = np.array([0, 0, 0, 1])
    value = np.array([0.2, 0.9, 0.5, 0.7])
    assert best_other(query, value).tolist() == [0.9, 0.5, 0.9, 0.0]
    assert ranks(query, value).tolist() == [3, 1, 2, 1]


def test_precision_and_recall_are_counted_against_all_that_is_true() -> None:
    measured = curve(np.array([0.9, 0.8, 0.1]), np.array([True, False, True]), 4)
    assert measured.at(0.5).precision == 0.5 and measured.at(0.5).recall == 0.25
    assert measured.at(0.95).recall == 0.0
    assert measured.best_threshold == 0.1


def test_calibration_is_perfect_where_shares_are_as_said() -> None:
    right = np.array([True, False])
    assert calibration_error(np.array([0.55, 0.55]), right) == pytest.approx(0.05)
    assert calibration_error(np.empty(0), np.empty(0, dtype=np.bool_)) == 0.0


def test_hashes_stand_for_pairs() -> None:
    from benchmarks.matching_gebiz import pair_hash

    assert pair_hash("A", "B") == hashlib.sha256(b"A\x1fB").hexdigest()[:24] != pair_hash("AB", "")
