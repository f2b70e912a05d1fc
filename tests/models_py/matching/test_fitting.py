"""Fitting: nothing is predicted by a model that saw it, and what is accepted counts the names of nobody."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.matching_speed import make_names, spoil
from models_py.errors import InputError
from models_py.matching import fitting
from models_py.matching.evaluation import Curve, Labelled
from models_py.matching.features import Comparison
from models_py.matching.fitting import _accept, fit_variant
from models_py.matching.index import MatchIndex, Queries
from models_py.matching.names import name_key
from models_py.matching.records import misspelled, record_of


def labelled(noise: bool = False) -> Labelled:
    """120 misspelled names among 600 entities; with ``noise`` a candidate of each is called right by chance."""
    names, random = make_names(600), np.random.default_rng(1)
    meant = random.choice(len(names), 120, replace=False)
    queries, index = Queries([spoil(names[row], random) for row in meant]), MatchIndex.build(names)
    keys = [name_key(name) for name in queries.names]
    pairs = index.candidates(queries, keys, threads=1)
    right = random.random(len(pairs.query)) < 0.2 if noise else pairs.entity == meant[pairs.query]
    return Labelled(Comparison(queries, keys, index, pairs), right, np.ones(len(keys), dtype=np.int64))


def test_what_is_predicted_out_of_fold_was_not_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # With next to no penalty and labels by chance, a model that saw them knows them.
    monkeypatch.setattr(fitting, "FIRST_C", 1e3)
    monkeypatch.setattr(fitting, "SECOND_C", 1e3)
    pairs, some = labelled(noise=True), np.arange(120) < 20
    found = fit_variant(pairs, known=("name",), fit_on=some, seed=1)
    among = some[pairs.comparison.pairs.query]

    def gap(probability: np.ndarray) -> float:
        right, wrong = probability[among & pairs.is_match], probability[among & ~pairs.is_match]
        return float(right.mean() - wrong.mean())

    assert abs(gap(found.out_of_fold)) < 0.05
    assert gap(found.variant.probabilities(pairs.comparison)) > 0.1


def test_a_query_s_own_truth_never_reaches_its_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, some = labelled(), np.arange(120) < 40
    mine = pairs.comparison.pairs.query == 7
    otherwise = dataclasses.replace(pairs, is_match=pairs.is_match ^ mine)
    seen: list[np.ndarray] = []
    original = fitting.second_matrix
    monkeypatch.setattr(
        fitting, "second_matrix", lambda of, first, names: seen.append(first) or original(of, first, names)
    )
    as_is = fit_variant(pairs, known=("name",), fit_on=some, seed=1).out_of_fold
    turned = fit_variant(otherwise, known=("name",), fit_on=some, seed=1).out_of_fold
    assert (as_is[mine] == turned[mine]).all() and not (as_is == turned).all()
    # What the second stage is fitted on: a fold at a time is out of it, and at the end a query's own fold.
    *folds, last = zip(seen[: len(seen) // 2], seen[len(seen) // 2 :], strict=True)
    assert [bool((a == b).all()) for a, b in folds].count(True) == 1
    assert all((a[mine] == b[mine]).all() for a, b in (*folds, last)) and not (last[0] == last[1]).all()


def test_a_ranker_learns_which_candidate_is_meant_and_needs_queries_to_do_so() -> None:
    pairs, every = labelled(), np.ones(120, dtype=np.bool_)
    found = fit_variant(pairs, known=("name",), fit_on=every, seed=1)
    assert found.out_of_fold[pairs.is_match].mean() > 0.8
    assert found.out_of_fold[~pairs.is_match].mean() < 0.05
    with pytest.raises(InputError, match="4 queries to fit on"):
        fit_variant(pairs, known=("name",), fit_on=np.arange(120) < 4, seed=1)


def test_answers_to_names_of_nobody_raise_what_is_accepted() -> None:
    probability = np.linspace(0.99, 0.5, 50)
    answers = Curve(probability, np.ones(50), np.linspace(0.02, 1, 50))
    assert _accept(answers, np.empty(0)) == 0.5
    assert _accept(answers, np.full(10, 0.7)) == pytest.approx(0.71)


def test_a_misspelled_name_has_all_its_words_spelled_alike() -> None:
    def record(name: str):  # type: ignore[no-untyped-def]
        return record_of(name, name_key(name), None, None, None, None)

    assert misspelled(record("Altetrix Harvest Medical"), record("Altterix Harvest Medical"))
    assert not misspelled(record("Altterix Harvest Medical"), record("Altterix Harvest Trading"))


def test_a_whole_name_in_the_asked_domain_is_seen_and_not_the_other_way_round() -> None:
    index = MatchIndex.build(["Harvest Medical Pte Ltd", "Northern Light"], domains=[None, "harvestlight.com"])
    queries = Queries(["Harvest"], domains=["harvestmedical-shop.com"])
    pairs = index.candidates(queries, ["harvest"], threads=1)
    found = Comparison(queries, ["harvest"], index, pairs)
    whole = dict(zip(pairs.entity.tolist(), found.columns["wholly_in_domain"].tolist(), strict=True))
    assert whole[0] == 1.0
    assert whole.get(1, 0.0) == 0.0
