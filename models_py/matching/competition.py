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
    group = np.cumsum(np.r_[True, query[1:] != query[:-1]]) - 1
    size = np.diff(np.r_[starts, len(query)])
    best = np.maximum.reduceat(value, starts)
    order = np.lexsort((-value, query))
    first = order[starts]
    second = np.where(size > 1, value[order[np.minimum(starts + 1, len(query) - 1)]], 0.0)
    other = best[group]
    other[first] = second
    return np.where(size[group] > 1, other, 0.0)


def ranks(query: NDArray[np.int64], value: FloatArray) -> FloatArray:
    """1 for the largest value of each query, and so on (m,). Sorted by query; ties in the order they come."""
    order = np.lexsort((-value, query))
    sorted_query = query[order]
    starts = np.flatnonzero(np.r_[True, sorted_query[1:] != sorted_query[:-1]]) if len(query) else np.empty(0, int)
    size = np.diff(np.r_[starts, len(query)])
    rank = np.empty(len(query))
    rank[order] = np.arange(len(query)) - np.repeat(starts, size) + 1
    return rank
