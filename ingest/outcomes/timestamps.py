"""Texts and typed dates into instants. Whole columns at a time.

What most files hold (``2026-01-31 10:00:00``, with a T, a fraction, an offset) takes a short way that is made of few
passes over the column; only what is left takes the longer ones.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator

import polars as pl

from ingest.errors import IngestError

EARLIEST_YEAR, LATEST_YEAR = 1970, 2100
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_EARLIEST, _LATEST = (
    int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp()) * _SECOND for year in (EARLIEST_YEAR, LATEST_YEAR + 1)
)
_ISO = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z")
_OFFSET = re.compile(r"\s*(?:[Zz]|UTC|([+-])(0\d|1[0-5]):?([0-5]\d)?)")
_MOST_OFFSETS = 100  # different ones in a column; more are no offsets

_Reader = Callable[[pl.Series], pl.Series]
"""Texts → microseconds since 1970 UTC, null where they do not fit."""


def parse_timestamps(cells: pl.Series, formats: tuple[str, ...], timezone: str) -> pl.Series:
    """Instants in UTC, null where no format fits or the year is absurd.

    A local time that the clocks skip (midnight, in zones that switch then) is the first one after it; one
    that they repeat is the earlier one. Cells that are dates or times already need no format.
    """
    if cells.dtype.is_temporal():
        found = _sensible(_typed(cells, timezone))
    else:
        found = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(cells))
        for read in _readers(formats, timezone):
            left = (found.is_null() & cells.is_not_null()).arg_true()
            if not len(left):
                break
            values = _sensible(read(cells if len(left) == len(cells) else cells.gather(left)))
            found = values if len(left) == len(cells) else found.scatter(left, values)
    return found.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _readers(formats: tuple[str, ...], timezone: str) -> Iterator[_Reader]:
    for chosen in formats:
        if chosen == "iso":
            yield lambda text: _short_iso(text, timezone)
            yield lambda text: _by_code(text, "%Y-%m-%d", timezone)
            yield lambda text: _any_iso(text, timezone)
        elif chosen == "epoch":
            yield _epoch
        else:
            yield lambda text, code=chosen: _by_code(text, code, timezone)  # type: ignore[misc]


def _sensible(micros: pl.Series) -> pl.Series:
    return micros.set(~micros.is_between(_EARLIEST, _LATEST, closed="left"), None)


def _typed(cells: pl.Series, timezone: str) -> pl.Series:
    dtype = cells.dtype
    if isinstance(dtype, pl.Datetime):
        micros = cells.dt.cast_time_unit("us").to_physical()
        return micros if dtype.time_zone else _localized(micros, timezone)
    return _localized(cells.cast(pl.Int64) * _DAY, timezone)


def _short_iso(text: pl.Series, timezone: str) -> pl.Series:
    """Nineteen characters of date and time, alike in the whole column, and perhaps a fraction and an offset."""
    head, tail = text.str.head(19), text.str.slice(19)
    # Every text that a format does not fit is tried again and again: what most look like is asked first.
    between = "T" if (head.str.slice(10, 1) == "T").sum() * 2 > len(head) else " "
    micros = _strptime(head, f"%Y-%m-%d{between}%H:%M:%S").to_physical()
    if tail.str.starts_with(".").any():
        fraction = tail.str.extract(r"^\.(\d+)").str.head(6).str.pad_end(6, "0").cast(pl.Int64)
        micros += fraction.fill_null(0)
        tail = tail.str.replace(r"^\.\d+", "")
    offsets = _offsets(tail)
    zoned = micros - tail.replace_strict(offsets, default=None, return_dtype=pl.Int64) if offsets else None
    if zoned is not None and zoned.null_count() == micros.null_count():
        return zoned
    floating = _localized(micros.set(tail != "", None), timezone)
    return floating if zoned is None else zoned.zip_with(zoned.is_not_null(), floating)


def _offsets(tails: pl.Series) -> dict[str, int]:
    """What stands after the time → microseconds that it is ahead of UTC; without what is no offset."""
    offsets = {}
    for tail in tails.unique().drop_nulls().head(_MOST_OFFSETS):
        if found := _OFFSET.fullmatch(tail):
            sign, hours, minutes = found.groups()
            ahead = (int(hours or 0) * 60 + int(minutes or 0)) * 60 * _SECOND
            offsets[tail] = -ahead if sign == "-" else ahead
    return offsets


def _any_iso(text: pl.Series, timezone: str) -> pl.Series:
    spelt = text.str.replace(r"^(\d{4}-\d{2}-\d{2})[Tt]", "${1} ").str.replace(r"\s*([Zz]|UTC)$", "+00:00")
    spelt = spelt.str.replace(r"(:\d{2}(?:\.\d+)?)\s*([+-]\d{2})$", "${1}${2}:00")
    found = _by_code(spelt, _ISO[0], timezone)
    for code in _ISO[1:]:
        found = found.zip_with(found.is_not_null(), _by_code(spelt, code, timezone))
    return found


def _epoch(text: pl.Series) -> pl.Series:
    number = text.cast(pl.Float64, strict=False)
    seconds = number.zip_with(number.abs() < 1e11, number / 1000)  # later than the year 5000: milliseconds
    micros = (seconds * _SECOND).set(~(seconds.abs() < 1e11), None)
    return micros.cast(pl.Int64, strict=False)


def _by_code(text: pl.Series, code: str, timezone: str) -> pl.Series:
    local = _strptime(text, code)
    zoned = isinstance(local.dtype, pl.Datetime) and local.dtype.time_zone is not None
    return local.to_physical() if zoned else _localized(local.to_physical(), timezone)


def _strptime(text: pl.Series, code: str) -> pl.Series:
    try:
        return text.str.strptime(pl.Datetime("us"), code, strict=False)
    except pl.exceptions.PolarsError as error:
        raise IngestError(f"The date format {code!r} cannot be used: {str(error).splitlines()[0]}.") from error


# -- clocks -----------------------------------------------------------------------------------------------------


def _localized(local: pl.Series, timezone: str) -> pl.Series:
    """Microseconds on the clocks of a zone → since 1970 UTC.

    Whether the clocks change on a day is asked once for the day, not for every row.
    """
    local = local.set(~local.is_between(_EARLIEST - _DAY, _LATEST + _DAY), None)
    days = local // _DAY
    first, last = days.min(), days.max()
    if timezone == "UTC" or not isinstance(first, int) or not isinstance(last, int):
        return local
    if last - first > len(local):
        return _by_rule(local, timezone)
    begins = pl.int_range(first, last + 1, eager=True) * _DAY
    ends = begins + (_DAY - 1)
    shift = _by_rule(begins, timezone) - begins
    shift = shift.set((shift != _by_rule(ends, timezone) - ends).fill_null(True), None)
    found = local + shift.gather(days - first)
    changing = (found.is_null() & local.is_not_null()).arg_true()
    return found.scatter(changing, _by_rule(local.gather(changing), timezone)) if len(changing) else found


def _by_rule(local: pl.Series, timezone: str) -> pl.Series:
    clock = local.cast(pl.Datetime("us"))
    exact = clock.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    if exact.null_count() > local.null_count():
        shifted = clock.dt.offset_by("1h").dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
        exact = exact.zip_with(exact.is_not_null(), shifted)
    return exact.to_physical()
