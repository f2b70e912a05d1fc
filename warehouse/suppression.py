"""Who was forgotten, known again without being known: keyed hashes of addresses, profiles and lead ids.

Belongs here: how identifiers are written in one form and hashed, the key, and asking whether something is on the list.
Does not belong here: removing a person (``forget``); what a load does with a row that is on the list.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import urllib.parse
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import psycopg

from warehouse.errors import WarehouseError
from warehouse.settings import Settings

Kind = Literal["email", "linkedin", "lead", "row"]
Treatment = Literal["anonymised", "erased"]
GONE = "[forgotten]"
_VARIABLE = "ICP_SUPPRESSION_KEY"

# As Postgres and Python both read them; bounded, and anchored at the start of a word.
EMAIL_PATTERN = (
    r"[[:alnum:]_.+%-]{1,64}(?:'[[:alnum:]_.+%-]{1,64}){0,3}@[[:alnum:]_-]{1,63}(?:\.[[:alnum:]_-]{1,63}){1,5}"
)
LINKEDIN_PATTERN = r"linkedin\.com/(?:in|pub)/([^/?#[:space:]\"'<>\\]{1,200})"
# A line break within a JSON text is two characters, of which the second looks like a letter of the address.
_START = r"(?<!\\(?=[nrtbf]))(?:(?<=\\[nrtbf])|(?<![\w.+%-]))"
_EMAIL = re.compile(_START + EMAIL_PATTERN.replace("[:alnum:]_", r"\w"))
_LINKEDIN = re.compile(LINKEDIN_PATTERN.replace("[:space:]", r"\s"), re.IGNORECASE)


_Text = TypeVar("_Text", str, None, str | None)


class KeyMissing(WarehouseError):
    """The list cannot be read: the key that it was made with is not here."""


def email(text: str) -> str | None:
    """The first e-mail address in a text, in small letters; None where there is none."""
    found = _EMAIL.search(text)
    return found[0].lower() if found else None


def linkedin(text: str) -> str | None:
    """The handle of the first LinkedIn profile in a text, in small letters; None where there is none."""
    found = _LINKEDIN.search(text)
    return handle(found[1]) if found else None


def handle(text: str) -> str:
    """A profile's handle as it is compared: percent signs read, small letters."""
    return urllib.parse.unquote(text).strip().lower()


@dataclass(frozen=True)
class Entry:
    """For whom something is on the list, and since which request. ``tenant_id`` None: for all tenants."""

    tenant_id: int | None
    request_id: uuid.UUID
    treatment: Treatment


class Suppressions:
    """The list, in memory: a few hashes per forgotten person."""

    def __init__(self, key: bytes, listed: Mapping[bytes, Sequence[Entry]]) -> None:
        self._key = key
        self._listed = dict(listed)

    def __bool__(self) -> bool:
        return bool(self._listed)

    @classmethod
    def read(cls, connection: psycopg.Connection, settings: Settings) -> Suppressions:
        """The list of a warehouse; an empty one needs no key.

        Raises:
            KeyMissing: the key is not here, or is another than the one the list was made with.
        """
        listed: dict[bytes, list[Entry]] = {}
        keys = set()
        for digest, tenant_id, request_id, treatment, made_with in connection.execute(
            "select fingerprint, tenant_id, request_id, treatment, key_id from raw.suppressions"
        ):
            listed.setdefault(bytes(digest), []).append(Entry(tenant_id, request_id, treatment))
            keys.add(made_with)
        if not listed:
            return cls(b"", {})
        key = find_key(settings)
        if key is None or keys != {key_id(key)}:
            raise KeyMissing(
                "People asked this warehouse to forget them, and the key of that list is not here"
                f"{'' if key is None else ' but another one'}. Put it back as {key_file(settings)}, or set "
                f"{_VARIABLE}: without it they would be loaded again. Nothing was done."
            )
        return cls(key, listed)

    @classmethod
    def of_environment(cls, connection: psycopg.Connection) -> Suppressions:
        """As :meth:`read`, with the key of the process's own settings."""
        return cls.read(connection, Settings.from_environment())

    def entries(self, kind: Kind, value: str) -> Sequence[Entry]:
        """What the list says of a value (in the form of this module's functions)."""
        return self._listed.get(fingerprint(self._key, kind, value), ()) if self._listed and value else ()

    def covers(self, kind: Kind, value: str | None, tenant_id: int | None) -> bool:
        """Whether a value is listed for the tenant, or for all; of what no tenant owns (None), for any."""
        return any(
            tenant_id is None or entry.tenant_id in (None, tenant_id) for entry in self.entries(kind, value or "")
        )

    def lead(self, source_id: str | None, tenant_id: int | None) -> bool:
        """Whether the lead of this id is listed, by the id or by what the id is."""
        return self.covers("lead", source_id, tenant_id) or self.text(source_id, tenant_id)

    def text(self, text: str | None, tenant_id: int | None) -> bool:
        """Whether a text names a listed address or profile."""
        return bool(self._listed and text) and any(
            self.covers(kind, value, tenant_id) for kind, value in _identifiers(text or "")
        )

    def add_leads(self, connection: psycopg.Connection, leads: Iterable[tuple[int, str, str]]) -> None:
        """List leads by (tenant, id) that were known by a text of theirs, with the request that lists the text."""
        for tenant_id, source_id, text in leads:
            said = [entry for kind, value in _identifiers(text) for entry in self.entries(kind, value)]
            entry = next(entry for entry in said if entry.tenant_id in (None, tenant_id))
            lead: tuple[Kind, str, int | None] = ("lead", source_id, tenant_id)
            add(connection, self._key, [lead], treatment=entry.treatment, request_id=entry.request_id)
            known = Entry(tenant_id, entry.request_id, entry.treatment)
            self._listed[fingerprint(self._key, "lead", source_id)] = (*self.entries("lead", source_id), known)

    def redact(self, text: _Text, tenant_id: int | None) -> _Text:
        """The text with listed addresses and profiles replaced."""
        if not text or not self.text(text, tenant_id):
            return text
        text = _EMAIL.sub(lambda m: GONE if self.covers("email", m[0].lower(), tenant_id) else m[0], text)
        return _LINKEDIN.sub(lambda m: GONE if self.covers("linkedin", handle(m[1]), tenant_id) else m[0], text)


def _identifiers(text: str) -> Iterator[tuple[Kind, str]]:
    if "@" in text:
        yield from (("email", found.lower()) for found in _EMAIL.findall(text))
    if "inkedin" in text.lower():
        yield from (("linkedin", handle(found)) for found in _LINKEDIN.findall(text))


def fingerprint(key: bytes, kind: Kind, value: str) -> bytes:
    """HMAC-SHA256 of kind and value: without the key nobody can try out addresses."""
    return hmac.digest(key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), "sha256")


def row_key(table: str, *key: Any) -> str:
    """The natural key of a deleted row as one text."""
    return "\0".join((table, *map(str, key)))


def add(
    connection: psycopg.Connection,
    key: bytes,
    identifiers: Iterable[tuple[Kind, str, int | None]],
    *,
    treatment: Treatment,
    request_id: uuid.UUID,
) -> int:
    """Put (kind, value, tenant) on the list, within the caller's transaction; returns how many were new."""
    rows = sorted({(fingerprint(key, kind, value), tenant, kind) for kind, value, tenant in identifiers}, key=repr)
    return connection.execute(
        "insert into raw.suppressions (fingerprint, tenant_id, kind, treatment, request_id, key_id)"
        " select listed.*, %s, %s, %s from unnest(%s::bytea[], %s::int[], %s::text[]) as listed"
        " on conflict do nothing",
        (treatment, request_id, key_id(key), *([row[at] for row in rows] for at in range(3))),
    ).rowcount


# -- the key -----------------------------------------------------------------------------------------------------


def key_file(settings: Settings) -> Path:
    """Where the key lies where it is not in the environment."""
    return settings.home / "suppression.key"


def key_id(key: bytes) -> str:
    """By which a key is told from another; says nothing about it."""
    return hashlib.sha256(b"which key\0" + key).hexdigest()[:16]


def find_key(settings: Settings) -> bytes | None:
    """``ICP_SUPPRESSION_KEY``, else the file; None where there is neither."""
    given = os.environ.get(_VARIABLE)
    if given is None and key_file(settings).is_file():
        given = key_file(settings).read_text()
    if given is None:
        return None
    try:
        key = bytes.fromhex(given.strip())
    except ValueError:
        key = b""
    if len(key) < 16:
        raise WarehouseError(f"{_VARIABLE} (or {key_file(settings)}) takes at least 32 hexadecimal digits.")
    return key


def make_key(settings: Settings) -> bytes:
    """The key, made and kept in the file (readable by its owner alone) where there is none."""
    if (key := find_key(settings)) is not None:
        return key
    settings.home.mkdir(parents=True, exist_ok=True)
    unfinished = key_file(settings).with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.write(secrets.token_hex(32) + "\n")
        target.flush()
        os.fsync(target.fileno())
    try:
        os.link(unfinished, key_file(settings))  # of two at once one wins, and both use its key
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
    key = find_key(settings)
    assert key is not None
    return key
