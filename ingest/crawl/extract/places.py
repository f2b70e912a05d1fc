"""Where a company is: addresses, offices, structured data. Where its customers are is not asked here."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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


class Numbering(NamedTuple):
    """How the telephone numbers of a country are made.

    Attributes:
        trunk: what is dialled before a number within the country; "" where nothing is.
        shortest: digits of a whole national number without it, at least.
        first: what such a number begins with.
    """

    calling: str
    trunk: str
    shortest: int
    longest: int
    mobile: re.Pattern[str] | None
    first: re.Pattern[str]


class _Gazetteer(NamedTuple):
    names: Lexicon[Place]
    countries: dict[str, Place]
    numbering: dict[str, Numbering]
    by_code: dict[str, Numbering]


_POSTAL = re.compile(r"\b(?:Singapore|S(?=\(|\s?\d))\s*\(?(\d{6})\)?(?!\d)", re.I)
_STREET = re.compile(
    r"\b(?:street|st\.?|road|rd|avenue|ave|jalan|jln|jl|lorong|lane|ln|drive|boulevard|blvd|blk|block|level|floor|suite"
    r"|unit|tower|building|bldg|plaza|cent(?:re|er)|crescent|park|way|place|square|court|close|house|mews|wharf|highway"
    r"|hwy|parkway|campus|estate|persiaran|lebuh|menara|taman|kav|soi|moo|nagar|marg|sector|plot|lot|phase|circle"
    r"|industrial area|p\.?o\.? box|stra(?:ss|ß)e|str\.|\w+stra(?:ss|ß)e|\w+str\.|platz|allee|weg|rue|quai|place|calle"
    r"|avenida|av\.|paseo|via|piazza|corso|viale|straat|\w+straat|\w+laan|plein|gata|\w+gatan|vej|gade|rua|quay)"
    r"(?!\w)",
    re.I,
)
_NUMBERED = re.compile(r"#\d\d-\d|\b\d{5,6}\b")
# What only addresses of one country look like: the city before its postal code or after it.
_CITY = r"((?:[A-ZÀ-Ý][\w.'’-]+ ){0,2}[A-ZÀ-Ý][\w'’-]+)"
_BY_CODE = tuple(
    (re.compile(pattern), country)
    for pattern, country in (
        (
            rf"(?:^|[,·•|–-]\s*){_CITY},? (?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]"
            r"|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]),? \d{5}(?:-\d{4})?\b",
            "US",
        ),
        (rf"(?:^|[,·•|–-]\s*){_CITY},? (?:ON|QC|BC|AB|MB|SK|NS|NB|NL|PE),? [A-Z]\d[A-Z] ?\d[A-Z]\d\b", "CA"),
        (rf"(?:^|[,·•|–-]\s*){_CITY},? (?:NSW|VIC|QLD|WA|SA|TAS|ACT|NT),? \d{{4}}\b", "AU"),
        (rf"(?:^|[,·•|–-]\s*){_CITY},? [A-Z]{{1,2}}\d[A-Z\d]? \d[A-Z]{{2}}\b", "GB"),
        (rf"\b\d{{4}} ?[A-Z]{{2}},? {{1,2}}{_CITY}", "NL"),
    )
)
# Postal codes of figures alone tell the city only together with the country of the site's own domain.
_AFTER_FIGURES = re.compile(rf"(?:^|[\s,·•|])(?:[A-Z]{{1,2}}-)?\d{{4,5}} {_CITY}")
_FIGURES = frozenset({"DE", "AT", "CH", "FR", "ES", "IT", "BE", "DK", "SE", "NO", "FI", "PL", "CZ", "PT"})
_NO_CITY = re.compile(
    r"(?:shire|Road|Street|Avenue|Lane|Court|House|Park|Square|Estate|Building|Suite|Floor|Box|Tel|Fax)$"
)
_CUE = re.compile(
    r"\b(?:headquartered in|head ?quarters?(?: in|:)|head office(?: in|:)?|hq(?: in|:)|based (?:in|out of)|located in"
    r"|offices?(?: in|:)|branch(?:es)? in|outlets? in|presence in|operat(?:e|es|ing) (?:in|out of|from)|agency in"
    r"|company in|firm in|studios? in|clinics? in|restaurants? in|hotels? in|founded in|born in|warehouses? in"
    r"|factory in|plant in|opens? in|out of|hubs? in|showrooms? in|facilit(?:y|ies) in|(?:team|people|staff|employees)"
    r" (?:of \d[\d,]* )?(?:across|in)|(?:distributed|spread) across"
    r"|(?:we )?(?:work|works|live|shifts|colleagues|workshop|kitchen|yard|labs?) in)\s+",
    re.I,
)
# In a title these speak of the trade ("restaurants in Penang"), not of where the company is.
_LOOSE = re.compile(r"operat|out of|opens|founded|located|restaurants|hotels|(?:team|people|staff|employees) ", re.I)
_OURS = re.compile(r"\b(?:we|our|us)\b|\b[Ww]e['’]", re.I)
_NOT_OURS = re.compile(
    r"\b(?:compan(?:y|ies)|customers?|clients?|business(?:es)?|startups?|buyers|importers|hosting|hosted|servers?"
    r"|data cent(?:re|er)s?|conference|those|people|teams|brands) (?:\w+ )?$",
    re.I,
)
# A footer that lists more places lists editions or dealers, not offices; LISTED is how sure such a one is.
MOST_LISTED, LISTED = 12, 0.65
_LOOKING = re.compile(r"\b(?:hiring|looking for|recruiting)\b", re.I)


@functools.cache
def _gazetteer() -> _Gazetteer:
    loaded = yaml.safe_load((Path(__file__).parent / "places.yaml").read_text(encoding="utf-8"))
    entries: list[tuple[str, Place]] = []
    countries: dict[str, Place] = {}
    numbering: dict[str, Numbering] = {}
    for country in loaded:
        code, cities = country["code"], [city.split("|") for city in country["cities"]]
        whole = Place(cities[0][0] if country.get("state") else None, code)
        countries[code.lower()] = whole
        entries += [(name, whole) for name in country["names"]]
        entries += [(name, Place(city[0], code)) for city in cities for name in city]
        if "phone" in country:
            calling, trunk, digits, mobile, *first = country["phone"].split()
            shortest, longest = digits.split("-")
            numbering[code] = Numbering(
                calling,
                trunk.removeprefix("-"),
                int(shortest),
                int(longest),
                None if mobile == "-" else re.compile(mobile),
                re.compile(first[0] if first else "[1-9]"),
            )
    by_code = {plan.calling: plan for plan in reversed(numbering.values())}
    return _Gazetteer(Lexicon(entries), countries, numbering, by_code)


def numbering(country: str | None) -> Numbering | None:
    """How the numbers of a country (ISO 3166-1 alpha-2) are made, where we know."""
    return _gazetteer().numbering.get(country or "")


def plan_of(digits: str) -> Numbering | None:
    """How a number that begins with a calling code is made; of countries that share a code, the first."""
    by_code = _gazetteer().by_code
    return next((by_code[digits[:length]] for length in (1, 2, 3) if digits[:length] in by_code), None)


def country_of_domain(domain: str) -> str | None:
    """The country of a domain's last label: ``acme.co.uk`` → GB; None for .com, .io, .ai and the like."""
    label = domain.rpartition(".")[2].lower()
    if label in ("co", "me", "ai", "io", "tv", "la", "ly", "gg", "sh", "so", "to", "cc", "fm", "vc"):
        return None
    known = _gazetteer().countries.get({"uk": "gb"}.get(label, label))
    return known.country if known else None


def locate(text: str | None) -> Place | None:
    """A place from a few words: a city, a country or its code (``"SG"``, ``"Kuala Lumpur, Malaysia"``), or None."""
    if not text:
        return None
    if known := _gazetteer().countries.get(text.strip().lower()):
        return known
    found = [place for place, _, _ in _gazetteer().names.find(words(text[:200]))]
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
        stated = [hit for index in range(len(document.lines)) for hit in _on_line(document, index)]
        # A line of an address may hold nothing but the country.
        with_city = {place.country for place, _, _ in stated if place.city}
        stated = [hit for hit in stated if hit[0].city or hit[0].country not in with_city]
        listed = {place.key for place, _, confidence in stated if confidence == LISTED}
        items.extend(
            _item(place, url, snippet, confidence)
            for place, snippet, confidence in stated
            if confidence != LISTED or len(listed) <= MOST_LISTED
        )
        if document.page.page_type in ("home", "about", "contact") and not document.is_article:
            for text in (document.title, document.description):
                items.extend(_item(place, url, snippet, 0.6) for place, snippet in _cued(text, headline=True))
    return items


def postal_address(documents: Sequence[Document]) -> bool:
    """Whether a page shows a Singapore address with its postal code."""
    return any(_POSTAL.search(line.text) for document in documents for line in document.lines)


def _on_line(document: Document, index: int) -> Iterator[tuple[Place, str, float]]:
    line, page_type = document.lines[index], document.page.page_type
    text = line.text[:1_500]
    if line.quoted or line.kind == "image":
        return
    elsewhere = page_type in ("customers", "integrations") or document.is_article
    if not (elsewhere and line.zone == "main") and (postal := _POSTAL.search(text)):
        yield Place("Singapore", "SG"), excerpt(text, postal.start(), postal.end()), 0.9
    found = [hit for hit in _gazetteer().names.find(line.words) if text[hit[1] : hit[1] + 1].isupper()]
    if found:
        about_us = page_type in ("home", "about", "contact") and not document.is_article
        yield from ((place, snippet, 0.8) for place, snippet in _cued(text, about_us=about_us))
    about_others = document.is_article or page_type in ("customers", "integrations", "pricing", "industries")
    if about_others and line.zone != "footer":
        return
    best = _most_specific(found)
    here = line.zone == "footer" or page_type in ("contact", "about", "home")
    if here and len(line.words) <= 30 and _in_address(document.lines, index):
        if best:
            yield from ((place, excerpt(text, start, end), 0.8) for place, start, end in best)
        else:
            yield from _by_postal_code(text, country_of_domain(document.page.domain))
    elif line.zone == "footer" and found and len(line.words) <= 6 and _names_only(text):
        yield from ((place, excerpt(text, start, end), LISTED) for place, start, end in best)
    elif page_type == "contact" and line.kind == "heading" and len(line.words) <= 5:
        yield from ((place, excerpt(text, start, end), 0.7) for place, start, end in best)
    elif page_type == "careers" and ((len(line.words) <= 10 and _is_posting(line)) or _LOOKING.search(text)):
        # A country alone is where people may work from, not where the company is.
        yield from ((place, excerpt(text, start, end), 0.6) for place, start, end in best if place.city)


def _in_address(lines: Sequence[Line], index: int) -> bool:
    """Whether a line is an address, or a short one directly below or above the street of one."""
    text = lines[index].text[:1_500]
    if has_street(text) or _NUMBERED.search(text):
        return True
    if len(lines[index].words) > 8 or lines[index].kind == "heading":
        return False
    for step, reach in ((-1, 3), (1, 1)):
        for at in range(index + step, index + step * (reach + 1), step):
            if not 0 <= at < len(lines) or lines[at].zone != lines[index].zone or len(lines[at].words) > 10:
                break
            if has_street(lines[at].text) and not lines[at].quoted:
                return True
    return False


def has_street(text: str) -> bool:
    """Whether a text holds a street with a number, or a postal code."""
    return any(character.isdigit() for character in text) and bool(_STREET.search(text) or _NUMBERED.search(text))


def _by_postal_code(text: str, country: str | None) -> Iterator[tuple[Place, str, float]]:
    """Cities that we have not heard of, where the way the address is written leaves no doubt of them."""
    patterns = [*_BY_CODE, *([(_AFTER_FIGURES, country)] if country in _FIGURES else [])]
    for pattern, land in patterns:
        if land and (match := pattern.search(text)) and not _NO_CITY.search(match[1]):
            yield Place(match[1].title() if match[1].isupper() else match[1], land), excerpt(text, *match.span()), 0.75
            return


def _names_only(text: str) -> bool:
    """``Acme GmbH, Berlin`` or ``London office``, but not ``Bars in Paris``."""
    return "©" not in text and all(
        not part[:1].islower() or part.strip(",.:") in ("and", "office", "offices", "branch", "hq", "und", "et", "y")
        for part in text.split()
    )


def _is_posting(line: Line) -> bool:
    """A place in a list of jobs: the line is the place alone, or a job title with it."""
    return line.kind in ("item", "text") and "." not in line.text and not line.keys & {"you", "we", "our", "your"}


def _cued(text: str, *, about_us: bool = True, headline: bool = False) -> Iterator[tuple[Place, str]]:
    """Places listed after "headquartered in", "offices in" and the like.

    Args:
        about_us: the page is about the company, so that a sentence without "we" may be too.
        headline: the text is a title or description.
    """
    for cue in _CUE.finditer(text):
        before = text[max(0, cue.start() - 120) : cue.start()]
        if _NOT_OURS.search(before[-40:]):
            continue
        if headline and _LOOSE.match(cue[0]):
            continue
        if not about_us and not _OURS.search(re.split(r"[.!?]\s", before)[-1] + cue[0]):
            continue
        rest = re.split(
            r"[.;!?](?:\s|$)|\b(?:for|with|serving|where|which|since|but|to)\b",
            text[cue.end() : cue.end() + 160],
            maxsplit=1,
        )[0]
        hits = [hit for hit in _gazetteer().names.find(words(rest)) if rest[hit[1] : hit[1] + 1].isupper()]
        if hits and hits[0][1] <= 30:
            for place, _, end in _most_specific(hits):
                yield place, excerpt(text, cue.start(), cue.end() + end)


def _most_specific(hits: list[tuple[Place, int, int]]) -> list[tuple[Place, int, int]]:
    """Cities, and countries of which no city is named beside them."""
    with_city = {hit[0].country for hit in hits if hit[0].city}
    return [hit for hit in hits if hit[0].city or hit[0].country not in with_city]


def _structured_places(node: dict[str, Any]) -> Iterator[Place]:
    kinds = structured.types(node)
    if structured.is_organisation(node):
        sources = [node.get("address"), *(place.get("address") for place in structured.inner(node, "location"))]
        sources += [place for place in structured.inner(node, "location") if "postaladdress" in structured.types(place)]
    elif "jobposting" in kinds:
        sources = [place.get("address") for place in structured.inner(node, "jobLocation")]
    else:
        return
    for source in sources:
        for address in source if isinstance(source, list) else [source]:
            if place := _structured_place(address):
                yield place


def _structured_place(address: Any) -> Place | None:
    if isinstance(address, str):
        return locate(address)
    if not isinstance(address, dict):
        return None
    country = locate(structured.string(address.get("addressCountry")))
    city = structured.string(address.get("addressLocality"))
    known = locate(city)
    if known and (country is None or known.country == country.country):
        return known
    if country is None:
        return None
    if city and city.replace(" ", "").replace("-", "").isalpha():
        return Place(city.title()[:60], country.country)
    return Place(country.city, country.country)


def _item(place: Place, url: str, snippet: str, confidence: float) -> EvidenceItem:
    return EvidenceItem("location", place.key, {"city": place.city, "country": place.country}, url, snippet, confidence)
