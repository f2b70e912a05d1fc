"""Cells of many tenants as padded batches of equal shape.

Belongs here: which tenants share a batch, the nuisance columns of each, and the padded arrays. A tenant's
padded shape follows from its own number of cells (rounded up to a power of two) and its own number of
nuisance columns (rounded up to a multiple of four), so its arithmetic, and with it the last bit of its
weights, does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models_py.cells import Cells
from models_py.components import COMPONENTS, BoolArray, FloatArray, IntArray

# Doubles in one batch's design: 4 MB stays in the cache of the machines this was measured on.
_BATCH_DOUBLES = 500_000
_CELLS_MINIMUM = 8
_NUISANCE_BLOCK = 4
_FEATURES = len(COMPONENTS)


@dataclass(frozen=True, eq=False)
class Nuisance:
    """One 0/1 column per level of each factor a tenant has at least two levels of.

    columns    per factor, (m,) the level's column for each cell, -1 where the tenant has one level only
    precision  per factor, of the levels' effects
    levels     (T, factors) columns a factor takes
    width      (T,) columns in all, padded
    """

    columns: tuple[IntArray, ...]
    precision: tuple[float, ...]
    levels: IntArray
    width: IntArray


def nuisance_columns(factors: list[tuple[IntArray, float]], position: IntArray, tenants: int) -> Nuisance:
    """factors: codes (m,) and standard deviation of their effects; position: (m,) the tenant's place, 0..T-1."""
    levels = np.zeros((tenants, len(factors)), dtype=np.int64)
    columns = []
    for factor, (codes, _) in enumerate(factors):
        rank, count = _level_ranks(codes, position, tenants)
        used = count > 1
        levels[:, factor] = np.where(used, count, 0)
        columns.append(np.where(used[position], rank + levels[position, :factor].sum(axis=1), -1))
    width = -(-levels.sum(axis=1) // _NUISANCE_BLOCK) * _NUISANCE_BLOCK
    return Nuisance(tuple(columns), tuple(sd**-2.0 for _, sd in factors), levels, width)


def _level_ranks(codes: IntArray, position: IntArray, tenants: int) -> tuple[IntArray, IntArray]:
    """Rank of each code among its tenant's codes (m,), and the number of different codes (T,)."""
    order = np.lexsort((codes, position))
    sorted_position, sorted_codes = position[order], codes[order]
    new_level = np.ones(len(order), dtype=np.bool_)
    new_level[1:] = (sorted_position[1:] != sorted_position[:-1]) | (sorted_codes[1:] != sorted_codes[:-1])
    count = np.bincount(sorted_position[new_level], minlength=tenants)
    first_level = np.concatenate(([0], np.cumsum(count)[:-1]))
    rank = np.empty_like(order)
    rank[order] = np.cumsum(new_level) - 1 - first_level[sorted_position]
    return rank, count


@dataclass(frozen=True, eq=False)
class Batch:
    """b tenants padded to p cells.

    members                     (b,) the tenants' places
    points                      (b, 4, p) NaN where missing, and as padding
    leads, booked               (b, p) zero as padding
    nuisance, its precision     (b, q, p) 0/1 columns, (b, q)
    """

    members: IntArray
    points: FloatArray
    leads: FloatArray
    booked: FloatArray
    nuisance: FloatArray
    nuisance_precision: FloatArray

    def where(self, keep: BoolArray) -> Batch:
        """The members of a boolean mask (b,)."""
        if keep.all():
            return self
        return Batch(
            self.members[keep],
            self.points[keep],
            self.leads[keep],
            self.booked[keep],
            self.nuisance[keep],
            self.nuisance_precision[keep],
        )


def batches(cells: Cells, position: IntArray, nuisance: Nuisance) -> Iterator[Batch]:
    """All tenants that have cells; cells must be sorted by tenant, position (m,) rise with it."""
    tenants = len(nuisance.width)
    counts = np.bincount(position, minlength=tenants)
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    padded = np.maximum(_CELLS_MINIMUM, 2 ** np.ceil(np.log2(np.maximum(counts, 1))).astype(np.int64))
    shapes = np.stack([padded, nuisance.width], axis=1)
    present = np.flatnonzero(counts)
    for shape in np.unique(shapes[present], axis=0):
        members = present[(shapes[present] == shape).all(axis=1)]
        size = max(1, _BATCH_DOUBLES // int(shape[0] * (1 + _FEATURES + shape[1])))
        for first in range(0, len(members), size):
            yield _pad(cells, members[first : first + size], starts, counts, int(shape[0]), int(shape[1]), nuisance)


def _pad(
    cells: Cells,
    members: IntArray,
    starts: IntArray,
    counts: IntArray,
    padded: int,
    width: int,
    nuisance: Nuisance,
) -> Batch:
    lengths = counts[members]
    member = np.repeat(np.arange(len(members)), lengths)
    place = np.arange(len(member)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    rows = np.repeat(starts[members], lengths) + place
    points = np.full((len(members), _FEATURES, padded), np.nan)
    points[member, :, place] = cells.components[rows]
    leads = np.zeros((len(members), padded))
    leads[member, place] = cells.leads[rows]
    booked = np.zeros((len(members), padded))
    booked[member, place] = cells.booked[rows]
    columns = np.zeros((len(members), width, padded))
    precision = np.ones((len(members), width))
    ends = np.cumsum(nuisance.levels[members], axis=1)
    for factor, column in enumerate(nuisance.columns):
        used = column[rows] >= 0
        columns[member[used], column[rows][used], place[used]] = 1.0
        place_of_column = np.arange(width)
        of_factor = (place_of_column < ends[:, factor, None]) & (
            place_of_column >= (ends[:, factor] - nuisance.levels[members, factor])[:, None]
        )
        precision[of_factor] = nuisance.precision[factor]
    return Batch(members, points, leads, booked, columns, precision)
