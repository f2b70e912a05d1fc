"""Lists of industry codes (SSIC and the like) from CSV: codes, levels, parents, titles, or a reason in words.

Columns are recognised by name; the level of a code is its length (a letter: section; two to five characters: division,
group, class, subclass). Codes are text: where a spreadsheet took their leading zero it is put back if that is certain,
and the list is refused if it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ingest.errors import IngestError
from ingest.files.delimited import CsvFile
from ingest.files.opening import open_source
from ingest.files.source import ROW, Broken, SourceFile, batches
from ingest.registry.rejects import SCHEMA

LEVELS = {1: "section", 2: "division", 3: "group", 4: "class", 5: "subclass"}
_WIDTH = {level: width for width, level in LEVELS.items()}
_COLUMNS = {
    "code": r"(code|ssic|ssic_?\d{4}|ssic_?\d{4}_code|ssic_code|industry_code|nace|isic)",
    "title": r"(title|name|description|ssic_?\d{4}_title|ssic_title|ssic_description|industry_title)",
    "level": r"(level|category)",
    "section": r"(section|section_code)",
    "parent": r"(parent|parent_code)",
    "definition": r"(definition|detailed_definitions?|ssic_?\d{4}_definition)",
    "examples": r"examples?(_.*)?",
}
_LONGEST_TITLE = 1_000
_LONGEST_TEXT = 20_000


@dataclass(frozen=True)
class IndustryCode:
    """One code of a list. ``parent_code``: the nearest code above it that the list has."""

    code: str
    level: str
    parent_code: str | None
    title: str
    definition: str | None
    examples: str | None


@dataclass(frozen=True)
class CodeList:
    """A list as it was read: good codes, rejects (``rejects.SCHEMA``), and notes in sentences."""

    codes: tuple[IndustryCode, ...]
    bad: pl.DataFrame
    notes: tuple[str, ...]
    rows: int

    @property
    def levels(self) -> dict[str, int]:
        """Codes by level, from section down."""
        return {level: sum(code.level == level for code in self.codes) for level in LEVELS.values()}


@dataclass
class _Row:
    number: int
    code: str
    title: str
    level: str
    section: str
    parent: str
    definition: str
    examples: str


def read_code_list(path: Path, *, encoding: str = "utf-8") -> CodeList:
    """Read a list of codes; the delimiter is the one its header has most of.

    Raises:
        IngestError: not readable, without a column of codes or titles, or leading zeros are lost for good.
    """
    with open_table(path, encoding=encoding) as file:
        columns = _recognise(file)
        read = list(batches(file))
    frame = pl.concat([batch.frame for batch in read])
    joined, uneven = _join_titles([record for batch in read for record in batch.broken], file, columns["title"])
    if joined:
        frame = pl.concat(
            [frame, pl.DataFrame([(number, *cells) for number, cells in joined], schema=frame.schema, orient="row")]
        ).sort(ROW)
    texts = [_cells(frame, columns.get(name)) for name in _COLUMNS]  # in the order of _Row
    rows = [_Row(*values) for values in zip(frame[ROW], *texts, strict=True)]
    for row in rows:
        _tidy(row)
    reasons: list[tuple[int, str | None, str, list[str]]] = [
        (number, None, reason, cells) for number, cells, reason in uneven
    ]
    notes = _mend_zeros(rows, path.name)
    if joined:
        notes.append(f"{len(joined):,} titles held the delimiter without quotes, the first in row {joined[0][0]}")
    good: dict[str, _Row] = {}
    for row in rows:
        reason = _complaint(row) or _contradiction(row, good.get(row.code))
        if reason:
            reasons.append((row.number, row.code or None, reason, [row.code, row.title, row.level]))
        else:
            good.setdefault(row.code, row)
    bad = [(number, key, reason, " | ".join(cells)) for number, key, reason, cells in reasons]
    return CodeList(
        tuple(_with_parents(list(good.values()))),
        pl.DataFrame(bad, schema=SCHEMA, orient="row"),
        tuple(notes),
        len(rows) + len(uneven),
    )


def read_code_table(
    path: Path, *, from_version: str, to_version: str, encoding: str = "utf-8"
) -> list[tuple[str, str]]:
    """Pairs of codes of an official table of what became what.

    Its columns are recognised by the versions in their names (``SSIC 2020``), or are ``from_code`` and ``to_code``.

    Raises:
        IngestError: not readable, or without two such columns.
    """
    with open_table(path, encoding=encoding) as file:
        named = [
            _code_column(file, version, fallback)
            for version, fallback in ((from_version, "from_code"), (to_version, "to_code"))
        ]
        frame = pl.concat([batch.frame for batch in batches(file)])
    pairs = zip(*(_cells(frame, name) for name in named), strict=True)
    return sorted({(_clean(old), _clean(new)) for old, new in pairs if old and new})


def _join_titles(
    uneven: Sequence[Broken], file: CsvFile, title: str
) -> tuple[list[tuple[int, list[str]]], list[Broken]]:
    """Records with too many fields because their title, the last column, holds the delimiter; and the others."""
    width = len(file.header)
    fits = file.header[-1] == title
    joined = [
        (number, [*cells[: width - 1], file.delimiter.join(cells[width - 1 :])])
        for number, cells, _ in uneven
        if fits and len(cells) > width
    ]
    done = {number for number, _ in joined}
    return joined, [record for record in uneven if record.row not in done]


@contextmanager
def open_table(path: Path, *, encoding: str) -> Iterator[CsvFile]:
    """Open a CSV whose delimiter nobody said."""
    try:
        with path.open("rb") as content:
            first = content.readline(100_000).decode(encoding, errors="replace")
    except OSError as error:
        raise IngestError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (LookupError, ValueError):  # some codecs refuse whatever they are given
        raise IngestError(f"There is no encoding {encoding!r}.") from None
    delimiter = max(",;\t|", key=first.count)
    with open_source(path, encoding=encoding, delimiter=delimiter) as file:
        if not isinstance(file, CsvFile):
            raise IngestError(f"{path.name} is no CSV; save the list as one.")
        yield file


def _recognise(file: SourceFile) -> dict[str, str]:
    found: dict[str, str] = {}
    for column in file.header:
        for name, pattern in _COLUMNS.items():
            if name not in found and re.fullmatch(pattern, _folded(column)):
                found[name] = column
                break
    for name, wanted in (("code", "code or ssic"), ("title", "title or name")):
        if name not in found:
            raise IngestError(
                f"{file.name} is no list of industry codes: it has no column of {name}s, such as {wanted} "
                f"(there are: {', '.join(file.header[:20])})."
            )
    return found


def _code_column(file: SourceFile, version: str, fallback: str) -> str:
    for column in file.header:
        folded = _folded(column)
        if folded == fallback or (version.lower() in folded and "title" not in folded and "desc" not in folded):
            return column
    raise IngestError(
        f"{file.name} has no column of codes of version {version}: name it {fallback}, or with the version in it "
        f"(there are: {', '.join(file.header[:20])})."
    )


def _folded(column: str) -> str:
    return re.sub(r"[\W_]+", "_", column.strip().lower()).strip("_")


def _cells(frame: pl.DataFrame, column: str | None) -> list[str]:
    if column is None:
        return [""] * frame.height
    return frame[column].fill_null("").str.replace_all("\x00", " ", literal=True).str.strip_chars().to_list()


def _clean(code: str) -> str:
    return re.sub(r"\.0+$", "", code.strip()).upper()


def _tidy(row: _Row) -> None:
    """Codes and levels in one spelling."""
    row.code, row.parent = _clean(row.code), _clean(row.parent)
    row.title = " ".join(row.title.split())
    level = re.sub(r"[^a-z]", "", row.level.lower())
    row.level = level if level in _WIDTH else ""
    row.section = row.section.upper() if re.fullmatch(r"[A-Za-z]", row.section) else ""


def _mend_zeros(rows: Sequence[_Row], name: str) -> list[str]:
    """Put leading zeros back where a level, or the shape of the list, says that one is lost."""
    codes = {row.code for row in rows}
    lengths = {len(code) for code in codes if code.isdigit()}
    prefixes = {code[:4] for code in codes if len(code) == 5}
    mended = []
    for row in rows:
        if not row.code.isdigit():
            continue
        by_level = row.level in _WIDTH and len(row.code) == _WIDTH[row.level] - 1
        alone = lengths <= {4, 5} and len(row.code) == 4 and row.code not in prefixes and "0" + row.code not in codes
        if by_level or (not row.level and alone):
            row.code = "0" + row.code
            mended.append(row.code)
    lost = next((row for row in rows if len(row.code) == 1 and row.code.isdigit()), None)
    if lost is not None:
        raise IngestError(
            f"{name}: {lost.code!r} in row {lost.number} is no code; a spreadsheet seems to have taken the leading "
            "zeros. Save the codes as text, or add a column 'level'."
        )
    return [f"{len(mended):,} codes had lost their leading zero, such as {mended[0]}"] if mended else []


def _complaint(row: _Row) -> str | None:
    if not row.code:
        return "code is empty"
    if not re.fullmatch(r"[A-Z]|[0-9A-Z]{2,5}", row.code) or (len(row.code) > 1 and not re.search(r"\d", row.code)):
        return f"code '{row.code[:60]}' is neither the letter of a section nor two to five characters"
    if not row.title:
        return "title is empty"
    if row.level and _WIDTH[row.level] != len(row.code):
        return f"code '{row.code}' has the length of a {LEVELS[len(row.code)]}, but its level is {row.level}"
    return None


def _contradiction(row: _Row, first: _Row | None) -> str | None:
    if first is None or first.title == row.title:
        return None
    return f"code '{row.code}' is in row {first.number} already, with another title; the first one counts"


def _with_parents(rows: Sequence[_Row]) -> Iterator[IndustryCode]:
    """A code's parent is its nearest beginning that the list has; a division's, its section by column or by place."""
    codes = {row.code for row in rows}
    section: str | None = None
    for row in rows:
        above: str | None = None
        if len(row.code) == 1:
            section = row.code
        elif row.parent in codes and len(row.parent) < len(row.code):
            above = row.parent
        elif len(row.code) == 2:
            above = row.section if row.section in codes else section
        else:
            above = next((row.code[:n] for n in range(len(row.code) - 1, 1, -1) if row.code[:n] in codes), None)
            above = above or (row.section if row.section in codes else None)
        yield IndustryCode(
            row.code,
            LEVELS[len(row.code)],
            above,
            row.title[:_LONGEST_TITLE],
            row.definition[:_LONGEST_TEXT] or None,
            row.examples[:_LONGEST_TEXT] or None,
        )
