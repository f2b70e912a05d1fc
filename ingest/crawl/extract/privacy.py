"""Personal data stays outside: addresses, numbers and names of people are taken out of all that leaves this room.

A company's own mailbox (info@ at its own domain) and switchboard are no personal data; the rules that tell them apart
are here too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.crawl.extract import structured
from ingest.crawl.extract.document import Document, Line
from ingest.crawl.extract.text import words
from ingest.crawl.extract.titles import find_titles, is_weak
from ingest.domains import registrable_domain
from ingest.models.redaction import EMAIL, PHONE, without_addresses

NAME_GONE = "[name]"
_GENERIC_WORDS = """
info sales contact contactus hello support enquiries enquiry inquiries inquiry admin office mail email general hi help
helpdesk service services customerservice customercare care reception team ask welcome marketing business booking
studio clinic shop store agency web webmaster bookings reservations reservation orders
order feedback main hq corporate connect talktous sayhello
"""
_GENERIC = frozenset(_GENERIC_WORDS.split())
_NAME_WORD = r"(?:[A-Z][a-zà-ÿ'’]+(?:-[A-Z][a-zà-ÿ]+)?|[A-Z]\.|[A-Z]{2,12})"
_LINK_WORD = r"(?:bin|binte|binti|s/o|d/o|a/l|a/p|de|van|von|der|al|bt|Mc[A-Z][a-z]+)"
_NAME = rf"{_NAME_WORD}(?:\s+(?:{_NAME_WORD}|{_LINK_WORD})){{0,4}}"
_NAME_BEFORE = re.compile(rf"(?:^|(?<=[^\w]))({_NAME})\s*(?:,|[-–—|/·:]|\()\s*$")
_NAME_AFTER = re.compile(rf"^\s*[,:–—-]?\s*(?:(?:Mr|Ms|Mrs|Mdm|Dr)\.?\s+)?({_NAME_WORD}(?:\s+{_NAME_WORD}){{1,3}})\b")
_NAME_ONLY = re.compile(rf"^\s*(?:[-–—~•]\s*)?((?:(?:Mr|Ms|Mrs|Mdm|Dr)\.?\s+)?{_NAME})\s*[,.]?\s*$")
_ATTRIBUTED = re.compile(rf"^\s*[-–—~]\s*({_NAME_WORD}(?:\s+{_NAME_WORD}){{1,3}})\s*$")
_NAME_OPENS = re.compile(
    r"(?:^\W*|\(|\b(?:contact|attn|attention|ask for|call|speak to|person|kontakt|ansprechpartner\w*)\W+)"
    rf"({_NAME})\s*[,():–—|-]"
)
_NAME_BEHIND = re.compile(
    rf"\s*[-–—,/]?\s*(?:\((?:ask for |attn:? )?({_NAME})\)|(?:ask for|attn:?)\s+[A-Z]|[-–—]\s*(?:Mr|Ms|Mrs|Mdm|Dr)\b)"
)
_SALUTED = re.compile(rf"\b(?:Mr|Ms|Mrs|Mdm|Dr)\.?\s+({_NAME_WORD}(?:\s+{_NAME_WORD}){{0,3}})")
# Capitalised words that open no person's name.
_NO_NAME_WORDS = """
the our your we a an and for by with from meet contact call email phone about home team sales marketing finance
customer customers hr it support success operations product engineering business company group head chief senior
regional global director manager careers jobs pte ltd inc llc sdn bhd gmbh limited holdings industries solutions
services technologies technology systems foods logistics partners consulting singapore malaysia indonesia vietnam
thailand asia hong kong united kingdom states new apply read more learn general enquiries office tel fax hotline
mobile case study story built mon tue wed thu fri sat sun monday tuesday wednesday thursday friday saturday sunday
weekdays daily hours hrs am pm main line hq headquarters reception hotline support bookings orders appointments house
street road avenue trusted loved used made vp ceo cfo coo cto founder account executive software data analytics full
time part hybrid
"""
_NO_NAME = frozenset(_NO_NAME_WORDS.split())
_PERSONAL_LABEL = re.compile(r"\b(?:hp|h/p|mobile|mob|handphone|cell|whatsapp|direct|móvil|handy)\b", re.I)


@dataclass(frozen=True)
class Redactor:
    """Takes personal data out of text of one company's pages.

    Attributes:
        names: people the pages name, longest first.
    """

    names: tuple[str, ...] = ()

    def clean(self, text: str) -> str:
        """The text without e-mail addresses, phone numbers and names of people."""
        text = without_addresses(text)
        for name in self.names:
            if name in text:
                text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", NAME_GONE, text)
        return _without_titled_names(text)

    def is_clean(self, text: str) -> bool:
        """Whether there is nothing personal in a value."""
        return not (EMAIL.search(text) or PHONE.search(text) or any(name in text for name in self.names))


def is_company_mailbox(address: str, domain: str) -> bool:
    """Whether an address is a generic mailbox at the company's own domain: ``info@``, never ``jane.tan@``."""
    local, _, host = address.lower().strip().partition("@")
    return local.replace("-", "").replace("_", "").replace(".", "") in _GENERIC and registrable_domain(host) == domain


def redactor(documents: Sequence[Document]) -> Redactor:
    """Learn whom the pages name: beside job titles, as persons in structured data, by their own address."""
    names: set[str] = set()
    for document in documents:
        for node in document.nodes:
            if "person" in structured.types(node) and (name := structured.string(node.get("name"))):
                names.update(_if_name(name))
        names.update(_names_on(document.lines))
    return Redactor(tuple(sorted(names, key=lambda name: (-len(name), name))))


def person_beside(lines: Sequence[Line], index: int, *, after: int = 1, own: str = "", itself: bool = True) -> bool:
    """Whether a line, one of the two before it or the next names a person; of a table, only its own row counts.

    Args:
        after: how many lines below count.
        own: the company's name as its domain has it, which is nobody's although it may look so.
        itself: whether the line counts, or only those around it.
    """
    line = lines[index]
    for at in range(max(0, index - 2), min(len(lines), index + after + 1)):
        other = lines[at]
        if other.row != line.row or other.zone != line.zone or (at == index and not itself):
            continue
        if _is_personal(other.text):
            return True
        # Name, title, number: a sentence between them parts them.
        near = line.row or at >= index - 1 or len(lines[index - 1].words) <= 8
        if near and (line.row or other.kind in ("heading", "text", line.kind)):
            name = _NAME_ONLY.match(other.text[:80])
            if name and _if_name(name[1]) and not _is_own(name[1], own):
                return True
    return False


def personal_mail(lines: Sequence[Line], index: int, *, after: int = 1) -> bool:
    """Whether an address of a person stands in a line, the one before it or the next, of the same row and zone."""
    for at in range(max(0, index - 1), min(len(lines), index + after + 1)):
        if lines[at].row != lines[index].row or lines[at].zone != lines[index].zone:
            continue
        for address in _addresses(lines[at]):
            host = registrable_domain(address.rpartition("@")[2])
            if host is None or not is_company_mailbox(address, host):
                return True
    return False


def named_before(text: str) -> str | None:
    """The person whom the text before a number begins with or asks for: ``"Silke Maurer, Tel. "``; None for none."""
    match = _NAME_OPENS.search(text[-120:])
    if match and _if_name(match[1]):
        return match[1]
    return text if _without_titled_names(text[-200:]) != text[-200:] else None


def named_behind(text: str) -> bool:
    """Whether somebody is named right after a number: ``" (Sharon)"``, ``" – ask for Jane"``."""
    match = _NAME_BEHIND.match(text[:80])
    return bool(match and (match[1] is None or not _common(match[1])))


def looks_like_name(text: str) -> bool:
    """Whether a whole line reads like a person's name: two to five capitalised words, none of them a common one."""
    match = _NAME_ONLY.match(text[:80])
    return bool(match and _if_name(match[1]))


def _is_personal(text: str) -> bool:
    if _PERSONAL_LABEL.search(text[:300]) or _ATTRIBUTED.match(text[:80]):
        return True
    return _without_titled_names(text[:600]) != text[:600]


def _names_on(lines: Sequence[Line]) -> set[str]:
    names: set[str] = set()
    for index, line in enumerate(lines):
        text = line.text
        for title in find_titles(text, line.words):
            before = _NAME_BEFORE.search(text, max(0, title.start() - 60), title.start())
            if before:
                names.update(_if_name(before[1]))
            elif not text[: title.start()].strip() and index and not is_weak(title[0]):
                above = _NAME_ONLY.match(lines[index - 1].text[:80])
                names.update(_if_name(above[1]) if above else ())
        if len(text) < 80 and line.quoted and (attributed := _ATTRIBUTED.match(text)):
            names.update(_if_name(attributed[1]))
        for address in _addresses(line):
            if address.partition("@")[0].lower() not in _GENERIC:
                names.update(_named_beside(lines, index))
                break
    return names


def _addresses(line: Line) -> Iterable[str]:
    yield from (contact[7:] for contact in line.contacts if contact.startswith("mailto:"))
    if "@" in line.text:
        yield from (match[0] for match in EMAIL.finditer(line.text))


def _named_beside(lines: Sequence[Line], index: int) -> set[str]:
    """A line that is nothing but a name, up to two lines before a personal address."""
    found: set[str] = set()
    for at in range(max(0, index - 2), index + 1):
        if match := _NAME_ONLY.match(lines[at].text[:80]):
            found.update(_if_name(match[1]))
    return found


def _if_name(text: str) -> set[str]:
    name = " ".join(re.sub(r"^(?:Mr|Ms|Mrs|Mdm|Dr)\.?\s+", "", text).split()).strip(" ,.")
    parts = name.split()
    if not 2 <= len(parts) <= 5 or any(part.strip(".").lower() in _NO_NAME for part in parts):
        return set()
    return {name}


def _is_own(name: str, own: str) -> bool:
    letters = re.sub(r"[^a-z0-9]", "", name.lower())
    return len(own) > 3 and (letters.startswith(own) or own.startswith(letters))


def _without_titled_names(text: str) -> str:
    """``"Jane Tan, Head of Sales"`` → ``"[name], Head of Sales"``; so for ``"CEO Jane Tan"`` and ``"Mr Tan"``."""
    text = _SALUTED.sub(NAME_GONE, text)
    pieces, last = [], 0
    for title in find_titles(text, words(text)):
        if title.start() < last:
            continue
        before = _NAME_BEFORE.search(text[max(last, title.start() - 60) : title.start()])
        if before and not _common(before[1]):
            offset = max(last, title.start() - 60)
            pieces += [text[last : offset + before.start(1)], NAME_GONE, text[offset + before.end(1) : title.end()]]
            last = title.end()
        elif not is_weak(title[0]) and (after := _NAME_AFTER.match(text[title.end() : title.end() + 60])):
            if text[title.end() : title.end() + 2].strip()[:1] in (",", ":", "-", "–", "—") or _common(after[1]):
                continue
            start = title.end() + after.start(1)
            pieces += [text[last:start], NAME_GONE]
            last = title.end() + after.end(1)
    return "".join(pieces) + text[last:] if pieces else text


def _common(name: str) -> bool:
    return any(part.strip(".").lower() in _NO_NAME for part in name.split())
