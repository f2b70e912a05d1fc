"""What a site says about its company as a whole, company level only: mailbox and switchboard, never a person's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ingest.crawl.extract import structured
from ingest.crawl.extract.document import Document, Line, read
from ingest.crawl.extract.places import find_locations
from ingest.crawl.extract.privacy import Redactor, is_company_mailbox, person_beside, redactor
from ingest.crawl.extract.products import detected_products
from ingest.crawl.page import Page
from ingest.domains import registrable_domain
from ingest.models.redaction import EMAIL
from ingest.models.redaction import PHONE as _PHONE

LONGEST_ABOUT = 1_200
SHORTEST_ABOUT = 60
_PHONE_LABEL = re.compile(
    r"\b(?:t|tel|telephone|phone|call(?: us)?(?: at| on)?|hotline|main(?: line)?|talk to us|speak to us|general line"
    r"|office|enquiries|reservations?|general)\b[^\d+()]{0,25}$",
    re.I,
)
_LABEL_FIRST = re.compile(
    r"\s*(?:t|tel|telephone|phone|call|hotline|main|office|general|enquiries|reservations?)\b", re.I
)
_FAX = re.compile(r"\bfax\b[^\d+]{0,12}$", re.I)
_PERSONAL = re.compile(r"\b(?:hp|h/p|mobile|mob|handphone|cell|whatsapp)\b[^\d+]{0,25}$", re.I)
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
        phone_number=_phone(documents, country),
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
            if structured.is_organisation(node) and (text := structured.string(node.get("email")))
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


def _phone(documents: Sequence[Document], country: str | None) -> str | None:
    found: dict[str, float] = {}
    if country is None and documents and documents[0].page.domain.endswith(".sg"):
        country = "SG"
    for document in documents:
        for node in document.nodes:
            if structured.is_organisation(node) and (text := structured.string(node.get("telephone"))):
                _count(found, text, country, 2.0)
        for number in _numbers_on([*document.menu, *document.lines]):
            _count(found, number, country, 1.0)
    return max(found, key=lambda number: (found[number], number)) if found else None


def _numbers_on(lines: Sequence[Line]) -> Iterator[str]:
    """Numbers of links and after a label, where no person is near."""
    for index, line in enumerate(lines):
        linked = [unquote(contact[4:]) for contact in line.contacts if contact.startswith("tel:")]
        candidates = [(number, bool(_LABEL_FIRST.match(line.text))) for number in linked]
        for match in _PHONE.finditer(line.text[:1_000]):
            before = line.text[: match.start()]
            if _FAX.search(before) or _PERSONAL.search(before):
                continue
            if _PHONE_LABEL.search(before):
                candidates.append((match[0], True))
            elif _labelled_before(lines, index, match.start()):
                candidates.append((match[0], False))
        for number, labelled in candidates:
            # A card reads name, title, number: who stands before a number is whom it calls. Without a label of its
            # own, whoever stands after it counts too.
            after = 0 if labelled else 1
            if not person_beside(lines, index, after=after) and not _personal_mail(lines, index, after):
                yield number


def _labelled_before(lines: Sequence[Line], index: int, start: int) -> bool:
    """The label may be a cell or line of its own before the number."""
    if lines[index].text[:start].strip():
        return False
    return any(
        _PHONE_LABEL.search(lines[at].text[-40:] + " ") or lines[at].text.lower().endswith(("office", "tel", "phone"))
        for at in range(max(0, index - 2), index)
    )


def _personal_mail(lines: Sequence[Line], index: int, after: int) -> bool:
    """Whether an address of a person stands in the same place."""
    for at in range(max(0, index - 1), min(len(lines), index + after + 1)):
        if lines[at].row != lines[index].row or lines[at].zone != lines[index].zone:
            continue
        addresses = [contact[7:] for contact in lines[at].contacts if contact.startswith("mailto:")]
        addresses += [match[0] for match in EMAIL.finditer(lines[at].text)] if "@" in lines[at].text else []
        for address in addresses:
            local, _, host = address.lower().partition("@")
            if not is_company_mailbox(f"{local}@{host}", _domain_of(host)):
                return True
    return False


def _domain_of(host: str) -> str:
    return registrable_domain(urlsplit(f"//{host}").hostname or "") or ""


def _count(found: dict[str, float], number: str, country: str | None, weight: float) -> None:
    if normal := international(number, country):
        found[normal] = found.get(normal, 0) + weight


def international(number: str, country: str | None) -> str | None:
    """``(65) 6222-3344`` → ``+6562223344`` where that is certain, else the digits; None where it is no number."""
    digits = re.sub(r"\D", "", number)
    if not 7 <= len(digits) <= 15 or len(set(digits)) < 3:
        return None
    if number.strip().lstrip("(").startswith("+"):
        return f"+{digits}"
    if country == "SG" and len(digits) == 8 and digits[0] in "3689":
        return f"+65{digits}"
    if country == "SG" and len(digits) == 10 and digits.startswith("65"):
        return f"+{digits}"
    return digits
