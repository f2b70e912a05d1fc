"""The tests are exact, and what chance finds is what it is expected to find."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models_py.errors import RangeError
from models_py.suggestions.exact import ChanceFindings, fisher, jeffreys_interval, upper_tails


@given(drawn=st.integers(1, 20), others=st.integers(0, 500), companies=st.integers(0, 20), base=st.integers(0, 500))
def test_p_values_are_fishers(drawn: int, others: int, companies: int, base: int) -> None:
    companies, base = min(companies, drawn), min(base, others)
    table = [[companies, drawn - companies], [base, others - base]]
    expected = stats.fisher_exact(table, alternative="greater").pvalue
    found = fisher(companies=np.array([companies]), drawn=drawn, base_companies=np.array([base]), base_n=others)
    assert found[0] == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_a_base_counted_on_few_companies_is_trusted_less() -> None:
    few = fisher(companies=np.array([4]), drawn=8, base_companies=np.array([1]), base_n=10)
    many = fisher(companies=np.array([4]), drawn=8, base_companies=np.array([1000]), base_n=10_000)
    assert few[0] > 5 * many[0]


def test_tails_stay_exact_against_two_million_entities() -> None:
    tails = upper_tails(showing=np.array([4_000]), drawn=10, others=2_000_000)[0]
    assert tails[2] == pytest.approx(stats.hypergeom.sf(1, 2_000_010, 4_000, 10), rel=1e-5)
    assert tails[0] == pytest.approx(1.0)


def test_chance_findings_are_counted_as_they_come() -> None:
    """Draw customers at random many times: the mean number of small p values is the one expected."""
    rng = np.random.default_rng(3)
    others, drawn = 400, 8
    base = rng.binomial(others, rng.beta(0.5, 4, 80))
    found = []
    expected = []
    for _ in range(300):
        # Fisher is conditional on how many show a value in all: shuffle who is a customer.
        companies = rng.hypergeometric(base, others - base, drawn)
        p = fisher(companies=companies, drawn=drawn, base_companies=base - companies, base_n=others - drawn)
        found.append(((p <= 0.02) & (companies >= 2)).sum())
        chance = ChanceFindings()
        chance.add(showing=base, times=np.ones(80, dtype=np.int64), drawn=drawn, others=others - drawn)
        expected.append(chance.expected(np.array([0.02]))[0])
    assert np.mean(found) == pytest.approx(np.mean(expected), abs=4 * np.std(found) / 300**0.5)
    assert np.mean(expected) < 0.8 * 80 * 0.02  # far below what Benjamini and Hochberg would reckon with


def test_an_interval_holds_the_share_and_ends_at_the_ends() -> None:
    low, high = jeffreys_interval(np.array([0, 3, 5]), np.array([5, 5, 5]))
    assert low[0] == 0.0 and high[2] == 1.0
    assert low[1] < 0.6 < high[1]
    assert high[0] == pytest.approx(stats.beta.ppf(0.95, 0.5, 5.5))


def test_more_companies_than_there_are_is_refused() -> None:
    with pytest.raises(RangeError, match="between 0"):
        upper_tails(showing=np.array([9]), drawn=3, others=5)
