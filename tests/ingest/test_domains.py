"""Addresses as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domains import registrable_domain


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("https://www.Shop.example.com.sg/about?x", "example.com.sg"),
        ("acme.io:8080", "acme.io"),
        ("//x.co.uk/#top", "x.co.uk"),
        ("  HTTP://ACME.IO. ", "acme.io"),
        ("http://münchen.de/über", "xn--mnchen-3ya.de"),
    ],
)
def test_the_registrable_domain_stands_for_the_company(written: str, domain: str) -> None:
    assert registrable_domain(written) == domain


@pytest.mark.parametrize(
    "written", [None, "", "info@acme.io", "http://10.0.0.1/", "localhost", "javascript:alert(1)", "co.uk", "a\x00b.io"]
)
def test_what_is_no_public_address_gives_none(written: str | None) -> None:
    assert registrable_domain(written) is None


@given(st.text())
def test_any_text_gives_a_domain_that_gives_itself_or_none(text: str) -> None:
    domain = registrable_domain(text)
    assert domain is None or registrable_domain(domain) == domain
