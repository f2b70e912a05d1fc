"""Single answers as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.intake import values


@pytest.mark.parametrize(
    ("written", "amount", "currency"),
    [
        ("10k", 10_000, None),
        ("USD 25,000", 25_000, "USD"),
        ("S$25k", 25_000, "SGD"),
        (25_000, 25_000, None),
        ("25000", 25_000, None),
        ("€10.000", 10_000, "EUR"),
        ("1.2m", 1_200_000, None),
        ("$10,000/year", 10_000, "USD"),
        ("RM 5k", 5_000, "MYR"),
        ("25k SGD", 25_000, "SGD"),
        ("$25,000 SGD", 25_000, "SGD"),
        ("< $10k", 10_000, "USD"),
        ("1.234.567,50 EUR", 1_234_567.5, "EUR"),
        ("1'000", 1_000, None),
        ("10,50", 10.5, None),
        (0, 0, None),
    ],
)
def test_amounts(written: Any, amount: float, currency: str | None) -> None:
    assert values.amount(written) == (amount, currency)


@pytest.mark.parametrize("written", ["abc", "-5", -5, "10 potatoes", "10-20k", "EUR 5 USD", True, "9" * 40, [1]])
def test_what_is_no_amount_says_what_one_is(written: Any) -> None:
    with pytest.raises(ValueError, match="S\\$25k"):
        values.amount(written)


@pytest.mark.parametrize("nothing", [None, "", "  ", "n/a", "–", "none"])
def test_nothing_is_nothing(nothing: Any) -> None:
    assert values.amount(nothing) is None
    assert values.headcount(nothing) is None
    assert values.days(nothing) is None
    assert values.website(nothing) is None


@pytest.mark.parametrize(
    ("written", "low", "high", "bands"),
    [
        ("50–200", 50, 200, ["51-200"]),
        ("11 to 50", 11, 50, ["11-50"]),
        ("<10", 1, 9, ["1-10"]),
        ("up to 50 employees", 1, 50, ["1-10", "11-50"]),
        ("10-250", 10, 250, ["11-50", "51-200"]),
        ("500+", 500, None, ["501-1000", "1001-5000", "5001+"]),
        ("1,000-5,000", 1_000, 5_000, ["1001-5000"]),
        ("more than 5k people", 5_001, None, ["5001+"]),
        ("companies with <10 HC", 1, 9, ["1-10"]),
        (20, 20, 20, ["11-50"]),
    ],
)
def test_head_count_ranges(written: Any, low: int, high: int | None, bands: list[str]) -> None:
    found = values.headcount(written)
    assert found == (low, high)
    assert list(values.bands(low, high)) == bands


@pytest.mark.parametrize("written", ["many", "5–", "200-50", "<1", "1-2-3", "0"])
def test_what_is_no_head_count_says_what_one_is(written: str) -> None:
    with pytest.raises(ValueError, match="50–200"):
        values.headcount(written)


@given(st.integers(1, 20_000), st.integers(0, 20_000))
def test_every_range_means_a_band_that_it_overlaps(low: int, width: int) -> None:
    found = values.bands(low, low + width)
    assert found
    for name in found:
        first, last = values.BANDS[name]
        assert first <= low + width and (last is None or low <= last)


@pytest.mark.parametrize(
    ("written", "expected"),
    [(60, 60), ("60", 60), ("60 days", 60), ("2 months", 60), ("30–60 days", 45), ("6 wks", 42), ("1 quarter", 91)],
)
def test_days(written: Any, expected: int) -> None:
    assert values.days(written) == expected


@pytest.mark.parametrize("written", [0, "-1", "ten", "5 fortnights", "99999", True])
def test_what_are_no_days_says_what_days_are(written: Any) -> None:
    with pytest.raises(ValueError, match="2 months"):
        values.days(written)


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("https://www.Acme.com.sg/about?x=1", "acme.com.sg"),
        ("acme.com:8080", "acme.com"),
        ("shop.acme.co.uk", "acme.co.uk"),
        ("HTTP://ACME.COM", "acme.com"),
    ],
)
def test_websites(written: str, domain: str) -> None:
    assert values.website(written) == domain


@pytest.mark.parametrize(
    "written",
    ["javascript:alert(1)", "mailto:a@acme.com", "ftp://acme.com", "nope", "http://127.0.0.1", "http://localhost", 7.5]
    + ["https://acme.com@evil.com", "data:text/html,x", ["acme.com"]],
)
def test_what_is_no_website_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match=r"acme\.com"):
        values.website(written)


def test_titles_keep_acronyms_and_capitals_inside() -> None:
    written = ["head of sales", "vp sales", "cto", "REVOPS LEAD", "RevOps", "co-founder & ceo", "directrice générale"]
    assert [values.job_title(title) for title in written] == [
        "Head of Sales",
        "VP Sales",
        "CTO",
        "RevOps Lead",
        "RevOps",
        "Co-Founder & CEO",
        "Directrice Générale",
    ]


@given(st.text(max_size=60))
def test_normalising_a_title_twice_is_normalising_it_once(text: str) -> None:
    title = values.job_title(text)
    assert values.job_title(title) == title


def test_tags_are_split_and_distinct_without_regard_to_case() -> None:
    assert values.tags("HubSpot, hubspot; Xero\n\n") == ["HubSpot", "hubspot", "Xero"]
    assert values.distinct(["HubSpot", "hubspot", "Xero", "HUBSPOT"]) == ["HubSpot", "Xero"]
    with pytest.raises(ValueError, match="at most 50"):
        values.tags(["x"] * 51)
    with pytest.raises(ValueError, match="longer than 200"):
        values.tags(["x" * 201])


def test_places_languages_zones_and_codes() -> None:
    assert [values.place(text) for text in ("Singapore", "sg", "UK", "Penang")] == ["SG", "SG", "GB", "Penang"]
    assert [values.language(text) for text in ("English", "en-SG", "zh", "Klingon")] == ["en", "en", "zh", "Klingon"]
    zones = [values.time_zone(text) for text in ("SGT", "UTC+8", "Asia/Tokyo")]
    assert zones == ["Asia/Singapore", "UTC+08:00", "Asia/Tokyo"]
    assert [values.industry_code(text) for text in ("SSIC 62011", "62.01", "01")] == ["62011", "6201", "01"]
    with pytest.raises(ValueError, match="two to five digits"):
        values.industry_code("6201x")


@given(st.text(max_size=200) | st.floats() | st.integers() | st.booleans() | st.none())
def test_parsers_answer_or_say_what_they_take(written: Any) -> None:
    for parser in (values.amount, values.headcount, values.days, values.website, values.currency):
        try:
            parser(written)
        except ValueError as error:
            assert "it takes" in str(error)
