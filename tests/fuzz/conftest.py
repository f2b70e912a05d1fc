"""A table of what the fuzzers tried, where a size was asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.fuzz.runner import TALLIES, table

SIZED = "FUZZ_CASES" in os.environ or "FUZZ_CASE" in os.environ


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(0 if SIZED else 120))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SIZED and TALLIES:
        terminalreporter.write_line("")
        terminalreporter.write_line(table(TALLIES))
