"""The labelled profiles and entities, read for benchmarks and slow tests. The data are others': never copied here."""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.domains import registrable_domain
from models_py.matching.evaluation import Labelled
from models_py.matching.features import Comparison
from models_py.matching.index import MatchIndex, Queries
from models_py.matching.names import name_key
from models_py.matching.ranker import Known
from warehouse.settings import PROJECT_ROOT

SEED = 20261121
#: Seeds of further splits, each fitted and measured anew.
FURTHER_SEEDS = (1, 2, 3, 4, 5)
DATA = "company_matching (2,071 profiles, 49,999 entities, 3,151 true pairs; names mostly German; labels noisy)"
SPLIT = "by profile: numpy default_rng(20261121).permutation, the first half to fit on, the second to measure on"
_UNKNOWN = {"", "NULL", "---"}


@dataclass(frozen=True)
class Records:
    """Rows of one file: names, domains (several separated by a space), cities, countries, years; all of one length."""

    ids: list[str]
    names: list[str]
    domains: list[str | None]
    cities: list[str | None]
    countries: list[str | None]
    years: list[int | None]


@dataclass(frozen=True, eq=False)
class Task:
    """Profiles, entities, and which pairs are true; ``fit`` (profiles,) marks the half to fit on."""

    profiles: Records
    entities: Records
    truth: frozenset[tuple[int, int]]
    fit: NDArray[np.bool_]

    @property
    def true_pairs(self) -> NDArray[np.int64]:
        """True pairs of each profile."""
        return np.bincount([profile for profile, _ in self.truth], minlength=len(self.profiles.ids))


def shared_data() -> Path:
    """Where the data lie: ICP_SHARED_DATA, or beside the checkout."""
    return Path(os.environ.get("ICP_SHARED_DATA") or PROJECT_ROOT.parent / "shared" / "data")


def read_task(folder: Path) -> Task:
    """Read the three files of ``company_matching``."""
    profiles = _records(folder / "company_profiles_dev.tsv.gz")
    entities = _records(folder / "company_entities.tsv.gz")
    rows = {name: at for at, name in enumerate(profiles.ids)}, {name: at for at, name in enumerate(entities.ids)}
    truth = frozenset((rows[0][a], rows[1][b]) for a, b in _lines(folder / "ground_truth_dev.tsv.gz"))
    return Task(profiles, entities, truth, half(len(profiles.ids), SEED))


def half(count: int, seed: int) -> NDArray[np.bool_]:
    """Which of the profiles to fit on."""
    fit = np.zeros(count, dtype=np.bool_)
    fit[np.random.default_rng(seed).permutation(count)[: count // 2]] = True
    return fit


def build_index(entities: Records, known: Sequence[Known], **more: Any) -> MatchIndex:
    """The registry, as if only ``known`` were known of it; ``more`` goes to :meth:`MatchIndex.build`."""
    return MatchIndex.build(
        entities.names,
        domains=entities.domains if "domain" in known else None,
        cities=entities.cities if "place" in known else None,
        countries=entities.countries if "place" in known else None,
        years=entities.years if "year" in known else None,
        **more,
    )


def build_queries(profiles: Records, known: Sequence[Known]) -> Queries:
    """Profiles, as if only ``known`` were known of them."""
    return Queries(
        profiles.names,
        domains=profiles.domains if "address" in known else None,
        cities=profiles.cities if "place" in known else None,
        countries=profiles.countries if "place" in known else None,
        years=profiles.years if "year" in known else None,
    )


def compare(task: Task, known: tuple[Known, ...]) -> Labelled:
    """Candidates of all profiles with their features, as if only ``known`` were known."""
    index = build_index(task.entities, known)
    queries = build_queries(task.profiles, known)
    keys = [name_key(name) for name in queries.names]
    pairs = index.candidates(queries, keys)
    both = zip(pairs.query.tolist(), pairs.entity.tolist(), strict=True)
    is_match = np.array([pair in task.truth for pair in both], dtype=np.bool_)
    return Labelled(Comparison(queries, keys, index, pairs), is_match, task.true_pairs)


def _lines(path: Path) -> list[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8") as content:
        return [line.rstrip("\n").split("\t") for line in content]


def _records(path: Path) -> Records:
    rows = _lines(path)
    return Records(
        ids=[row[0] for row in rows],
        names=[row[1] for row in rows],
        domains=[_domains(row[2]) for row in rows],
        years=[int(row[3]) if row[3].isdigit() else None for row in rows],
        cities=[None if row[4] in _UNKNOWN else row[4] for row in rows],
        countries=[None if row[5] in _UNKNOWN else row[5] for row in rows],
    )


def _domains(text: str) -> str | None:
    """Entities may name several addresses, separated by commas."""
    if text in _UNKNOWN:
        return None
    found = [registrable_domain(address) for address in text.split(",")]
    return " ".join(dict.fromkeys(domain for domain in found if domain)) or None
