"""Character 3-gram TF-IDF of names, and the entities nearest to a name by it.

The same weights as scikit-learn's ``TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 3))``, computed on the bytes
of all names at once: two million names take seconds instead of minutes, and the vocabulary is a fixed alphabet
(letters, digits, space, everything else folded into the rest), so that there is none to keep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sparse_dot_topn import sp_matmul_topn

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]

_BITS = 6
_SPACE, _END = 0, 63
COLUMNS = 1 << (3 * _BITS)
#: Names per step; bounds the memory of counting, not the result.
_CHUNK = 200_000
#: Queries per product.
_BATCH = 512
#: Names looked at per query, and the fewest 3-grams whatever they cost: the 3-grams of "engineering" are in half a
#: million names and tell nothing apart. Registries of fewer than some hundred thousand names never come to it.
_BUDGET, _FEWEST = 400_000, 5


def _alphabet() -> NDArray[np.int32]:
    table = np.array([37 + byte % 26 for byte in range(256)], dtype=np.int32)
    table[ord("a") : ord("z") + 1] = np.arange(1, 27)
    table[ord("0") : ord("9") + 1] = np.arange(27, 37)
    table[ord(" ")] = _SPACE
    table[ord("\n")] = _END
    return table


_ALPHABET = _alphabet()


def _counts(keys: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Rows, columns and counts of the 3-grams of padded words, chunk by chunk, sorted by row and column."""
    for start in range(0, len(keys), _CHUNK):
        part = keys[start : start + _CHUNK]
        text = "\n".join(f" {key.replace(chr(10), ' ')} " for key in part)
        code = _ALPHABET[np.frombuffer(text.encode("utf-8", "replace"), dtype=np.uint8)]
        if len(code) < 3:
            continue
        row = np.cumsum(code == _END)
        first, middle, last = code[:-2], code[1:-1], code[2:]
        inside = (first != _END) & (middle != _END) & (last != _END) & (middle != _SPACE)
        gram = (first << 2 * _BITS) | (middle << _BITS) | last
        cell, count = np.unique(row[1:-1][inside].astype(np.int64) * COLUMNS + gram[inside], return_counts=True)
        yield start + cell // COLUMNS, cell % COLUMNS, count


@dataclass(frozen=True, eq=False)
class NgramIndex:
    """Names as columns of a sparse matrix (3-grams by names), unit length, float32; idf (COLUMNS,)."""

    matrix: sparse.csr_matrix
    idf: FloatArray

    @classmethod
    def build(cls, keys: Sequence[str]) -> NgramIndex:
        """Index n name keys."""
        parts = [(row.astype(np.int32), column.astype(np.int32), count) for row, column, count in _counts(keys)]
        empty = np.empty(0, dtype=np.int32)
        row = np.concatenate([part[0] for part in parts]) if parts else empty
        column = np.concatenate([part[1] for part in parts]) if parts else empty
        value = np.concatenate([part[2].astype(np.float32) for part in parts]) if parts else empty.astype(np.float32)
        del parts
        seen = np.bincount(column, minlength=COLUMNS)
        idf = (np.log((1 + len(keys)) / (1 + seen)) + 1).astype(np.float32)
        value *= idf[column]
        norm = np.sqrt(np.bincount(row, weights=value.astype(np.float64) ** 2, minlength=len(keys)))
        value /= norm[row].astype(np.float32)
        by_name = np.zeros(len(keys) + 1, dtype=np.int32)
        np.cumsum(np.bincount(row, minlength=len(keys)), out=by_name[1:])
        del row
        # Names by 3-grams, sorted; its transpose read by columns is what the product walks along.
        rows = sparse.csr_matrix((value, column, by_name), shape=(len(keys), COLUMNS))
        return cls(matrix=rows.T.tocsr(), idf=idf)

    def vectors(self, keys: Sequence[str]) -> sparse.csr_matrix:
        """Queries as rows (len(keys), COLUMNS), unit length."""
        parts = list(_counts(keys))
        row = np.concatenate([part[0] for part in parts]) if parts else np.empty(0, dtype=np.int64)
        column = np.concatenate([part[1] for part in parts]) if parts else np.empty(0, dtype=np.int64)
        count = np.concatenate([part[2] for part in parts]) if parts else np.empty(0, dtype=np.int64)
        value = count.astype(np.float32) * self.idf[column]
        norm = np.sqrt(np.bincount(row, weights=value.astype(np.float64) ** 2, minlength=len(keys)))
        value = (value / norm[row]).astype(np.float32)
        return sparse.csr_matrix((value, (row, column)), shape=(len(keys), COLUMNS), dtype=np.float32)

    def nearest(self, keys: Sequence[str], top: int, threads: int | None = None) -> sparse.csr_matrix:
        """The ``top`` names of highest cosine for each of q queries: (q, n) with at most ``top`` per row.

        In a large index by the rarest 3-grams of each query only; :meth:`cosines` has the whole cosine.
        """
        if not keys or not self.matrix.shape[1]:
            return sparse.csr_matrix((len(keys), self.matrix.shape[1]), dtype=np.float32)
        queries = self._rarest(self.vectors(keys))
        parts = [
            sp_matmul_topn(queries[at : at + _BATCH], self.matrix, top_n=top, threshold=0.05, n_threads=threads)
            for at in range(0, len(keys), _BATCH)
        ]
        return sparse.vstack(parts, format="csr")

    def _rarest(self, queries: sparse.csr_matrix) -> sparse.csr_matrix:
        """Queries without their commonest 3-grams, so that a product looks at a bounded number of names."""
        cost = np.diff(self.matrix.indptr)[queries.indices]
        row = np.repeat(np.arange(queries.shape[0]), np.diff(queries.indptr))
        order = np.lexsort((cost, row))
        spent = np.cumsum(cost[order], dtype=np.int64)
        first = queries.indptr[:-1][row]
        before = np.r_[0, spent][first]
        kept = (spent - before <= _BUDGET) | (np.arange(len(order)) - first < _FEWEST)
        at = np.sort(order[kept])
        size = np.bincount(row[at], minlength=queries.shape[0])
        return sparse.csr_matrix(
            (queries.data[at], queries.indices[at], np.r_[0, np.cumsum(size)]), shape=queries.shape, dtype=np.float32
        )

    def cosines(self, queries: sparse.csr_matrix, query: NDArray[np.int64], keys: Sequence[str]) -> FloatArray:
        """Cosine of query rows ``query`` (m,) with m further keys, one by one."""
        other = self.vectors(keys)
        return np.asarray(queries[query].multiply(other).sum(axis=1), dtype=np.float32).ravel()
