"""Size bands and the sweet spot."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from models_py.company_size import SIZE_BANDS, size_band, size_sweet_spot
from models_py.rates import RateEstimates, estimate

NAMES = [band.name for band in SIZE_BANDS]


def bands(leads: list[int] | np.ndarray, booked: list[int] | np.ndarray) -> RateEstimates:
    return estimate(np.zeros(len(leads), int), leads, booked)


def test_every_employee_count_falls_into_the_band_that_names_it() -> None:
    counts = [1, 5, 6, 15, 16, 30, 31, 50, 51, 100, 101, 500, 501, 90_000]
    expected = ["1-5"] * 2 + ["6-15"] * 2 + ["16-30"] * 2 + ["31-50"] * 2 + ["51-100"] * 2 + ["101-500"] * 2
    assert [NAMES[code] for code in size_band(counts)] == expected + ["501+"] * 2


def test_missing_and_impossible_counts_have_no_band() -> None:
    assert size_band([np.nan, 0, -3]).tolist() == [-1, -1, -1]


def test_bands_meet_without_gaps() -> None:
    for lower, upper in pairwise(SIZE_BANDS):
        assert lower.maximum is not None and upper.minimum == lower.maximum + 1
    assert SIZE_BANDS[-1].maximum is None


def test_a_band_that_stands_out_is_the_sweet_spot() -> None:
    assert size_sweet_spot(bands([200, 300, 250, 220, 150], [12, 15, 50, 11, 7])) == 2


def test_the_best_band_is_not_named_if_it_may_be_chance() -> None:
    found = bands([200, 300, 250, 220, 150], [12, 15, 18, 11, 7])
    assert np.argmax(found.raw_rate) == 2
    assert size_sweet_spot(found) is None


def test_a_tiny_band_is_not_named() -> None:
    assert size_sweet_spot(bands([4, 600, 700], [4, 30, 33])) is None


def test_where_size_does_not_matter_hardly_any_tenant_gets_a_sweet_spot() -> None:
    random = np.random.default_rng(1)
    named = 0
    for _ in range(300):
        leads = random.multinomial(3000, random.dirichlet(np.ones(7)))
        named += size_sweet_spot(bands(leads, random.binomial(leads, 0.06))) is not None
    assert named <= 9


def test_a_planted_sweet_spot_is_found() -> None:
    random = np.random.default_rng(2)
    right = 0
    for _ in range(100):
        leads = random.multinomial(3000, [0.1, 0.2, 0.2, 0.2, 0.15, 0.1, 0.05])
        rates = np.array([0.05, 0.05, 0.10, 0.05, 0.05, 0.04, 0.03])
        right += size_sweet_spot(bands(leads, random.binomial(leads, rates))) == 2
    assert right >= 70
