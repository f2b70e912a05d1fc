from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.crawl.extract import extract, profile
from ingest.crawl.extract.document import read
from ingest.crawl.extract.merging import merge
from ingest.crawl.extract.phones import international
from ingest.crawl.extract.privacy import Redactor, is_company_mailbox, looks_like_name, redactor
from ingest.crawl.extract.profile import linkedin_company
from ingest.evidence import EvidenceItem
from ingest.models.redaction import without_addresses
from tests.ingest.extract.labelled import NO_CODES, make_page

MIXED = """
<html><head><title>Contact Acme</title>
<meta name="description"
content="Acme builds payroll software. Ask jane.tan@acme.sg or +65 9123 4567 for a quote on our work in Singapore.">
<script type="application/ld+json">{"@type":"Organization","name":"Acme","email":"ceo.bob@acme.sg",
"telephone":"+65 6000 1234",
"employee":{"@type":"Person","name":"Bob Lim","telephone":"+65 9888 7777"}}</script></head><body>
<h1>Built for CFOs</h1><p>Jane Tan, Head of Sales, integrates with HubSpot daily: jane.tan@acme.sg, +65 9123 4567.</p>
<blockquote>Great. <p>Bob Lim, CFO, Globex, bob.lim (at) globex.com</p></blockquote>
<p>We are hiring a sales manager, write to jane [at] acme [dot] sg or call Jane Tan 9123 4567</p>
<p>info@acme.sg</p><p>Tel: +65 6000 1234</p><p>acme.sg@gmail.com</p>
<a href="https://www.linkedin.com/in/jane-tan">Jane</a></body></html>
"""
PERSONAL = [
    "jane.tan",
    "jane [at]",
    "9123 4567",
    "91234567",
    "Jane Tan",
    "Bob Lim",
    "bob.lim",
    "ceo.bob",
    "9888 7777",
    "gmail",
]


def test_personal_addresses_never_come_out_of_a_page_that_has_both_kinds() -> None:
    page = make_page(MIXED, url="https://acme.sg/contact", page_type="contact")
    home = make_page(MIXED, url="https://acme.sg/?lead=jane.tan@acme.sg", page_type="home")
    items = extract([page, home], vocabulary=NO_CODES, company_name="Acme")
    found = profile([page, home])
    assert {item.signal_key for item in items} >= {"integration", "buyer_title", "hiring", "location"}
    everything = repr(items) + repr(found)
    assert [text for text in PERSONAL if text in everything] == []
    assert (found.email, found.phone_number) == ("info@acme.sg", "+6560001234")
    assert found.linkedin_url is None


def test_titles_stay_where_names_go() -> None:
    page = make_page("<blockquote>It works. <p>— Mei Tan, Head of Finance, Globex</p></blockquote>")
    (title,) = [i for i in extract([page], vocabulary=NO_CODES) if i.signal_key == "buyer_title"]
    assert title.value["buyer_title"] == "Head of Finance"
    assert title.snippet == "— [name], Head of Finance, Globex"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Jane Tan, Head of Sales", "[name], Head of Sales"),
        ("our CEO Jane Tan said", "our CEO [name] said"),
        ("Call Mr Tan Ah Kow today", "Call [name] today"),
        ("mail a.b+c@x.co.uk or 6123 4567", "mail [e-mail] or [phone]"),
        ("me(at)acme.sg", "[e-mail]"),
        ("From $1,200 a month since 2019", "From $1,200 a month since 2019"),
        ("Sales Director, Singapore 238881", "Sales Director, Singapore 238881"),
    ],
)
def test_snippets_are_cleaned(text: str, clean: str) -> None:
    assert Redactor().clean(text) == clean


def test_a_name_seen_on_one_page_is_cleaned_on_all() -> None:
    team = make_page("<h3>Anita Raj</h3><p>Operations Director</p>", url="https://acme.sg/team", page_type="about")
    post = make_page("<p>Anita Raj showed how we integrate with Slack.</p>", url="https://acme.sg/x", page_type="other")
    (item,) = [i for i in extract([team, post], vocabulary=NO_CODES) if i.signal_key == "integration"]
    assert item.snippet == "[name] showed how we integrate with Slack."


def test_values_with_personal_data_are_dropped() -> None:
    cleaner = Redactor(("Jane Tan",))
    items = [
        EvidenceItem("customer", "jane tan", {"customer": "Jane Tan"}, "https://a.sg", "x", 0.9),
        EvidenceItem("customer", "a", {"customer": "call 6123 4567"}, "https://a.sg", "x", 0.9),
        EvidenceItem("customer", "globex", {"customer": "Globex"}, "https://a.sg/?m=j@a.sg", "x", 0.9),
    ]
    (kept,) = merge(items, cleaner)
    assert (kept.value_key, kept.url) == ("globex", "https://a.sg/")


@pytest.mark.parametrize(
    ("address", "company"),
    [
        ("info@acme.sg", True),
        ("Sales@mail.acme.sg", True),
        ("contact-us@acme.sg", True),
        ("jane@acme.sg", False),
        ("info@gmail.com", False),
        ("jane.info@acme.sg", False),
        ("acme.sg", False),
    ],
)
def test_only_generic_mailboxes_of_the_own_domain_are_the_company(address: str, company: bool) -> None:
    assert is_company_mailbox(address, "acme.sg") is company


@pytest.mark.parametrize(
    "html",
    [
        "<div><h3>Jane Tan</h3><p>Tel: +65 6123 4567</p></div>",
        "<div><p>Jane Tan, Sales Director</p><p><a href='tel:+6561234567'>+65 6123 4567</a></p></div>",
        "<p>Jane Tan, Sales Director, Tel: +65 6123 4567</p>",
        "<div><a href='tel:+6561234567'>6123 4567</a><p>jane@acme.sg</p></div>",
        "<p>HP: +65 6123 4567</p>",
        "<p>Fax: +65 6123 4567</p>",
        "<table><tr><td>Jane Tan</td><td>6123 4567</td></tr></table>",
        "<div><h3>Jane Tan</h3><p>Managing Partner</p><a href='tel:+6561234567'>+65 6123 4567</a></div>",
        "<p>Sales contact</p><p>Jane Tan, Tel. 6123 4567</p>",
        "<p>Call 6123 4567 (Sharon)</p>",
        "<p>Tel: 6123 4567, ask for Jane Tan</p>",
        "<p>WhatsApp 6123 4567</p>",
        "<p>Mobile No: +65 6123 4567</p>",
        "<p>UEN 201512345K, GST Reg. No. 61234567</p><footer>© 2000-2026 Acme</footer>",
        '<script type="application/ld+json">{"@type":"Organization","contactPoint":{"@type":"ContactPoint",'
        '"name":"Jane Tan","telephone":"+65 6123 4567"}}</script>',
    ],
)
def test_a_number_beside_a_person_is_not_the_switchboard(html: str) -> None:
    assert profile([make_page(html, url="https://acme.sg/", page_type="contact")]).phone_number is None


@pytest.mark.parametrize(
    "html",
    [
        "<p>Tel: +65 6123 4567</p>",
        "<p>Call us at (65) 6123-4567</p>",
        "<footer><a href='tel:+65-6123-4567'>6123 4567</a></footer>",
        "<table><tr><td>General enquiries</td><td>6123 4567</td></tr><tr><td>Jane Tan</td><td>9123"
        " 4567</td></tr></table>",
        "<p>6123 4567</p>",
        "<footer>info@acme.sg | 6123 4567</footer>",
        "<p>Call 6123 4567 or WhatsApp 9123 4567 (Sharon)</p>",
        "<p>Director: Mrs Jane Tan</p><p>12 Jurong Road, Singapore 598586. Call 6123 4567</p>",
        "<p>Hotline <b>6123 4567</b></p>",
        '<script type="application/ld+json">{"@type":"Organization","contactPoint":[{"@type":"ContactPoint",'
        '"telephone":"+65-6123 4567"}]}</script>',
        "<h3>Acme</h3><p>Tel: 6123 4567</p>",
    ],
)
def test_a_number_by_itself_is(html: str) -> None:
    page = make_page(html + "<p>1 Raffles Place, Singapore 048616</p>", url="https://acme.sg/", page_type="contact")
    assert profile([page]).phone_number == "+6561234567"


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("https://sg.linkedin.com/company/Acme-Pte/about/", "https://www.linkedin.com/company/acme-pte"),
        ("//www.linkedin.com/company/acme?trk=x", "https://www.linkedin.com/company/acme"),
        ("http://linkedin.com/company/acme", "https://www.linkedin.com/company/acme"),
        ("https://www.linkedin.com/in/jane-tan", None),
        ("https://www.linkedin.com/jobs/view/1", None),
        ("javascript:void(0)", None),
        ("mailto:info@linkedin.com", None),
        ("https://evil.com/?u=https://www.linkedin.com/company/acme", None),
    ],
)
def test_linkedin_pages_of_companies_only(url: str, normal: str | None) -> None:
    assert linkedin_company(url) == normal


def test_a_number_of_somebody_else_in_a_post_is_not_the_companys() -> None:
    html = "<p>Call the embassy: +62 21 3435 9000</p><footer>Acme, Singapore 048616 | +65 6123 4567</footer>"
    page = make_page(html, url="https://acme.sg/blog/visas", page_type="other")
    assert profile([page]).phone_number == "+6561234567"


def test_a_landline_goes_before_a_mobile_phone() -> None:
    page = make_page("<footer>Tel: 9123 4567, Tel: 6123 4567. Singapore 048616</footer>", url="https://acme.sg/")
    assert profile([page]).phone_number == "+6561234567"


@pytest.mark.parametrize(
    ("number", "country", "written"),
    [
        ("+44 (0)1865 722027", None, "+441865722027"),
        ("01223 37 57 72", "GB", "+441223375772"),
        ("+49 (0)711 / 9492-0", None, "+4971194920"),
        ("0049 711 94920", None, "+4971194920"),
        ("04 78 00 12 34", "FR", "+33478001234"),
        ("91 555 01 23", "ES", "+34915550123"),
        ("02 1234 5678", "IT", "+390212345678"),
        ("(+91) 79 4001 2345", None, "+917940012345"),
        ("+91-82005 17210", None, "+918200517210"),
        ("98765 43210", "IN", "+919876543210"),
        ("03-2201 0123", "MY", "+60322010123"),
        ("(021) 5010 1234", "ID", "+622150101234"),
        ("(84-28) 3815 0123", "VN", "+842838150123"),
        ("09 555 0199", "NZ", "+6495550199"),
        ("(919) 555-0122", "US", "+19195550122"),
        ("1-919-555-0122", "US", "+19195550122"),
        ("2802 0123", "HK", "+85228020123"),
        ("6123 4567", None, "61234567"),
        ("123 4567", "SG", "1234567"),
    ],
)
def test_numbers_of_many_countries(number: str, country: str | None, written: str) -> None:
    assert international(number, country) == written


def test_numbers_are_written_one_way() -> None:
    assert international("(65) 6222-3344", "SG") == "+6562223344"
    assert international("+44 (20) 7946 0000", None) == "+442079460000"
    assert international("0000 0000", "SG") is None
    assert international("12345", "SG") is None


def test_names_of_companies_are_not_names_of_people() -> None:
    assert looks_like_name("Jane Tan") and looks_like_name("Wong Kah Wai")
    assert not looks_like_name("Globex") and not looks_like_name("Singapore Office")
    documents = [read(make_page("<blockquote><p>Ann Lee, CFO, Umbrella Beauty</p></blockquote>"))]
    assert redactor(documents).names == ("Ann Lee",)


@given(
    st.from_regex(r"[a-z]{2,8}\.[a-z]{2,8}@[a-z]{3,8}\.(com|sg|co\.uk)", fullmatch=True),
    st.text(alphabet="abc .,:;<>()\n-", max_size=20),
    st.text(alphabet="abc .,:;<>()\n-", max_size=20),
)
def test_no_address_survives_cleaning(address: str, before: str, after: str) -> None:
    assert address not in Redactor().clean(f"{before} {address} {after}")


@pytest.mark.parametrize("address", ["hello@" + "rotab" * 25 + "oard.com", "jane." * 20 + "tan@acme.sg"])
def test_an_address_that_is_longer_than_one_may_be_is_no_less_somebody_s(address: str) -> None:
    assert without_addresses(f"79 Anson Rd · {address} · Singapore") == "79 Anson Rd · [e-mail] · Singapore"
