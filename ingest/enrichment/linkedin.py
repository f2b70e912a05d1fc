"""LinkedIn addresses in one form, and people and companies in the shapes that its scrapers give."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ingest.domains import registrable_domain
from ingest.enrichment.confirmation import identity
from ingest.enrichment.sites import work_address
from ingest.models.redaction import without_addresses
from models_py.matching.names import name_key

_LONGEST = 300  # characters of a name or a title


@dataclass(frozen=True)
class Person:
    """An employee as a scraper shows one, reduced to what a contact needs.

    Attributes:
        key: what makes the person one within a company: the profile's identifier, else the address, else the name.
        work_email: at the company's own domain; any other address is left behind here.
    """

    key: str
    full_name: str | None
    title: str | None
    linkedin_url: str | None
    work_email: str | None


def linkedin_url(link: object, kind: Literal["company", "in"]) -> str | None:
    """``https://sg.linkedin.com/company/Acme/about?x`` → ``https://www.linkedin.com/company/acme``.

    Regional hosts become www; tracking and sub-pages go. None for every other link: ``javascript:``, ``mailto:``,
    ``tel:``, ``*``, another host, another kind of page.
    """
    text = link.strip() if isinstance(link, str) else ""
    if not text or len(text) > 2_000 or any(ord(character) < 33 for character in text):
        return None
    if "://" not in text:
        if re.match(r"[a-z][a-z0-9+.-]*:(?!\d)", text, re.IGNORECASE):
            return None  # a scheme without a host
        text = f"https://{text.lstrip('/')}"
    try:
        parts = urllib.parse.urlsplit(text)
        host = (parts.hostname or "").lower().rstrip(".")
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not re.fullmatch(r"(?:[a-z0-9-]+\.)?linkedin\.com", host):
        return None
    steps = [step for step in parts.path.split("/") if step]
    if len(steps) < 2 or steps[0].lower() not in ((kind, "school", "showcase") if kind == "company" else (kind,)):
        return None
    name = urllib.parse.quote(urllib.parse.unquote(steps[1]).strip().lower(), safe="-_.~")
    if not re.fullmatch(r"[\w.~%-]{1,200}", name):
        return None
    return f"https://www.linkedin.com/{steps[0].lower()}/{name}"


def company_page(items: Sequence[dict[str, Any]], *, domain: str) -> str | None:
    """The LinkedIn page among found companies whose website is this domain. A namesake's is never taken."""
    for item in items:
        website = item.get("website")
        if isinstance(website, str) and registrable_domain(website) == domain:
            page = linkedin_url(item.get("linkedinUrl") or item.get("url"), "company")
            if page is not None:
                return page
    return None


def people(items: Sequence[dict[str, Any]], *, company_page: str | None, name: str, domain: str) -> list[Person]:
    """Employees of one company, each once, in the order given.

    Somebody whose listed present positions are all elsewhere is left out: scrapers return former employees and
    namesakes.
    """
    found: dict[str, Person] = {}
    for item in items:
        person = _person(item, company_page, name, domain)
        if person is not None:
            known = found.get(person.key)
            if known is None or (known.work_email is None and person.work_email is not None):
                found[person.key] = person
    return list(found.values())


def _person(item: dict[str, Any], page: str | None, name: str, domain: str) -> Person | None:
    positions = _positions(item)
    here = [position for position in positions if _is_current(position) and _is_at(position, page, name)]
    if positions and not here:
        return None
    titles = (position.get("position") or position.get("title") for position in here)
    title = next((text for text in titles if isinstance(text, str) and text.strip()), None)
    profile = linkedin_url(item.get("linkedinUrl") or item.get("profileUrl"), "in")
    handle = item.get("publicIdentifier") or item.get("public_id")
    if profile is None and isinstance(handle, str):
        profile = linkedin_url(f"https://www.linkedin.com/in/{handle}", "in")
    full_name = _full_name(item)
    address = next((found for text in _addresses(item) if (found := work_address(text, domain))), None)
    if profile is not None:
        key = f"in:{profile.rsplit('/', 1)[1]}"
    elif address is not None:
        key = f"mail:{address}"
    elif full_name is not None and name_key(full_name):
        key = f"name:{name_key(full_name)}"
    else:
        return None
    return Person(key, full_name, _clean(title or item.get("headline")), profile, address)


def _positions(item: dict[str, Any]) -> list[dict[str, Any]]:
    """What the person does and did; the long list where there is one, since it alone names titles and pages."""
    for name in ("experience", "experiences", "currentPosition", "currentPositions"):
        listed = item.get(name)
        if isinstance(listed, list) and any(isinstance(entry, dict) for entry in listed):
            return [entry for entry in listed if isinstance(entry, dict)]
    return []


def _is_current(position: dict[str, Any]) -> bool:
    end = position.get("endDate")
    if end is None and isinstance(position.get("timePeriod"), dict):
        end = position["timePeriod"].get("endDate")
    if isinstance(end, dict):
        return str(end.get("text", "")).strip().lower() == "present" if end else True
    return end is None or (isinstance(end, str) and end.strip().lower() in ("", "present"))


def _is_at(position: dict[str, Any], page: str | None, name: str) -> bool:
    """By the employer's page where both are known, else by its name."""
    its_page = linkedin_url(position.get("companyLinkedinUrl"), "company")
    if page is not None and its_page is not None and not its_page.rsplit("/", 1)[1].isdigit():
        return its_page == page
    universal = position.get("companyUniversalName")
    if page is not None and isinstance(universal, str) and universal:
        return page.endswith(f"/company/{universal.lower()}")
    employer = position.get("companyName")
    if not isinstance(employer, str) or not name_key(employer):
        return False
    theirs, mine = name_key(employer).split(), name_key(name).split()
    shorter = min(len(theirs), len(mine))
    return identity(employer) == identity(name) or (shorter >= 2 and theirs[:shorter] == mine[:shorter])


def _addresses(item: dict[str, Any]) -> list[Any]:
    """Addresses in the places where scrapers put them."""
    listed = item.get("emails")
    entries = listed if isinstance(listed, list) else []
    return [item.get("email"), item.get("workEmail")] + [
        entry.get("email") if isinstance(entry, dict) else entry for entry in entries
    ]


def _full_name(item: dict[str, Any]) -> str | None:
    parts = (item.get("firstName"), item.get("lastName"))
    joined = " ".join(part.strip() for part in parts if isinstance(part, str) and part.strip())
    return _clean(joined or item.get("fullName") or item.get("name"))


def _clean(text: Any) -> str | None:
    """One line without what Postgres' text cannot hold, and without the addresses and numbers that people put into
    their headlines; None where nothing is left."""
    if not isinstance(text, str):
        return None
    plain = without_addresses(text[: 10 * _LONGEST]).replace("\x00", " ").encode("utf-8", "replace").decode()
    return " ".join(plain.split())[:_LONGEST].strip() or None
