"""Which version of a classification the codes of a registry are in: by the list that they fit best.

A registry goes over to a new version one day, and the file does not say so. The share of live entities whose code is
in a version's list does: codes that a version dropped or brought are what tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

import polars as pl
import psycopg

CLEARLY = 0.005  # of the entities: another version must fit by so much more than the default's
NEARLY_ALL = 0.99  # of the entities must fit a version that cannot be compared with the default's
MUCH_BETTER = 0.02  # a version somebody asked for is taken, but a fit that much better elsewhere is said


@dataclass(frozen=True)
class CodeVersion:
    """The version taken, a sentence why, and the share of live entities' codes in each version's list."""

    version: str | None
    reason: str
    fits: Mapping[str, float]


def code_lists(connection: psycopg.Connection) -> dict[str, frozenset[str]]:
    """The five-character codes of every version that is loaded."""
    rows = connection.execute(
        "select version, array_agg(code) from raw.industry_codes where length(code) = 5 group by version"
    ).fetchall()
    return {version: frozenset(codes) for version, codes in rows}


def count_codes(frames: list[pl.DataFrame]) -> dict[str, int]:
    """Live entities per code, of frames with ``industry_code`` and ``is_live``; of all entities where none is live."""
    if not frames:
        return {}
    rows = pl.concat(frames).drop_nulls("industry_code")
    live = rows.filter("is_live")
    counted = (live if live.height else rows).group_by("industry_code").len()
    return dict(counted.iter_rows())


def choose_version(
    counts: Mapping[str, int], lists: Mapping[str, Set[str]], *, asked: str | None, default: str | None
) -> CodeVersion:
    """Take the version asked for, else the default unless another one clearly fits better.

    Args:
        counts: entities per code.
        lists: version → its codes.
        asked: what the person said.
        default: what the registry is known to use.
    """
    total = sum(counts.values())
    fits = {
        version: sum(number for code, number in counts.items() if code in codes) / total
        for version, codes in sorted(lists.items())
        if total
    }
    best = max(fits, key=lambda version: (fits[version], version == default, version), default=None)
    shown = ", ".join(f"{share:.1%} in {version}" for version, share in fits.items())
    if asked is not None:
        better = best is not None and best != asked and fits[best] > fits.get(asked, 0.0) + MUCH_BETTER
        warning = f"; but the codes fit {best} better ({shown})" if better else ""
        return CodeVersion(asked, f"{asked}, as it was asked for{warning}", fits)
    if best is None:
        if default is None:
            return CodeVersion(None, "unknown: nobody said, and no code list is loaded to tell by", fits)
        return CodeVersion(default, f"{default}, the registry's default: no code list is loaded to tell by", fits)
    if default in fits:
        if fits[best] >= fits[default] + CLEARLY:
            return CodeVersion(best, f"{best}: its list fits the codes best ({shown})", fits)
        return CodeVersion(default, f"{default}, the registry's default; no list fits better ({shown})", fits)
    if fits[best] >= NEARLY_ALL:
        instead = f"; the list of the default, {default}, is not loaded" if default else ""
        return CodeVersion(best, f"{best}: its list fits the codes ({shown}){instead}", fits)
    if default is None:
        return CodeVersion(best, f"{best}: its list fits the codes best, though not well ({shown})", fits)
    return CodeVersion(default, f"{default}, the registry's default, whose list is not loaded ({shown})", fits)
