"""Seconds a name and memory at registry size, beside the specification's SQL.

``python -m benchmarks.matching_speed N`` for N entities. They are made: words drawn by Zipf's law from made-up stems,
businesses' general words and legal forms. Queries are entities with a typing error, a lost word or another legal form.
One size per process, so that the peak is its own.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psycopg

from benchmarks.matching_peers import load_names, sql_as_written
from models_py.matching.index import MatchIndex, Queries
from models_py.matching.match import match
from models_py.matching.names import name_key
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import Settings

SEED = 20260630
QUERIES, SQL_QUERIES = 500, 3
_SYLLABLES = """
ba be bo chi chong da dong en fa feng ga ge hai hong in ja jin ka kim ko la lee li lim ma mei min na nam on pa ping po
ra ri ro sa seng shan si sun ta tan te tech ti to tra u va ver vi wa wei xin ya yong zen
"""
_GENERAL_WORDS = """
engineering trading construction services holdings enterprise international solutions technologies marine consulting
logistics design capital investments global asia management systems food contractor electrical beauty education media
digital properties renovation ventures interior transport resources group
"""
_GENERAL = _GENERAL_WORDS.split()
_FORMS = np.array(["PTE. LTD.", "PTE LTD", "PRIVATE LIMITED", "LLP", "LIMITED", ""])


def make_names(count: int, seed: int = SEED) -> list[str]:
    """Names that look like a registry's: one or two rare words, up to two general ones, a legal form."""
    random = np.random.default_rng(seed)
    syllables = np.array(_SYLLABLES.split())
    stems = np.unique(
        ["".join(syllables[random.integers(0, len(syllables), size)]) for size in random.integers(2, 5, 120_000)]
    )
    random.shuffle(stems)
    chance = 1.0 / np.arange(1, len(stems) + 1) ** 0.8
    rare = stems[random.choice(len(stems), (count, 2), p=chance / chance.sum())]
    chance = 1.0 / np.arange(1, len(_GENERAL) + 1)
    general = np.array(_GENERAL)[random.choice(len(_GENERAL), (count, 2), p=chance / chance.sum())]
    shape = random.integers(0, 6, count)
    forms = _FORMS[random.choice(len(_FORMS), count, p=[0.55, 0.15, 0.1, 0.06, 0.04, 0.1])]
    names = []
    for (a, b), (c, d), kind, form in zip(rare.tolist(), general.tolist(), shape.tolist(), forms.tolist(), strict=True):
        words = ((a, c), (a, b, c), (a, c, d), (a, b), (a, b, c, d), (f"{a[0]}{b[0]}{c[0]}", c))[kind]
        names.append(f"{' '.join(words)} {form}".strip().upper())
    return names


def spoil(name: str, random: np.random.Generator) -> str:
    """A name as somebody else writes it."""
    words = name.replace(" PTE. LTD.", "").replace(" PRIVATE LIMITED", "").title().split()
    kind = int(random.integers(0, 3))
    at = int(random.integers(0, len(words)))
    if kind == 0 and len(words[at]) > 4:
        words[at] = words[at][:2] + words[at][3:]
    elif kind == 1 and len(words) > 2:
        words.pop()
    return " ".join(words) + (" Pte Ltd" if random.random() < 0.5 else "")


def measure(count: int) -> dict[str, float]:
    """Build, match, and ask the specification's SQL a few of the same names."""
    names = make_names(count)
    random = np.random.default_rng(SEED + 1)
    rows = random.choice(count, QUERIES, replace=False)
    queries = [spoil(names[row], random) for row in rows]
    start = time.perf_counter()
    keys = [name_key(name) for name in names]
    keyed = time.perf_counter()
    index = MatchIndex.build(names, keys=keys)
    built = time.perf_counter()
    match(Queries(queries[:5]), index)
    warm = time.perf_counter()
    found = match(Queries(queries), index)
    done = time.perf_counter()
    match(Queries(queries), index, threads=1)
    alone = time.perf_counter()
    keys_of_found = [keys[entity] if entity >= 0 else None for entity in found.entity]
    right = np.mean([key == keys[row] for key, row in zip(keys_of_found, rows, strict=True)])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return {
        "entities": count,
        "keys_seconds": keyed - start,
        "build_seconds": built - keyed,
        "milliseconds_a_name": 1000 * (done - warm) / QUERIES,
        "milliseconds_a_name_on_one_core": 1000 * (alone - done) / QUERIES,
        "right": float(right),
        "peak_gib": peak,
        "sql_milliseconds_a_name": _sql(names, queries[:SQL_QUERIES]),
    }


def _sql(names: list[str], queries: list[str]) -> float:
    with tempfile.TemporaryDirectory(prefix="icp-") as folder:
        server = EmbeddedServer(Settings(home=Path(folder) / "pg", durable=False), linger=0)
        server.acquire()
        try:
            with psycopg.connect(server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
                load_names(connection, names)
                start = time.perf_counter()
                for name in queries:
                    connection.execute(sql_as_written(), {"name": name}).fetchone()
                return 1000 * (time.perf_counter() - start) / len(queries)
        finally:
            server.stop()
            server.release()


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
