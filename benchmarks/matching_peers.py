"""Peers on the same profiles: the specification's SQL, rapidfuzz, splink, equal names, domain or core name.

Each gives claims (profile, entity, score). Where a peer has a threshold, it is chosen on the half that the ranker
was fitted on too; what the specification fixes stays as it is.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
from rapidfuzz import fuzz, process

from benchmarks.matching_data import Task
from models_py.matching.evaluation import Curve, Figures, curve
from models_py.matching.names import core_name, name_key
from warehouse.server import SUPERUSER, EmbeddedServer
from warehouse.settings import Settings

#: As the specification has it. Postgres reads \b as a backspace, so nothing is stripped.
CLEANED = r"regexp_replace(lower({}), '(pte|ltd|private|limited|singapore|inc)\b', '', 'gi')"
BEST_ONE = (
    "select entity_id, similarity({given}, {stored}) as similarity from entities"
    " where similarity({given}, {stored}) > 0.35 order by similarity({given}, {stored}) desc limit 1"
)
AT_ONCE = 64
SPECIFICATION = "specification's SQL"


@dataclass(frozen=True)
class Claims:
    """What a peer claims, and seconds per name."""

    name: str
    profile: np.ndarray
    entity: np.ndarray
    score: np.ndarray
    seconds: float
    fixed: bool = False


def measure(task: Task, claims: Claims) -> tuple[Figures, Figures]:
    """Figures of pairs and of one answer per profile on the held-out half."""
    true = np.array([pair in task.truth for pair in zip(claims.profile.tolist(), claims.entity.tolist(), strict=True)])
    order = np.lexsort((-claims.score, claims.profile))
    best = np.zeros(len(order), dtype=np.bool_)
    sorted_profiles = claims.profile[order]
    best[order[np.r_[True, sorted_profiles[1:] != sorted_profiles[:-1]]]] = True
    figures = []
    for among, totals in ((np.ones(len(best), dtype=np.bool_), task.true_pairs), (best, np.ones_like(task.true_pairs))):

        def half(queries: np.ndarray, among: np.ndarray = among, totals: np.ndarray = totals) -> Curve:
            rows = queries[claims.profile] & among
            return curve(claims.score[rows], true[rows], int(totals[queries].sum()))

        threshold = -np.inf if claims.fixed else half(task.fit).best_threshold
        figures.append(half(~task.fit).at(threshold))
    return figures[0], figures[1]


def equal_names(task: Task) -> Claims:
    """Every entity of the same cleaned name."""
    start = time.perf_counter()
    known: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(task.entities.names):
        known[name_key(name)].append(row)
    found = [(at, row, 1.0) for at, name in enumerate(task.profiles.names) for row in known[name_key(name)]]
    return _claims("equal names", found, start, task, fixed=True)


def domain_or_core_name(task: Task) -> Claims:
    """Every entity with one of the profile's domains, or with its name but for general words."""
    start = time.perf_counter()
    by_domain: dict[str, list[int]] = defaultdict(list)
    by_core: dict[str, list[int]] = defaultdict(list)
    for row, (name, domains) in enumerate(zip(task.entities.names, task.entities.domains, strict=True)):
        by_core[core_name(name_key(name))].append(row)
        for domain in (domains or "").split():
            by_domain[domain].append(row)
    found = []
    for at, (name, domains) in enumerate(zip(task.profiles.names, task.profiles.domains, strict=True)):
        rows = {row for domain in (domains or "").split() for row in by_domain[domain]}
        same = set(by_core[core_name(name_key(name))])
        found += [(at, row, float(row in rows) + float(row in same)) for row in sorted(rows | same)]
    return _claims("domain or core name", found, start, task, fixed=True)


def rapidfuzz_best(task: Task) -> Claims:
    """The most similar cleaned name of all (`process.cdist`, token_sort_ratio)."""
    start = time.perf_counter()
    choices = [name_key(name) for name in task.entities.names]
    queries = [name_key(name) for name in task.profiles.names]
    found = []
    for at in range(0, len(queries), AT_ONCE):
        scores = process.cdist(queries[at : at + AT_ONCE], choices, scorer=fuzz.token_sort_ratio, workers=2)
        best = scores.argmax(axis=1)
        found += [(at + row, int(column), float(scores[row, column])) for row, column in enumerate(best)]
    return _claims("rapidfuzz, best of all", found, start, task)


def specification_sql(task: Task) -> Claims:
    """The specification's best one above 0.35, on the held-out half, in the embedded Postgres.

    The cleaned names are computed once instead of per query, which changes the time and not the answer.
    """
    with tempfile.TemporaryDirectory(prefix="icp-") as folder:
        server = EmbeddedServer(Settings(home=Path(folder) / "pg", durable=False), linger=0)
        server.acquire()
        try:
            with psycopg.connect(server.dsn(user=SUPERUSER, dbname="postgres"), autocommit=True) as connection:
                load_names(connection, task.entities.names)
                connection.execute(f"alter table entities add cleaned text; update entities set cleaned = {_stored()}")
                start, found = time.perf_counter(), []
                statement = BEST_ONE.format(given=CLEANED.format("%(name)s"), stored="cleaned").encode()
                for at in np.flatnonzero(~task.fit):
                    row = connection.execute(statement, {"name": task.profiles.names[at]}).fetchone()
                    found += [(int(at), row[0], row[1])] if row else []
                seconds = (time.perf_counter() - start) / int((~task.fit).sum())
        finally:
            server.stop()
            server.release()
    made = _claims(SPECIFICATION, found, start, task, fixed=True)
    return Claims(made.name, made.profile, made.entity, made.score, seconds, fixed=True)


def load_names(connection: psycopg.Connection, names: Iterable[str]) -> None:
    """A table ``entities`` (entity_id, entity_name) with pg_trgm at hand."""
    connection.execute("create extension if not exists pg_trgm")
    connection.execute("create table entities (entity_id integer, entity_name text)")
    with connection.cursor().copy("copy entities from stdin") as copy:
        for at, name in enumerate(names):
            copy.write_row((at, name))
    connection.execute("analyze entities")


def _stored() -> str:
    return CLEANED.format("entity_name")


def sql_as_written() -> bytes:
    """The specification's statement, for measuring its time."""
    return BEST_ONE.format(given=CLEANED.format("%(name)s"), stored=_stored()).encode()


def splink_pairs(task: Task) -> Claims:
    """splink on DuckDB: blocked on name, core name, first word and city, domain; fitted by expectation maximisation."""
    import polars as pl
    import splink.internals.comparison_library as cl
    from splink import Linker, SettingsCreator, block_on
    from splink.internals.duckdb.database_api import DuckDBAPI

    logging.getLogger("splink").setLevel(logging.ERROR)
    start = time.perf_counter()
    database, frames = DuckDBAPI(), []
    for source, records in (("profiles", task.profiles), ("entities", task.entities)):
        keys = [name_key(name) for name in records.names]
        frames.append(
            database.register(
                pl.DataFrame(
                    {
                        "unique_id": range(len(keys)),
                        "name": keys,
                        "core": [core_name(key) for key in keys],
                        "first_word": [key.split(" ", 1)[0] for key in keys],
                        "domain": [(domains or "").split(" ")[0] or None for domains in records.domains],
                        "city": [city.casefold() if city else None for city in records.cities],
                        "year": [str(year) if year else None for year in records.years],
                    }
                ).to_arrow(),
                dataset_display_name=source,
            )
        )
    rules = [block_on("name"), block_on("core"), block_on("domain"), block_on("first_word", "city")]
    settings = SettingsCreator(
        link_type="link_only",
        comparisons=[
            cl.JaroWinklerAtThresholds("name", [0.95, 0.88, 0.75]),
            cl.ExactMatch("core"),
            cl.ExactMatch("domain"),
            cl.ExactMatch("city"),
            cl.ExactMatch("year"),
        ],
        blocking_rules_to_generate_predictions=rules,
    )
    linker = Linker(frames, settings)
    linker.training.estimate_probability_two_random_records_match([block_on("name"), block_on("domain")], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("name"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("domain"))
    rows = pl.DataFrame(pl.from_arrow(linker.inference.predict().as_pyarrow_table()))
    left = (rows["source_dataset_l"] == "profiles").to_numpy()
    profile = np.where(left, rows["unique_id_l"], rows["unique_id_r"]).astype(int)
    entity = np.where(left, rows["unique_id_r"], rows["unique_id_l"]).astype(int)
    score = rows["match_weight"].to_numpy().astype(float)
    seconds = (time.perf_counter() - start) / len(task.profiles.ids)
    return Claims("splink", profile, entity, score, seconds)


def _claims(name: str, found: list[tuple[int, int, float]], start: float, task: Task, *, fixed: bool = False) -> Claims:
    seconds = (time.perf_counter() - start) / len(task.profiles.ids)
    columns = [np.array(column) for column in zip(*found, strict=True)]
    return Claims(name, columns[0], columns[1], columns[2], seconds, fixed=fixed)
