"""What a site says about its company as a whole, company level only: mailbox and switchboard, never a person's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from ingest.crawl.extract import structured
from ingest.crawl.extract.document import Document, read
from ingest.crawl.extract.phones import company_phone
from ingest.crawl.extract.places import find_locations
from ingest.crawl.extract.privacy import Redactor, is_company_mailbox, person_beside, redactor
from ingest.crawl.extract.products import detected_products
from ingest.crawl.page import Page
from ingest.models.redaction import EMAIL

LONGEST_ABOUT = 1_200
SHORTEST_ABOUT = 60
_LINKEDIN = re.compile(r"^(?:https?:)?//(?:[a-z]{2,3}\.)?(?:www\.)?linkedin\.com/company/([\w%.&'’-]{1,120})", re.I)


@dataclass(frozen=True)
class CompanyProfile:
    """What goes into ``raw.companies``; None where the pages do not say.

    Attributes:
        hq_country: ISO 3166-1 alpha-2.
        tech_stack: products the site itself loads, sorted.
        email: a generic mailbox at the company's own domain.
        phone_number: the switchboard, in international form where the country is known.
    """

    about_text: str | None
    hq_city: str | None
    hq_country: str | None
    linkedin_url: str | None
    tech_stack: tuple[str, ...]
    email: str | None
    phone_number: str | None


def profile(pages: Sequence[Page]) -> CompanyProfile:
    """Read the company's profile from its pages; pages that are not ok count for nothing."""
    documents = [read(page) for page in pages if page.outcome == "ok"]
    return profile_of(documents, redactor(documents))


def profile_of(documents: Sequence[Document], cleaner: Redactor) -> CompanyProfile:
    """As :func:`profile`, from pages already parsed."""
    places = sorted(find_locations(documents), key=lambda item: -item.confidence)
    city = next((item.value["city"] for item in places if item.value["city"]), None)
    country = next((item.value["country"] for item in places), None)
    if city is not None:
        country = next(item.value["country"] for item in places if item.value["city"] == city)
    return CompanyProfile(
        about_text=_about(documents, cleaner),
        hq_city=city,
        hq_country=country,
        linkedin_url=_linkedin(documents),
        tech_stack=tuple(detected_products(documents)),
        email=_email(documents),
        phone_number=company_phone(documents, country),
    )


def linkedin_company(url: str) -> str | None:
    """``https://sg.linkedin.com/company/acme/about`` → ``https://www.linkedin.com/company/acme``; None for people."""
    match = _LINKEDIN.match(url.strip())
    if not match:
        return None
    slug = unquote(match[1]).strip("/. ").lower()
    return f"https://www.linkedin.com/company/{slug}" if slug and "@" not in slug else None


def _about(documents: Sequence[Document], cleaner: Redactor) -> str | None:
    for document in sorted(documents, key=lambda document: document.page.page_type != "about"):
        if document.page.page_type != "about":
            break
        if (text := _main_text(document, cleaner)) is not None:
            return text
    for document in sorted(documents, key=lambda document: document.page.page_type not in ("home", "about")):
        if len(document.description) >= SHORTEST_ABOUT:
            return _cut(cleaner.clean(document.description))
        for node in document.nodes:
            description = structured.string(node.get("description")) if structured.is_organisation(node) else None
            if description and len(description) >= SHORTEST_ABOUT:
                return _cut(cleaner.clean(description))
    home = next((document for document in documents if document.page.page_type == "home"), None)
    if home is None:
        return None
    return _main_text(home, cleaner) or (_cut(cleaner.clean(home.description)) if home.description else None)


def _main_text(document: Document, cleaner: Redactor) -> str | None:
    """The sentences of a page. Lines that name people or how to reach them say nothing about the company."""
    kept = []
    for index, line in enumerate(document.main):
        if len(line.words) < 8 or line.quoted or line.kind == "image" or EMAIL.search(line.text):
            continue
        if not person_beside([line], 0) and line.text not in kept and index < 400:
            kept.append(line.text)
    text = cleaner.clean(" ".join(kept))
    return _cut(text) if len(text) >= SHORTEST_ABOUT else None


def _cut(text: str) -> str:
    if len(text) <= LONGEST_ABOUT:
        return text
    shorter = text[:LONGEST_ABOUT]
    end = max(shorter.rfind(". "), shorter.rfind("! "), shorter.rfind("? "))
    return shorter[: end + 1] if end > LONGEST_ABOUT // 2 else shorter.rsplit(" ", 1)[0]


def _linkedin(documents: Sequence[Document]) -> str | None:
    found: dict[str, int] = {}
    for document in documents:
        addresses = list(document.links)
        for node in document.nodes:
            if structured.is_organisation(node):
                same = node.get("sameAs")
                addresses += [
                    link for link in (same if isinstance(same, list) else [same]) if isinstance(link, str)
                ] * 3
        for address in addresses:
            if normal := linkedin_company(address):
                found[normal] = found.get(normal, 0) + 1
    return max(found, key=lambda url: (found[url], -len(url), url)) if found else None


def _email(documents: Sequence[Document]) -> str | None:
    """The generic mailbox named most; mailboxes for general questions go before those of one department."""
    found: dict[str, int] = {}
    for document in documents:
        candidates = [unquote(link[7:].split("?")[0]) for link in document.links if link.lower().startswith("mailto:")]
        candidates += [
            text
            for node in document.nodes
            if structured.is_organisation(node)
            for holder in (node, *structured.inner(node, "contactPoint"))
            if (text := structured.string(holder.get("email")))
        ]
        candidates += [
            match[0]
            for line in [*document.menu, *document.lines]
            if "@" in line.text
            for match in EMAIL.finditer(line.text)
        ]
        for candidate in candidates:
            address = candidate.removeprefix("mailto:").strip().lower()
            if EMAIL.fullmatch(address) and is_company_mailbox(address, document.page.domain):
                found[address] = found.get(address, 0) + 1
    general = ("info@", "contact@", "hello@", "enquir", "inquir", "sales@", "general", "office")
    return min(found, key=lambda a: (not a.startswith(general), -found[a], a)) if found else None
