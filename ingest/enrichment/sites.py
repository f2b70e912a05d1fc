"""Which domains are a company's own, and which addresses are a work address or the company's own address."""

from __future__ import annotations

import functools
import re
from importlib import resources

from ingest.domains import registrable_domain

_ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+'-]{0,63}@[A-Za-z0-9.-]{1,250}\.[A-Za-z]{2,63}")

# Mailboxes of a company, not of a person.
_ROLE_WORDS = """
info infos information contact contacts contactus hello hi hey mail email office admin administration enquiry
enquiries inquiry inquiries sales support help helpdesk service services customerservice customercare care team
general reception marketing press media pr news jobs career careers hr recruitment recruiting hiring talent
accounts account accounting finance billing invoice invoices orders order purchase purchasing procurement booking
bookings reservations events partners partner partnership partnerships business biz bd dev webmaster web postmaster
privacy legal compliance dpo security abuse feedback quote quotes quotation shop store logistics operations ops
main hq corporate talktous sayhello reservation export import
ask welcome kontakt vertrieb buero verkauf bewerbung connect getintouch talk us sg asia apac
"""
_ROLES = frozenset(_ROLE_WORDS.split())
_NOT_A_PERSONS = frozenset({"noreply", "no-reply", "donotreply", "example", "test", "user", "name", "email"})


@functools.cache
def _listed(name: str) -> frozenset[str]:
    text = resources.files("ingest.enrichment").joinpath(name).read_text(encoding="utf-8")
    return frozenset(filter(None, (line.split("#", 1)[0].strip() for line in text.splitlines())))


def is_directory(domain: str) -> bool:
    """Whether a registrable domain is a directory, a social network, a host of pages or the like."""
    return domain in _listed("not_company_sites.txt")


def is_free_mail(domain: str) -> bool:
    """Whether a registrable domain gives mailboxes to anybody."""
    return domain in _listed("free_mail.txt")


def mail_domain(address: str) -> str | None:
    """The registrable domain behind the @; None where this is no address."""
    return registrable_domain(address.rpartition("@")[2]) if _ADDRESS.fullmatch(address) else None


def work_address(address: object, domain: str | None) -> str | None:
    """A person's address at the company's own domain, in lower case; None for any other.

    Refused: free-mail providers, other companies, and the company's own mailboxes (info@), which are no person's.
    """
    text = address.strip().lower() if isinstance(address, str) else ""
    at = mail_domain(text)
    if at is None or domain is None or at != domain or is_free_mail(at):
        return None
    return None if is_role(text) or text.split("@")[0] in _NOT_A_PERSONS else text


def is_role(address: str) -> bool:
    """Whether an address names an office rather than a person: info@, sales.sg@, hr-team@."""
    words = [word for word in re.split(r"[^a-z]+", address.lower().partition("@")[0]) if word]
    return bool(words) and all(word in _ROLES for word in words)


def company_address(address: object, *, domain: str | None, name: str) -> str | None:
    """An address that may be kept with a company: an office's, or one that carries the company's name.

    Everything else could be a person's, and a person's data have no place in ``raw.companies``.
    """
    text = address.strip().lower() if isinstance(address, str) else ""
    at = mail_domain(text)
    if at is None:
        return None
    if is_role(text):
        return None if is_free_mail(at) else text
    local = re.sub(r"[^a-z0-9]", "", text.partition("@")[0])
    label = (domain or "").split(".")[0].replace("-", "")
    if len(label) < 4 or label not in local or not (at == domain or is_free_mail(at)):
        return None
    rest = local.replace(label, "", 1)
    return text if not rest or rest in _ROLES or rest.isdigit() else None
