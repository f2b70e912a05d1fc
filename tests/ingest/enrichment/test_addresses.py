"""LinkedIn addresses, work addresses, and what may stand with a company."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.enrichment.linkedin import linkedin_url
from ingest.enrichment.sites import company_address, is_directory, is_free_mail, work_address


@pytest.mark.parametrize(
    ("link", "page"),
    [
        ("https://sg.linkedin.com/company/GreenPack", "https://www.linkedin.com/company/greenpack"),
        ("http://www.linkedin.com/company/greenpack/about/?trk=x#y", "https://www.linkedin.com/company/greenpack"),
        ("linkedin.com/company/green-pack/", "https://www.linkedin.com/company/green-pack"),
        ("//uk.linkedin.com/company/greenpack", "https://www.linkedin.com/company/greenpack"),
        ("https://de.linkedin.com/company/gr%C3%BCnpack", "https://www.linkedin.com/company/gr%C3%BCnpack"),
        ("https://www.linkedin.com/school/nus/", "https://www.linkedin.com/school/nus"),
    ],
)
def test_company_pages_come_in_one_form(link: str, page: str) -> None:
    assert linkedin_url(link, "company") == page
    assert linkedin_url(page, "company") == page


@pytest.mark.parametrize(
    "link",
    [
        None,
        7,
        "",
        "*",
        "#",
        "javascript:void(0)",
        "javascript://linkedin.com/company/x",
        "mailto:info@linkedin.com/company/x",
        "tel:+6591234567",
        "https://linkedin.com/in/jane",
        "https://www.linkedin.com/company/",
        "https://www.linkedin.com/shareArticle?url=x",
        "https://linkedin.com.evil.example/company/x",
        "https://evil.example/linkedin.com/company/x",
        "https://notlinkedin.com/company/x",
        "https://user@evil.example/company/linkedin.com",
        "https://[bad/company/x",
        "https://www.linkedin.com/company/a b",
    ],
)
def test_other_links_are_dropped(link: object) -> None:
    assert linkedin_url(link, "company") is None


@given(st.text(), st.sampled_from(["company", "in"]))
def test_any_text_is_a_page_of_ours_or_nothing(text: str, kind: str) -> None:
    for link in (text, f"https://x.linkedin.com/{kind}/{text}"):
        found = linkedin_url(link, kind)  # type: ignore[arg-type]
        assert found is None or linkedin_url(found, kind) == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("Jane.Tan@Mail.Acme.example.sg ", "jane.tan@mail.acme.example.sg"),
        ("jane@acme.com.sg", "jane@acme.com.sg"),
        ("jane@gmail.com", None),
        ("jane@acme.com", None),
        ("info@acme.com.sg", None),
        ("jane@acme.com.sg.evil.io", None),
        ("jane acme.com.sg", None),
        ("javascript:alert(1)@acme.com.sg", None),
        (None, None),
        ({"email": "x"}, None),
    ],
)
def test_only_work_addresses_of_people_are_contacts(address: object, kept: str | None) -> None:
    domain = "example.sg" if kept and "example" in kept else "acme.com.sg"
    assert work_address(address, domain) == kept


def test_a_company_on_a_mail_providers_domain_has_no_work_addresses() -> None:
    assert work_address("jane@gmail.com", "gmail.com") is None
    assert work_address("jane@acme.com", None) is None


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("info@greenpack.sg", True),
        ("Sales-SG@greenpack.com", True),
        ("greenpack.sg@gmail.com", True),
        ("greenpack.sales@gmail.com", True),
        ("greenpack@greenpack.sg", True),
        ("info@gmail.com", False),
        ("jane@greenpack.sg", False),
        ("jane.tan@greenpack.sg", False),
        ("tan.greenpack@gmail.com", False),
        ("janetan88@gmail.com", False),
        ("greenpack@agency.example.com", False),
        (None, False),
        ("nonsense", False),
    ],
)
def test_a_company_keeps_its_own_addresses_and_no_persons(address: str | None, kept: bool) -> None:
    found = company_address(address, domain="greenpack.sg", name="Greenpack Pte Ltd")
    assert found == (address.lower() if kept and address else None)


def test_the_lists_hold_registrable_domains() -> None:
    from ingest.domains import registrable_domain
    from ingest.enrichment.sites import _listed

    for name in ("not_company_sites.txt", "free_mail.txt"):
        wrong = [domain for domain in _listed(name) if registrable_domain(domain) != domain]
        assert wrong == []
    assert is_directory("facebook.com") and is_directory("yellowpages.com.sg") and not is_directory("greenpack.sg")
    assert is_free_mail("gmail.com") and not is_free_mail("greenpack.sg")
