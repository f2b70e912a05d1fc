"""What two records of a company have in common: the numbers that the ranker weighs.

Belongs here: measuring a pair, and a pair against the other candidates of the same query. All features are about 0
to 1 (logarithms a little more), and 0 where a thing is not known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process
from rapidfuzz.distance import JaroWinkler

from models_py.matching.competition import best_other, ranks
from models_py.matching.index import Candidates, MatchIndex, Queries
from models_py.matching.names import is_acronym
from models_py.matching.records import Record, likeness, misspelled, record_of

FloatArray = NDArray[np.float64]

NAME = (
    "cosine", "jaro_winkler", "token_sort", "token_set", "compact_ratio", "key_equal", "core_equal", "query_covered",
    "entity_covered", "rarest_shared", "first_word", "contained", "acronym", "form_agrees", "form_differs",
    "same_name_elsewhere", "core_rarity", "both_covered", "cosine_high", "query_rarity",
    "query_short", "rare_covered", "namesakes", "covered_by_many",
    "brand_equal", "group_asked", "group_and_brand", "brand_and_form", "surplus_words", "entity_formless",
    "former_name", "not_live", "loosely_named", "misspelled",
    "one_word", "one_word_and_brand", "begins_with_core", "begun_by_many", "one_word_begins",
)  # fmt: skip
#: Of the query's domain alone: whether it is made of the entity's name.
ADDRESS = (
    "domain_in_name", "query_domain_unknown", "wholly_in_domain", "misspelled_in_domain", "key_in_domain",
    "covered_in_domain", "covered_without_domain",
)  # fmt: skip
DOMAIN = (
    "domain_equal", "domain_differs", "domain_unknown", "domain_shared", "stem_equal", "name_in_domain",
    "domain_and_name", "domain_and_core", "differs_and_key",
    "same_suffix", "domain_and_unlike", "differs_and_covered", "unknown_and_key",
    "shared_and_brand", "shared_without_brand",
    "brand_in_domain", "brand_and_domain", "brand_and_differs", "group_and_domain",
)  # fmt: skip
PLACE = (
    "city_equal", "city_differs", "city_and_name", "city_and_key", "key_elsewhere", "covered_beyond_place",
    "city_and_covered_beyond", "country_equal", "country_differs", "key_abroad",
    "covered_without_city", "brand_and_city", "brand_elsewhere",
)  # fmt: skip
YEAR = ("year_equal", "year_near", "year_distance", "year_and_name")
PLACE_DOMAIN = ("city_and_domain", "city_and_stem", "nothing_but_the_name")
_GROUP_WORDS = frozenset({"group", "gruppe", "groupe", "unternehmensgruppe", "firmengruppe", "holding", "konzern"})
#: Words that may be said or left out of the name of one and the same company.
_PLAIN = frozenset({"s", "singapore", "singapur", "deutschland", "germany", "the", "and", "of", "for", "und", "fur"})
_SPELLED_ALIKE, _WHOLE_NAME, _SHORTEST_CORE = 0.9, 6, 4
#: Where the weight of a feature may change: above each of these a further weight is added.
_BENDS: dict[str, tuple[str, tuple[float, ...]]] = {
    "cosine": ("name", (0.3, 0.5, 0.7, 0.9)),
    "token_set": ("name", (0.5, 0.7, 0.9)),
    "compact_ratio": ("name", (0.4, 0.6, 0.8, 0.95)),
    "query_covered": ("name", (0.25, 0.5, 0.75, 0.95)),
    "entity_covered": ("name", (0.25, 0.5, 0.75)),
    "rarest_shared": ("name", (0.3, 0.5, 0.7)),
    "query_rarity": ("name", (0.5, 0.7, 0.85)),
    "name_in_domain": ("domain", (0.4, 0.6, 0.8)),
    "domain_in_name": ("address", (0.4, 0.6, 0.8)),
    "year_distance": ("year", (0.15, 0.3, 0.6)),
}
#: Features that are also measured against the best other candidate of the same query.
_COMPARED = {
    "name": ("cosine", "jaro_winkler", "query_covered", "entity_covered", "key_equal", "core_equal", "form_agrees"),
    "address": ("domain_in_name",),
    "domain": ("domain_equal", "name_in_domain"),
    "place": ("city_and_name", "city_equal"),
    "year": ("year_near",),
}
GROUPS: dict[str, tuple[str, ...]] = {
    "name": NAME + ("rank",) + tuple(f"{name}_lead" for name in _COMPARED["name"]),
    "address": ADDRESS + tuple(f"{name}_lead" for name in _COMPARED["address"]),
    "domain": DOMAIN + tuple(f"{name}_lead" for name in _COMPARED["domain"]),
    "place": PLACE + tuple(f"{name}_lead" for name in _COMPARED["place"]),
    "year": YEAR + tuple(f"{name}_lead" for name in _COMPARED["year"]),
    "domain+place": PLACE_DOMAIN,
}
for _feature, (_group, _places) in _BENDS.items():
    GROUPS[_group] += tuple(f"{_feature}>{place}" for place in _places)


def feature_names(known: Sequence[str]) -> tuple[str, ...]:
    """The features that can be measured where these are known: name, address, domain, place, year."""
    return tuple(
        name for group, names in GROUPS.items() if all(part in known for part in group.split("+")) for name in names
    )


def stack(columns: Mapping[str, FloatArray], names: Sequence[str]) -> FloatArray:
    """Columns (m,) beside each other (m, len(names)); copied as rows and turned, which is many times as fast."""
    return np.array([columns[name] for name in names]).T


class _Rarity(dict[str, float]):
    """Inverse document frequency of words over its largest value: 1 for a word that no entity has."""

    def __init__(self, index: MatchIndex) -> None:
        self._index = index

    def __missing__(self, word: str) -> float:
        n = self._index.size
        rarity = math.log(n / min(n, 1 + self._index.word_counts.get(word, 0)) + 1) / math.log(n + 1)
        self[word] = rarity
        return rarity


class Comparison:
    """Pairs of queries and candidates, with their features as columns.

    Attributes:
        columns: feature → (m,) float64; every name of ``GROUPS``.
        left, right: what is compared, (m,) each.
        core: a number for each core name of ``right``; (m,).
        has_domain: whether ``right`` has one; (m,).
    """

    def __init__(self, queries: Queries, keys: Sequence[str], index: MatchIndex, pairs: Candidates) -> None:
        self.pairs = pairs
        self.index = index
        self._rarity = _Rarity(index)
        self._asked = [
            record_of(
                name,
                keys[row],
                queries.domains[row] if queries.domains else None,
                queries.cities[row] if queries.cities else None,
                queries.countries[row] if queries.countries else None,
                queries.years[row] if queries.years else None,
            )
            for row, name in enumerate(queries.names)
        ]
        forms, of_form = np.unique(pairs.form, return_inverse=True)
        found = [self._entity(form) for form in forms.tolist()]
        left = [self._asked[row] for row in pairs.query.tolist()]
        right = [found[at] for at in of_form.tolist()]
        self.left, self.right = left, right
        codes: dict[str, int] = {}
        self.core = np.array([codes.setdefault(record.core, len(codes)) for record in right], dtype=np.int64)
        self.has_domain = np.array([bool(record.domains) for record in right], dtype=np.bool_)
        self.columns: dict[str, FloatArray] = {}
        self._compare_names(left, right)
        self._compare_domains(left, right)
        self._compare_places(left, right)
        self._compare_years(left, right)
        self._compare_spelling()
        self._compete()
        self._bend()

    def matrix(self, names: Sequence[str]) -> FloatArray:
        """Features as columns (m, len(names))."""
        return stack(self.columns, names)

    def _entity(self, form: int) -> Record:
        index, entity = self.index, int(self.index.form_entity[form])
        return record_of(
            index.form_name(form),
            index.keys[form],
            index.domains[entity] if index.domains is not None else None,
            index.cities[entity] if index.cities is not None else None,
            index.countries[entity] if index.countries is not None else None,
            int(index.years[entity]) if index.years is not None else None,
        )

    def _compare_names(self, left: list[Record], right: list[Record]) -> None:
        columns, query, count = self.columns, self.pairs.query, len(left)
        keys = [record.key for record in left], [record.key for record in right]
        dense = [record.dense for record in left], [record.dense for record in right]

        def pairwise(texts: tuple[list[str], list[str]], scorer: Any, scale: float) -> FloatArray:
            return np.asarray(process.cpdist(*texts, scorer=scorer, dtype=np.float64) / scale)

        columns["cosine"] = self.pairs.cosine.astype(np.float64)
        columns["jaro_winkler"] = pairwise(keys, JaroWinkler.similarity, 1)
        columns["token_sort"] = pairwise(keys, fuzz.token_sort_ratio, 100)
        columns["token_set"] = pairwise(keys, fuzz.token_set_ratio, 100)
        columns["compact_ratio"] = pairwise(dense, fuzz.ratio, 100)
        rows = [self._name_pair(a, b) for a, b in zip(left, right, strict=True)]
        table = np.array(rows, dtype=np.float64).reshape(count, 10)
        names = ("core_equal", "query_covered", "entity_covered", "rarest_shared", "first_word", "contained")
        for at, name in enumerate((*names, "acronym", "form_agrees", "form_differs", "covered_beyond_place")):
            columns[name] = table[:, at]
        columns["query_covered"] /= self._of_asked(self._weight(a.words) for a in self._asked)
        columns["covered_beyond_place"] /= self._of_asked(self._weight(a.words - a.place_words) for a in self._asked)
        columns["key_equal"] = np.array([float(a.dense == b.dense) for a, b in zip(left, right, strict=True)])
        columns["former_name"] = (self.pairs.form >= len(self.index)).astype(np.float64)
        live = self.index.is_live
        columns["not_live"] = np.zeros(count) if live is None else (~live[self.pairs.entity]).astype(np.float64)
        columns["same_name_elsewhere"] = np.log(np.maximum(self.index.by_key.counts(keys[1]), 1))
        columns["core_rarity"] = columns["core_equal"] * columns["rarest_shared"]
        brands = [a.core.split(" ", 1)[0] for a in self._asked]
        weights = np.array([self._rarity[brand] for brand in brands])
        same = [brands[at] == b.core.split(" ", 1)[0] for at, b in zip(query.tolist(), right, strict=True)]
        columns["brand_equal"] = np.array(same, dtype=np.float64) * weights[query]
        columns["group_asked"] = self._of_asked(not _GROUP_WORDS.isdisjoint(a.key.split()) for a in self._asked)
        columns["group_and_brand"] = columns["group_asked"] * columns["brand_equal"]
        columns["brand_and_form"] = columns["brand_equal"] * columns["form_agrees"]
        columns["surplus_words"] = np.log1p([len(b.words - a.words) for a, b in zip(left, right, strict=True)])
        columns["entity_formless"] = np.array([float(not b.forms) for b in right])
        columns["both_covered"] = columns["query_covered"] * columns["entity_covered"]
        columns["cosine_high"] = np.maximum(columns["cosine"] - 0.6, 0.0)
        rarest = [max([self._rarity[word] for word in a.words], default=0.0) for a in self._asked]
        columns["query_rarity"] = self._of_asked(rarest)
        columns["query_short"] = self._of_asked(len(a.dense) <= 4 for a in self._asked)
        columns["rare_covered"] = columns["query_rarity"] * columns["query_covered"]
        covering = np.bincount(query, weights=columns["query_covered"] > 0.99, minlength=len(self._asked))
        alike = np.bincount(query, weights=columns["key_equal"], minlength=len(self._asked))
        columns["covered_by_many"] = np.log1p(covering[query]) * (columns["query_covered"] > 0.99)
        begun_by = [f"{a.core} " if len(a.core) >= _SHORTEST_CORE else None for a in self._asked]
        begins = [
            (start := begun_by[at]) is not None and b.plain.startswith(start)
            for at, b in zip(query.tolist(), right, strict=True)
        ]
        columns["begins_with_core"] = np.array(begins, dtype=np.float64)
        begun = np.bincount(query, weights=columns["begins_with_core"], minlength=len(self._asked))
        columns["begun_by_many"] = np.log1p(begun[query]) * columns["begins_with_core"]
        columns["one_word"] = self._of_asked(" " not in a.core for a in self._asked)
        columns["one_word_and_brand"] = columns["one_word"] * columns["brand_equal"]
        columns["one_word_begins"] = columns["one_word"] * columns["begins_with_core"]
        columns["namesakes"] = np.log1p(alike[query]) * columns["key_equal"]

    def _name_pair(self, a: Record, b: Record) -> tuple[float, ...]:
        shared = a.words & b.words
        weights = [self._rarity[word] for word in shared]
        common = sum(weights)
        short, long = (a.dense, b.dense) if len(a.dense) <= len(b.dense) else (b.dense, a.dense)
        return (
            a.core == b.core,
            common,
            common / self._weight(b.words),
            max(weights, default=0.0),
            a.key.split(" ", 1)[0] == b.key.split(" ", 1)[0],
            len(short) > 3 and short != long and short in long,
            is_acronym(a.dense, b.key) or is_acronym(b.dense, a.key),
            bool(a.forms) and a.forms == b.forms,
            bool(a.forms) and bool(b.forms) and a.forms.isdisjoint(b.forms),
            sum([self._rarity[word] for word in shared - a.place_words]) if a.place_words else common,
        )

    def _weight(self, words: Iterable[str]) -> float:
        """How much these words are together, in rarity; 1 for none, so that it can be divided by."""
        return sum([self._rarity[word] for word in words]) or 1.0

    def _of_asked(self, values: Iterable[float]) -> FloatArray:
        """A value of each query as one of each pair."""
        return np.fromiter(values, dtype=np.float64, count=len(self._asked))[self.pairs.query]

    def _compare_domains(self, left: list[Record], right: list[Record]) -> None:
        columns = self.columns
        owners = {
            domain: len(self.index.by_domain(domain)) if self.index.domains is not None else 0
            for record in self._asked
            for domain in record.domains
        }
        table = np.zeros((len(left), 7))
        asked = self._of_asked(bool(a.domains) for a in self._asked) > 0
        for row in np.flatnonzero(asked | self.has_domain).tolist():
            a, b = left[row], right[row]
            equal = not a.domains.isdisjoint(b.domains)
            table[row] = (
                equal,
                bool(a.domains and b.domains) and not equal,
                bool(a.domains) and not b.domains,
                math.log(max((owners[domain] for domain in a.domains), default=1)) if equal else 0.0,
                not equal and not a.stems.isdisjoint(b.stems),
                likeness(a, b.stems),
                likeness(b, a.stems),
            )
        names = ("domain_equal", "domain_differs", "domain_unknown", "domain_shared", "stem_equal", "name_in_domain")
        for at, name in enumerate((*names, "domain_in_name")):
            columns[name] = table[:, at]
        columns["query_domain_unknown"] = (~asked).astype(np.float64)
        columns["domain_and_name"] = columns["domain_equal"] * columns["query_covered"]
        inside = np.zeros(len(left))
        for row in np.flatnonzero(self.has_domain).tolist():
            brand = left[row].core.split(" ", 1)[0]
            inside[row] = len(brand) > 2 and any(brand in stem for stem in right[row].stems)
        columns["brand_in_domain"] = inside
        columns["shared_and_brand"] = columns["domain_shared"] * columns["brand_equal"]
        columns["shared_without_brand"] = columns["domain_shared"] * (columns["brand_equal"] == 0)
        columns["brand_and_domain"] = columns["brand_equal"] * columns["domain_equal"]
        columns["brand_and_differs"] = columns["brand_equal"] * columns["domain_differs"]
        columns["group_and_domain"] = columns["group_asked"] * columns["domain_equal"]
        columns["unknown_and_key"] = columns["domain_unknown"] * columns["key_equal"]
        columns["differs_and_covered"] = columns["domain_differs"] * columns["query_covered"]
        columns["domain_and_unlike"] = columns["domain_equal"] * (columns["token_set"] < 0.5)
        columns["same_suffix"] = np.zeros(len(left))
        for row in np.flatnonzero(columns["domain_differs"]).tolist():
            mine, its = ({domain.rsplit(".", 1)[-1] for domain in of.domains} for of in (left[row], right[row]))
            columns["same_suffix"][row] = not mine.isdisjoint(its)
        columns["domain_and_core"] = columns["domain_equal"] * columns["core_equal"]
        columns["differs_and_key"] = columns["domain_differs"] * columns["key_equal"]

    def _compare_places(self, left: list[Record], right: list[Record]) -> None:
        columns = self.columns
        both = np.array([bool(a.city and b.city) for a, b in zip(left, right, strict=True)], dtype=np.bool_)
        same = np.array([a.city == b.city for a, b in zip(left, right, strict=True)], dtype=np.bool_) & both
        columns["city_equal"] = same.astype(np.float64)
        columns["city_differs"] = (both & ~same).astype(np.float64)
        lands = [(a.country, b.country) for a, b in zip(left, right, strict=True)]
        columns["country_equal"] = np.array([float(bool(a) and a == b) for a, b in lands])
        columns["country_differs"] = np.array([float(bool(a and b) and a != b) for a, b in lands])
        columns["key_abroad"] = columns["country_differs"] * columns["key_equal"]
        columns["brand_and_city"] = columns["brand_equal"] * same
        columns["brand_elsewhere"] = columns["brand_equal"] * (both & ~same)
        columns["city_and_covered_beyond"] = columns["city_equal"] * columns["covered_beyond_place"]
        columns["city_and_name"] = columns["city_equal"] * columns["query_covered"]
        columns["city_and_key"] = columns["city_equal"] * columns["key_equal"]
        columns["key_elsewhere"] = columns["city_differs"] * columns["key_equal"]
        columns["city_and_domain"] = columns["city_equal"] * columns["domain_equal"]
        columns["city_and_stem"] = columns["city_equal"] * columns["stem_equal"]

    def _compare_years(self, left: list[Record], right: list[Record]) -> None:
        columns = self.columns
        a, b = np.array([record.year for record in left]), np.array([record.year for record in right])
        both = (a > 0) & (b > 0)
        apart = np.where(both, np.abs(a - b), 0)
        columns["year_equal"] = (both & (apart == 0)).astype(np.float64)
        columns["year_near"] = (both & (apart <= 1)).astype(np.float64)
        columns["year_distance"] = np.log1p(apart) / math.log(100)
        columns["year_and_name"] = columns["year_near"] * columns["query_covered"]

    def _compete(self) -> None:
        """Each compared feature minus its best value among the other candidates of the query; rank by cosine."""
        query = self.pairs.query
        for name in (name for names in _COMPARED.values() for name in names):
            self.columns[f"{name}_lead"] = self.columns[name] - best_other(query, self.columns[name])
        self.columns["rank"] = 1.0 / ranks(query, self.columns["cosine"])

    def _bend(self) -> None:
        columns = self.columns
        without_domain = columns["query_domain_unknown"]
        without_city = 1 - columns["city_equal"] - columns["city_differs"]
        columns["covered_without_domain"] = columns["query_covered"] * without_domain
        columns["covered_without_city"] = columns["query_covered"] * without_city
        columns["nothing_but_the_name"] = (columns["query_covered"] > 0.99) * without_domain * without_city
        for name, (_, places) in _BENDS.items():
            for place in places:
                columns[f"{name}>{place}"] = np.maximum(columns[name] - place, 0.0)

    def _compare_spelling(self) -> None:
        """Typing errors, names that share a word at most, and names that the query's domain is made of."""
        columns, left, right = self.columns, self.left, self.right
        backed = (columns["domain_equal"] + columns["stem_equal"] + columns["city_equal"]) > 0
        columns["misspelled"] = np.zeros(len(left))
        alike = columns["compact_ratio"] >= _SPELLED_ALIKE
        for row in np.flatnonzero(alike & (columns["core_equal"] == 0)).tolist():
            columns["misspelled"][row] = misspelled(left[row], right[row])
        named = (columns["key_equal"] + columns["misspelled"]) > 0
        for row in np.flatnonzero(columns["core_equal"]).tolist():
            named[row] |= left[row].words ^ right[row].words <= _PLAIN
        columns["loosely_named"] = (~named & ~backed).astype(np.float64)
        whole = [
            len(b.dense) >= _WHOLE_NAME and any(b.dense in stem for stem in a.stems) if a.stems else False
            for a, b in zip(left, right, strict=True)
        ]
        columns["wholly_in_domain"] = np.array(whole, dtype=np.float64)
        columns["misspelled_in_domain"] = columns["misspelled"] * columns["domain_in_name"]
        columns["key_in_domain"] = columns["key_equal"] * columns["domain_in_name"]
        columns["covered_in_domain"] = columns["query_covered"] * columns["domain_in_name"]
