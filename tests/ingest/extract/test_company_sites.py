"""Three real sites; the facts were read in the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.crawl.extract import CompanyProfile, IndustryVocabulary, extract, profile
from ingest.crawl.page import Page
from ingest.evidence import EvidenceItem
from tests.ingest.extract.labelled import make_page, official_vocabulary

SITES = {
    "asiatis.com.sg": [("asiatis/index.html", "home")],
    "otterpizza.com.sg": [("otterpizza.com.sg/index.html", "home")],
    "1assist.com.sg": [("1assist.com.sg/index.html", "home"), ("1assist.com.sg/aboutus.html", "about")],
}


@pytest.fixture(scope="module")
def vocabulary(shared_data: Path) -> IndustryVocabulary:
    return official_vocabulary(shared_data)


def read_site(
    domain: str, shared_data: Path, vocabulary: IndustryVocabulary
) -> tuple[dict[str, set[str]], CompanyProfile]:
    pages: list[Page] = [
        make_page(
            (shared_data / "company_sites" / file).read_text(encoding="utf-8", errors="replace"),
            url=f"https://{domain}/{file.rsplit('/', 1)[-1]}",
            page_type=page_type,  # type: ignore[arg-type]
        )
        for file, page_type in SITES[domain]
    ]
    items: list[EvidenceItem] = extract(pages, vocabulary=vocabulary, company_name=None)
    found: dict[str, set[str]] = {}
    for item in items:
        found.setdefault(item.signal_key, set()).add(item.value_key)
    return found, profile(pages)


def test_the_translators(shared_data: Path, vocabulary: IndustryVocabulary) -> None:
    found, company = read_site("asiatis.com.sg", shared_data, vocabulary)
    assert found["ssic"] == {"74901"}
    assert found["location"] == {"singapore", "paris", "montreal"}
    assert "headcount" not in found and "pricing" not in found and "customer" not in found
    assert company.email == "email@asiatis.com.sg"
    assert company.phone_number == "+6569500209"
    assert (company.hq_city, company.hq_country) == ("Singapore", "SG")
    assert company.about_text is not None and "translation services in Singapore" in company.about_text


def test_the_pizzeria_built_with_wix(shared_data: Path, vocabulary: IndustryVocabulary) -> None:
    found, company = read_site("otterpizza.com.sg", shared_data, vocabulary)
    assert found["ssic"] <= {"56111", "56121", "56123"} and found["ssic"]
    assert found["location"] == {"singapore"}
    assert "wix" in found["integration"]
    assert "Wix" in company.tech_stack and "Sentry" in company.tech_stack
    assert company.phone_number == "+6588311051"
    assert company.about_text is not None and company.about_text.startswith("Otter Pizza aims to provide")


def test_the_maid_agency(shared_data: Path, vocabulary: IndustryVocabulary) -> None:
    found, company = read_site("1assist.com.sg", shared_data, vocabulary)
    assert "78103" in found["ssic"]
    # Grants and levies on its second page are no prices, "John Doe" is no customer.
    assert "pricing" not in found and "customer" not in found and "headcount" not in found
    assert "John Doe" not in repr(found) + repr(company)
    assert company.phone_number in {"+6569939224", "+6564630419"}
    assert company.email is None
