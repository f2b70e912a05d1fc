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
    compare,
    half,
    read_task,
    shared_data,
)
from benchmarks.matching_simulated import ASSUMED, further
from models_py.matching.competition import ranks
from models_py.matching.evaluation import Labelled, answer_curve, calibration_error, pair_curve
from models_py.matching.fitting import Fitted, fit_variant
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
    recall = 0.0
    with ProcessPoolExecutor() as pool:
        others = pool.map(_fit, [VARIANTS[0]] * len(FURTHER_SEEDS), FURTHER_SEEDS)
        for known, done in zip(VARIANTS, pool.map(_fit, VARIANTS), strict=True):
            variants.append(done.variant)
            recall = recall or done.recall  # of the first variant
            figures["+".join(known)] = done.figures
            print("+".join(known), done.figures, flush=True)
        splits = [done.figures for done in others]
        print(splits)
    ranker = Ranker(
        version=f"{date}.4",
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
            splits={name: tuple(split[f"held_out_{name}"] for split in splits) for name in ("pair_f1", "answer_f1")},
        ),
        variants=tuple(variants),
    )
    TARGET.write_text(json.dumps(ranker.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class _Done:
    variant: Variant
    figures: dict[str, float]
    recall: float


def _fit(known: tuple[Known, ...], seed: int = SEED) -> _Done:
    """Fit one variant on the half that the seed draws, and measure it on both."""
    task = read_task(shared_data() / "company_matching")
    fit_on = half(len(task.fit), seed)
    labelled = compare(task, known)
    others = further(task, labelled, known, SEED)
    fitted = fit_variant(labelled, further=others, known=known, fit_on=fit_on, seed=seed)
    return _Done(
        variant=fitted.variant,
        figures=_measure(labelled, fitted, fit_on),
        recall=float(labelled.is_match.sum() / len(task.truth)),
    )


def _measure(labelled: Labelled, fitted: Fitted, fit_on: NDArray[np.bool_]) -> dict[str, float]:
    """Figures of the fitted half, out of fold, and of the other."""
    found: dict[str, float] = {}
    measured = fitted.variant.probabilities(labelled.comparison)
    for name, queries, probability in (("fitted", fit_on, fitted.out_of_fold), ("held_out", ~fit_on, measured)):
        pairs = pair_curve(labelled, probability, queries).at(fitted.variant.pair_threshold)
        curve = answer_curve(labelled, probability, queries)
        answers = curve.at(fitted.variant.answer_threshold)
        query = labelled.comparison.pairs.query
        rows = queries[query]
        cautious = fitted.variant.cautious(labelled.comparison, probability)
        accepted = (
            rows & (ranks(query, probability) == 1) & (cautious >= fitted.variant.accepted_from(labelled.comparison))
        )
        found |= {
            f"{name}_pair_precision": round(pairs.precision, 4),
            f"{name}_pair_recall": round(pairs.recall, 4),
            f"{name}_pair_f1": round(pairs.f1, 4),
            f"{name}_answer_f1": round(answers.f1, 4),
            f"{name}_accepted_precision": round(float(labelled.is_match[accepted].mean()), 4)
            if accepted.any()
            else 1.0,
            f"{name}_accepted_recall": round(
                float(labelled.is_match[accepted].sum() / max(1, len(np.unique(query[rows & labelled.is_match])))), 4
            ),
            f"{name}_calibration_error": round(calibration_error(probability[rows], labelled.is_match[rows]), 4),
        }
    return found


if __name__ == "__main__":
    main()
