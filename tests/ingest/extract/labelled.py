"""The labelled pages, and how right the extractors are on them."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ingest.crawl.extract import CompanyProfile, IndustryCode, IndustryVocabulary, extract, profile
from ingest.crawl.page import Page, PageType
from ingest.domains import registrable_domain
from ingest.evidence import EvidenceItem

FOLDER = Path(__file__).parent
NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
SIGNALS = ("ssic", "integration", "customer", "headcount", "hiring", "buyer_title", "pricing", "location", "trigger")
NO_CODES = IndustryVocabulary("", ())


def make_page(
    html: str = "", *, url: str = "https://acme.example.sg/", page_type: PageType = "home", text: str = ""
) -> Page:
    """A page as the crawler hands it over."""
    return Page(
        url=url,
        domain=registrable_domain(url) or "acme.sg",
        page_type=page_type,
        html=html,
        text=text,
        title=None,
        fetched_via="http",
        status=200,
        outcome="ok",
        reason=None,
        etag=None,
        last_modified=None,
        content_hash=hashlib.sha256(html.encode("utf-8", "replace")).hexdigest(),
        fetched_at=NOW,
        bytes=len(html),
    )


@dataclass
class Score:
    """Counts of one extractor."""

    right: int = 0
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + len(self.wrong))

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + len(self.missed))


@dataclass(frozen=True)
class Labelled:
    """One labelled page with what came out of it."""

    name: str
    label: dict[str, Any]
    page: Page
    items: list[EvidenceItem]
    profile: CompanyProfile


def read_labelled(vocabulary: IndustryVocabulary) -> Iterator[Labelled]:
    labels = yaml.safe_load((FOLDER / "labels.yaml").read_text(encoding="utf-8"))
    for name, label in labels.items():
        page = make_page(
            (FOLDER / "pages" / f"{name}.html").read_text(encoding="utf-8"),
            url=label["url"],
            page_type=label["page_type"],
        )
        items = extract([page], vocabulary=vocabulary, company_name=label["company"])
        yield Labelled(name, label, page, items, profile([page]))


def measure(cases: list[Labelled], signal: str) -> Score:
    """Precision and recall of one signal. Of the codes that a label accepts, any one counts as found."""
    score = Score()
    for case in cases:
        expected = {str(value).lower() for value in case.label.get(signal, [])}
        found = {item.value_key for item in case.items if item.signal_key == signal}
        score.wrong += [f"{case.name}: {value}" for value in sorted(found - expected)]
        if signal == "ssic":
            score.right += len(found & expected) or 0
            score.missed += [f"{case.name}: {sorted(expected)}"] if expected and not found & expected else []
        else:
            score.right += len(found & expected)
            score.missed += [f"{case.name}: {value}" for value in sorted(expected - found)]
    return score


def measure_profile(cases: list[Labelled], name: str) -> Score:
    """The same for mailbox, switchboard and LinkedIn page, of which a company has at most one."""
    score = Score()
    attribute = {"email": "email", "phone": "phone_number", "linkedin": "linkedin_url"}[name]
    for case in cases:
        expected, found = case.label.get(name), getattr(case.profile, attribute)
        if found is not None and found == expected:
            score.right += 1
            continue
        score.wrong += [f"{case.name}: {found}"] if found is not None else []
        score.missed += [f"{case.name}: {expected}"] if expected is not None else []
    return score


def official_vocabulary(shared_data: Path) -> IndustryVocabulary:
    """SSIC 2025 at the five-digit level."""
    with (shared_data / "ssic" / "ssic2025.csv").open(encoding="utf-8-sig", newline="") as file:
        return IndustryVocabulary(
            "2025",
            (
                IndustryCode(row["code"], row["title"], row["definition"] or "", row["examples"] or "")
                for row in csv.DictReader(file)
                if row["level"] == "subclass"
            ),
        )
