"""Candidates: what is looked at for a query, and that the right one is among it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.matching_speed import make_names, spoil
from models_py.errors import ShapeError
from models_py.matching.index import MatchIndex, Queries
from models_py.matching.names import name_key
from models_py.matching.ngrams import NgramIndex


def candidates(index: MatchIndex, queries: Queries) -> list[list[int]]:
    found = index.candidates(queries, [name_key(name) for name in queries.names], threads=1)
    return [found.entity[found.query == row].tolist() for row in range(len(queries))]


def test_weights_are_those_of_scikit_learn() -> None:
    keys = [name_key(name) for name in make_names(500)]
    ours = NgramIndex.build(keys)
    theirs = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3)).fit_transform(keys)
    # Columns differ, angles between names do not.
    assert np.allclose((ours.matrix.T @ ours.matrix).toarray(), (theirs @ theirs.T).toarray(), atol=1e-5)


@given(st.lists(st.text(max_size=20), min_size=1, max_size=8))
def test_any_text_can_be_indexed_and_is_nearest_to_itself(names: list[str]) -> None:
    keys = [name_key(name) for name in names]
    near = NgramIndex.build(keys).nearest(keys, 3, 1)
    assert near.shape == (len(keys), len(keys))
    for row, key in enumerate(keys):
        if key:
            found = near[row].toarray().ravel()
            assert keys[int(found.argmax())] == key or np.isclose(found[row], found.max(), atol=1e-5)


def test_the_right_entity_is_among_the_candidates_of_a_misspelled_name() -> None:
    names = make_names(5_000)
    random = np.random.default_rng(1)
    rows = random.choice(len(names), 300, replace=False)
    found = candidates(MatchIndex.build(names), Queries([spoil(names[row], random) for row in rows]))
    recall = np.mean([row in among for row, among in zip(rows.tolist(), found, strict=True)])
    assert recall >= 0.95


def test_a_former_name_a_shared_domain_and_initials_lead_to_the_entity() -> None:
    index = MatchIndex.build(
        ["Blue Ocean Pte Ltd", "Wholly Other Pte Ltd", "International Marine Works Pte Ltd"],
        former_names=[["Old Harbour Trading"], [], []],
        domains=[None, "acme.com", None],
    )
    queries = Queries(["Old Harbor Trading", "Zzyzx", "IMW"], domains=[None, "acme.com", None])
    found = candidates(index, queries)
    assert 0 in found[0]
    assert 1 in found[1]
    assert 2 in found[2]


def test_an_entity_is_a_candidate_once_however_many_names_it_had() -> None:
    index = MatchIndex.build(["Acme Pte Ltd"], former_names=[["Acme Trading", "Acme Holdings"]])
    assert candidates(index, Queries(["Acme"])) == [[0]]


def test_an_empty_registry_has_no_candidates() -> None:
    assert candidates(MatchIndex.build([]), Queries(["Acme"])) == [[]]


def test_columns_of_another_length_are_refused_by_name() -> None:
    with pytest.raises(ShapeError, match="domains has 2 values for 1 names"):
        MatchIndex.build(["Acme"], domains=["a.com", "b.com"])
    with pytest.raises(ShapeError, match="cities has 0 values for 1 names"):
        Queries(["Acme"], cities=[])
