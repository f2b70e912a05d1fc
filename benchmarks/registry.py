"""What loading a registry costs: ``python -m benchmarks.registry [--quick | --full]``.

Synthetic files in ACRA's published layout (27 by first letter, 54 columns; about a third live, a twelfth with former
names) into an embedded, durable server: first load, the same files again, and with one entity in a hundred changed, new
or gone. Each load is a process of its own, so that its peak memory is its own. Printed, and written to
benchmarks/results/registry.md; --full adds two million entities.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ingest.registry.load import load_registry
from models_py.matching.names import name_key
from warehouse.connection import Warehouse

RESULTS = Path(__file__).parent / "results" / "registry.md"
PROJECT = Path(__file__).resolve().parents[1]
SEED = 20260630
SIZES = {"quick": (20_000,), "default": (500_000,), "full": (500_000, 2_000_000)}
COLUMNS = (
    *("uen", "issuance_agency_desc", "uen_status_desc", "entity_name", "entity_type_description"),
    *("business_constitution_description", "company_type_description", "paf_constitution_description"),
    *("entity_status_description", "registration_incorporation_date", "uen_issue_date", "address_type", "block"),
    *("street_name", "level_no", "unit_no", "building_name", "postal_code", "other_address_line1"),
    *("other_address_line2", "account_due_date", "annual_return_date", "primary_ssic_code"),
    *("primary_ssic_description", "primary_user_described_activity", "secondary_ssic_code"),
    *("secondary_ssic_description", "secondary_user_described_activity", "no_of_officers"),
    *(f"former_entity_name{number}" for number in range(1, 16)),
    *(f"uen_of_audit_firm{number}" for number in range(1, 6)),
    *(f"name_of_audit_firm{number}" for number in range(1, 6)),
)
FORMS = np.array(["PTE. LTD.", "PTE. LTD.", "PTE. LTD.", "LLP", "", "TRADING", "(S) PTE LTD", "& SONS PRIVATE LIMITED"])
STREETS = np.array(["WATERLOO STREET", "ORCHARD ROAD", "ANSON ROAD", "UBI AVENUE 1", "KAKI BUKIT ROAD 3"])
STATUSES = np.array(["Live Company", "Live", "Struck Off", "Ceased Registration", "Cancelled", "Dissolved"])


def draw(entities: int) -> pl.DataFrame:
    """A registry, all texts."""
    random = np.random.default_rng(SEED)
    syllables = np.array(["ba", "chen", "do", "ex", "fu", "gra", "hin", "ion", "ka", "lim", "mo", "nor", "ong", "pa"])
    words = np.char.add(np.char.add(*syllables[random.integers(0, 14, (2, 30_000))]), random.choice(syllables, 30_000))
    words = np.char.upper(words)

    def names(rows: int) -> Any:
        first, second = random.choice(words, (2, rows))
        return np.char.strip(
            np.char.add(np.char.add(first, " "), np.char.add(np.char.add(second, " "), random.choice(FORMS, rows)))
        )

    codes = np.char.zfill(random.integers(1000, 99_999, 900).astype(str), 5)
    formerly = random.random(entities) < 1 / 12
    former = np.where(formerly, names(entities), "na")
    values = {
        "uen": np.char.add(np.char.zfill(np.arange(entities).astype(str), 9), "K"),
        "entity_name": names(entities),
        "issuance_agency_desc": "ACRA",
        "uen_status_desc": "Registered",
        "entity_type_description": "Local Company",
        "company_type_description": "Exempt Private Company Limited by Shares",
        "entity_status_description": random.choice(STATUSES, entities, p=[0.22, 0.1, 0.3, 0.25, 0.1, 0.03]),
        "registration_incorporation_date": (
            np.datetime64("1970-01-01") + random.integers(0, 20_000, entities).astype("timedelta64[D]")
        ).astype(str),
        "uen_issue_date": "2008-09-09",
        "address_type": "LOCAL",
        "block": random.integers(1, 900, entities).astype(str),
        "street_name": random.choice(STREETS, entities),
        "level_no": "06",
        "unit_no": random.integers(1, 99, entities).astype(str),
        "postal_code": np.char.zfill(random.integers(10_000, 829_999, entities).astype(str), 6),
        "primary_ssic_code": random.choice(codes, entities),
        "primary_ssic_description": "MANAGEMENT CONSULTANCY SERVICES AND OTHER ACTIVITIES",
        "secondary_ssic_code": np.where(random.random(entities) < 0.3, random.choice(codes, entities), "na"),
        "no_of_officers": "2",
        "former_entity_name1": former,
    }
    columns = [
        pl.lit(str(value)).alias(name) if isinstance(value, str) else pl.Series(name, value)
        for name, value in ((name, values.get(name, "na")) for name in COLUMNS)
    ]
    return pl.select(pl.Series("row", np.arange(entities))).select(*columns)


def write(registry: pl.DataFrame, folder: Path) -> int:
    """The published files; returns their bytes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for (letter,), rows in registry.group_by(pl.col("entity_name").str.slice(0, 1), maintain_order=True):
        rows.write_csv(folder / f"ACRAInformationonCorporateEntities{letter}.csv")
    return sum(path.stat().st_size for path in folder.iterdir())


def change(registry: pl.DataFrame) -> pl.DataFrame:
    """One entity in a hundred: six of ten under another status, three new, one gone."""
    random = np.random.default_rng(SEED + 1)
    draw = pl.Series(random.random(registry.height))
    kept = registry.filter(draw >= 0.001)
    status = pl.when(draw.filter(draw >= 0.001) < 0.007).then(pl.lit("Struck Off (again)"))
    changed = kept.with_columns(
        status.otherwise(pl.col("entity_status_description")).alias("entity_status_description")
    )
    new = registry.filter(draw > 0.997).with_columns(pl.concat_str(pl.lit("N"), pl.col("uen")).alias("uen"))
    return pl.concat([changed, new])


def load(folder: Path, home: Path) -> dict[str, Any]:
    """One load in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.registry", "--load", str(folder)],
        env={**os.environ, "ICP_HOME": str(home)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def load_here(folder: Path) -> None:
    """What the process of one load does: load, and print what it took."""
    with Warehouse().open().connect():
        pass
    began, cpu = time.perf_counter(), time.process_time()
    report = load_registry(Warehouse().open(), [folder], now=dt.datetime.now(dt.UTC), again=True)
    said = {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": peak_memory(),
        "gone": report.gone,
        **vars(report.counts),
    }
    print(json.dumps(said))


def peak_memory() -> float:
    """Of this process, in MB. Not by getrusage: that remembers the process that started this one."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def rows_of(entities: int) -> list[str]:
    """Rows of the table for one size."""
    registry = draw(entities)
    with tempfile.TemporaryDirectory(prefix="icp-") as scratch:
        home, folder = Path(scratch) / "home", Path(scratch) / "acra"
        os.environ["ICP_HOME"] = str(home)
        os.environ.pop("ICP_DATABASE_URL", None)
        warehouse = Warehouse().open()
        try:
            size = write(registry, folder)
            found = [("first load", load(folder, home)), ("the same files again", load(folder, home))]
            write(change(registry), folder)
            found.append(("1 % changed", load(folder, home)))
        finally:
            warehouse.close()
    assert found[0][1]["inserted"] == entities and found[1][1]["updated"] == 0
    shown = f"{entities:,} ({size / 1e6:,.0f} MB)"
    return [
        f"| {shown} | {name} | {said['seconds']:.1f} | {said['cpu_seconds']:.1f} "
        f"| {said['read'] / said['seconds']:,.0f} "
        f"| {said['inserted']:,} / {said['updated']:,} / {said['gone']:,} | {said['peak_mb']:,.0f} |"
        for name, said in found
    ]


def key_cost(names: int) -> float:
    """Microseconds that the key of one name takes."""
    sample = draw(names)["entity_name"].to_list()
    began = time.perf_counter()
    for name in sample:
        name_key(name)
    return (time.perf_counter() - began) / names * 1e6


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few entities, nothing written")
    parser.add_argument("--full", action="store_true", help="two million entities too (some minutes)")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.load:
        load_here(asked.load)
        return
    sizes = SIZES["quick" if asked.quick else "full" if asked.full else "default"]
    lines = [
        "# Registry",
        "",
        "| entities | load | seconds | of them the loader's own CPU | rows a second | new / updated / gone "
        "| peak memory, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for entities in sizes:
        lines += rows_of(entities)
    lines += [
        "",
        "Seconds include counting the records of every file before anything is loaded, comparing, writing with all",
        "indexes, and the commit. Memory is that of the loading process (Postgres has its own settings).",
        f"The key of a name takes {key_cost(20_000):.1f} µs, and is made for new and changed entities only.",
        "",
        f"`python -m benchmarks.registry{' --full' if asked.full else ''}`, {os.cpu_count()} cores.",
    ]
    print("\n".join(lines))
    if not asked.quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
