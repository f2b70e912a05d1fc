"""The labelled pages, and how right the extractors are on them.

Three sets. ``PAGES``: short pages of our own making, committed. ``html_pages`` and ``company_sites``: pages that others
wrote; ``yc_companies``: companies' own words about themselves; of these only the facts are committed
(``labels_real.yaml``), the text is in the shared data. Held out is what :func:`is_held_out` says; rules may be
changed for what is wrong or missing on the others, never for those.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ingest.crawl.document import read_document
from ingest.crawl.extract import CompanyProfile, IndustryCode, IndustryVocabulary, extract, profile
from ingest.crawl.page import Page, PageType
from ingest.domains import registrable_domain
from ingest.evidence import EvidenceItem

FOLDER = Path(__file__).parent
NOW = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
SIGNALS = ("ssic", "integration", "customer", "headcount", "hiring", "buyer_title", "pricing", "location", "trigger")
PROFILE = ("email", "phone", "linkedin")
NO_CODES = IndustryVocabulary("", ())
DESCRIPTION = 700


def make_page(
    html: str = "", *, url: str = "https://acme.example.sg/", page_type: PageType = "home", text: str = ""
) -> Page:
    """A page as the crawler hands it over."""
    document = read_document(html, url)
    return Page(
        url=url,
        domain=registrable_domain(url) or "acme.sg",
        page_type=page_type,
        html=document.html,
        text=text or document.text,
        title=document.title,
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
    """One labelled page.

    Attributes:
        label: values by signal, besides ``company``, ``never`` (what must not come out) and ``only`` (the signals that
            it is labelled with; else all).
    """

    name: str
    label: dict[str, Any]
    page: Page


@dataclass(frozen=True)
class Found:
    """A labelled page with what came out of it."""

    name: str
    label: dict[str, Any]
    page: Page
    items: list[EvidenceItem]
    profile: CompanyProfile


def is_held_out(name: str) -> bool:
    """The rule of the split: the last digit of the name's SHA-256 is 0 to 7.

    The pages of the first rules (01 to 40, h, v) and the three company sites have been read by those who wrote rules;
    they are not held out whatever their digit. What was labelled after the rules is, all of it.
    """
    kind, _, rest = name.rpartition("/")
    if kind == "yc_unseen":
        return True
    if kind.startswith("company_sites") or (not kind and not rest.startswith("r")):
        return False
    return hashlib.sha256(rest.encode()).hexdigest()[-1] in "01234567"


def own_pages() -> list[Labelled]:
    """The committed pages."""
    labels = yaml.safe_load((FOLDER / "labels.yaml").read_text(encoding="utf-8"))
    return [
        Labelled(
            name,
            label,
            make_page(
                (FOLDER / "pages" / f"{name}.html").read_text(encoding="utf-8"),
                url=label["url"],
                page_type=label["page_type"],
            ),
        )
        for name, label in labels.items()
    ]


def real_pages(shared_data: Path) -> list[Labelled]:
    """The pages and texts that others wrote."""
    labels = yaml.safe_load((FOLDER / "labels_real.yaml").read_text(encoding="utf-8"))
    pages = []
    for path in sorted((shared_data / "html_pages").glob("*.html")):
        html = path.read_text(encoding="utf-8", errors="replace")
        page = make_page(html, url=f"https://www.{path.stem}.com/{path.stem}", page_type="other")
        pages.append(Labelled(f"html_pages/{path.name}", labels["html_pages"].get(path.name, {}), page))
    for name, label in labels["company_sites"].items():
        folder, file = name.split("/")
        html = (shared_data / "company_sites" / name).read_text(encoding="utf-8", errors="replace")
        url = f"https://{label.get('domain', folder)}/{'' if file == 'index.html' else file}"
        pages.append(Labelled(f"company_sites/{name}", label, make_page(html, url=url, page_type=label["page_type"])))
    with gzip.open(shared_data / "yc_companies" / "yc_companies.csv.gz", "rt", encoding="utf-8", newline="") as file_:
        companies = {row["slug"]: row for row in csv.DictReader(file_)}
    only = {"only": ["headcount", "pricing"]}
    texts = {("yc_companies", slug): label for slug, label in labels["yc_companies"].items()}
    for part in ("yc_statements", "yc_unseen"):
        texts |= {(part, slug): label | only for slug, label in labels[part].items()}
    for (part, slug), label in texts.items():
        row = companies[slug]
        line, text = row["one_liner"], " ".join(row["long_description"].split())[:DESCRIPTION]
        html = f'<title>{row["name"]}: {line}</title><meta name="description" content="{line}"><h1>{line}</h1><p>{text}'
        page = make_page(html, url=f"https://{slug}.com/", page_type="home")
        pages.append(Labelled(f"{part}/{slug}", {"company": row["name"], **label}, page))
    return pages


def find(pages: Sequence[Labelled], vocabulary: IndustryVocabulary) -> Iterator[Found]:
    """What comes out of each page by itself."""
    for case in pages:
        items = extract([case.page], vocabulary=vocabulary, company_name=case.label.get("company"))
        yield Found(case.name, case.label, case.page, items, profile([case.page]))


def labelled_with(cases: Sequence[Found], signal: str) -> list[Found]:
    """The pages on which every statement of this kind is labelled."""
    return [case for case in cases if signal in case.label.get("only", (signal,))]


def measure(cases: Sequence[Found], signal: str) -> Score:
    """Precision and recall of one signal. Of the codes that a label accepts, any one counts as found."""
    cases = labelled_with(cases, signal)
    if signal in PROFILE:
        return _measure_profile(cases, signal)
    score = Score()
    for case in cases:
        expected = {str(value).lower() for value in case.label.get(signal, [])}
        found = {item.value_key for item in case.items if item.signal_key == signal}
        score.right += len(found & expected)
        score.wrong += [f"{case.name}: {value}" for value in sorted(found - expected)]
        if signal == "ssic":
            score.missed += [f"{case.name}: {sorted(expected)}"] if expected and not found & expected else []
        else:
            score.missed += [f"{case.name}: {value}" for value in sorted(expected - found)]
    return score


def _measure_profile(cases: Sequence[Found], name: str) -> Score:
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
