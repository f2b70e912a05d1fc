"""What loading files costs: ``python -m benchmarks.load [--quick | --rows N]``.

A clean table of leads with 20 columns (quoted texts, five timestamps, numbers, booleans) in every format: reading,
casting and validation alone, and with the load into an embedded, durable server. Then COPY against executemany, alone
and with the upsert. Contestants take turns; medians of the rounds. Printed, and written to benchmarks/results/load.md.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import psycopg

from ingest.files.opening import open_source
from ingest.files.source import batches
from ingest.outcomes.entities import COMPONENT_POINTS, LEADS
from ingest.outcomes.load import load_outcomes
from ingest.outcomes.mapping import Mapping as SourceMapping
from ingest.outcomes.parsing import Parser
from warehouse import bulk, tenants
from warehouse.connection import Warehouse

RESULTS = Path(__file__).parent / "results" / "load.md"
SEED = 20260630
ZONE = "Asia/Singapore"
FORMATS = ("csv", "csv.gz", "ndjson", "ndjson.gz", "parquet")
COMPONENTS = tuple(COMPONENT_POINTS)
TEXTS = ("title", "industry", "country", "status")
TIMES = ("created_at", "first_contact_at", "deleted_at", "status_at", "scored_at")
FLAGS = ("is_new_role", "is_hiring", "recently_funded")
COLUMNS = ("lead_id", *TEXTS, *TIMES, *FLAGS, "employee_count", *COMPONENTS)
TARGET = {
    **{"tenant_id": "int4", "source_id": "text"},
    **dict.fromkeys(("created_at", "first_contact_at", "deleted_at"), "timestamptz"),
    **dict.fromkeys(("title", "industry", "country"), "text"),
    "employee_count": "int4",
    **dict.fromkeys(FLAGS, "bool"),
}
"""What of it goes into raw.leads, by Postgres type."""


def draw(rows: int) -> pl.DataFrame:
    """Leads, typed; local times without zone."""
    random = np.random.default_rng(SEED)

    def times(known: float) -> pl.Series:
        seconds = random.integers(0, 31_000_000, rows).astype("timedelta64[s]")
        drawn = pl.Series(np.datetime64("2025-06-01", "us") + seconds)
        return drawn.set(pl.Series(random.random(rows) > known), None)

    words = {
        "title": ["Chief Executive Officer", "Head of Sales, APAC", "CTO", 'VP "Growth"', "Inhaberin"],
        "industry": ["Manufacturing", "Food & beverage", "Retail", "Größte Bäckerei"],
        "country": ["SG", "DE", "BR"],
        "status": ["new", "contacted", "in_sequence"],
    }
    return pl.DataFrame(
        {
            "lead_id": np.char.add("L-", np.char.zfill(np.arange(rows).astype(str), 8)),
            **{name: random.choice(values, rows) for name, values in words.items()},
            **{name: times(0.05 if name == "deleted_at" else 1.0) for name in TIMES},
            **{name: random.random(rows) < 0.3 for name in FLAGS},
            "employee_count": random.integers(1, 10_000, rows),
            **{name: random.integers(0, points + 1, rows) for name, points in COMPONENT_POINTS.items()},
            "source": random.choice(["referral", "fair", "inbound"], rows),
        }
    )


def write(leads: pl.DataFrame, folder: Path) -> None:
    """The table in every format, and its mapping."""
    leads.write_csv(folder / "leads.csv", datetime_format="%Y-%m-%d %H:%M:%S")
    leads.write_parquet(folder / "leads.parquet")
    # As JavaScript writes dates; nothing is said by leaving it out.
    lines = leads.with_columns(pl.col(TIMES).dt.replace_time_zone(ZONE).dt.strftime("%Y-%m-%dT%H:%M:%S%:z"))
    lines.write_ndjson(folder / "leads.ndjson")
    for name in ("leads.csv", "leads.ndjson"):
        with (folder / name).open("rb") as plain, gzip.open(folder / f"{name}.gz", "wb", 6) as packed:
            shutil.copyfileobj(plain, packed)


def mapping(tenant: str, file_format: str) -> dict[str, Any]:
    """How it is read."""
    return {
        "name": tenant,
        "tenant": tenant,
        "timezone": ZONE,
        "leads": {
            "files": f"leads.{file_format}",
            "columns": {name: name for name in COLUMNS},
            "attributes": {"source": "source"},
        },
    }


def read(folder: Path, file_format: str) -> int:
    """Read, cast and validate; returns the good rows."""
    source = SourceMapping.model_validate(mapping("acme", file_format))
    wanted = source.columns_of(LEADS)
    with open_source(folder / f"leads.{file_format}", encoding="utf-8", delimiter=",", wanted=wanted) as file:
        tenant = {"acme": 1}
        parser = Parser(LEADS, source, header=file.header, file_name=file.name, tenants=tenant, timezone=ZONE)
        return sum(parser.parse(batch).good.height for batch in batches(file))


class Taken(NamedTuple):
    """Seconds on the clock and of the processor."""

    wall: float
    processor: float


def medians(contestants: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, Taken]:
    """What each takes, in turns, after one round that does not count."""
    taken: dict[str, list[Taken]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, contestant in contestants.items():
            began, processor = time.perf_counter(), time.process_time()
            contestant()
            if number:
                taken[name].append(Taken(time.perf_counter() - began, time.process_time() - processor))
    return {name: Taken(*map(statistics.median, zip(*all_, strict=True))) for name, all_ in taken.items()}


def format_rows(leads: pl.DataFrame, folder: Path, warehouse: Warehouse, rounds: int) -> list[str]:
    """Rows of the table by format."""
    rows = leads.height
    assert all(read(folder, name) == rows for name in FORMATS)
    by_format: dict[str, Callable[[], Any]] = {name: partial(read, folder, name) for name in FORMATS}
    read_seconds = medians(by_format | {"polars": lambda: pl.read_csv(folder / "leads.csv")}, rounds)
    polars = read_seconds.pop("polars")
    numbers = itertools.count()
    load_seconds = medians(
        {name: partial(load, warehouse, folder, name, numbers) for name in FORMATS},
        rounds=1,
    )
    size = {name: (folder / f"leads.{name}").stat().st_size / 1e6 for name in FORMATS}
    return [
        "| format | MB | read, cast, validate: rows a second | a processor second | with the load: rows a second |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {size[name]:,.0f} | {rows / read_seconds[name].wall:,.0f}"
            f" | {rows / read_seconds[name].processor:,.0f} | {rows / load_seconds[name].wall:,.0f} |"
            for name in FORMATS
        ),
        f"| polars.read_csv alone, types guessed | {size['csv']:,.0f} | {rows / polars.wall:,.0f}"
        f" | {rows / polars.processor:,.0f} | |",
    ]


def load(warehouse: Warehouse, folder: Path, file_format: str, numbers: Iterator[int]) -> None:
    """Load into a tenant of its own."""
    slug = f"bench-{next(numbers)}"
    with warehouse.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug=slug)
        path = folder / f"{slug}.yaml"
        path.write_text(json.dumps(mapping(slug, file_format)))
        report = load_outcomes(warehouse, path)
        assert report.files[0].counts.inserted == report.files[0].counts.read


def copy_rows(leads: pl.DataFrame, warehouse: Warehouse, rounds: int) -> list[str]:
    """Rows of the table of COPY against executemany."""
    frame = leads.select(
        pl.lit(1, pl.Int32).alias("tenant_id"),
        pl.col("lead_id").alias("source_id"),
        *(
            pl.col(name).dt.replace_time_zone("UTC") if kind == "timestamptz" else pl.col(name)
            for name, kind in list(TARGET.items())[2:]
        ),
    )
    with warehouse.connect(autocommit=True) as connection:
        connection.execute("create table raw.benchmark (like raw.leads including all)")
        contestants: dict[str, Callable[[], Any]] = {
            "executemany alone": lambda: alone(connection, frame, by_copy=False),
            "COPY alone": lambda: alone(connection, frame, by_copy=True),
            "executemany with upsert": lambda: upsert(connection, frame, by_copy=False),
            "COPY and upsert": lambda: upsert(connection, frame, by_copy=True),
        }
        seconds = medians(contestants, rounds)
        connection.execute("drop table raw.benchmark")
    rows = frame.height
    lines = ["| way | rows a second | times executemany |", "|---|---|---|"]
    for slow, fast in (("executemany alone", "COPY alone"), ("executemany with upsert", "COPY and upsert")):
        lines.append(f"| {slow} | {rows / seconds[slow].wall:,.0f} | |")
        times = seconds[slow].wall / seconds[fast].wall
        lines.append(f"| {fast} | {rows / seconds[fast].wall:,.0f} | {times:.1f} |")
    return lines


def alone(connection: psycopg.Connection, frame: pl.DataFrame, *, by_copy: bool) -> None:
    """Into a staging table without index."""
    with connection.transaction(), connection.cursor() as cursor:
        bulk.create_staging(cursor, "staged", TARGET)
        if by_copy:
            bulk.copy_frame(cursor, "staged", TARGET, frame)
        else:
            marks = ", ".join(["%s"] * len(TARGET))
            cursor.executemany(f"insert into staged values ({marks})".encode(), frame.iter_rows())


def upsert(connection: psycopg.Connection, frame: pl.DataFrame, *, by_copy: bool) -> None:
    """Into an empty table with the keys of raw.leads, committed; twice, the second time nothing changes."""
    connection.execute("truncate raw.benchmark")
    names = ", ".join(TARGET)
    new = ", ".join(f"{name} = excluded.{name}" for name in TARGET)
    statement = (
        f"insert into raw.benchmark as known ({names}, load_id) values ({', '.join(['%s'] * len(TARGET))}, 1)"
        f" on conflict (tenant_id, source_id) do update set {new}"
        f" where row({', '.join(f'known.{name}' for name in TARGET)})"
        f" is distinct from row({', '.join(f'excluded.{name}' for name in TARGET)})"
    )
    for _ in range(2):
        with connection.transaction(), connection.cursor() as cursor:
            if by_copy:
                bulk.create_staging(cursor, "staged", TARGET)
                bulk.copy_frame(cursor, "staged", TARGET, frame)
                columns = {name: f"staged.{name}" for name in TARGET}
                key = ("tenant_id", "source_id")
                bulk.upsert(cursor, "raw.benchmark", key=key, columns=columns, source="staged", load_id=1)
            else:
                cursor.executemany(statement.encode(), frame.iter_rows())


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rows, nothing written")
    parser.add_argument("--rows", type=int, default=200_000)
    asked = parser.parse_args()
    quick = asked.quick
    rows, rounds = (20_000, 1) if quick else (asked.rows, 5)
    copied = min(rows, 100_000)
    leads = draw(rows)
    with tempfile.TemporaryDirectory(prefix="icp-") as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        write(leads, folder)
        os.environ["ICP_HOME"] = str(Path(scratch) / "home")
        os.environ.pop("ICP_DATABASE_URL", None)
        warehouse = Warehouse().open()
        try:
            lines = ["# Loading", "", f"{rows:,} leads, 20 columns, none rejected.", ""]
            lines += format_rows(leads, folder, warehouse, rounds)
            lines += ["", f"{copied:,} leads, {len(TARGET)} columns, one connection, as they come from polars.", ""]
            lines += copy_rows(leads.head(copied), warehouse, rounds)
        finally:
            warehouse.close()
    busy = " ".join(f"{number:.1f}" for number in os.getloadavg())
    lines += [
        "",
        "Reading counts the records of every file before anything else. A processor second is one of this process, all",
        "threads; Postgres has its own. With the load: COPY into a staging table, duplicates, upsert with all keys,",
        "status events and snapshots from the same rows, commit. The upsert loads the same rows twice, so that the",
        "second time none changes.",
        "",
        f"`python -m benchmarks.load --rows {rows}`, {os.cpu_count()} cores, medians of {rounds} rounds, load {busy}.",
    ]
    print("\n".join(lines))
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
