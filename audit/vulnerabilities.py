"""Known vulnerabilities of the pinned versions, looked up by pip-audit where it and its database can be reached."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from audit.licences import PROJECT_ROOT

COMMAND = ("pip-audit", "--requirement", "constraints.txt", "--no-deps", "--disable-pip", "--format", "json")
TIMEOUT_S = 300


@dataclass(frozen=True)
class Answer:
    """What came of the look-up.

    Attributes:
        found: "package version: id (fixed in …)"; None: the database was not asked.
        why_not: why it was not, in words.
    """

    found: list[str] | None
    why_not: str = ""


def look_up() -> Answer:
    """Ask about every version in constraints.txt."""
    beside = Path(sys.executable).with_name(COMMAND[0])
    program = str(beside) if beside.exists() else shutil.which(COMMAND[0])
    if program is None:
        return Answer(None, "pip-audit is not installed here")
    try:
        done = subprocess.run(
            [program, *COMMAND[1:]], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=TIMEOUT_S
        )
        told = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return Answer(None, f"pip-audit had no answer after {TIMEOUT_S} s")
    except (json.JSONDecodeError, KeyError):  # it prints JSON if and only if its database answered
        words = done.stderr.strip().splitlines() or ["without a word"]
        return Answer(None, f"pip-audit ended with {done.returncode}: {words[-1]}")
    return Answer(
        [
            f"{package['name']} {package['version']}: {fault['id']}"
            f" (fixed in {', '.join(fault['fix_versions']) or 'no version yet'})"
            for package in told
            for fault in package.get("vulns", ())
        ]
    )
