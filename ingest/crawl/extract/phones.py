"""The number of a company's switchboard, never a person's; the same number always written the same way.

Not here: taking numbers out of text (``ingest.models.redaction``). The plans of countries are data: ``places.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from ingest.crawl.extract import structured
from ingest.crawl.extract.document import Document, Line
from ingest.crawl.extract.places import Numbering, country_of_domain, has_street, locate, numbering, plan_of
from ingest.crawl.extract.privacy import is_company_mailbox, named_before, named_behind, person_beside, personal_mail
from ingest.models.redaction import EMAIL
from ingest.models.redaction import PHONE as _PHONE

_TEL = (
    r"t|tel|telp|telef|tél|tlf|telephone|téléphone|tel[eé]fonos?|telefone|telefono|telefon|telepon|ph|phone"
    r"|call(?: us)?(?: at| on| now)?|rufnummer|zentrale"
)
_GENERAL = (
    r"hotline|helpline|switchboard|general (?:line|enquiries|inquiries)|enquiries|inquiries|reception|toll[- ]free"
    r"|freephone|customer (?:care|service)|standard|centralino|main(?: line)?"
)
_DESK = (
    r"talk to us|speak to us|office|headquarters|hq|sales|support|service|reservations?|bookings?|appointments?|orders"
    r"|general|contact(?: us)?|factory|showroom|clinic"
)
_BEFORE = re.compile(rf"(?<!\w)(?:{_TEL}|{_GENERAL}|{_DESK})(?!\w)[^\d+()]{{0,25}}$", re.I)
_GENERAL_BEFORE = re.compile(rf"(?<!\w)(?:{_GENERAL})(?!\w)[^\d+()]{{0,25}}$", re.I)
_AHEAD = re.compile(rf"\s*(?:{_TEL}|{_GENERAL}|office|reservations?)(?!\w)", re.I)
_FAX = re.compile(r"(?<!\w)(?:fax|f|telefax|téléc(?:opie)?)(?!\w)[^\d+]{0,12}$", re.I)
_PERSONAL = re.compile(
    r"(?<!\w)(?:hp|h/p|mobile?|mob|m|handphone|hand phone|cell|whats\s?app|direct|móvil|movil|handy|mobil|portable|gsm"
    r"|viber|telegram)(?!\w)[^\d+]{0,40}$",
    re.I,
)
# Figures that are no number to call.
_NUMBER_OF = re.compile(
    r"(?:\b(?:uen|reg(?:istration)?|gst|vat|tva|siren|siret|hrb|ust|abn|acn|cin|cif|iso|licen[cs]e|account|a/c|iban|id"
    r"|company no|roc|acra|since|bizsafe|order|invoice)\b|©|copyright)[^,;|]{0,25}$",
    re.I,
)
_YEARS = re.compile(r"(?:19|20)\d\d\s?[-–/]\s?(?:19|20)\d\d")
_ZERO = re.compile(r"\(\s?0\s?\)")
_ABROAD = re.compile(r"\s*\(?\s?(?:\+|00(?=[1-9]))")
# How much a mention counts: a number under the company's own structured data is its number; a bare one may be anything;
# a mobile phone belongs to somebody even where nobody is named.
_STRUCTURED, _STATED_GENERAL, _STATED, _BARE, _MOBILE = 2.0, 1.5, 1.0, 0.5, 0.5


def company_phone(documents: Sequence[Document], country: str | None) -> str | None:
    """The number stated most, in international form where its country is known; of equals the first.

    Args:
        country: where the company is (ISO 3166-1 alpha-2), if known; else the domain tells.
    """
    found: dict[str, float] = {}
    for document in documents:
        countries = [land for land in (country, country_of_domain(document.page.domain)) if land]
        for text, weight in _stated(document, countries):
            if normal := international(text, *countries):
                found[normal] = found.get(normal, 0) + weight * (_MOBILE if _is_mobile(normal) else 1)
    return max(found, key=lambda number: found[number]) if found else None


def international(number: str, *countries: str | None) -> str | None:
    """``(65) 6222-3344`` → ``+6562223344`` where that is certain, else the digits; None where it is no number.

    Args:
        countries: whose number it may be (ISO 3166-1 alpha-2), the likeliest first.
    """
    text = number.strip()
    abroad = _ABROAD.match(text)
    digits = re.sub(r"\D", "", _ZERO.sub("", text) if abroad else text)
    if not 7 <= len(digits) <= 15 or len(set(digits)) < 3:
        return None
    if abroad:
        digits = digits.removeprefix("00")
        return f"+{_without_trunk(digits)}"
    for plan in (numbering(country) for country in countries):
        if plan is None:
            continue
        national = digits.removeprefix(plan.trunk) if plan.trunk else digits
        if _is_whole(national, plan):
            return f"+{plan.calling}{national}"
        if digits.startswith(plan.calling) and _is_whole(digits.removeprefix(plan.calling), plan):
            return f"+{digits}"
    return digits


def _is_whole(national: str, plan: Numbering) -> bool:
    return plan.shortest <= len(national) <= plan.longest and bool(plan.first.match(national))


def _without_trunk(digits: str) -> str:
    """``440207…`` → ``44207…``: people write the prefix of calls within the country although it is not dialled."""
    plan = plan_of(digits)
    if plan is not None and plan.trunk == "0" and digits.startswith(plan.calling + "0"):
        return plan.calling + digits[len(plan.calling) + 1 :]
    return digits


def _is_mobile(number: str) -> bool:
    plan = plan_of(number.removeprefix("+")) if number.startswith("+") else None
    return plan is not None and plan.mobile is not None and bool(plan.mobile.match(number, len(plan.calling) + 1))


def _stated(document: Document, countries: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Numbers to call on a page, with how much each mention counts."""
    for node in document.nodes:
        if structured.is_organisation(node):
            for holder in (node, *structured.inner(node, "contactPoint")):
                text = structured.string(holder.get("telephone"))
                if text and (holder is node or "name" not in holder) and "person" not in structured.types(holder):
                    yield text, _STRUCTURED
    lines = [*document.menu, *document.lines]
    own = document.page.domain.split(".")[0]
    on_contact = document.page.page_type == "contact"
    of_others = document.is_article or document.is_legal or document.is_comparison
    for index, line in enumerate(lines):
        if of_others and line.zone == "main":
            continue
        for number, before, after in _numbers(line):
            if _FAX.search(before) or _PERSONAL.search(before) or _NUMBER_OF.search(before):
                continue
            if named_behind(after) or _is_of_somebody(before):
                continue
            linked = number in line.contacts
            general = bool(_GENERAL_BEFORE.search(before))
            labelled = general or bool(_BEFORE.search(before)) or (linked and bool(_AHEAD.match(line.text)))
            above = not labelled and _labelled_above(lines, index, before)
            if not (labelled or linked or above):
                if not (on_contact or line.zone == "footer" or _has_company_mail(line, document.page.domain)):
                    continue
                # Neither label nor link: only what is certainly a number of the company's country.
                if _YEARS.search(number) or not (international(number, *countries) or "").startswith("+"):
                    continue
            # A card reads name, title, number: who stands before a number is whom it calls. Without a label of its
            # own, whoever stands after it counts too.
            reach = 0 if labelled else 1
            # Beside the company's own address stands the company's own number.
            if not (general or has_street(before)) and (
                person_beside(lines, index, after=reach, own=own, itself=False)
                or personal_mail(lines, index, after=reach)
            ):
                continue
            number = unquote(number.removeprefix("tel:"))
            yield number, _STATED_GENERAL if general else _STATED if labelled or linked or above else _BARE


def _numbers(line: Line) -> Iterator[tuple[str, str, str]]:
    """Numbers of a line, each with the text between the number before it and the one after it; links first."""
    text = line.text[:1_000]
    matches = list(_PHONE.finditer(text))
    ends = [0, *(match.end() for match in matches)]
    starts = [*(match.start() for match in matches), len(text)]
    shown = {
        re.sub(r"\D", "", match[0]): (match[0], text[ends[at] : starts[at]], text[ends[at + 1] : starts[at + 1]])
        for at, match in enumerate(matches)
    }
    for contact in line.contacts:
        if contact.startswith("tel:"):
            digits = re.sub(r"\D", "", unquote(contact))
            same = next((key for key in shown if digits.endswith(key.lstrip("0")) or key.endswith(digits)), None)
            _, before, after = shown.pop(same) if same else ("", "" if shown else text, "")
            yield contact, before, after
    yield from shown.values()


def _is_of_somebody(before: str) -> bool:
    name = named_before(before)
    return name is not None and locate(name) is None


def _labelled_above(lines: Sequence[Line], index: int, before: str) -> bool:
    """The label may be a cell or line of its own before the number."""
    if before.strip():
        return False
    return any(
        not _FAX.search(lines[at].text[-40:])
        and (_BEFORE.search(lines[at].text[-40:] + " ") or lines[at].text.lower().endswith(("office", "tel", "phone")))
        for at in range(max(0, index - 2), index)
    )


def _has_company_mail(line: Line, domain: str) -> bool:
    return "@" in line.text and any(is_company_mailbox(match[0], domain) for match in EMAIL.finditer(line.text))
