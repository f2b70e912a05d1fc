"""How a candidate stands beside the others of the same query."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def best_other(query: NDArray[np.int64], value: FloatArray) -> FloatArray:
    """The largest value among the other rows of the same query (m,); 0 where there is none. Sorted by query."""
    if not len(query):
        return np.empty(0)
    starts = np.flatnonzero(np.r_[True, query[1:] != query[:-1]])
    size = np.diff(np.r_[starts, len(query)])
    best = np.repeat(np.maximum.reduceat(value, starts), size)
    is_best = value == best
    alone = np.repeat(np.add.reduceat(is_best, starts, dtype=np.int64) == 1, size)
    second = np.repeat(np.maximum.reduceat(np.where(is_best, -np.inf, value), starts), size)
    other = np.where(is_best & alone, second, best)
    return np.where(np.repeat(size, size) > 1, other, 0.0)


def ranks(query: NDArray[np.int64], value: FloatArray) -> FloatArray:
    """1 for the largest value of each query, and so on (m,). Sorted by query; ties in the order they come."""
    order = np.lexsort((-value, query))
    sorted_query = query[order]
    starts = np.flatnonzero(np.r_[True, sorted_query[1:] != sorted_query[:-1]]) if len(query) else np.empty(0, int)
    size = np.diff(np.r_[starts, len(query)])
    rank = np.empty(len(query))
    rank[order] = np.arange(len(query)) - np.repeat(starts, size) + 1
    return rank
