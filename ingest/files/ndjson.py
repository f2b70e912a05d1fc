"""NDJSON: one JSON object a line. Its rows are numbered by line, the first is 1.

A key that a line does not have is empty there. Whatever is no text comes as its JSON text: 12, true, {"a": [1]}.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from ingest.errors import IngestError
from ingest.files.source import LONGEST_RECORD, ROW, Batch, Broken, batch_rows, checked_header

_BLOCK = 16 * 2**20
_LINES_FOR_HEADER = 1_000
_NEWLINE, _BRACE = b"\n{"


@dataclass(frozen=True)
class NdjsonFile:
    """An NDJSON file in UTF-8 without byte order mark; blank lines are no records."""

    name: str
    path: Path
    header: tuple[str, ...]
    rows: int

    def read(self) -> Iterator[Batch]:
        """All records."""
        schema = dict.fromkeys(self.header, pl.String)
        most = batch_rows(len(self.header))
        for block in (part for whole in _blocks(self.name, self.path) for part in _parts(whole, most)):
            lines = len(block.ends)
            try:
                frame = pl.read_ndjson(block.content, schema=schema)
            except pl.exceptions.PolarsError:
                frame = None
            if frame is not None and frame.height == lines:
                yield Batch(frame.select(pl.int_range(block.first, block.first + lines).alias(ROW), pl.all()))
            else:
                yield _line_by_line(block, schema)


def survey_ndjson(name: str, path: Path, wanted: Collection[str]) -> NdjsonFile:
    """Read a file from beginning to end: how many records, and which keys.

    Args:
        path: of UTF-8 text without byte order mark.
        wanted: keys that belong into the header wherever they first occur; others do if they occur in the first
            thousand lines.

    Raises:
        IngestError: its first thousand lines hold no JSON object.
    """
    header: dict[str, None] = {}
    missing: set[str] = set()
    rows = 0
    for block in _blocks(name, path):
        if block.first == 1:
            header = _keys(name, block)
            missing = set(wanted) - set(header)
        found = {key for key in missing if any(spelt in block.content for spelt in _spellings(key))}
        header.update(dict.fromkeys(sorted(found)))
        missing -= found
        rows += _count(block)
    return NdjsonFile(name, path, checked_header(name, list(header)), rows)


class _Block(NamedTuple):
    """Some megabytes of whole lines: the number of the first one, and where lines end."""

    first: int
    content: bytes
    ends: npt.NDArray[np.intp]


def _blocks(name: str, path: Path) -> Iterator[_Block]:
    first = 1
    with path.open("rb") as content:
        while read := content.read(_BLOCK):
            if not read.endswith(b"\n"):
                rest = content.readline(LONGEST_RECORD)
                if not rest.endswith(b"\n"):
                    if len(rest) == LONGEST_RECORD:
                        line = first + read.count(b"\n")
                        raise IngestError(f"{name}: line {line} is longer than {LONGEST_RECORD // 2**20} MB.")
                    rest += b"\n"  # the last line of a file may lack it
                read += rest
            block = _block(first, read)
            yield block
            first += len(block.ends)


def _block(first: int, content: bytes) -> _Block:
    return _Block(first, content, np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == _NEWLINE))


def _parts(block: _Block, most: int) -> Iterator[_Block]:
    """The block in parts of at most so many lines."""
    begin = 0
    for at in range(0, len(block.ends), most):
        ends = block.ends[at : at + most] - begin
        yield _Block(block.first + at, block.content[begin : begin + int(ends[-1]) + 1], ends)
        begin += int(ends[-1]) + 1


def _count(block: _Block) -> int:
    """How many lines are not blank."""
    data = np.frombuffer(block.content, dtype=np.uint8)
    if data[0] == _BRACE and (data[block.ends[:-1] + 1] == _BRACE).all():
        return len(block.ends)
    return sum(1 for line in block.content.split(b"\n") if line.strip())


def _keys(name: str, block: _Block) -> dict[str, None]:
    """The keys of the first lines, in their order."""
    head = next(_parts(block, _LINES_FOR_HEADER)).content
    lines = [line for line in head.split(b"\n") if line.strip()]
    objects = [json.loads(line) for line in lines if _complaint(line) is None]
    if not objects and lines:
        reason = _complaint(lines[0])
        hint = ": write one object a line (jq -c '.[]')" if lines[0].lstrip().startswith(b"[") else ""
        raise IngestError(f"{name} is not NDJSON: the first line {reason}{hint}.")
    return dict.fromkeys(key for record in objects for key in record)


def _spellings(key: str) -> set[bytes]:
    return {json.dumps(key, ensure_ascii=escaped).encode(errors="replace") for escaped in (True, False)}


def _line_by_line(block: _Block, schema: dict[str, type[pl.String]]) -> Batch:
    """The lines that hold an object, and those that do not with what is wrong with them."""
    good: list[tuple[int, bytes]] = []
    broken: list[Broken] = []
    for number, line in enumerate(block.content.split(b"\n"), start=block.first):
        if line.strip():
            reason = _complaint(line)
            if reason:
                broken.append(_broken(number, line, reason))
            else:
                good.append((number, line))
    frames = [pl.DataFrame(schema=schema).with_columns(pl.lit(0, pl.Int64).alias(ROW)).select(ROW, *schema)]
    _decode(good, schema, frames, broken)
    return Batch(pl.concat(frames), sorted(broken))


def _decode(
    lines: list[tuple[int, bytes]],
    schema: dict[str, type[pl.String]],
    frames: list[pl.DataFrame],
    broken: list[Broken],
) -> None:
    """Decode lines that are JSON objects; what polars refuses all the same (1e400) is found by halving."""
    if not lines:
        return
    try:
        frame = pl.read_ndjson(b"\n".join(line for _, line in lines), schema=schema)
    except pl.exceptions.PolarsError as error:
        if len(lines) == 1:
            number, line = lines[0]
            broken.append(_broken(number, line, f"cannot be used: {str(error).splitlines()[0]}"))
        else:
            half = len(lines) // 2
            _decode(lines[:half], schema, frames, broken)
            _decode(lines[half:], schema, frames, broken)
        return
    frames.append(frame.select(pl.Series(ROW, [number for number, _ in lines], dtype=pl.Int64), pl.all()))


def _complaint(line: bytes) -> str | None:
    """What is wrong with a line, or None."""
    try:
        content = json.loads(line.decode(), parse_constant=_refuse, parse_int=str, parse_float=str)
    except UnicodeDecodeError:
        return "is not UTF-8"
    except (ValueError, RecursionError) as error:
        return f"is not JSON: {error or 'nested too deeply'}"
    return None if isinstance(content, dict) else "is no JSON object"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _broken(number: int, line: bytes, reason: str) -> Broken:
    return Broken(number, [line.decode(errors="replace")], reason)
