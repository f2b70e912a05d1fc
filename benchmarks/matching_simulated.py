"""Queries that the labelled profiles have none of: names of nobody, misspelled and former names, struck-off entities.

Belongs here: what is fitted on beside the labelled profiles, the assumptions in it, and how reliable probabilities are
on such names drawn anew. No figure of quality is measured on these.
Each labelled profile comes once more with its true entities taken away: most names that a registry is asked for are in
no registry. The made-up queries are entities as a customer list may write them, half of them with the entity taken
away; their own labels are never used.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.matching_data import SEED, Records, Task, build_index, build_queries
from models_py.matching.competition import ranks
from models_py.matching.evaluation import Labelled
from models_py.matching.features import Comparison
from models_py.matching.fitting import Further
from models_py.matching.index import Candidates, MatchIndex, Queries
from models_py.matching.names import compact, legal_form, name_key
from models_py.matching.ranker import Known, Variant

FloatArray = NDArray[np.float64]

ASSUMED = (
    "each profile once more without its entities; 900 entities as customers might be written down (30 % with a typing"
    " error, 15 % a word short, 15 % a word abbreviated, 10 % by a former name, the rest as they are, half of those"
    " without legal form; 60 % with a domain, made of the name where the entity has none), and the same without their"
    " entities; 30 % of the registry and 10 % of the named struck off; each pair of weight 0.25. Caution beside that on"
    " 900 names of nobody, made of the first word of one entity and the others of another, of common words only, or"
    ' (15 %) of the first word of one entity and "Group";'
    " weights such that as many names are in the registry as not"
)
MADE, WEIGHT, ABSENT = 900, 0.25, 0.45
_COMMON, _COMMON_ONLY, _GROUPS = 1_000, 0.3, 0.15
_PLACES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
_TYPO, _SHORT, _ABBREVIATED, _FORMER = 0.3, 0.45, 0.6, 0.7
_RENAMED, _STRUCK_OFF, _STRUCK_OFF_NAMED = 4_000, 0.3, 0.1
_WITH_DOMAIN, _WITH_CITY = 0.6, 0.7
_ENDINGS = (".com", ".de", "-gmbh.de", "-online.de", "-group.com", "-sg.com")


def further(task: Task, labelled: Labelled, known: tuple[Known, ...], seed: int) -> list[Further]:
    """Absent profiles, made-up queries, made-up queries without their entities, and names of nobody."""
    random = np.random.default_rng(seed)
    every = np.arange(len(task.profiles.ids))
    queries = build_queries(task.profiles, known)
    keys = [name_key(name) for name in queries.names]
    parts = [Further(_absent(queries, keys, labelled), every, WEIGHT, ABSENT)]
    made = _make(task.entities, random)
    index = build_index(made.registry, known, former_names=made.former, is_live=made.is_live)
    queries = build_queries(made.asked, known)
    keys = [name_key(name) for name in queries.names]
    pairs = index.candidates(queries, keys)
    present = Labelled(
        Comparison(queries, keys, index, pairs),
        pairs.entity == made.meant[pairs.query],
        np.ones(len(keys), dtype=np.int64),
    )
    own = np.full(len(keys), -1)
    absent, nobody = _absent(queries, keys, present), _nobody(made, index, known, random)
    parts += [Further(present, own, WEIGHT, WEIGHT), Further(absent, own, WEIGHT, ABSENT)]
    return [*parts, Further(nobody, own, 0.0, ABSENT)]


def reliability(task: Task, labelled: Labelled, variant: Variant) -> list[str]:
    """A table: how many answers have what probability, and how many of them are right.

    Of held-out profiles, with and without their entities, and of names drawn anew, weighed as in fitting.
    """
    parts = [Further(labelled, np.arange(len(task.fit)), 1.0, 1.0), *further(task, labelled, variant.known, SEED + 1)]
    rows = [_answers(part, variant, ~task.fit) for part in parts]
    chance, right, weight = (np.concatenate(column) for column in zip(*rows, strict=True))
    lines = ["| probability | answers | mean probability | of them right |", "|---|---|---|---|"]
    places = [0, *sorted({*_PLACES, variant.review}), 1.01]
    for low, high in itertools.pairwise(places):
        among = (chance >= low) & (chance < high)
        if not among.any():
            continue
        said, came = (np.average(values[among], weights=weight[among]) for values in (chance, right > 0))
        path = "" if low >= variant.review else ": nobody is asked"
        lines.append(f"| {low:.2f} to {min(high, 1):.2f}{path} | {among.sum():,} | {said:.2f} | {came:.2f} |")
    return lines


def _answers(part: Further, variant: Variant, held: NDArray[np.bool_]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Probability of the best candidate of each held-out or made-up query, whether it is right, and its weight."""
    comparison = part.labelled.comparison
    probability, query = variant.probabilities(comparison), comparison.pairs.query
    cautious = variant.cautious(comparison, probability)
    asked = (part.copy_of < 0) | held[part.copy_of]
    best = (ranks(query, probability) == 1) & asked[query]
    return cautious[best], part.labelled.is_match[best].astype(np.float64), np.full(int(best.sum()), part.asked)


def _absent(queries: Queries, keys: Sequence[str], labelled: Labelled) -> Labelled:
    """The same queries against the same registry without what is true, or has the very name of it."""
    pairs, index, count = labelled.comparison.pairs, labelled.comparison.index, len(keys)
    true = {(at, index.keys[form]) for at, form in zip(*_where(pairs, labelled.is_match), strict=True)}
    named = zip(pairs.query.tolist(), pairs.form.tolist(), strict=True)
    left = np.array([(at, index.keys[form]) not in true for at, form in named], dtype=np.bool_) & ~labelled.is_match
    kept = Candidates(pairs.query[left], pairs.entity[left], pairs.form[left], pairs.cosine[left])
    nothing = np.zeros(int(left.sum()), dtype=np.bool_)
    return Labelled(Comparison(queries, keys, index, kept), nothing, np.zeros(count, dtype=np.int64))


def _where(pairs: Candidates, among: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
    return pairs.query[among].tolist(), pairs.form[among].tolist()


def _nobody(made: _Made, index: MatchIndex, known: tuple[Known, ...], random: np.random.Generator) -> Labelled:
    """Names that no entity bears, of words that entities bear."""
    common = [word for word, _ in index.word_counts.most_common(_COMMON)]
    count, entities = len(made.registry.names), made.registry
    names, rows = [], []
    while len(names) < MADE:
        first, other = random.integers(count, size=2).tolist()
        words = entities.names[other].split()
        kind = random.random()
        if kind < _GROUPS:  # another company than each that begins with the word: so it is in most lists of names
            name = f"{entities.names[first].split()[0]} Group {legal_form(entities.names[other])}"
        elif kind < _GROUPS + _COMMON_ONLY:
            name = " ".join([*random.choice(common, int(random.integers(2, 4))), *words[-1:]]).title()
        else:
            name = " ".join([entities.names[first].split()[0], *words[1:]])
        if not len(index.by_key(name_key(name))):
            names.append(name)
            rows.append(other)
    cities = [entities.cities[row] if random.random() < _WITH_CITY else None for row in rows]
    domains = [_domain(name, None, random) if random.random() < _WITH_DOMAIN else None for name in names]
    asked = Records([""] * MADE, names, domains, cities, [entities.countries[row] for row in rows], [None] * MADE)
    queries, keys = build_queries(asked, known), [name_key(name) for name in names]
    pairs = index.candidates(queries, keys)
    nothing = np.zeros(len(pairs.query), dtype=np.bool_)
    return Labelled(Comparison(queries, keys, index, pairs), nothing, np.zeros(MADE, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class _Made:
    """A registry with former names and struck-off entities, queries, and the entity that each means."""

    registry: Records
    former: list[list[str]]
    is_live: NDArray[np.bool_]
    asked: Records
    meant: NDArray[np.int64]


def _make(entities: Records, random: np.random.Generator) -> _Made:
    count = len(entities.ids)
    meant = random.choice(count, MADE, replace=False)
    names, former = list(entities.names), [list[str]() for _ in range(count)]
    kinds = random.random(MADE)
    # The named of a former name, others that were renamed, and some who once had a name that is another's today.
    named = set(meant.tolist())
    renamed = {int(entity) for entity in meant[(kinds >= _ABBREVIATED) & (kinds < _FORMER)]}
    for entity in [*renamed, *random.choice(count, _RENAMED, replace=False).tolist()]:
        if entity in renamed or entity not in named:
            other = entities.names[int(random.integers(count))].split()
            former[entity] = [entities.names[entity]]
            names[entity] = " ".join([other[0], *entities.names[int(random.integers(count))].split()[1:]])
    for entity in meant[random.random(MADE) < 0.1].tolist():
        former[int(random.integers(count))].append(entities.names[entity])
    is_live = random.random(count) >= _STRUCK_OFF
    is_live[meant] = random.random(MADE) >= _STRUCK_OFF_NAMED
    asked = [_written(entities.names[entity], kind, random) for entity, kind in zip(meant.tolist(), kinds, strict=True)]
    cities = [entities.cities[entity] if random.random() < _WITH_CITY else None for entity in meant.tolist()]
    domains = [
        _domain(entities.names[entity], entities.domains[entity], random) if random.random() < _WITH_DOMAIN else None
        for entity in meant.tolist()
    ]
    return _Made(
        registry=Records(entities.ids, names, entities.domains, entities.cities, entities.countries, entities.years),
        former=former,
        is_live=is_live,
        asked=Records([""] * MADE, asked, domains, cities, [entities.countries[at] for at in meant], [None] * MADE),
        meant=meant,
    )


def _domain(name: str, own: str | None, random: np.random.Generator) -> str:
    """The entity's own, or one made of its first words."""
    if own:
        return own.split()[0]
    words = name_key(name).split()[: int(random.integers(1, 4))]
    return f"{compact(''.join(words)) or 'x'}{_ENDINGS[int(random.integers(len(_ENDINGS)))]}"


def _written(name: str, kind: float, random: np.random.Generator) -> str:
    """A name as somebody else writes it."""
    forms = set(legal_form(name).split())
    words = [word for word in name.split() if name_key(word) not in forms] or name.split()
    short = " ".join(words)
    if kind < _TYPO and len(short) > 5:
        at = int(random.integers(1, len(short) - 1))
        swapped = short[: at - 1] + short[at : at + 1] + short[at - 1 : at] + short[at + 1 :]
        return swapped if random.random() < 0.5 else short[:at] + short[at + 1 :]
    if _TYPO <= kind < _SHORT and len(words) > 2:
        return " ".join(words[:-1])
    if _SHORT <= kind < _ABBREVIATED:
        return " ".join(_abbreviated(word, random) if len(word) > 7 else word for word in words)
    return name if random.random() < 0.5 else short


def _abbreviated(word: str, random: np.random.Generator) -> str:
    """``engineering`` → ``engrg`` or ``engin``."""
    if random.random() < 0.5:
        return word[: int(random.integers(4, 6))]
    return word[0] + "".join(letter for letter in word[1:] if letter.lower() not in "aeiou")[:6]
