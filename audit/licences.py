"""Licences of everything that an installation brings, by the metadata of the installed packages."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

PROJECT_ROOT = Path(__file__).resolve().parents[1]

# Each lets us use and pass on what we make with it under Apache-2.0, without conditions on our own code. MPL-2.0 has
# conditions on its own files only, and we change none.
ALLOWED = {
    *("0BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MIT-CMU", "PostgreSQL", "Zlib"),
    *("Apache-2.0", "CC0-1.0", "CNRI-Python", "MPL-2.0", "PSF-2.0", "ZPL-2.1"),
}

_LGPL = "imported as it is, not changed and not copied: whoever gets this project can replace it"
# Packages under another licence that may stay, each with the reason.
EXCEPTIONS = {
    "psycopg": f"LGPL-3.0: {_LGPL}",
    "psycopg-binary": f"LGPL-3.0: {_LGPL}",
    "psycopg2-binary": f"LGPL: {_LGPL}; dbt-postgres brings it",
    "text-unidecode": "Artistic or GPL, at our choice: Artistic; dbt brings it (agate, python-slugify)",
}

# What people wrote before there were licence expressions → SPDX.
_NAMES = {
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "artistic license": "Artistic-1.0",
    "bsd": "BSD-3-Clause",
    "bsd license": "BSD-3-Clause",
    "bsd 2-clause license": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
}


@dataclass(frozen=True)
class Package:
    """One installed distribution.

    Attributes:
        licences: SPDX names where they are known, else the package's own words; empty: it says none.
        asked_by: the requirement that brings it, of ours or of another package.
        reason: why a licence that is not in the list may stay.
    """

    name: str
    version: str
    licences: tuple[str, ...]
    asked_by: str
    reason: str | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether all of its licences are in the list (of a choice too), or the package is an exception."""
        return self.reason is not None or (bool(self.licences) and set(self.licences) <= ALLOWED)


def requirements(extras: Iterable[str], pyproject: Path = PROJECT_ROOT / "pyproject.toml") -> list[str]:
    """What pyproject.toml asks for: the product's own, and those of the extras."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    wanted: list[str] = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    return wanted


def installed(wanted: Iterable[str]) -> tuple[list[Package], list[str]]:
    """All packages that requirements bring, theirs included, by name; and the names of those that are not installed."""
    found: dict[str, Package] = {}
    missing: set[str] = set()
    extras_seen: dict[str, set[str]] = {}
    queue = [(Requirement(one), "this project") for one in wanted]
    while queue:
        requirement, asked_by = queue.pop(0)
        name = _canonical(requirement.name)
        seen = extras_seen.setdefault(name, set())
        if name in missing or (name in found and requirement.extras <= seen):
            continue
        seen |= requirement.extras
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            missing.add(name)
            continue
        found.setdefault(
            name,
            Package(name, distribution.version, licences(distribution.metadata.json), asked_by, EXCEPTIONS.get(name)),
        )
        for text in distribution.requires or ():
            child = Requirement(text)
            if child.marker is None or any(child.marker.evaluate({"extra": extra}) for extra in ("", *seen)):
                queue.append((child, name))
    return sorted(found.values(), key=lambda package: package.name), sorted(missing)


def licences(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """What a package's metadata say: the licence expression, else the classifiers, else the free text."""
    if expression := metadata.get("license_expression"):
        return _distinct(re.split(r"\b(?:AND|OR|WITH)\b", expression.translate({40: " ", 41: " "})))
    classifiers = [one.rpartition(" :: ")[2] for one in metadata.get("classifier", ()) if one.startswith("License ::")]
    if names := [name for name in classifiers if not name.endswith("approved") and name != "OSI Approved"]:
        return _distinct(names)
    (first, *_) = metadata.get("license", "").strip().splitlines() or [""]
    return _distinct(re.split(r"\b(?:AND|OR)\b", first)) if first else ()


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    cleaned = (name.strip().replace(",", "") for name in names)
    return tuple(dict.fromkeys(_NAMES.get(name.lower(), name) for name in cleaned))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
