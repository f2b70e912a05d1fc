"""Talking to the person at the terminal, or to the program behind ``--json``."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

# Where there is no terminal whose width is known, tables get room.
_WIDTH = None if sys.stdout.isatty() else 120
out = Console(highlight=False, width=_WIDTH)
err = Console(stderr=True, highlight=False)

# What exit codes mean; shown by `icp --help`.
OK, FAILED, BAD_INPUT, BUSY, CHECK_FAILED = 0, 1, 2, 3, 4

JSON_OPTION = typer.Option("--json", help="Print JSON for programs instead of a table.")


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    out.file.write(json.dumps(value, default=_plain, ensure_ascii=False, indent=2) + "\n")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    return str(value)


def table(title: str | None, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table for people. A column whose name starts with '>' is right-aligned; markup in texts is shown as it is."""
    title = escape(title) if title else None
    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(escape(column.removeprefix(">")), justify="right" if column.startswith(">") else "left")
    for row in rows:
        made.add_row(*(escape(_text(cell)) for cell in row))
    return made


def _text(cell: Any) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:.3g}"
    if isinstance(cell, dt.datetime):
        return f"{cell:%Y-%m-%d %H:%M}"
    return str(cell)


def chance(probability: float | None) -> str:
    """A probability in whole per cents, never rounded up: 0.997 is no certainty."""
    if probability is None:
        return "–"
    return "> 99 %" if probability > 0.99 else f"{math.floor(100 * probability)} %"


def percent(share: float | None, digits: int = 1) -> str:
    """0.123 → '12.3 %'."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"
