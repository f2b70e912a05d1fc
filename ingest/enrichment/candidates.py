"""Domains that a name may have: what it would be called, by the customs of its country."""

from __future__ import annotations

from ingest.domains import registrable_domain
from ingest.enrichment.confirmation import GENERIC, is_telling
from models_py.matching.names import name_key

MOST = 8
_LONGEST_LABEL = 40
# Where companies of a country register, the usual ending first. Other countries: their own ending, then .com.
_ENDINGS = {
    "SG": ("com.sg", "sg", "com"),
    "MY": ("com.my", "my", "com"),
    "HK": ("com.hk", "hk", "com"),
    "AU": ("com.au", "au", "com"),
    "NZ": ("co.nz", "nz", "com"),
    "GB": ("co.uk", "uk", "com"),
    "IN": ("in", "co.in", "com"),
    "ID": ("co.id", "id", "com"),
    "TH": ("co.th", "com"),
    "JP": ("co.jp", "jp", "com"),
    "KR": ("co.kr", "kr", "com"),
    "BR": ("com.br", "com"),
    "ZA": ("co.za", "com"),
    "US": ("com", "us"),
}


def guesses(name: str, country: str | None) -> list[str]:
    """Up to eight registrable domains, the likeliest first; none for a name that says nothing.

    Args:
        country: ISO code of two letters, or None: then .com alone.
    """
    if not is_telling(name):
        return []
    words = [word for word in name_key(name).encode("ascii", "ignore").decode().split() if word not in ("and", "the")]
    core = [word for word in words if word not in GENERIC]
    labels = ["".join(words), "".join(core), "-".join(words) if 2 <= len(words) <= 3 else ""]
    code = (country or "").upper()
    endings = _ENDINGS.get(code, (code.lower(), "com") if len(code) == 2 and code.isalpha() else ("com",))
    made = (
        f"{label}.{ending}"
        for label in dict.fromkeys(labels)
        if 3 <= len(label) <= _LONGEST_LABEL
        for ending in endings
    )
    return [domain for domain in dict.fromkeys(made) if registrable_domain(domain) == domain][:MOST]
