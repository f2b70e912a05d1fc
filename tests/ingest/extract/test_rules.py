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
        ("Connectors for Shopify and Xero. Cheaper than ShipStation.", "home", {"shopify", "xero"}),
        ("The agency uses Salesforce through a partner.", "other", set()),
    ],
)
def test_a_name_alone_proves_nothing(text: str, page_type: str, products: set[str]) -> None:
    assert found(f"<p>{text}</p>", "integration", page_type) == products


@pytest.mark.parametrize(
    ("html", "products"),
    [
        ("<a href='https://acme.zendesk.com/hc'>Help</a>", {"zendesk"}),
        ("<a href='https://www.zendesk.com/pricing'>Zendesk</a>", set()),
        ("<a href='https://calendly.com/acme/demo'>Book</a>", {"calendly"}),
        ("<a href='https://calendly.com/pricing'>A scheduler</a>", set()),
        ("<a href='https://boards.greenhouse.io/acme/jobs/1'>Cook</a>", {"greenhouse"}),
        ("<a href='https://shopee.sg/acme'>Shop</a><a href='//'>x</a><a href='https://[::1'>y</a>", {"shopee"}),
        ("<h2>Works with</h2><img alt='Slack logo'><h2>Coming soon</h2><h3>Xero</h3>", {"slack"}),
        ("<h2>Integrations</h2><h3>CRM</h3><h4>HubSpot</h4>", {"hubspot"}),
    ],
)
def test_places_of_the_company_at_a_vendor_and_lists_under_headings(html: str, products: set[str]) -> None:
    assert found(html, "integration") == products


def test_a_companys_own_product_is_none_that_it_uses() -> None:
    text = "<p>Dropbox connects with Slack and Dropbox.</p>"
    assert found(text, "integration", url="https://www.dropbox.com/") == {"slack"}


@pytest.mark.parametrize(
    ("html", "page_type", "functions"),
    [
        ("<a href='https://jobs.lever.co/acme/1'><h4>Field Service Technician</h4></a>", "home", {"site"}),
        ("<a href='https://jobs.ashbyhq.com/acme/1'>Staff Data Engineer</a>", "about", {"data"}),
        ("<a href='https://www.example.com/team'>Data Engineer</a>", "about", set()),
        ("<p>We're hiring engineers and a product designer in Berlin</p>", "home", {"engineering", "design"}),
        ("<li>Vertriebsingenieur Sales (m/w/d)</li><li>Demand Generation Manager</li>", "careers",
         {"sales", "marketing"}),
        ("<li>A call with our recruiter</li><li>Meet the team</li>", "careers", set()),
    ],
)  # fmt: skip
def test_positions(html: str, page_type: str, functions: set[str]) -> None:
    assert found(html, "hiring", page_type) == functions


def test_the_rule_set_is_sound() -> None:
    products = rules().products
    assert len(products) >= 120
    assert len({product.name.lower() for product in products}) == len(products)
    for kind in ("hosts", "links", "paths", "code"):
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


@pytest.mark.parametrize(
    ("html", "page_type", "places"),
    [
        ("<footer><p>Osney Mead<br>Oxford OX2 0ES</p></footer>", "home", {"oxford"}),
        ("<footer>1910 Sedwick Rd, Suite 300, Durham, NC 27713</footer>", "home", {"durham"}),
        ("<p>High Tech Campus 27, 5656 AE Veldhoven</p>", "contact", {"veldhoven"}),
        ("<p>Pascalstraße 28<br>70469 Kleinstadt</p>", "contact", {"kleinstadt"}),
        ("<p>Pascalstraße 28<br>70469 Stuttgart<br>Deutschland</p>", "contact", {"stuttgart"}),
        ("<p>B-608, Shalin Square</p><p>Ahmedabad, Gujarat 382445, India</p>", "home", {"ahmedabad"}),
        ("<div id='footer'><p>61 Kaki Bukit Ave 1</p><p>S(417943)</p></div>", "home", {"singapore"}),
        ("<footer><ul><li>London</li><li>Dubai</li></ul></footer>", "home", {"london", "dubai"}),
        ("<footer><a>Bars à Paris</a><a>Made in Italy</a></footer>", "other", set()),
        ("<select><option>France<option>Peru</select>", "contact", set()),
        ("<p>A retailer with 80 employees in Jakarta told us.</p>", "other", set()),
        ("<li>Account Manager, Philippines</li>", "careers", set()),
        ("<footer>" + "".join(f"<p>{place}</p>" for place in (
            ["Oslo", "Paris", "Rome", "Berlin", "Madrid", "Lisbon", "Vienna", "Prague", "Warsaw", "Dublin", "Athens",
             "Zurich", "Helsinki"]
        )) + "</footer>", "home", set()),
        ('<script type="application/ld+json">{"@type":"Organization","location":[{"@type":"Place","address":'
         '{"addressLocality":"Pune","addressCountry":"India"}}]}</script>', "home", {"pune"}),
    ],
)  # fmt: skip
def test_addresses(html: str, page_type: str, places: set[str]) -> None:
    assert (
        found(html, "location", page_type, url="https://acme.de/x" if "7046" in html else "https://acme.sg/") == places
    )


@pytest.mark.parametrize(
    ("title", "path", "page_type", "counts"),
    [
        ("Expert Technical, Medical & Legal Translation", "/", "home", True),
        ("HubSpot alternative", "/", "home", True),
        ("Corporate law and legal services", "/legal-services", "about", True),
        ("Cookie bakery in Penang", "/about", "about", True),
        ("Privacy policy | Acme", "/x", "about", False),
        ("Acme", "/terms-of-use.html", "about", False),
        ("Acme - Cookie Policy", "/policy", "about", False),
    ],
)
def test_only_pages_of_law_are_pages_of_law(title: str, path: str, page_type: str, counts: bool) -> None:
    html = f"<title>{title}</title><p>We are headquartered in Singapore.</p>"
    places = found(html, "location", page_type, url=f"https://acme.com{path}")
    assert places == ({"singapore"} if counts else set())


def test_events_name_the_company_as_it_calls_itself() -> None:
    page = make_page("<p>In May ACME expands into Vietnam. Macme expands into Laos.</p>", page_type="other")
    (item,) = [i for i in extract([page], vocabulary=NO_CODES, company_name="Acme") if i.signal_key == "trigger"]
    assert item.snippet == "In May ACME expands into Vietnam. Macme expands into Laos."
    other = make_page("<p>Macme expands into Laos.</p>", page_type="other")
    assert extract([other], vocabulary=NO_CODES, company_name="Acme") == []


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
