from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.crawl.extract import extract, locate, normalise_title
from ingest.crawl.extract.people import band_of, band_text, function_of
from ingest.crawl.extract.products import rules
from ingest.crawl.extract.structured import objects
from ingest.crawl.extract.text import Lexicon, excerpt, words
from tests.ingest.extract.labelled import NO_CODES, make_page


def found(html: str, signal: str, page_type: str = "home", **kwargs: str) -> set[str]:
    page = make_page(html, page_type=page_type, url=kwargs.get("url", "https://acme.sg/"))  # type: ignore[arg-type]
    return {i.value_key for i in extract([page], vocabulary=NO_CODES, company_name="Acme") if i.signal_key == signal}


@pytest.mark.parametrize(
    ("written", "title"),
    [
        ("Vice President, Sales", "VP of Sales"),
        ("VP Sales", "VP of Sales"),
        ("Head - Marketing", "Head of Marketing"),
        ("heads of finance", "Head of Finance"),
        ("Chief Financial Officer", "CFO"),
        ("CFOs", "CFO"),
        ("Director of Operations", "Operations Director"),
        ("Human Resources Manager", "HR Manager"),
        ("Revenue Operations", "RevOps"),
        ("RevOps leaders", "RevOps"),
        ("Sr. Product Manager", "Senior Product Manager"),
        ("MD", "Managing Director"),
        ("Co-Founders", "Co-founder"),
        ("financial controllers", "Finance Controller"),
        ("  ", None),
        ("x" * 200, None),
    ],
)
def test_the_same_title_is_written_the_same_way(written: str, title: str | None) -> None:
    assert normalise_title(written) == title


@given(st.text(max_size=60))
def test_normalising_a_title_twice_changes_nothing(text: str) -> None:
    once = normalise_title(text)
    assert once is None or normalise_title(once) == once


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("We are a team of 45.", "11-50"),
        ("Our 60-strong team", "51-200"),
        ("Today we employ about 1,200 people.", "1001-5000"),
        ("Company size: 50-200 employees", "51-200"),
        ("a team of twelve", "11-50"),
        ("Our team of 2019 won.", None),
        ("We help companies with 50-200 employees.", None),
        ("Up to 50 employees", None),
        ("You will lead a team of 4.", None),
        ("We surveyed 500 employees.", None),
        ("Plans for teams of 5", None),
        ("We trained 300 staff last year", None),
    ],
)
def test_head_counts(text: str, band: str | None) -> None:
    assert found(f"<p>{text}</p>", "headcount", "about") == ({band} if band else set())


@given(st.integers(1, 500_000), st.integers(0, 500_000))
def test_every_size_has_one_band(low: int, more: int) -> None:
    band = band_of(low, low + more)
    assert band_text(band) in {"1-10", "11-50", "51-200", "201-500", "501-1000", "1001-5000", "5001+"}
    assert band_of(low)[0] <= low


@pytest.mark.parametrize(
    ("text", "page_type", "products"),
    [
        ("Acme integrates with HubSpot and Xero.", "home", {"hubspot", "xero"}),
        ("The best HubSpot alternative", "home", set()),
        ("Unlike Salesforce, we connect to everything.", "home", set()),
        ("Move away from Zendesk and connect with us", "home", set()),
        ("A slack afternoon using notion of time", "home", set()),
        ("You have experience with Salesforce.", "careers", {"salesforce"}),
        ("Built on AWS", "about", {"amazon web services"}),
        ("Salesforce opened a tower.", "home", set()),
        ("We share data with processors such as Stripe via API", "home", set()),
    ],
)
def test_a_name_alone_proves_nothing(text: str, page_type: str, products: set[str]) -> None:
    assert found(f"<p>{text}</p>", "integration", page_type) == products


def test_the_rule_set_is_sound() -> None:
    products = rules().products
    assert len(products) >= 120
    assert len({product.name.lower() for product in products}) == len(products)
    for kind in ("hosts", "paths", "code"):
        traces = [trace for product in products for trace in getattr(product, kind)]
        assert len(set(traces)) == len(traces)
    assert all("." in host and host == host.lower() for product in products for host in product.hosts)


@pytest.mark.parametrize(
    ("text", "page_type", "price"),
    [
        ("From $99 a month", "home", {"from $99 per month"}),
        ("S$25/user/mo", "pricing", {"s$25 per user per month"}),
        ("€1.200 per year", "pricing", {"€1.200 per year"}),
        ("Salary from $5,000 a month", "careers", set()),
        ("Grants from $200 a month", "home", set()),
        ("We raised $5 million", "pricing", set()),
        ("Talk to sales for enterprise", "pricing", {"custom quote"}),
    ],
)
def test_prices(text: str, page_type: str, price: set[str]) -> None:
    assert found(f"<p>{text}</p>", "pricing", page_type) == price


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("We just opened our new office in Hanoi.", {"opening new office"}),
        ("Acme expands into Vietnam", {"opening new market"}),
        ("We help companies that raised Series A expand into Vietnam.", set()),
        ("Our clients have migrated everything to the cloud.", set()),
        ("Acme has acquired Globex.", {"acquisition"}),
        ("We offer migration to Shopify.", set()),
    ],
)
def test_events_of_the_company_itself(text: str, events: set[str]) -> None:
    assert found(f"<p>{text}</p>", "trigger", "other") == events


@pytest.mark.parametrize(
    ("text", "city", "country"),
    [("SG", "Singapore", "SG"), ("no", None, "NO"), ("Kuala Lumpur,"
                                                     " Malaysia", "Kuala Lumpur", "MY"), ("Malaysia", None, "MY"),
     ("HCMC", "Ho Chi Minh City", "VN")],
)  # fmt: skip
def test_places(text: str, city: str | None, country: str) -> None:
    place = locate(text)
    assert place is not None and (place.city, place.country) == (city, country)
    assert locate("Atlantis") is None


def test_where_customers_are_is_no_location() -> None:
    assert found("<p>Our customers in Tokyo love us. For companies based in Berlin.</p>", "location", "about") == set()
    assert found("<p>We are headquartered in Singapore, with offices in Berlin and"
                 " Paris.</p>", "location", "about") == {
        "singapore", "berlin", "paris",
    }  # fmt: skip


def test_a_name_that_ends_like_a_title_is_no_title() -> None:
    assert found("<p>Corkasys Partners LLP</p>", "buyer_title", "customers") == set()


def test_functions_of_job_titles() -> None:
    assert function_of("Revenue Operations Manager") == "RevOps"
    assert function_of("Account Executive") == "Sales"
    assert function_of("Poet") is None


@pytest.mark.parametrize(
    "block",
    [
        '{"@type": "Organization", "name": "A",}',
        '<!-- {"@type": "Organization", "name": "A"} -->',
        '//<![CDATA[\n{"@type": "Organization", "name": "A"}\n//]]>',
        '[{"@graph": [{"@type": "Organization", "name": "A"}]}]',
        '{"@type": "Organization", "name": "A"};',
        '{"@type": "Organization", // who we are\n "name": "A"}',
        '{"@type": "Organization"\n "name": "A"}',
        '{"@type": "Organization", "name": "A", "text": "two\nlines"}',
    ],
)
def test_broken_structured_data_is_read(block: str) -> None:
    (node,) = objects(block)
    assert node["name"] == "A"


def test_hopeless_structured_data_is_left_out() -> None:
    assert objects("{{{") == [] == objects("") == objects('"text"') == objects("[" * 100_000)


def test_a_fact_of_two_pages_is_one_item_that_counts_both() -> None:
    pages = [
        make_page("<p>We integrate with Xero.</p>", url="https://acme.sg/a", page_type="other"),
        make_page("<h2>Integrations</h2><p>Xero</p>", url="https://acme.sg/b", page_type="integrations"),
    ]
    (item,) = extract(pages, vocabulary=NO_CODES)
    assert (item.url, item.value["pages"]) == ("https://acme.sg/b", 2)
    assert item.confidence > extract(pages[:1], vocabulary=NO_CODES)[0].confidence
    assert extract(pages[::-1], vocabulary=NO_CODES) == [item]


def test_text_of_reader_services_is_read_like_a_page() -> None:
    text = (
        "# Integrations\n\n- [Xero](https://acme.sg/xero)\n\n## Trusted by\n\n![Image 3: Globex"
        " logo](https://x.sg/g.png)\n"
    )
    page = make_page("", text=text, page_type="home")
    keys = {(item.signal_key, item.value_key) for item in extract([page], vocabulary=NO_CODES, company_name="Acme")}
    assert keys == {("integration", "xero"), ("customer", "globex")}


def test_the_company_is_not_its_own_customer() -> None:
    html = (
        "<h2>Trusted by</h2><img alt='Acme Pte Ltd'><img alt='Globex'><img alt='ISO 9001'><img alt='Visa'><img"
        " alt='logo 4'>"
    )
    assert found(html, "customer") == {"globex"}


@given(st.text(max_size=80), st.lists(st.text(min_size=1, max_size=12), max_size=5))
def test_phrases_are_found_where_they_stand(text: str, phrases: list[str]) -> None:
    for phrase, start, end in Lexicon((phrase, phrase) for phrase in phrases).find(words(text)):
        assert 0 <= start < end
        assert [w.key for w in words(phrase)]


@given(st.text(max_size=900), st.integers(0, 900), st.integers(0, 40))
def test_excerpts_are_short_and_literal(text: str, start: int, length: int) -> None:
    start = min(start, len(text))
    cut = excerpt(text, start, min(start + length, len(text)))
    assert len(cut) <= 320 and cut in text
