"""Names of a company's customers: logos and lists under "trusted by", case studies, who gave a testimonial."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ingest.crawl.extract.document import Document, Line
from ingest.crawl.extract.text import excerpt, words
from ingest.crawl.extract.titles import find_titles
from ingest.evidence import EvidenceItem
from models_py.matching.names import name_key

_CUSTOMER_HEADING = re.compile(
    r"\b(?:(?:trusted|used|loved|chosen|relied on) (?:[a-z]+ ){0,2}by|our (?:\w+ )?(?:customers|clients)|(?:some|a"
    r" few) of our"
    r" (?:customers|clients)|who (?:we work|we've worked|uses us)|(?:companies|brands|names|organi[sz]ations) (?:we"
    r"|that|who)|clients|customers include"
    r"|in good company|join \d[\d,]* (?:companies|teams|businesses))\b",
    re.I,
)
_INLINE = re.compile(
    r"\b(?:(?i:trusted by|used by|chosen by)|(?i:we (?:serve|supply|have served))|(?:customers|clients|users)"
    r" (?:include|such as|like|are)|(?i:(?:selected |our |key )?(?:clients|customers))(?=:)|work(?:ed|s|ing)? with"
    r" (?:brands|companies"
    r"|clients|customers|names) (?:such as|like|including)|(?:companies|brands|teams|businesses) (?:such as|like))"
    r"\s*:?\s+(?=[A-Z0-9])"
)
_STUDY = (
    re.compile(
        r"^(?:how|why)\s+(.{2,60}?)\s+(?:\w+ly\s+)?(?:cut|cuts|reduced|reduces|increased|increases|grew|grows|saved"
        r"|saves|built|builds"
        r"|scaled|scales|doubled|doubles|tripled|boosted|boosts|uses|used|moved|automated|automates|improved|improves"
        r"|won|wins"
        r"|closed|closes|went|became|achieved|achieves|launched|launches|runs|ships|made|makes|got|gets|hit|sped|halved"
        r"|streamlined|transformed|manages|managed|opened|opens|found|turned|took|brought|replaced|keeps|kept"
        r"|switched|chose|picked|left)\b",
        re.I,
    ),
    re.compile(
        r"^(?:case study|customer story|success story|client story)\s*[:–—|-]\s*(.{2,60}?)(?:\s+[|–—-]\s+.*)?$", re.I
    ),
    re.compile(r"^(.{2,50}?)\s*(?:[:|–—-]\s*)?(?:case study|customer story|success story)$", re.I),
)
_NOISE = re.compile(
    r"\b(?:logos?|icons?|images?|photos?|pictures?|banners?|brand|client|customer|partner|company)\b(?:\s*\d+)?"
    r"|\.(?:png|svg|jpe?g|webp|gif)$",
    re.I,
)
_PORTRAIT = re.compile(r"\b(?:photo|portrait|headshot|picture|avatar) of\b|\b(?:team|founders?)\b", re.I)
_GENERIC_WORDS = """
customer customers client clients company companies our the we you your team teams brand brands leading global hundreds
thousands many over more than read story stories case study studies learn see all view next previous star stars rating
visa mastercard paypal american express amex iso award awards winner badge certified certificate partner partners avatar
background hero illustration screenshot video play quote quotes arrow linkedin facebook twitter instagram youtube google
reviews review g2 capterra trustpilot play app store menu close search home contact about pricing careers blog login
"""
_GENERIC = frozenset(_GENERIC_WORDS.split())
_LOWER = frozenset(
    {"of", "and", "the", "for", "de", "du", "la", "der", "van", "von", "y", "e", "et", "und", "by", "at", "on"}
)
_BAD = re.compile(r"[?!©®=<>{}\[\]@#]|https?:|\d{4,}|%|\$")


def find_customers(documents: Sequence[Document], company_name: str | None) -> list[EvidenceItem]:
    """One item per page and customer; the company itself and its own products never."""
    own = {name_key(company_name)} if company_name else set()
    items: list[EvidenceItem] = []
    for document in documents:
        if document.is_legal or document.page.page_type in ("careers", "integrations", "contact", "pricing"):
            continue
        own_here = own | {name_key(document.page.domain.split(".")[0])}
        seen: set[str] = set()
        for name, line, start, end, confidence in _candidates(document):
            key = name_key(name)
            if key in seen or not key or key in own_here or not _is_company(name):
                continue
            seen.add(key)
            items.append(
                EvidenceItem(
                    "customer",
                    key,
                    {"customer": name},
                    document.page.url,
                    excerpt(line.text, start, end),
                    confidence,
                )
            )
    return items


def _candidates(document: Document) -> Iterator[tuple[str, Line, int, int, float]]:
    lines = document.main
    if document.page.page_type == "customers":
        yield from _titled(document)
    talks_of_others = document.is_article or document.is_comparison
    under, left = False, 0
    for index, line in enumerate(lines):
        customers_page = document.page.page_type == "customers"
        if line.kind == "heading" or (len(line.words) <= 8 and _CUSTOMER_HEADING.search(line.text)):
            under = bool(_CUSTOMER_HEADING.search(line.text)) and len(line.words) <= 14
            left = 40
        if customers_page or line.kind == "heading":
            yield from _studies(line, talks_of_others and not customers_page)
        if not talks_of_others:
            yield from _listed(line)
        if line.kind == "image" and left > 0 and (under or (customers_page and "logo" in line.text.lower())):
            left -= 1
            if not line.quoted and not _PORTRAIT.search(line.text) and (name := _trimmed(line.text)):
                yield name, line, 0, len(line.text), 0.85
        elif under and line.kind == "item" and len(line.words) <= 5 and left > 0:
            left -= 1
            if name := _trimmed(line.text):
                yield name, line, 0, len(line.text), 0.75
        if (line.quoted or customers_page) and not talks_of_others:
            yield from _speakers(lines, index)


def _titled(document: Document) -> Iterator[tuple[str, Line, int, int, float]]:
    """``<title>Globex | Acme customers</title>`` of a case study."""
    match = re.match(
        r"^([^|–—:]{2,50}?)\s+[|–—:-]\s+.{0,40}\b(?:customers|customer stor(?:y|ies)|case stud(?:y|ies)|clients)\b",
        document.title,
        re.I,
    )
    if match and len(match[1].split()) <= 4:
        line = Line(document.title, "heading", "main", False, "", (), words(document.title))
        yield match[1], line, match.start(1), match.end(1), 0.8


def _studies(line: Line, others: bool) -> Iterator[tuple[str, Line, int, int, float]]:
    if others or len(line.words) > 25:
        return
    for pattern in _STUDY:
        if match := pattern.match(line.text[:200]):
            yield match[1].strip(" ,:–—-"), line, match.start(1), match.end(1), 0.8
            return


def _listed(line: Line) -> Iterator[tuple[str, Line, int, int, float]]:
    """``Our clients include Globex, Initech and Hooli.``"""
    for match in _INLINE.finditer(line.text[:2_000]):
        rest = re.split(
            r"[.;:!?](?:\s|$)|\s[–—-]\s|\bto (?:help|run|build)\b",
            line.text[match.end() : match.end() + 300],
            maxsplit=1,
        )[0]
        for part in re.split(r",|\s+and\s+|\s*&\s+(?=[A-Z][a-z]+$)|\s+or\s+", rest):
            name = re.sub(r"^.*\b(?:like|such as|including)\s+", "", part).strip(" .")
            if name and name[0].isupper() and len(name.split()) <= 5:
                start = line.text.find(name, match.end())
                yield name, line, max(start, 0), max(start, 0) + len(name), 0.8


def _speakers(lines: list[Line], index: int) -> Iterator[tuple[str, Line, int, int, float]]:
    """The company after a title: ``Jane Tan, Head of Sales, Globex``; or in the line below it."""
    line = lines[index]
    if len(line.words) > 60:
        return
    for title in find_titles(line.text, line.words):
        rest = re.match(
            r"\s*(?:,|@|\bat\b|\bof\b|[|–—·-])\s*([A-Z0-9][^,|–—.”\"]{1,50}?)\s*(?:$|[.,”\"])", line.text[title.end() :]
        )
        if rest and not _has_title(rest[1]):
            yield rest[1].strip(" ."), line, title.end() + rest.start(1), title.end() + rest.end(1), 0.75
        elif not line.text[title.end() :].strip(" .") and index + 1 < len(lines):
            below = lines[index + 1]
            short = len(below.words) <= 5 and below.kind in ("text", "item") and line.quoted and below.quoted
            if short and below.text[:1].isupper() and len(line.words) <= 8 and not _is_sentence(below.text):
                yield below.text.strip(" ."), below, 0, len(below.text), 0.65


def _has_title(text: str) -> bool:
    return any(True for _ in find_titles(text, words(text)))


def _is_sentence(text: str) -> bool:
    """Whether a short line is said rather than a name: it ends a sentence or is mostly in lower case."""
    if text.rstrip().endswith((".", "!", "?", "”", '"')):
        return True
    parts = text.split()
    return sum(1 for part in parts if part[:1].islower()) * 2 >= len(parts)


def _trimmed(text: str) -> str | None:
    name = " ".join(_NOISE.sub(" ", text.replace("_", " ")).split()).strip(" -–|:,.")
    return name if 2 <= len(name) <= 60 else None


def _is_company(name: str) -> bool:
    if not 2 <= len(name) <= 60 or _BAD.search(name) or len(name.split()) > 6:
        return False
    key = name_key(name).split()
    if not key or all(word in _GENERIC or word.isdigit() for word in key) or key[0] in _GENERIC - {"american", "g2"}:
        return False
    parts = name.split()
    # "HR managers in 900 companies" is no name.
    if any(part.islower() and part.isalpha() and part not in _LOWER for part in parts[1:]) and len(parts) > 2:
        return False
    return any(part[:1].isupper() or part[:1].isdigit() for part in parts)
