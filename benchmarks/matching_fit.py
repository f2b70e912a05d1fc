"""Fit the ranker and write it into the package: ``python -m benchmarks.matching_fit DATE``.

Each variant is fitted on one half of the profiles and measured once on the other; both are in the file, and what other
halves give. DATE is written into it, so that fitting twice gives the same file.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.matching_data import (
    DATA,
    FURTHER_SEEDS,
    SEED,
    SPLIT,
    build_index,
    compare,
    half,
    read_task,
    shared_data,
)
from benchmarks.matching_simulated import ASSUMED, further
from models_py.matching.evaluation import Labelled, answer_curve, calibration_error, pair_curve
from models_py.matching.fitting import Fitted, Further, fit_variant
from models_py.matching.ranker import Known, Provenance, Ranker, Variant
from warehouse.settings import PROJECT_ROOT

TARGET = PROJECT_ROOT / "models_py" / "matching" / "ranker.json"
VARIANTS: tuple[tuple[Known, ...], ...] = (
    ("name", "address", "domain", "place", "year"),
    ("name", "address", "domain", "place"),
    ("name", "address", "domain"),
    ("name", "address", "place"),
    ("name", "address"),
    ("name",),
)


def main() -> None:
    """Fit, measure, write."""
    date = sys.argv[1]
    task = read_task(shared_data() / "company_matching")
    variants: list[Variant] = []
    figures: dict[str, dict[str, float]] = {}
    splits: dict[str, tuple[float, ...]] = {}
    recall = 0.0
    with ProcessPoolExecutor() as pool:
        for known, done in zip(VARIANTS, pool.map(_fit, VARIANTS), strict=True):
            variants.append(done.variant)
            figures["+".join(known)] = done.figures
            recall, splits = recall or done.recall, splits or done.splits
            print("+".join(known), done.figures, done.splits, flush=True)
    ranker = Ranker(
        version=f"{date}.2",
        provenance=Provenance(
            data=DATA,
            split=SPLIT,
            simulated=ASSUMED,
            seed=SEED,
            fitted_on=date,
            profiles_fitted=int(task.fit.sum()),
            profiles_held_out=int((~task.fit).sum()),
            pairs_fitted=int(task.true_pairs[task.fit].sum()),
            recall_of_candidates=round(recall, 4),
            figures=figures,
            splits=splits,
        ),
        variants=tuple(variants),
    )
    TARGET.write_text(json.dumps(ranker.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class _Done:
    variant: Variant
    figures: dict[str, float]
    recall: float
    splits: dict[str, tuple[float, ...]]


def _fit(known: tuple[Known, ...]) -> _Done:
    """Fit and measure one variant; the first also on the further splits."""
    task = read_task(shared_data() / "company_matching")
    index = build_index(task.entities, known)
    labelled = compare(task, known, index)
    others = further(task, labelled, index, known, SEED)
    fitted = fit_variant(labelled, further=others, known=known, fit_on=task.fit, seed=SEED)
    return _Done(
        variant=fitted.variant,
        figures=_measure(labelled, fitted, task.fit),
        recall=float(labelled.is_match.sum() / len(task.truth)),
        splits=_splits(labelled, others, known) if known == VARIANTS[0] else {},
    )


def _measure(labelled: Labelled, fitted: Fitted, fit_on: NDArray[np.bool_]) -> dict[str, float]:
    """Figures of the fitted half, out of fold, and of the other."""
    found: dict[str, float] = {}
    measured = fitted.variant.probabilities(labelled.comparison)
    for name, queries, probability in (("fitted", fit_on, fitted.out_of_fold), ("held_out", ~fit_on, measured)):
        pairs = pair_curve(labelled, probability, queries).at(fitted.variant.pair_threshold)
        curve = answer_curve(labelled, probability, queries)
        answers, accepted = curve.at(fitted.variant.answer_threshold), curve.at(fitted.variant.accept)
        rows = queries[labelled.comparison.pairs.query]
        found |= {
            f"{name}_pair_precision": round(pairs.precision, 4),
            f"{name}_pair_recall": round(pairs.recall, 4),
            f"{name}_pair_f1": round(pairs.f1, 4),
            f"{name}_answer_f1": round(answers.f1, 4),
            f"{name}_accepted_precision": round(accepted.precision, 4),
            f"{name}_accepted_recall": round(accepted.recall, 4),
            f"{name}_calibration_error": round(calibration_error(probability[rows], labelled.is_match[rows]), 4),
        }
    return found


def _splits(labelled: Labelled, others: list[Further], known: tuple[Known, ...]) -> dict[str, tuple[float, ...]]:
    """Held-out F1 of pairs and of one answer, fitted anew on each further half."""
    found: dict[str, list[float]] = {"pair_f1": [], "answer_f1": []}
    for seed in FURTHER_SEEDS:
        fit_on = half(len(labelled.true_pairs), seed)
        figures = _measure(
            labelled, fit_variant(labelled, further=others, known=known, fit_on=fit_on, seed=seed), fit_on
        )
        for name, values in found.items():
            values.append(figures[f"held_out_{name}"])
        print(seed, figures, flush=True)
    return {name: tuple(values) for name, values in found.items()}


if __name__ == "__main__":
    main()
