"""Input that is large rather than wrong: the command answers in bounded time and memory, in a process of its own."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from tests.fuzz.runner import TALLIES, Tally
from warehouse import tenants
from warehouse.connection import Warehouse

MOST_MEMORY = 1_500 * 2**20
MOST_SECONDS = 240
MB = 2**20
MAPPING = """name: {name}
tenant: large
leads:
  files: {file}
  columns: {{lead_id: id, title: title}}
"""


def lines(path: Path, made: Iterator[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(made)


def repeated(line: str, times: int, head: str = "id,title\n") -> Iterator[str]:
    yield head
    for _ in range(times):
        yield line


def packed(path: Path, block: bytes, times: int) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(times):
            file.write(block)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("leads.csv", b"0" * (100 * MB))


def constant_rows(path: Path) -> None:
    pl.select(pl.repeat("x", 80_000_000).alias("id"), pl.repeat("t", 80_000_000).alias("title")).write_parquet(path)


def keys(n: int) -> str:
    return "{" + ",".join(f'"k{number}":1' for number in range(n)) + "}\n"


# name → file, how it is made, whether it is loaded (else refused)
FILES: dict[str, tuple[str, Callable[[Path], None], bool]] = {
    "fields of 10 MB": (
        "a.csv",
        lambda path: lines(path, (f"{n},{'x' * 10 * MB}\n" if n else "id,title\n" for n in range(30))),
        True,
    ),
    "a million columns": (
        "b.csv",
        lambda path: lines(path, iter([",".join(f"c{n}" for n in range(10**6)), "\n1,2\n"])),
        False,
    ),
    "a million fields in a row": ("c.csv", lambda path: lines(path, repeated("1," * 10**6 + "\n", 20)), True),
    "a quote never closed": (
        "d.csv",
        lambda path: lines(path, repeated("2,yyyyyyyyyyyyyyyyyyyy\n", 10**7, 'id,title\n1,"x\n')),
        False,
    ),
    "one line of 300 MB": ("e.csv", lambda path: lines(path, iter(["id,title\n"] + ["x" * MB] * 300)), False),
    "a header of 100 MB": (
        "f.csv",
        lambda path: lines(path, iter(["x" * MB] * 100 + [",id,title\n1,2,3\n"])),
        False,
    ),
    "ten million blank lines": ("g.csv", lambda path: lines(path, repeated("\n", 10**7)), True),
    "300,000 rows of one field": ("h.csv", lambda path: lines(path, repeated("x\n", 300_000)), True),
    "100 MB of NULs": ("i.csv", lambda path: lines(path, repeated("\x00" * MB, 100)), False),
    "a gzip bomb": ("j.csv.gz", lambda path: packed(path, b"\x00" * MB, 4_000), False),
    "a gzip bomb of rows": ("k.csv.gz", lambda path: packed(path, b"id,title\n" + b"1,x\n" * 250_000, 2_000), False),
    "a zip bomb": ("l.csv", zipped, False),
    "JSON of 10 MB a line": (
        "m.ndjson",
        lambda path: lines(path, (f'{{"id": "{n}", "title": "{"x" * 10 * MB}"}}\n' for n in range(30))),
        True,
    ),
    "JSON nested without end": (
        "n.ndjson",
        lambda path: lines(path, iter(['{"id": "1", "title": ' + "[" * 10**7 + "\n"])),
        False,
    ),
    "a million keys": ("o.ndjson", lambda path: lines(path, repeated(keys(10**6), 3, "")), False),
    "other keys in every line": (
        "p.ndjson",
        lambda path: lines(path, (f'{{"id": "{n}", "title": "t", "k{n}": 1}}\n' for n in range(300_000))),
        True,
    ),
    "80 million equal rows": ("q.parquet", constant_rows, False),
}


@pytest.fixture(scope="module")
def large(warehouse: Warehouse) -> Warehouse:
    with warehouse.connect(autocommit=True) as connection:
        tenants.add_tenant(connection, slug="large")
    return warehouse


def run(*arguments: str) -> tuple[int, str, float, int]:
    """Exit code, what was said, seconds, and bytes of memory at most."""
    program = "import sys; from icp.main import main; sys.argv[0] = 'icp'; main()"
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    said = process.stdout.read().decode("utf-8", "replace")
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, said, time.monotonic() - started, used.ru_maxrss * 1024


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_large_file_costs_bounded_memory(large: Warehouse, tmp_path: Path, name: str) -> None:
    file, make, loaded = FILES[name]
    make(tmp_path / file)
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(MAPPING.format(name=f"large {file}", file=file))
    code, said, seconds, memory = run("load", "outcomes", str(mapping))
    (tmp_path / file).unlink()
    tally = Tally(f"large: {name}", seconds=seconds, peak=memory)
    tally.ends["loaded" if code == 0 else "sentence"] += 1
    tally.took(seconds, name)
    TALLIES.append(tally)
    assert "Traceback" not in said and len(said) < 6_000, said[:3_000]
    assert (code == 0) == loaded and code in (0, 2), said[-2_000:]
    assert seconds < MOST_SECONDS and memory < MOST_MEMORY, (seconds, memory / MB)
    with large.connect(autocommit=True) as connection:
        assert connection.execute("select count(*) from raw.loads where status = 'running'").fetchone() == (0,)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "arguments", "block", "times"),
    [
        ("a gzip bomb as registry", ("registry", "{}"), b"\x00" * MB, 4_000),
        (
            "a gzip bomb as industry codes",
            ("industry-codes", "{}", "--version", "2025"),
            b"code,title\n" * 90_000,
            4_000,
        ),
        ("200 MB as intake", ("intake", "{}", "--tenant", "large"), b"[" * MB, 200),
    ],
)
def test_a_large_file_of_another_kind_is_refused(
    large: Warehouse, tmp_path: Path, name: str, arguments: tuple[str, ...], block: bytes, times: int
) -> None:
    path = tmp_path / ("x.json" if "intake" in name else "x.csv.gz")
    if path.suffix == ".gz":
        packed(path, block, times)
    else:
        path.write_bytes(block * times)
    code, said, seconds, memory = run("load", *(argument.format(path) for argument in arguments))
    tally = Tally(f"large: {name}", seconds=seconds, peak=memory)
    tally.ends["sentence"] += 1
    tally.took(seconds, name)
    TALLIES.append(tally)
    assert code == 2 and "Traceback" not in said and len(said) < 3_000, said[:3_000]
    assert seconds < MOST_SECONDS and memory < MOST_MEMORY, (seconds, memory / MB)
