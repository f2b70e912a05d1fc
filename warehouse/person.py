"""Who is meant: from an address, a profile, a lead id or a name to the rows that are about one person.

Does not belong here: what is done with those rows (``removal``), and who may be known again (``suppression``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from warehouse import suppression
from warehouse.errors import WarehouseError

#: More leads of one tenant than a person can be: then the text names somebody else, such as the leads' owner.
MOST_LEADS = 25


class NotOnePerson(WarehouseError):
    """What was asked for names nobody, or more than one person."""


@dataclass(frozen=True)
class Asked:
    """What a person is called by.

    Attributes:
        emails, handles: in the forms of :mod:`warehouse.suppression`.
        tokens: the source's lead ids, or handles of LinkedIn profiles, as written.
        names: in small letters, with single spaces.
    """

    emails: frozenset[str] = frozenset()
    handles: frozenset[str] = frozenset()
    tokens: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Lead:
    """A lead that is the person."""

    tenant_id: int
    lead_id: int
    source_id: str


@dataclass(frozen=True)
class Contact:
    """A row of ``raw.contacts`` that is the person."""

    tenant_id: int
    contact_id: int
    company_id: int
    contact_key: str
    full_name: str | None
    work_email: str | None
    linkedin_url: str | None

    @property
    def handle(self) -> str | None:
        """Of the person's profile."""
        if self.contact_key.startswith("in:"):
            return suppression.handle(self.contact_key.removeprefix("in:"))
        return suppression.linkedin(self.linkedin_url or "")


@dataclass(frozen=True)
class Person:
    """Everything one person is known by.

    Attributes:
        tenant_id: the only tenant that is asked; None: all of them.
        names: looked for in rows of ``tenant_ids`` and of ``company_ids`` only, since names are shared.
        gone: ids of leads whose rows lie there no more (from the list, or of rejected rows), by tenant.
    """

    tenant_id: int | None
    emails: frozenset[str] = frozenset()
    handles: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    leads: tuple[Lead, ...] = ()
    contacts: tuple[Contact, ...] = ()
    gone: frozenset[tuple[int, str]] = frozenset()

    @property
    def lead_ids(self) -> frozenset[tuple[int, str]]:
        """(tenant, source's id) of every lead."""
        return self.gone | {(lead.tenant_id, lead.source_id) for lead in self.leads}

    @property
    def tenant_ids(self) -> frozenset[int]:
        """Tenants that know the person, and the one that is asked."""
        known = {lead.tenant_id for lead in self.leads} | {contact.tenant_id for contact in self.contacts}
        asked = set() if self.tenant_id is None else {self.tenant_id}
        return frozenset(known | {tenant for tenant, _ in self.gone} | asked)

    @property
    def company_ids(self) -> frozenset[int]:
        """Companies at which the person is a contact."""
        return frozenset(contact.company_id for contact in self.contacts)


def asked(texts: Sequence[str], *, one_tenant: bool) -> Asked:
    """Sort what was typed into addresses, profiles, ids and names.

    Args:
        one_tenant: whether one tenant is meant: ids and names say who only within one.

    Raises:
        NotOnePerson: a text that cannot name anybody, or only within a tenant.
    """
    emails, handles, tokens, names = set[str](), set[str](), set[str](), set[str]()
    for text in (text.strip() for text in texts):
        if not text or len(text) > 500 or "\x00" in text:
            raise NotOnePerson("A person is named by an e-mail address, a LinkedIn profile, a lead id or a full name.")
        if found := suppression.email(text):
            emails.add(found)
        elif found := suppression.linkedin(text):
            handles.add(found)
        elif not one_tenant:
            raise NotOnePerson(f"{text!r} says who only within one tenant: add --tenant.")
        elif len(text.split()) > 1:
            names.add(" ".join(text.lower().split()))
        else:
            tokens.add(text)
    return Asked(frozenset(emails), frozenset(handles), frozenset(tokens), frozenset(names))


def find(connection: psycopg.Connection, wanted: Asked, tenant_id: int | None) -> Person:
    """Everything in the warehouse that is this person.

    A contact that is the person adds its address, profile and name; a lead adds its id. Attributes of leads add
    nothing: one of them may name the lead's owner.

    Raises:
        NotOnePerson: more leads than a person can be, a name that several people have, or an id that nobody has.
    """
    person = Person(tenant_id, wanted.emails, wanted.handles | {suppression.handle(text) for text in wanted.tokens})
    by_name = not (wanted.emails or wanted.handles or wanted.tokens)
    while True:  # what one contact adds may lead to another
        contacts = _contacts(connection, person, wanted.names if by_name else frozenset())
        if contacts == person.contacts:
            break
        person = replace(
            person,
            contacts=contacts,
            emails=person.emails | {one.work_email.lower() for one in contacts if one.work_email},
            handles=person.handles | {found for one in contacts if (found := one.handle)},
        )
    person = replace(
        person,
        # a name of one word would be found in half of all texts
        names=wanted.names | {name for one in contacts if len((name := _name(one.full_name)).split()) > 1},
        leads=_leads(connection, person, wanted.tokens, wanted.names if by_name else frozenset()),
        gone=_rejected_leads(connection, person, wanted.tokens),
    )
    _refuse_crowds(person, by_name=by_name)
    if wanted.tokens and not (person.leads or person.contacts or person.gone):
        raise NotOnePerson(
            f"The tenant has no lead and no contact {', '.join(map(repr, sorted(wanted.tokens)))}. An e-mail address "
            "or a LinkedIn profile is remembered also where nothing of the person is here."
        )
    # An id is looked for as a handle too; it is one where something was found that has it as nothing else.
    used = {found for one in contacts if (found := one.handle)}
    if any(lead.source_id not in wanted.tokens for lead in person.leads):
        used |= person.handles
    return replace(person, handles=wanted.handles | (person.handles & used))


def _contacts(connection: psycopg.Connection, person: Person, names: Iterable[str]) -> tuple[Contact, ...]:
    rows = connection.execute(
        "select tenant_id, contact_id, company_id, contact_key, full_name, work_email, linkedin_url from raw.contacts"
        " where (%(tenant)s::int is null or tenant_id = %(tenant)s) and (lower(work_email) = any(%(emails)s)"
        " or lower(contact_key) = any(%(keys)s)"
        " or lower(substring(linkedin_url from 'linkedin\\.com/in/([^/?#]+)')) = any(%(handles)s)"
        " or lower(regexp_replace(trim(full_name), '\\s+', ' ', 'g')) = any(%(names)s)) order by 1, 2",
        {
            "tenant": person.tenant_id,
            "emails": list(person.emails),
            "handles": list(person.handles),
            "keys": [f"mail:{text}" for text in person.emails] + [f"in:{text}" for text in person.handles],
            "names": list(names),
        },
    ).fetchall()
    return tuple(Contact(*row) for row in rows)


def _leads(
    connection: psycopg.Connection, person: Person, tokens: Iterable[str], names: Iterable[str]
) -> tuple[Lead, ...]:
    rows = connection.execute(
        "select tenant_id, lead_id, source_id from raw.leads"
        " where (%(tenant)s::int is null or tenant_id = %(tenant)s) and (source_id = any(%(tokens)s)"
        " or lower(source_id) = any(%(words)s)"
        " or lower(substring(source_id from 'linkedin\\.com/in/([^/?#]+)')) = any(%(handles)s)"
        " or exists (select from jsonb_each_text(attributes) as said"
        " where lower(regexp_replace(trim(said.value), '\\s+', ' ', 'g')) = any(%(words)s)"
        " or lower(substring(said.value from 'linkedin\\.com/in/([^/?#]+)')) = any(%(handles)s))) order by 1, 2",
        {
            "tenant": person.tenant_id,
            "tokens": list(tokens),
            "handles": list(person.handles),
            "words": [*person.emails, *names],
        },
    ).fetchall()
    return tuple(Lead(*row) for row in rows)


def leads_of(connection: psycopg.Connection, ids: Collection[tuple[int, str]]) -> tuple[Lead, ...]:
    """The leads with these ids, as (tenant, source's id); ids that are not there are left out."""
    rows = connection.execute(
        "select tenant_id, lead_id, source_id from raw.leads"
        " join unnest(%s::int[], %s::text[]) as known (tenant_id, source_id) using (tenant_id, source_id)",
        ([tenant for tenant, _ in ids], [source_id for _, source_id in ids]),
    ).fetchall()
    return tuple(Lead(*row) for row in rows)


def _rejected_leads(
    connection: psycopg.Connection, person: Person, tokens: Iterable[str]
) -> frozenset[tuple[int, str]]:
    """Leads of which only a rejected row tells: an address that the mapping leaves out stands in the row's text."""
    rows = connection.execute(
        "select tenant_id, record_key, content from raw.rejected_rows where entity = 'leads'"
        " and tenant_id is not null and record_key is not null"
        " and (%(tenant)s::int is null or tenant_id = %(tenant)s)"
        " and (record_key = any(%(tokens)s) or content ilike any(%(likes)s))",
        {
            "tenant": person.tenant_id,
            "tokens": list(tokens),
            "likes": [f"%{like_literal(text)}%" for text in (*person.emails, *person.handles)],
        },
    ).fetchall()
    listed = set(tokens)
    return frozenset((tenant, key) for tenant, key, content in rows if key in listed or _holds(content, person))


def _holds(content: str, person: Person) -> bool:
    """Whether a value of a rejected record is the person's address or profile, and not only mentions it."""
    try:
        record = json.loads(content)
    except ValueError:  # it was cut
        return False
    values: Iterable[Any] = record.values() if isinstance(record, dict) else record
    texts = [value.strip().lower() for value in values if isinstance(value, str)]
    return any(text in person.emails or suppression.linkedin(text) in person.handles for text in texts)


def _refuse_crowds(person: Person, *, by_name: bool) -> None:
    for tenant_id in person.tenant_ids:
        leads = [lead for lead in person.leads if lead.tenant_id == tenant_id]
        contacts = {one.contact_key for one in person.contacts if one.tenant_id == tenant_id}
        if by_name and max(len(leads), len(contacts)) > 1:
            raise NotOnePerson(
                f"{max(len(leads), len(contacts))} people have this name. Say which: by e-mail address, LinkedIn "
                "profile or lead id."
            )
        if len(leads) > MOST_LEADS:
            raise NotOnePerson(
                f"That names {len(leads):,} leads of one tenant, which is not one person: perhaps it is an attribute "
                "such as the lead's owner. Name the lead by its id, with --tenant."
            )


def _name(full_name: str | None) -> str:
    return " ".join((full_name or "").lower().split())


def like_literal(text: str) -> str:
    """A text within a LIKE pattern, where it means itself."""
    return re.sub(r"([%_\\])", r"\\\1", text)
