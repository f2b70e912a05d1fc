"""Is this site that company's? Decided by where the name stands on its home page, not by whether it occurs.

A directory, a newspaper and a domain for sale name many companies. An owner names itself: in the structured data
about the organisation, in the name of the site, behind the copyright sign, in the title of a domain that is
named alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from selectolax.lexbor import LexborHTMLParser

from ingest.crawl.page import Page
from ingest.domains import registrable_domain
from ingest.enrichment.sites import is_directory
from models_py.matching.names import fold, name_key

_LONGEST_TEXT = 400_000
# Words that a company's site may add to its name or leave out: places, and what groups are called.
_PLACE_WORDS = """
asia asean pacific apac global international intl world worldwide singapore sg malaysia indonesia thailand vietnam
philippines hong kong hk china india japan korea australia uk usa us europe group holdings holding company official
website site home homepage welcome to the of and for
"""
# Words that many names share: alone they identify nobody.
_TRADE_WORDS = """
enterprise enterprises industries industry industrial services service solutions solution consulting consultancy
consultants trading engineering construction contractor contractors technologies technology tech systems system digital
media management marketing logistics design designs studio studios agency partners associates ventures capital
investment investments online com best
"""
_OPTIONAL = frozenset(_PLACE_WORDS.split())
GENERIC = _OPTIONAL | frozenset(_TRADE_WORDS.split())
_PARKED = re.compile(
    r"domain (?:name )?(?:is |may be )?(?:available )?for sale|buy this domain|this domain is parked"
    r"|\.[a-z]{2,} (?:is|may be) (?:available )?for sale|parked (?:free|domain)|domain parking"
    r"|make an offer on this domain|inquire about this domain"
    r"|domain has expired|renew your domain"
    r"|domain is registered|related searches:|future home of|website is coming soon|site is under construction"
    r"|welcome to nginx|apache2 .{0,20}default page|it works!|index of /|default web ?site page|account suspended",
    re.IGNORECASE,
)
_SHORT = 1_500  # characters: on a longer page such words are about something else
_SOME_TEXT = 100  # characters without which a mention of the name says nothing
_OWNER = re.compile(
    r"(?:©|\(c\)|&copy;|\bcopyright\b)[\s©]*(?:\(c\))?[\s,]*(?:(?:19|20)\d\d(?:\s*[-–—]\s*(?:(?:19|20)\d\d|present|now))?)?"
    r"[\s,|:–—-]*(?:by\s+)?(?P<owner>[^|•·©\n]{2,120})",
    re.IGNORECASE,
)
_OWNER_END = re.compile(
    r"\ball rights\b|\balle rechte\b|\(?\b(?:19|20)\d\d\b|\b(?:powered|designed|website) by\b", re.I
)
_SEPARATOR = re.compile(r"\s+[-–—:|•·»]\s+|\s*[|•·»]\s*|\s[-–—]\s|:\s")
_DOMAINLIKE = re.compile(r"\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b", re.IGNORECASE)
_ORGANISATION = re.compile(
    r"Organi[sz]ation|Corporation|LocalBusiness|Business$|Store$|Service$|Restaurant|Agency$|Company"
)


@dataclass(frozen=True)
class Confirmation:
    """Whether a site is the company's, and why, in a sentence."""

    confirmed: bool
    reason: str


@dataclass(frozen=True)
class _Marks:
    """What a home page says about its owner."""

    organisations: tuple[tuple[str, str | None], ...]  # name, and the domain of its address where one is given
    site_name: str | None
    owners: tuple[str, ...]
    title_parts: tuple[str, ...]
    words: str  # the visible text, folded, without addresses of sites


def confirm(page: Page, name: str) -> Confirmation:
    """Whether the home page ``page`` is that of the company ``name``."""
    if page.outcome != "ok":
        return Confirmation(False, f"{page.domain} could not be read: {page.reason or page.outcome}")
    domain = registrable_domain(page.url) or page.domain
    if is_directory(domain):
        return Confirmation(False, f"{domain} is a directory or a platform, not a company's own site")
    text = page.text[:_LONGEST_TEXT]
    if _PARKED.search(page.title or "") or (len(text) < _SHORT and _PARKED.search(text)):
        return Confirmation(False, f"{domain} is parked, for sale or empty")
    key = name_key(name)
    marks = _marks(page, text)
    fits = label_fits(domain, key)
    for organisation, own_domain in marks.organisations:
        if _is_name(organisation, key) and own_domain in (None, domain) and (fits or len(marks.organisations) == 1):
            return Confirmation(True, f"{domain} gives the name as its organisation's")
    if marks.site_name is not None and _is_name(marks.site_name, key):
        return Confirmation(True, f"{domain} gives the name as its own")
    if any(_is_name(owner, key) for owner in marks.owners):
        return Confirmation(True, f"{domain} has the name behind its copyright sign")
    owners = (*(named for named, own in marks.organisations if own in (None, domain)), *marks.owners)
    others = [owner for owner in owners if not _shares(owner, key)]
    if others:
        return Confirmation(False, f"{domain} names another owner: {others[0][:60]}")
    # "Greenpack Consulting" may be what Greenpack calls itself on greenpack.sg; on greenpack-it.sg it is another one.
    fits = fits and (not owners or label_fits(domain, key, wholly=True))
    if fits and any(_is_name(part, key) for part in marks.title_parts):
        return Confirmation(True, f"{domain} has the name in its title")
    if fits and len(text) >= _SOME_TEXT and _stands_in(key, marks.words):
        return Confirmation(True, f"{domain} is named alike and the name stands on it")
    if _stands_in(key, marks.words):
        return Confirmation(False, f"{domain} mentions the name, but nothing says that the site is the company's own")
    return Confirmation(False, f"the name does not stand on {domain}")


def identity(name: str) -> str:
    """What is equal for names that are taken for the same: no legal form, places, words of groups or spaces."""
    key = name_key(name)
    return "".join(_essential(key)) or key.replace(" ", "")


def title_identities(title: str) -> set[str]:
    """The identities of a title's parts: one of "Greenpack – eco packaging" is that of Greenpack."""
    return {found for part in _SEPARATOR.split(title) if (found := identity(part))}


def label_fits(domain: str, key: str, *, wholly: bool = False) -> bool:
    """Whether a domain is named like the company: its words joined, generic ones or not.

    Args:
        wholly: nothing else may follow the name.
    """
    label = domain.split(".")[0].replace("-", "")
    words = key.split()
    core = "".join([word for word in words if word not in GENERIC] or words)
    return label in {"".join(words), core} or (not wholly and len(core) >= 5 and label.startswith(core))


def is_telling(name: str) -> bool:
    """Whether a name can identify a site at all: more than generic words, at least three characters."""
    core = [word for word in name_key(name).split() if word not in GENERIC]
    return len("".join(core)) >= 3 and not "".join(core).isdigit()


def _is_name(text: str, key: str) -> bool:
    """Equal but for legal forms, places and words of groups; ``green pack`` is ``greenpack``."""
    found = name_key(text)
    joined = found.replace(" ", "") == key.replace(" ", "")
    return bool(found) and (joined or (bool(_essential(key)) and identity(text) == identity(key)))


def _essential(key: str) -> list[str]:
    return [word for word in key.split() if word not in _OPTIONAL]


def _shares(owner: str, key: str) -> bool:
    """Whether one name is the other with words left out: ``Greenpack Packaging`` and ``Greenpack``."""
    theirs, mine = set(name_key(owner).split()) - GENERIC, set(key.split()) - GENERIC
    return not theirs or theirs <= mine or mine <= theirs or "".join(sorted(theirs)) == "".join(sorted(mine))


def _stands_in(key: str, words: str) -> bool:
    core = " ".join(_essential(key))
    return f" {key} " in words or (len(core) >= 4 and f" {core} " in words)


def _marks(page: Page, text: str) -> _Marks:
    tree = LexborHTMLParser(page.html[:3_000_000]) if page.html else None
    site_name = None
    title = page.title
    organisations: list[tuple[str, str | None]] = []
    if tree is not None:
        meta = tree.css_first('meta[property="og:site_name"], meta[name="application-name"]')
        site_name = (meta.attributes.get("content") or "").strip() or None if meta is not None else None
        title = title or (node.text(strip=True) if (node := tree.css_first("title")) is not None else None)
        for node in tree.css('script[type="application/ld+json"]')[:20]:
            organisations.extend(_organisations(node.text()))
    owners: list[str] = []
    for found in _OWNER.finditer(text):
        owner = _OWNER_END.split(found["owner"], maxsplit=1)[0].strip(" .,-–—")
        if 2 <= len(owner) <= 80 and len(owners) < 5:
            owners.append(owner)
    return _Marks(
        organisations=tuple(dict.fromkeys(organisations)),
        site_name=site_name,
        owners=tuple(owners),
        title_parts=tuple(part for part in _SEPARATOR.split(title or "") if part.strip()),
        words=f" {fold(_DOMAINLIKE.sub(' ', text))} ",
    )


def _organisations(text: str) -> Iterator[tuple[str, str | None]]:
    """Names of organisations in a block of JSON-LD, with the domain that each gives as its own."""
    try:
        block = json.loads(text)
    except (ValueError, RecursionError):
        return
    waiting: list[tuple[Any, int]] = [(block, 0)]
    seen = 0
    while waiting and seen < 500:
        item, depth = waiting.pop()
        seen += 1
        if isinstance(item, list):
            waiting.extend((inner, depth + 1) for inner in item[:100] if depth < 6)
        elif isinstance(item, dict):
            kinds = item.get("@type")
            kinds = kinds if isinstance(kinds, list) else [kinds]
            if any(isinstance(kind, str) and _ORGANISATION.search(kind) for kind in kinds):
                url = item.get("url")
                for name in (item.get("name"), item.get("legalName")):
                    if isinstance(name, str) and name.strip():
                        yield name.strip()[:120], registrable_domain(url) if isinstance(url, str) else None
            waiting.extend((item[key], depth + 1) for key in ("@graph", "publisher", "mainEntity") if key in item)
