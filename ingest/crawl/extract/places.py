"""Where a company is: addresses, offices, structured data. Where its customers are is not asked here."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ingest.crawl.extract import structured
from ingest.crawl.extract.document import Document, Line
from ingest.crawl.extract.text import Lexicon, excerpt, words
from ingest.evidence import EvidenceItem


@dataclass(frozen=True)
class Place:
    """A city, or a country where no city is known.

    Attributes:
        country: ISO 3166-1 alpha-2.
        key: as it is compared: the city in lower case, else the country's code in lower case; a city state is its city.
    """

    city: str | None
    country: str

    @property
    def key(self) -> str:
        """As it is compared and counted."""
        return (self.city or self.country).lower()


_POSTAL = re.compile(r"\b(?:Singapore|S(?=\(|\s?\d))\s*\(?(\d{6})\)?(?!\d)", re.I)
_ADDRESS = re.compile(
    r"\b(?:street|st\.|road|rd|avenue|ave|jalan|jln|lorong|lane|drive|boulevard|blvd|blk|block|level|floor|suite|unit"
    r"|tower"
    r"|building|plaza|centre|crescent|park|way|place|square|persiaran|p\.?o\.? box|strasse|straße|rue|quay)\b"
    r"|#\d\d-\d|\b\d{5,6}\b",
    re.I,
)
_CUE = re.compile(
    r"\b(?:headquartered in|head ?quarters?(?: in|:)|head office(?: in|:)?|hq(?: in|:)|based (?:in|out of)|located in"
    r"|offices?(?: in|:)"
    r"|branch(?:es)? in|outlets? in|presence in|operat(?:e|es|ing) (?:in|out of|from)|agency in|company in|firm in"
    r"|studios? in|clinics? in"
    r"|restaurants? in|hotels? in|founded in|born in|warehouses? in|factory in|plant in|opens? in|out of|(?:we"
    r" )?(?:work|works|live|shifts|colleagues|employees|staff|workshop|kitchen|yard|labs?|showrooms?) in)\s+",
    re.I,
)
_NOT_OURS = re.compile(
    r"\b(?:compan(?:y|ies)|customers?|clients?|business(?:es)?|startups?|buyers|importers|hosting|hosted|servers?"
    r"|data cent(?:re|er)s?"
    r"|conference|those|people|teams|brands) (?:\w+ )?$",
    re.I,
)


_LOOKING = re.compile(r"\b(?:hiring|looking for|recruiting)\b", re.I)


@functools.cache
def _gazetteer() -> tuple[Lexicon[Place], dict[str, Place]]:
    loaded = yaml.safe_load((Path(__file__).parent / "places.yaml").read_text(encoding="utf-8"))
    entries: list[tuple[str, Place]] = []
    codes: dict[str, Place] = {}
    for country in loaded:
        whole = Place(country["cities"][0] if country.get("state") else None, country["code"])
        codes[country["code"].lower()] = whole
        entries += [(name, whole) for name in country["names"]]
        entries += [(city, Place(_same_city(city), country["code"])) for city in country["cities"]]
    return Lexicon(entries), codes


def _same_city(city: str) -> str:
    return {
        "HCMC": "Ho Chi Minh City",
        "Saigon": "Ho Chi Minh City",
        "Bengaluru": "Bangalore",
        "Gurugram": "Gurgaon",
    }.get(city, city)


def locate(text: str | None) -> Place | None:
    """A place from a few words: a city, a country or its code (``"SG"``, ``"Kuala Lumpur, Malaysia"``), or None."""
    if not text:
        return None
    lexicon, codes = _gazetteer()
    if known := codes.get(text.strip().lower()):
        return known
    found = [place for place, _, _ in lexicon.find(words(text[:200]))]
    return next((place for place in found if place.city), found[0] if found else None)


def find_locations(documents: Sequence[Document]) -> list[EvidenceItem]:
    """One item per page and place."""
    items: list[EvidenceItem] = []
    for document in documents:
        url = document.page.url
        for node in document.nodes:
            for place in _structured_places(node):
                items.append(_item(place, url, f"address: {place.city or ''} {place.country}", 0.95))
        if document.is_legal:
            continue
        for line in document.lines:
            items.extend(
                _item(place, url, snippet, confidence) for place, snippet, confidence in _on_line(line, document)
            )
        if document.page.page_type in ("home", "about", "contact") and not document.is_article:
            for text in (document.title, document.description):
                items.extend(_item(place, url, snippet, 0.6) for place, snippet in _cued(text, ours=False))
    return items


def postal_address(documents: Sequence[Document]) -> bool:
    """Whether a page shows a Singapore address with its postal code."""
    return any(_POSTAL.search(line.text) for document in documents for line in document.lines)


def _on_line(line: Line, document: Document) -> Iterator[tuple[Place, str, float]]:
    text, page_type = line.text[:1_500], document.page.page_type
    if line.quoted or line.kind == "image":
        return
    found = [hit for hit in _gazetteer()[0].find(line.words) if _capitalised(text, hit[1])]
    elsewhere = page_type in ("customers", "integrations") or document.is_article
    if not elsewhere and (postal := _POSTAL.search(text)):
        yield Place("Singapore", "SG"), excerpt(text, postal.start(), postal.end()), 0.9
    if not found:
        return
    yield from ((place, snippet, 0.8) for place, snippet in _cued(text, ours=True))
    about_others = document.is_article or page_type in ("customers", "integrations", "pricing", "industries")
    if about_others and line.zone != "footer":
        return
    best = _most_specific(found)
    if (
        _ADDRESS.search(text)
        and (line.zone == "footer" or page_type in ("contact", "about", "home"))
        and len(line.words) <= 30
    ):
        if any(character.isdigit() for character in text):
            yield from ((place, excerpt(text, start, end), 0.8) for place, start, end in best)
    elif line.zone == "footer" and len(line.words) <= 6 and "©" not in text:
        yield from ((place, excerpt(text, start, end), 0.65) for place, start, end in best)
    elif page_type == "contact" and line.kind == "heading" and len(line.words) <= 5:
        yield from ((place, excerpt(text, start, end), 0.7) for place, start, end in best)
    elif page_type == "careers" and ((len(line.words) <= 10 and _is_posting(line)) or _LOOKING.search(text)):
        yield from ((place, excerpt(text, start, end), 0.6) for place, start, end in best)


def _is_posting(line: Line) -> bool:
    """A place in a list of jobs: the line is the place alone, or a job title with it."""
    return line.kind in ("item", "text") and "." not in line.text and not line.keys & {"you", "we", "our", "your"}


def _cued(text: str, *, ours: bool) -> Iterator[tuple[Place, str]]:
    """Places listed after "headquartered in", "offices in" and the like."""
    for cue in _CUE.finditer(text):
        if _NOT_OURS.search(text[max(0, cue.start() - 40) : cue.start()]):
            continue
        if cue[0].lower().startswith(("operat", "out of", "opens", "founded", "located")) and not ours:
            continue
        rest = re.split(
            r"[.;!?](?:\s|$)|\b(?:for|with|serving|where|which|since|but|to)\b",
            text[cue.end() : cue.end() + 160],
            maxsplit=1,
        )[0]
        hits = [hit for hit in _gazetteer()[0].find(words(rest)) if _capitalised(rest, hit[1])]
        if hits and hits[0][1] <= 30:
            for place, start, end in _most_specific(hits):
                yield place, excerpt(text, cue.start(), cue.end() + end if start >= 0 else cue.end())


def _capitalised(text: str, at: int) -> bool:
    return text[at : at + 1].isupper()


def _most_specific(hits: list[tuple[Place, int, int]]) -> list[tuple[Place, int, int]]:
    """Cities, and countries of which no city is named beside them."""
    with_city = {hit[0].country for hit in hits if hit[0].city}
    return [hit for hit in hits if hit[0].city or hit[0].country not in with_city]


def _structured_places(node: dict[str, Any]) -> Iterator[Place]:
    if not structured.is_organisation(node) and "jobposting" not in structured.types(node):
        return
    source: Any = node.get("address")
    if "jobposting" in structured.types(node):
        where = node.get("jobLocation")
        where = where[0] if isinstance(where, list) and where else where
        source = where.get("address") if isinstance(where, dict) else None
    for address in source if isinstance(source, list) else [source]:
        if isinstance(address, dict):
            country = locate(structured.string(address.get("addressCountry")))
            city = structured.string(address.get("addressLocality"))
            known = locate(city)
            if known and (country is None or known.country == country.country):
                yield known
            elif country:
                yield Place(
                    city.title()[:60] if city and city.replace(" ", "").isalpha() else country.city, country.country
                )
        elif isinstance(address, str) and (place := locate(address)):
            yield place


def _item(place: Place, url: str, snippet: str, confidence: float) -> EvidenceItem:
    return EvidenceItem("location", place.key, {"city": place.city, "country": place.country}, url, snippet, confidence)
