"""Web addresses as people write them → the registrable domain that stands for a company."""

from __future__ import annotations

import functools
import re

import tldextract

_HOST = re.compile(r"^[a-z0-9_](?:[a-z0-9_-]{0,62}\.)+[a-z0-9-]{2,63}$")


@functools.cache
def _suffixes() -> tldextract.TLDExtract:
    """The public suffix list that comes with the package; it is never fetched."""
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)


def registrable_domain(url_or_domain: str | None) -> str | None:
    """``https://www.Shop.example.com.sg/about?x`` → ``example.com.sg``; None where there is no such thing.

    Addresses of machines, e-mail addresses, ``localhost`` and hosts without a public suffix give None.
    """
    text = (url_or_domain or "").strip()
    if not text or "@" in text.split("/")[0] or len(text) > 2_000 or any(ord(character) < 32 for character in text):
        return None
    host = re.sub(r"^[a-zA-Z][a-zA-Z0-9+.-]*://", "", text).lstrip("/")
    host = re.split(r"[/?#\\]", host, maxsplit=1)[0].split(":")[0].rstrip(".").lower()
    try:
        host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError:
        return None
    if not _HOST.match(host):
        return None
    domain = _suffixes()(host).top_domain_under_public_suffix
    return domain or None
