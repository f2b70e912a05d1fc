"""A registry made ready for matching: exact look-ups, word frequencies and character 3-grams.

Belongs here: what is computed once per registry, and which entities are worth a closer look for a query. How good
they are is in ``features`` and ``ranker``.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models_py.errors import ShapeError
from models_py.matching.names import acronyms_of, compact, core_name, fold, name_key, skeleton
from models_py.matching.ngrams import NgramIndex

IntArray = NDArray[np.int64]

#: Candidates per query: by 3-grams, and at most so many by each exact look-up (a large group shares one domain).
NEAREST, NEAREST_STEMS, PER_LOOKUP = 30, 12, 70
_NO_YEAR = 0


class Lookup:
    """Text → rows, in 12 bytes an entry: by 64-bit hashes, taken for the texts (a clash is one candidate more)."""

    def __init__(self, entries: Iterable[tuple[str, int]]) -> None:
        hashes, rows = array("q"), array("i")
        for text, row in entries:
            hashes.append(hash(text))
            rows.append(row)
        unsorted = np.array(hashes, dtype=np.int64)
        order = np.argsort(unsorted, kind="stable")
        self._hashes, self._rows = unsorted[order], np.array(rows, dtype=np.int32)[order]

    def __call__(self, text: str) -> NDArray[np.int32]:
        """Rows of this text, in order."""
        return self.find([text], len(self._rows))[1]

    def find(self, texts: Sequence[str], most: int, *, or_none: bool = False) -> tuple[IntArray, NDArray[np.int32]]:
        """Which text (m,) has which row (m,): the first ``most`` of each, or none of a text that has more."""
        start, size = self._spans(texts)
        size = np.where(size > most, 0, size) if or_none else np.minimum(size, most)
        which, first = np.repeat(np.arange(len(texts)), size), np.cumsum(size) - size
        return which, self._rows[np.arange(len(which)) + (start - first)[which]]

    def counts(self, texts: Sequence[str]) -> IntArray:
        """How many rows each text has."""
        return self._spans(texts)[1]

    def _spans(self, texts: Sequence[str]) -> tuple[IntArray, IntArray]:
        """Where the rows of each text start, and how many they are; an empty text has none."""
        wanted = np.fromiter(map(hash, texts), dtype=np.int64, count=len(texts))
        start, end = np.searchsorted(self._hashes, wanted), np.searchsorted(self._hashes, wanted, "right")
        return start, np.where(wanted == hash(""), 0, end - start)


@dataclass(frozen=True)
class Queries:
    """Companies to find: names, and what else is known of each (None or empty: nothing).

    Attributes:
        domains: registrable domains.
        cities: as they are written; compared folded.
        years: founded in.
        countries: two-letter codes.
    """

    names: Sequence[str]
    domains: Sequence[str | None] | None = None
    cities: Sequence[str | None] | None = None
    years: Sequence[int | None] | None = None
    countries: Sequence[str | None] | None = None

    def __post_init__(self) -> None:
        for field in ("domains", "cities", "years", "countries"):
            values = getattr(self, field)
            if values is not None and len(values) != len(self.names):
                raise ShapeError(f"{field} has {len(values)} values for {len(self.names)} names; pass one for each")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: slice) -> Queries:
        return Queries(**{field: values and values[rows] for field, values in vars(self).items()})


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs worth a closer look, sorted by query: all (m,). ``form`` is the name of the entity that came closest."""

    query: IntArray
    entity: IntArray
    form: IntArray
    cosine: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class MatchIndex:
    """n entities. A *form* is a name of an entity: forms 0…n-1 are the current ones, the others former.

    Attributes:
        names: as the registry writes them, (n,).
        keys: name keys of all forms; (f,) with f ≥ n.
        form_entity: entity of each form, (f,) int32.
        domains: registrable domains of each entity, several separated by a space; None where the registry has none.
        cities: None where the registry has none.
        years: founded in, 0 unknown; None where the registry has none.
        is_live: (n,) bool; None: all.
        word_counts: in how many forms a word occurs.
        size: of the whole, in forms.
    """

    names: Sequence[str]
    keys: Sequence[str]
    form_entity: NDArray[np.int32]
    former: Sequence[str]
    domains: Sequence[str | None] | None
    cities: Sequence[str | None] | None
    years: NDArray[np.int16] | None
    countries: Sequence[str | None] | None
    is_live: NDArray[np.bool_] | None
    word_counts: Counter[str]
    size: int
    ngrams: NgramIndex
    stems: NgramIndex
    stem_entity: NDArray[np.int32]
    by_key: Lookup
    by_core: Lookup
    by_start: Lookup
    by_acronym: Lookup
    by_domain: Lookup
    by_stem: Lookup

    @classmethod
    def build(
        cls,
        names: Sequence[str],
        *,
        keys: Sequence[str] | None = None,
        former_names: Sequence[Sequence[str]] | None = None,
        domains: Sequence[str | None] | None = None,
        cities: Sequence[str | None] | None = None,
        years: Sequence[int | None] | None = None,
        countries: Sequence[str | None] | None = None,
        is_live: Sequence[bool] | NDArray[np.bool_] | None = None,
        standing_for: int = 0,
    ) -> MatchIndex:
        """Index n entities.

        Args:
            names: current names, (n,).
            keys: their name keys where they are known already.
            former_names: what each was called before.
            domains: registrable domains; several of one entity separated by a space.
            standing_for: size of the registry that these entities are a few of: how rare a word is depends on it.

        Raises:
            ShapeError: a sequence of another length than ``names``.
        """
        n = len(names)
        given = {"keys": keys, "former_names": former_names, "domains": domains, "cities": cities, "years": years}
        for field, values in (given | {"countries": countries, "is_live": is_live}).items():
            if values is not None and len(values) != n:
                raise ShapeError(f"{field} has {len(values)} values for {n} names; pass one for each")
        owners = [row for row, old in enumerate(former_names or ()) for _ in old]
        former = [name for old in former_names or () for name in old]
        forms = [*(keys or map(name_key, names)), *map(name_key, former)]
        form_entity = np.concatenate([np.arange(n, dtype=np.int32), np.array(owners, dtype=np.int32)])
        addresses = [(row, domain) for row, text in enumerate(domains or ()) if text for domain in text.split()]
        rows = np.array([row for row, _ in addresses], dtype=np.int32)
        stems = [domain_stem(domain) for _, domain in addresses]
        return cls(
            names=names,
            keys=forms,
            form_entity=form_entity,
            former=former,
            domains=domains if addresses else None,
            cities=cities,
            years=None if years is None else np.array([year or _NO_YEAR for year in years], dtype=np.int16),
            countries=countries,
            is_live=None if is_live is None else np.asarray(is_live, dtype=np.bool_),
            word_counts=Counter(chain.from_iterable(map(str.split, forms))),
            size=max(len(forms), standing_for, 2),
            ngrams=NgramIndex.build(forms),
            stems=NgramIndex.build(stems),
            stem_entity=rows,
            by_key=Lookup((key, form) for form, key in enumerate(forms)),
            by_core=Lookup((core_name(key), form) for form, key in enumerate(forms)),
            by_start=Lookup((start, form) for form, key in enumerate(forms) for start in starts_of(skeleton(key))),
            by_acronym=Lookup((letters, form) for form, key in enumerate(forms) for letters in acronyms_of(key)),
            by_domain=Lookup((domain, row) for row, domain in addresses),
            by_stem=Lookup(zip(stems, rows.tolist(), strict=True)),
        )

    def __len__(self) -> int:
        return len(self.names)

    def form_name(self, form: int) -> str:
        """A form as it is written."""
        return self.names[form] if form < len(self.names) else self.former[form - len(self.names)]

    def candidates(self, queries: Queries, keys: Sequence[str], *, threads: int | None = None) -> Candidates:
        """Entities worth a closer look, each once per query, by its closest form.

        From 3-grams, equal key or core name, a name that begins with the core name (branches of one company), equal
        domain, and a domain named like the query or its domain.
        """
        dense, cores = [compact(key) for key in keys], [core_name(key) for key in keys]
        begun = [starts_of(core)[-1] for core in cores]
        found = [
            _cells(self.ngrams.nearest(keys, NEAREST, threads)),
            self.by_key.find(keys, PER_LOOKUP),
            self.by_core.find(cores, PER_LOOKUP),
            self.by_start.find(begun, PER_LOOKUP, or_none=True),  # what more begin with is a word, not a company
            self.by_acronym.find(dense, NEAREST),
        ]
        if self.domains is not None:
            domains = [domain or "" for domain in queries.domains or [None] * len(keys)]
            stems = [domain_stem(domain) for domain in domains]
            found.append(self.by_domain.find(domains, PER_LOOKUP))
            for texts in (stems, dense):
                found.append(self.by_stem.find(texts, PER_LOOKUP))
                row, stem = _cells(self.stems.nearest(texts, NEAREST_STEMS, threads))
                found.append((row, self.stem_entity[stem]))
        cells = np.unique(np.concatenate([row * self.size + form for row, form in found]))
        rows, form = np.divmod(cells, self.size)
        forms = [self.keys[at] for at in form.tolist()]
        cosine = self.ngrams.cosines(self.ngrams.vectors(keys), rows, forms)
        entity = self.form_entity[form].astype(np.int64)
        order = np.lexsort((form, -cosine, entity, rows))  # the closest form of each entity first
        rows, entity, form, cosine = rows[order], entity[order], form[order], cosine[order]
        first = np.ones(len(rows), dtype=np.bool_)
        first[1:] = (rows[1:] != rows[:-1]) | (entity[1:] != entity[:-1])
        return Candidates(rows[first], entity[first], form[first], cosine[first])


def _cells(matrix: sparse.csr_matrix) -> tuple[IntArray, NDArray[np.int32]]:
    """Rows and columns of what a matrix holds."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), matrix.indices[: matrix.nnz]


def domain_stem(domain: str) -> str:
    """The label somebody chose: ``acme-tools.com.sg`` → ``acmetools``, spelled as names are compared."""
    return compact(fold(domain.split(".", 1)[0]))


def starts_of(name: str) -> tuple[str, ...]:
    """The first word of a name, and its first two where it has more than one."""
    words = name.split(" ", 2)
    return (words[0], " ".join(words[:2])) if len(words) > 1 else (words[0],)
