from __future__ import annotations

import csv
import gzip
import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ingest.crawl.extract import IndustryCode, IndustryVocabulary, extract
from ingest.errors import IngestError
from ingest.evidence import EvidenceItem
from tests.ingest.extract.labelled import make_page, official_vocabulary

# A small classification of our own.
OWN = IndustryVocabulary(
    "own",
    [
        IndustryCode("10001", "Keeping of bees and making of honey"),
        IndustryCode("10002", "Repair of sails and rigging"),
        IndustryCode("10003", "Freight transport arrangement"),
        IndustryCode("10004", "Hotels"),
        IndustryCode("10005", "Development of software and applications (except games)"),
        IndustryCode("10006", "Wholesale of sails n.e.c."),
        IndustryCode("10007", "Translation services"),
        IndustryCode("10008", "Private equity firms"),
        IndustryCode("10011", "Repair of ships (wooden)"),
        IndustryCode("10012", "Repair of ships (steel)"),
        IndustryCode("10009", "Other repair n.e.c."),
    ],
)


def codes(html: str, page_type: str = "home") -> dict[str, EvidenceItem]:
    items = extract([make_page(html, page_type=page_type)], vocabulary=OWN)  # type: ignore[arg-type]
    return {item.value_key: item for item in items if item.signal_key == "ssic"}


def test_words_of_a_title_lead_to_its_code() -> None:
    (item,) = codes("<h1>Honey from our own bees</h1><p>Keeping bees and making honey by the sea.</p>").values()
    assert item.value["ssic"] == "10001" and item.value["version"] == "own"
    assert item.value["title"] == "Keeping of bees and making of honey"
    assert 0.5 < item.confidence <= 0.93 and item.snippet and "oney" in item.snippet


@pytest.mark.parametrize(
    ("html", "code"),
    [
        ("<title>Translation services in Singapore</title>", "10007"),
        ("<h1>A translation agency for engineers</h1>", "10007"),
        ("<p>Acme is a translation company.</p>", "10007"),
        ("<h1>Sails and rigging repaired</h1>", "10002"),
        ("<h1>We repair rigging and sail</h1>", "10002"),
        ("<h1>Distributors of sails</h1>", "10006"),
        ("<title>Private equity firm</title>", "10008"),
        ("<h1>Ship repairers since 1901</h1>", "10011"),
    ],
)
def test_titles_are_found_in_other_words_and_orders(html: str, code: str) -> None:
    found = codes(html)
    assert set(found) == {code} if code != "10006" else found == {}  # n.e.c.: its words are its neighbours'


def test_everyday_names_lead_to_titles() -> None:
    (item,) = codes("<title>Freight forwarder</title><p>We are freight forwarders by sea and air.</p>").values()
    assert (item.value_key, item.value["term"]) == ("10003", "freight forwarder")


@pytest.mark.parametrize(
    "html",
    [
        "<p>We make soap for hotels, spas and freight forwarders.</p>",
        "<h1>The booking engine that hotels love</h1>",
        "<p>Our customers repair sails. We read the news.</p>",
        "<p>Welcome to our website.</p>",
        "<title>Restaurant supplies</title>",
        "<p>A private island. Equity for all.</p>",
        "<h1>Lost in translation</h1>",
        "<p>We would rather sail. Rigging is a chore. Repair your car.</p>",
        "<p>Backed by private equity firms.</p>",
        "<h1>Guests at hotels, hotels and hotels</h1>",
        "",
    ],
)
def test_what_customers_do_is_not_what_the_company_does(html: str) -> None:
    assert codes(html) == {}


def test_only_pages_about_the_company_count() -> None:
    html = "<h1>Honey from our own bees</h1><p>Keeping bees and making honey.</p>"
    assert codes(html)
    assert codes(html, "customers") == codes(html, "careers") == codes(html, "industries") == {}


def test_at_most_three_codes() -> None:
    html = (
        "<title>Honey, bees, sails, rigging and hotels</title><h1>Keeping of bees, making honey, repair of sails and"
        " rigging, software development, freight forwarding</h1><p>A hotel with bees, honey, sails.</p>"
    )
    assert 1 <= len(codes(html)) <= 3


@pytest.fixture
def classified(connection: psycopg.Connection) -> Iterator[psycopg.Connection]:
    connection.execute("delete from raw.industry_codes")
    connection.execute("delete from raw.registry_entities")
    yield connection


def add_code(connection: psycopg.Connection, version: str, code: str, level: str, title: str) -> None:
    connection.execute(
        "insert into raw.industry_codes (version, code, level, title, load_id) values (%s, %s, %s, %s, 1)",
        (version, code, level, title),
    )


def test_a_vocabulary_is_the_five_digit_level_of_one_version(classified: psycopg.Connection) -> None:
    assert len(IndustryVocabulary.load(classified)) == 0
    for version in ("2015", "2025"):
        add_code(classified, version, "01", "division", "Farming")
        add_code(classified, version, "01001", "subclass", f"Keeping of bees {version}")
    newest = IndustryVocabulary.load(classified)
    assert (newest.version, newest.titles) == ("2025", {"01001": "Keeping of bees 2025"})
    assert IndustryVocabulary.load(classified, "2015").version == "2015"
    with pytest.raises(IngestError, match="1990"):
        IndustryVocabulary.load(classified, "1990")
    # What pages say must be comparable with what the registry says.
    classified.execute(
        "insert into raw.registry_entities (registry, registration_number, name, name_key, is_live, industry_code,"
        " industry_code_version, row_hash, load_id) values ('acra', '1', 'A', 'a', true, '01001', '2015', 1, 1)"
    )
    assert IndustryVocabulary.load(classified).version == "2015"


def test_what_companies_say_of_themselves_leads_to_few_codes(shared_data: Path) -> None:
    vocabulary = official_vocabulary(shared_data)
    with gzip.open(shared_data / "yc_companies" / "yc_companies.csv.gz", "rt", encoding="utf-8", newline="") as file:
        companies = list(itertools.islice(csv.DictReader(file), 300))
    counts = []
    for company in companies:
        page = make_page(f"<h1>{company['one_liner']}</h1><p>{company['long_description']}</p>")
        items = extract([page], vocabulary=vocabulary, company_name=company["name"])
        counts.append(sum(item.signal_key == "ssic" for item in items))
    assert max(counts) <= 3 and sum(count > 1 for count in counts) <= 0.03 * len(counts)
    assert sum(count > 0 for count in counts) >= 0.15 * len(counts)


def test_a_few_words_find_their_code() -> None:
    assert OWN.best_code("freight forwarding") == "10003"
    assert OWN.best_code("happiness") is None
