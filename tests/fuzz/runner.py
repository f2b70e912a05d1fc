"""Runs the seeded cases of a family, counts how they end, and says how a crash can be seen again.

Sized by the environment: FUZZ_CASES (cases per family; without it each family's own small number), FUZZ_SECONDS (after
which a family stops where it is), FUZZ_SEED (1), FUZZ_CASE (one case alone).
"""

from __future__ import annotations

import contextlib
import math
import os
import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SEED = os.environ.get("FUZZ_SEED", "1")
MOST_CRASHES = 25  # then a family stops: one cause has many faces


@dataclass
class Tally:
    """What became of a family's cases.

    Attributes:
        worst: processor seconds of the slowest case, and which it was.
        peak: bytes of memory this process had at most while the family ran.
    """

    family: str
    ends: Counter[str] = field(default_factory=Counter)
    crashes: dict[str, str] = field(default_factory=dict)
    worst: tuple[float, str] = (0.0, "")
    seconds: float = 0.0
    peak: int = 0

    @property
    def cases(self) -> int:
        return self.ends.total()

    def took(self, seconds: float, case: object) -> None:
        self.worst = max(self.worst, (seconds, str(case)))


TALLIES: list[Tally] = []


def cases(small: int, at_once: int = 1) -> range:
    """The numbers of the cases to try, or of the batches of so many at once."""
    if only := os.environ.get("FUZZ_CASE"):
        return range(int(only), int(only) + 1)
    return range(math.ceil(int(os.environ.get("FUZZ_CASES") or small) / at_once))


def chance(family: str, case: int) -> random.Random:
    """The case's own chance: the same whatever ran before it."""
    return random.Random(f"{SEED}/{family}/{case}")


@contextlib.contextmanager
def family(name: str) -> Iterator[Tally]:
    """Counts a family's cases; fails at its end if one crashed."""
    tally = Tally(name)
    TALLIES.append(tally)
    _forget_peak()
    started = time.monotonic()
    try:
        yield tally
    finally:
        tally.seconds = time.monotonic() - started
        tally.peak = _peak()
    assert not tally.crashes, f"{len(tally.crashes)} crashes:\n" + "\n".join(
        f"FUZZ_SEED={SEED} FUZZ_CASE={case} ({name}):\n{trace}" for trace, case in tally.crashes.items()
    )


def run(
    name: str,
    one: Callable[[random.Random, int], str | Counter[str]],
    *,
    small: int,
    most_seconds: float,
    at_once: int = 1,
) -> Tally:
    """Try every case of a family; ``one`` returns how it ended and raises where it must not have ended so.

    Crashes that come from the same line are reported once.

    Args:
        one: tries a case, or so many ``at_once`` (their ends, counted).
        small: how many cases where no number was asked for.
        most_seconds: of this process's processors that a call of ``one`` may take.
    """
    until = time.monotonic() + float(os.environ.get("FUZZ_SECONDS") or "inf")
    with family(name) as tally:
        for case in cases(small, at_once):
            started = time.process_time()
            try:
                end = one(chance(name, case), case)
                tally.ends.update(end if isinstance(end, Counter) else [end])
            except (KeyboardInterrupt, SystemExit, pytest.fail.Exception) as error:
                error.add_note(f"in case {case} of {name}")
                raise
            except BaseException as error:  # a panic of polars is no Exception
                tally.ends["CRASH"] += 1
                tally.crashes.setdefault(_told(error), str(case))
                if len(tally.crashes) >= MOST_CRASHES:
                    break
            tally.took(time.process_time() - started, case)
            if time.monotonic() > until:
                break
    assert tally.worst[0] < most_seconds, f"case {tally.worst[1]} of {name} took {tally.worst[0]:.1f} s"
    return tally


def table(tallies: list[Tally]) -> str:
    """The tallies in Markdown."""
    lines = ["| family | cases | ends | crashes | worst | all | peak memory |", "|---|---:|---|---:|---:|---:|---:|"]
    for each in tallies:
        ends = ", ".join(f"{count:,} {end}" for end, count in each.ends.most_common() if end != "CRASH")
        lines.append(
            f"| {each.family} | {each.cases:,} | {ends} | {each.ends['CRASH']} | {each.worst[0]:.2f} s"
            f" | {each.seconds:,.0f} s | {each.peak / 2**20:,.0f} MB |"
        )
    return "\n".join(lines)


def _told(error: BaseException) -> str:
    """The innermost lines of a traceback and the error: where and what, without values that differ each time."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    lines = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    return "\n".join([*lines, f"  {type(error).__name__}: {str(error)[:160]}"])


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0)
