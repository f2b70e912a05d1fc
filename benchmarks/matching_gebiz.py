"""Supplier names of procurement awards against the registered contractors: coverage, and pairs for a person to judge.

``python -m benchmarks.matching_gebiz`` prints the shares by path and precision among the judged pairs; ``--sample``
the fixed sample of pairs that are not equal names. What a person said of each is kept as a hash with the verdict.
"""

from __future__ import annotations

import argparse
import collections
import csv
import gzip
import hashlib
from pathlib import Path

from benchmarks.matching_data import shared_data
from models_py.matching.index import MatchIndex, Queries
from models_py.matching.match import Matches, match
from warehouse.settings import PROJECT_ROOT

VERDICTS = PROJECT_ROOT / "tests" / "models_py" / "matching" / "gebiz_verdicts.csv"
SAMPLE, SEED = 100, 2


def names_in(path: Path, column: str) -> list[str]:
    """Distinct values of a column of a gzipped CSV, sorted."""
    with gzip.open(path, "rt", encoding="utf-8", errors="replace", newline="") as content:
        return sorted({row[column].strip() for row in csv.DictReader(content)} - {""})


def match_suppliers(folder: Path) -> tuple[list[str], list[str], Matches]:
    """Suppliers, contractors, and the match of each supplier."""
    suppliers = names_in(next((folder / "sg_gebiz").glob("*.csv.gz")), "supplier_name")
    contractors = names_in(next((folder / "sg_contractors").glob("*.csv.gz")), "company_name")
    return suppliers, contractors, match(Queries(suppliers), MatchIndex.build(contractors))


def pair_hash(supplier: str, contractor: str) -> str:
    """What stands for a pair of names that may not be published."""
    return hashlib.sha256(f"{supplier}\x1f{contractor}".encode()).hexdigest()[:24]


def sample(suppliers: list[str], contractors: list[str], found: Matches) -> list[tuple[str, str, str, float]]:
    """A fixed hundred of the named pairs that are no equal names: supplier, contractor, path, probability."""
    pairs = [
        (suppliers[row], contractors[entity], found.path[row], float(found.probability[row]))
        for row, entity in enumerate(found.entity)
        if entity >= 0 and found.path[row] in ("fuzzy", "review")
    ]
    return sorted(pairs, key=lambda pair: pair_hash(f"{SEED}{pair[0]}", pair[1]))[:SAMPLE]


def read_verdicts() -> dict[str, bool]:
    """Hash of a pair → whether the two are one company."""
    with VERDICTS.open(encoding="utf-8", newline="") as content:
        return {row["pair"]: row["same"] == "1" for row in csv.DictReader(content)}


def report() -> list[str]:
    """Lines of the results page."""
    suppliers, contractors, found = match_suppliers(shared_data())
    verdicts = read_verdicts()
    lines = ["| path | suppliers | share | judged | of them right |", "|---|---|---|---|---|"]
    for path, count in collections.Counter(found.path).most_common():
        judged = [
            verdicts[key]
            for row, candidates in enumerate(found.candidates)
            if found.path[row] == path and candidates
            if (key := pair_hash(suppliers[row], contractors[candidates[0].entity])) in verdicts
        ]
        right = f"{sum(judged)}" if judged else ""
        lines.append(f"| {path} | {count:,} | {count / len(suppliers):.1%} | {len(judged) or ''} | {right} |")
    intro = (
        f"{len(suppliers):,} supplier names against {len(contractors):,} contractors, names only. Judged by a"
        " person from the names alone: all pairs that are named without being equal, and those of the last"
        " two rankers (under *none*: no longer shown to anybody). Of those that count as wrong, four are doubtful."
        " Before names of groups were cautioned against, four pairs were accepted and three of them were wrong (X"
        " Group for another X; a sister company)."
    )
    return [intro, "", *lines]


def main() -> None:
    """Print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", action="store_true", help="the pairs to judge")
    if parser.parse_args().sample:
        for supplier, contractor, path, probability in sample(*match_suppliers(shared_data())):
            print(f"{pair_hash(supplier, contractor)}\t{path}\t{probability:.2f}\t{supplier}\t{contractor}")
    else:
        print("\n".join(report()))


if __name__ == "__main__":
    main()
