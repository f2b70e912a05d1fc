"""Look-alikes: the closest first, reasons that hold, and nothing said of what is unknown."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from models_py.errors import ShapeError
from models_py.suggestions.lookalikes import BANDS, Candidates, Target, find_lookalikes, telling_words

TARGET = Target(
    codes=("62011", "62021"),
    titles=("Software", "Consulting"),
    bands=("51-200",),
    band_members=4,
    ages=(9.0, 11.0, 12.0),
    words=frozenset({"software"}),
    traits=(("integration", "hubspot"),),
    trait_texts=("HubSpot",),
    trait_shares=(0.8,),
    trait_rates=(0.1,),
)


def candidates(rows: list[dict[str, Any]]) -> Candidates:
    return Candidates(
        code=np.array([row.get("code", "") for row in rows], dtype=np.str_),
        band=np.array([BANDS.index(row["band"]) if "band" in row else -1 for row in rows]),
        age=np.array([row.get("age", np.nan) for row in rows]),
        name=[row.get("name", "Plain Pte Ltd") for row in rows],
        traits=np.array([[row.get("hubspot", False)] for row in rows], dtype=np.bool_),
        read=np.array(["hubspot" in row for row in rows]),
        key=np.arange(len(rows)),
    )


def order(rows: list[dict[str, Any]]) -> list[int]:
    return [like.row for like in find_lookalikes(candidates(rows), TARGET)]


def test_nearer_codes_come_first_and_other_divisions_not_at_all() -> None:
    rows = [{"code": "10101"}, {"code": "62090"}, {"code": "62011"}, {"code": "62013"}, {"code": "62012", "age": 10.0}]
    assert order(rows) == [2, 4, 3, 1]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"band": "51-200"}, {}),
        ({}, {"band": "1001-5000"}),
        ({"age": 10.0}, {}),
        ({}, {"age": 0.2}),
        ({"name": "Blue Software"}, {}),
        ({"hubspot": True}, {}),
        ({}, {"hubspot": False}),
    ],
)
def test_every_fact_speaks_for_or_against_and_an_unknown_one_does_not(
    better: dict[str, Any], worse: dict[str, Any]
) -> None:
    assert order([{"code": "62011"} | worse, {"code": "62011"} | better]) == [1, 0]


def test_why_names_only_what_holds() -> None:
    full = {"code": "62011", "band": "51-200", "age": 10.0, "name": "Blue Software", "hubspot": True}
    first, second = find_lookalikes(candidates([full, {"code": "62090", "age": 60.0}]), TARGET)
    assert first.why == (
        "The same industry as your customers: 62011 (Software); its site shows HubSpot; 51-200 people, as your "
        "customers have; about as old as your customers (10 years); its name says 'software'."
    )
    assert second.why == "The same group as your customers: 62090."
    assert 1 > first.score > second.score > 0


def test_equal_ones_come_in_the_order_of_their_key() -> None:
    assert order([{"code": "62011"}] * 60) == list(range(50))


def test_words_of_the_industry_and_words_that_names_share_tell() -> None:
    words = telling_words(["Blue Logistics", "Red Logistics Pte Ltd", "Green Foods"], ["Freight forwarding services"])
    assert words == {"logistics", "freight", "forwarding"}


def test_five_thousand_candidates_take_a_moment() -> None:
    rng = np.random.default_rng(1)
    m = 5_000
    many = Candidates(
        code=rng.choice(["62011", "62012", "62021", "62090"], m),
        band=rng.integers(-1, 7, m),
        age=rng.uniform(0, 40, m),
        name=[f"Company {at} Software Pte Ltd" for at in range(m)],
        traits=rng.random((m, 1)) < 0.2,
        read=rng.random(m) < 0.5,
        key=np.arange(m),
    )
    started = time.perf_counter()
    assert len(find_lookalikes(many, TARGET)) == 50
    assert time.perf_counter() - started < 1.0


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ShapeError, match="one length"):
        Candidates(
            code=np.array(["62011"]),
            band=np.array([], dtype=np.int64),
            age=np.array([1.0]),
            name=["A"],
            traits=np.zeros((1, 1), dtype=np.bool_),
            read=np.array([True]),
            key=np.array([0]),
        )
