"""The ranker on labelled profiles and on Singapore's suppliers: real names, written by others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.matching_data import compare, read_task
from benchmarks.matching_gebiz import match_suppliers, pair_hash, read_verdicts
from models_py.matching.evaluation import answer_curve, pair_curve
from models_py.matching.index import MatchIndex, Queries
from models_py.matching.match import match
from models_py.matching.ranker import default_ranker


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    path = shared_data / "company_matching"
    if not path.is_dir():
        pytest.skip("company_matching is not there")
    return path


def test_a_few_held_out_profiles_are_answered_well(folder: Path) -> None:
    """All true entities of 150 profiles among as many others: easier than the real thing, and quick."""
    task = read_task(folder)
    profiles = np.flatnonzero(~task.fit)[:150].tolist()
    wanted = {entity for profile, entity in task.truth if profile in set(profiles)}
    rows = sorted(wanted | set(range(0, len(task.entities.ids), 25)))
    place = {row: at for at, row in enumerate(rows)}

    def some(values: list[object]) -> list[object]:
        return [values[row] for row in rows]

    known = MatchIndex.build(
        some(task.entities.names),  # type: ignore[arg-type]
        domains=some(task.entities.domains),  # type: ignore[arg-type]
        cities=some(task.entities.cities),  # type: ignore[arg-type]
        countries=some(task.entities.countries),  # type: ignore[arg-type]
        years=some(task.entities.years),  # type: ignore[arg-type]
    )
    asked = Queries(
        [task.profiles.names[at] for at in profiles],
        domains=[task.profiles.domains[at] for at in profiles],
        cities=[task.profiles.cities[at] for at in profiles],
        years=[task.profiles.years[at] for at in profiles],
        countries=[task.profiles.countries[at] for at in profiles],
    )
    found = match(asked, known)
    truth = {(profile, place[entity]) for profile, entity in task.truth if entity in place}
    accepted = [at for at, path in enumerate(found.path) if path not in ("review", "none")]
    right = sum((profiles[at], int(found.entity[at])) in truth for at in accepted)
    assert right / len(accepted) >= 0.93
    assert right / len(profiles) >= 0.63


@pytest.mark.slow
def test_the_figures_in_the_model_s_file_are_those_that_are_measured(folder: Path) -> None:
    task = read_task(folder)
    ranker = default_ranker()
    full = ranker.variants[0]
    labelled = compare(task, full.known)
    probability = full.probabilities(labelled.comparison)
    figures = ranker.provenance.figures["+".join(full.known)]
    pairs = pair_curve(labelled, probability, ~task.fit).at(full.pair_threshold)
    answers = answer_curve(labelled, probability, ~task.fit).at(full.answer_threshold)
    assert pairs.f1 == pytest.approx(figures["held_out_pair_f1"], abs=0.002)
    assert answers.f1 == pytest.approx(figures["held_out_answer_f1"], abs=0.002)
    assert answers.f1 >= 0.90


def test_suppliers_are_matched_to_contractors_as_a_person_judged(shared_data: Path) -> None:
    suppliers, contractors, found = match_suppliers(shared_data)
    verdicts = read_verdicts()
    judged: dict[str, list[bool]] = {"fuzzy": [], "review": [], "none": [], "exact_name": []}
    for row, path in enumerate(found.path):
        entity = int(found.candidates[row][0].entity) if found.candidates[row] else -1
        key = pair_hash(suppliers[row], contractors[entity])
        if entity >= 0 and key in verdicts:
            judged[path].append(verdicts[key])
    assert sum(map(len, judged.values())) >= 80
    # Hardly any of these suppliers is a contractor under another name: next to nothing may be accepted.
    accepted = judged["fuzzy"] + judged["exact_name"]
    assert len(accepted) - sum(accepted) <= 1
    assert found.path.count("fuzzy") <= 10
    assert found.path.count("exact_name") >= 850
