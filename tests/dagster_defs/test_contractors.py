"""The evidence side on real data written by others, against facts computed here without the warehouse.

The registry is Singapore's list of contractors, the customers are suppliers of public tenders, the classification is
SSIC 2025, and three companies' sites are served on 127.0.0.1.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import importlib.util
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dagster_defs.outcomes import LoadConfig, _mapping_paths
from dagster_defs.runs import RunReport
from ingest.intake import load_intake
from ingest.registry.load import load_registry
from ingest.registry.load_codes import load_industry_codes
from tests.loop import Rows, run
from warehouse import tenants
from warehouse.connection import Warehouse
from warehouse.settings import PROJECT_ROOT

EXAMPLE = PROJECT_ROOT / "examples" / "contractors"
SUPPLIERS = 40
NOW = dt.datetime.now(dt.UTC)
FOLDERS = {"1assist.com.sg": "1assist.com.sg", "asiatis.com": "asiatis", "otterpizza.com.sg": "otterpizza.com.sg"}


@dataclass(frozen=True)
class Facts:
    """What plain Python finds in the files.

    numbers: plain name → registration numbers of the contractors that bear it.
    """

    numbers: dict[str, set[str]]
    suppliers: list[str]
    titles: dict[str, str]

    def companies(self) -> int:
        """How many companies the suppliers are. One of the most frequent is called "Unknown", which is none."""
        return len({plain(name) for name in self.suppliers} - {"UNKNOWN"})

    def equal(self) -> dict[str, str]:
        """Suppliers whose plain name is borne by exactly one contractor, with its number."""
        return {
            name: next(iter(found))
            for name in self.suppliers
            if len(found := self.numbers.get(plain(name), set())) == 1
        }


def plain(name: str) -> str:
    """Upper case, letters and digits, without the usual endings: this test's own idea of an equal name."""
    words = re.sub(r"[^A-Z0-9 ]", "", name.upper().replace("&", " AND ")).split()
    while words and words[-1] in ("PTE", "LTD", "LIMITED", "PRIVATE", "LLP", "CO"):
        words.pop()
    return " ".join(words)


@pytest.fixture(scope="module")
def facts(shared_data: Path) -> Facts:
    numbers: dict[str, set[str]] = {}
    with gzip.open(shared_data / "sg_contractors" / "listing-of-registered-contractors.csv.gz", "rt") as content:
        for row in csv.DictReader(content):
            numbers.setdefault(plain(row["company_name"]), set()).add(row["uen_no"])
    with gzip.open(shared_data / "sg_gebiz" / "government_procurement_via_gebiz.csv.gz", "rt") as content:
        won = Counter(row["supplier_name"].strip() for row in csv.DictReader(content))
    with (shared_data / "ssic" / "ssic2025.csv").open(encoding="utf-8") as content:
        titles = {row["code"]: row["title"] for row in csv.DictReader(content)}
    return Facts(numbers, sorted(won, key=lambda name: (-won[name], name))[:SUPPLIERS], titles)


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """The three sites by host name."""

    class Handler(SimpleHTTPRequestHandler):
        def translate_path(self, path: str) -> str:
            host = self.headers.get("Host", "").split(":")[0].removeprefix("www.")
            name = path.split("?")[0].lstrip("/") or "index.html"
            return str(folder / FOLDERS[host] / name) if host in FOLDERS else "/nowhere"

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def payload(shared_data: Path) -> dict[str, Any]:
    """The documented example's intake."""
    spec = importlib.util.spec_from_file_location("intake_from_awards", EXAMPLE / "intake_from_awards.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made: dict[str, Any] = script.intake(
        shared_data / "sg_gebiz" / "government_procurement_via_gebiz.csv.gz", SUPPLIERS
    )
    return made


@pytest.fixture(scope="module")
def report(
    warehouse: Warehouse, shared_data: Path, payload: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> RunReport:
    folder = tmp_path_factory.mktemp("contractors")
    (folder / "mapping.yaml").write_text((EXAMPLE / "mapping.yaml").read_text())
    listing = "listing-of-registered-contractors.csv.gz"
    (folder / listing).symlink_to(shared_data / "sg_contractors" / listing)
    load_industry_codes(warehouse, shared_data / "ssic" / "ssic2025.csv", version="2025")
    load_registry(warehouse, mapping_path=folder / "mapping.yaml", now=NOW)
    with warehouse.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug="tenders", name="Tenders")
    load_intake(warehouse, payload, tenant="tenders", submitted_by="test", now=NOW)
    with served(shared_data / "company_sites") as port, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICP_CONNECT_TO", f"* = 127.0.0.1:{port}")
        patch.setenv("ICP_CRAWL_DELAY_S", "0")
        report = run(warehouse, "intake_process")
    assert report.success, report.failure
    return report


def test_every_supplier_with_one_contractor_of_its_name_is_that_contractor(
    report: RunReport, rows: Rows, facts: Facts
) -> None:
    found = dict(
        rows(
            "select seed_name, registration_number from marts.seed_company_matches"
            " where kind = 'best' and path not in ('review', 'none')"
        )
    )
    expected = facts.equal()
    assert len(expected) >= 10
    assert {name: found.get(name) for name in expected} == expected
    strangers = {name for name in found if name not in expected and plain(name) not in facts.numbers}
    assert len(strangers) <= 1, strangers  # accepted by the ranker although no contractor is called so


def test_the_three_sites_were_read_and_the_others_say_why_not(report: RunReport, rows: Rows, facts: Facts) -> None:
    read = {name: (outcome, pages) for name, outcome, pages in rows(
        "select website_domain, outcome, pages_fetched from raw.crawl_runs join raw.companies using (company_id)"
        " where website_domain is not null"
    )}  # fmt: skip
    assert set(read) == set(FOLDERS)
    assert read["1assist.com.sg"][0] == "ok"
    assert read["1assist.com.sg"][1] >= 2  # index.html and aboutus.html lead to one another
    assert read["otterpizza.com.sg"][0] == "degraded"  # made by scripts
    unresolved = rows("select degraded_reasons from raw.crawl_runs where outcome = 'unresolved'")
    assert len(unresolved) == facts.companies() + 1  # and the lost one
    assert all(reasons for (reasons,) in unresolved)


def test_what_a_reader_sees_on_the_sites_is_evidence(report: RunReport, rows: Rows, facts: Facts) -> None:
    codes: dict[str, set[str]] = {}
    for domain, code in rows(
        "select website_domain, value_key from raw.icp_evidence join raw.companies using (company_id)"
        " where signal_key = 'ssic' and source = 'seed_site'"
    ):
        codes.setdefault(domain, set()).add(facts.titles[code].lower())
    assert any("restaurant" in title for title in codes["otterpizza.com.sg"])
    assert any("employment agenc" in title or "maid" in title for title in codes["1assist.com.sg"])
    assert rows("select count(*) from raw.icp_evidence where value::text like '%@%' or snippet like '%@%'") == [(0,)]


def test_two_customers_with_evidence_give_reduced_suggestions_and_advice(
    report: RunReport, rows: Rows, facts: Facts
) -> None:
    (made,) = rows("select best_seeds, seeds_with_evidence, reduced_evidence, advice from learned.icp_suggestion_sets")
    assert made[:3] == (facts.companies() + 2, 2, True)
    assert any("website" in sentence for sentence in made[3])
    cards = rows("select card, evidence_ids from learned.icp_suggestions")
    assert 1 <= len(cards) <= 2
    assert all(card["reduced_evidence"] and card["evidence_count"] == len(ids) > 0 for card, ids in cards)


def test_a_supplier_called_unknown_is_left_out_with_a_note(report: RunReport, rows: Rows, facts: Facts) -> None:
    assert "Unknown" in facts.suppliers
    (notes,) = rows("select notes from raw.icp_intake_responses")
    assert any("'Unknown' is no company's name" in note for note in notes[0])


def test_registries_and_code_lists_are_no_mappings_of_outcomes(
    report: RunReport, warehouse: Warehouse, rows: Rows
) -> None:
    assert rows("select count(*) from raw.sources") == [(2,)]
    assert _mapping_paths(LoadConfig(), warehouse) == []  # type: ignore[arg-type]  # all it asks for is a connection


def test_the_classification_is_whole_and_nobody_is_counted_in_it(report: RunReport, rows: Rows, facts: Facts) -> None:
    (subclasses,) = rows("select count(*), sum(live_entities) from marts.industry_segments where level = 'subclass'")
    assert subclasses == (sum(len(code) == 5 for code in facts.titles), 0)  # the list of contractors has no codes
