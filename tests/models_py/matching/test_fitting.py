"""Fitting: nothing is predicted by a model that saw it, and what is accepted counts the names of nobody."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.matching_speed import make_names, spoil
from models_py.errors import InputError
from models_py.matching import fitting
from models_py.matching.evaluation import Labelled
from models_py.matching.features import Comparison
from models_py.matching.fitting import _accept, fit_variant
from models_py.matching.index import MatchIndex, Queries
from models_py.matching.names import name_key
from models_py.matching.records import misspelled, record_of


def labelled() -> Labelled:
    """120 misspelled names among 600 entities."""
    names, random = make_names(600), np.random.default_rng(1)
    meant = random.choice(len(names), 120, replace=False)
    queries, index = Queries([spoil(names[row], random) for row in meant]), MatchIndex.build(names)
    keys = [name_key(name) for name in queries.names]
    pairs = index.candidates(queries, keys, threads=1)
    right = pairs.entity == meant[pairs.query]
    return Labelled(Comparison(queries, keys, index, pairs), right, np.ones(len(keys), dtype=np.int64))


def test_a_query_s_own_truth_never_reaches_its_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, some = labelled(), np.arange(120) < 40
    mine = pairs.comparison.pairs.query == 7
    otherwise = dataclasses.replace(pairs, is_match=pairs.is_match ^ mine)
    seen: list[np.ndarray] = []
    original = fitting.standing
    monkeypatch.setattr(fitting, "standing", lambda of, first: seen.append(first) or original(of, first))
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
    with pytest.raises(InputError, match="3 queries to fit on"):
        fit_variant(pairs, known=("name",), fit_on=np.arange(120) < 3, seed=1)


def test_answers_to_names_of_nobody_raise_what_is_accepted() -> None:
    probability, every = np.linspace(0.99, 0.5, 50), np.ones(50)
    assert _accept(probability, every > 0, every) == 0.5
    # Ten names of nobody at 0.7 are too many among thirty that are right, also where a right one is as probable.
    assert _accept(np.r_[probability, np.full(10, 0.7)], np.arange(60) < 50, np.ones(60)) == 0.71
    assert _accept(np.r_[probability, np.full(10, 0.7)], np.arange(60) < 50, np.r_[every, np.full(10, 0.1)]) == 0.5


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
