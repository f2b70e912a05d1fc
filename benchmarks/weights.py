"""What learned weights are worth and cost, beside what others do: ``python -m benchmarks.weights [--quick]``.

Tenants with planted weights learn from n leads each; every method then ranks the same held-out leads, whose true
probabilities are known. Printed, and written to benchmarks/results/weights.md: the gain in AUC over the default
weights by method and n, publications on shuffled outcomes, what effort by tier does, and milliseconds per tenant.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from ingest.simulation import Cohorts, CohortSpec, draw_cohorts
from models_py.components import DEFAULT_WEIGHTS, MAXIMA
from models_py.evaluation import auc
from models_py.thresholds import BETTER, SIGNAL_P
from models_py.weights import Cells, Decision, Prior, decide, fit, fit_pooled, pool

FloatArray = NDArray[np.float64]

RESULTS = Path(__file__).parent / "results" / "weights.md"
SEED = 20260630
#: A tenant is worse off if its AUC falls by more than this.
WORSE = 0.001


@dataclass(frozen=True)
class Plan:
    """How much is simulated."""

    tenants: int
    sizes: tuple[int, ...]
    shuffled_tenants: int
    peers: bool
    timed: int


FULL = Plan(tenants=240, sizes=(100, 200, 500, 2000, 5000), shuffled_tenants=1000, peers=True, timed=1000)
QUICK = Plan(tenants=60, sizes=(100, 500, 2000), shuffled_tenants=200, peers=False, timed=200)


def cells_of(cohorts: Cohorts) -> Cells:
    """A simulated world as the learner's input."""
    ones = np.ones(len(cohorts.tenant), dtype=np.int64)
    return Cells(cohorts.tenant, cohorts.components, cohorts.quarter, cohorts.tier, ones, cohorts.booked)


def specification_weights(components: FloatArray, booked: NDArray[np.bool_]) -> FloatArray:
    """The weights of the conversion intelligence specification, section 4.1, to the letter."""
    default = np.array(DEFAULT_WEIGHTS)
    if booked.sum() < 10 or len(booked) < 30:
        return default
    shares, outcome = np.nan_to_num(components) / np.array(MAXIMA), booked.astype(float)

    def loss(weights: FloatArray) -> float:
        chance = 1.0 / (1.0 + np.exp(-np.clip(shares @ weights, -500, 500)))
        entropy = -np.mean(outcome * np.log(chance + 1e-10) + (1 - outcome) * np.log(1 - chance + 1e-10))
        return float(entropy + 0.01 * np.sum(weights**2))

    found = minimize(
        loss,
        default,
        method="SLSQP",
        bounds=[(0.05, 0.50)] * 4,
        constraints={"type": "eq", "fun": lambda weights: np.sum(weights) - 0.85},
    )
    return np.round(found.x, 3) if found.success else default


Ranker = Callable[[FloatArray, NDArray[np.bool_]], Callable[[FloatArray], FloatArray]]


def rank_by_specification(components: FloatArray, booked: NDArray[np.bool_]) -> Callable[[FloatArray], FloatArray]:
    weights = specification_weights(components, booked)
    return lambda leads: leads / np.array(MAXIMA) @ weights


def rank_by_logistic_regression(
    components: FloatArray, booked: NDArray[np.bool_]
) -> Callable[[FloatArray], FloatArray]:
    """Unconstrained and unpenalised; the defaults where only one outcome occurs."""
    if booked.all() or not booked.any():
        return lambda leads: leads / np.array(MAXIMA) @ np.array(DEFAULT_WEIGHTS)
    model = LogisticRegression(C=np.inf, max_iter=1000).fit(components / np.array(MAXIMA), booked)
    return lambda leads: model.decision_function(leads / np.array(MAXIMA))


def rank_by_boosting(components: FloatArray, booked: NDArray[np.bool_]) -> Callable[[FloatArray], FloatArray]:
    """A small gradient boosting, as one would set it for tables of this size."""
    if booked.all() or not booked.any():
        return lambda leads: leads / np.array(MAXIMA) @ np.array(DEFAULT_WEIGHTS)
    model = GradientBoostingClassifier(n_estimators=60, max_depth=2, learning_rate=0.05, random_state=0)
    model.fit(components, booked)
    return lambda leads: model.decision_function(leads)


def rank_each(cohorts: Cohorts, ranker: Ranker) -> FloatArray:
    """Held-out rankings (tenants, leads) of a method that learns tenant by tenant."""
    rankings = []
    for tenant, leads in enumerate(cohorts.held_out_components):
        own = cohorts.tenant == tenant
        rankings.append(ranker(cohorts.components[own], cohorts.booked[own])(leads))
    return np.stack(rankings)


def rank_by_weights(cohorts: Cohorts, weights: FloatArray) -> FloatArray:
    """Held-out rankings of weights (4,) or (tenants, 4)."""
    rows = np.broadcast_to(weights, (len(cohorts.held_out_components), 4))
    # Rounded, so that leads whose scores differ by floating dust are tied.
    return np.round(np.einsum("thj,tj->th", cohorts.held_out_components / np.array(MAXIMA), rows), 9)


def live(decisions: Iterable[Decision]) -> FloatArray:
    """Weights that are live after the decisions, (tenants, 4)."""
    return np.array([decision.live_weights for decision in decisions])


def gains(cohorts: Cohorts, rankings: FloatArray) -> FloatArray:
    """AUC minus that of the default weights, per tenant, on the held-out leads."""
    tenants, leads = cohorts.held_out_probability.shape
    group, ones = np.repeat(np.arange(tenants), leads), np.ones(tenants * leads)
    chance = cohorts.held_out_probability.ravel()
    default = rank_by_weights(cohorts, np.array(DEFAULT_WEIGHTS))
    return auc(group, rankings.ravel(), ones, chance) - auc(group, default.ravel(), ones, chance)


def gain_table(plan: Plan) -> list[str]:
    """Gain by method and n."""
    methods: dict[str, list[FloatArray]] = {}
    fits_by_n, thin = [], {"alone": [], "pooled": []}
    for size in plan.sizes:
        cohorts = draw_cohorts(CohortSpec(tenants=plan.tenants, leads=size), seed=SEED)
        cells = cells_of(cohorts)
        fits = fit(cells)
        pooled_fits, pool = fit_pooled(cells)
        rankings = {"specification's loss, SLSQP": rank_each(cohorts, rank_by_specification)}
        rankings["logistic regression, unconstrained"] = rank_each(cohorts, rank_by_logistic_regression)
        if plan.peers:
            rankings["gradient boosting"] = rank_each(cohorts, rank_by_boosting)
        rankings["this, never gated"] = rank_by_weights(cohorts, fits.weights)
        alone = rank_by_weights(cohorts, live(decide(fits)))
        together = rank_by_weights(cohorts, live(decide(pooled_fits, pooled=pool.reference)))
        rankings |= {"this, gated": alone, "this, gated and pooled": together}
        rankings["true weights"] = rank_by_weights(cohorts, cohorts.true_weights)
        for method, ranking in rankings.items():
            methods.setdefault(method, []).append(gains(cohorts, ranking))
        few = fits.booked < 10
        fits_by_n.append(fits.fitted.mean())
        thin["alone"].append(gains(cohorts, alone)[few])
        thin["pooled"].append(gains(cohorts, together)[few])
    header = " | ".join(f"n={size}" for size in plan.sizes)
    lines = [
        f"Gain in AUC over the default weights, in thousandths (share of tenants worse by more than {WORSE}); "
        f"{plan.tenants} tenants per n, base rates 2-25 %.",
        "",
        f"| | {header} | all |",
        "|---|" + "---|" * (len(plan.sizes) + 1),
    ]
    for method, by_size in methods.items():
        cells_text = [_gain(values) for values in (*by_size, np.concatenate(by_size))]
        lines.append(f"| {method} | " + " | ".join(cells_text) + " |")
    fitted = " | ".join(f"{share:.0%}" for share in fits_by_n)
    lines.append(f"| tenants with 10 bookings | {fitted} | {np.mean(fits_by_n):.0%} |")
    for name, by_size in thin.items():
        lines.append(
            f"| tenants under 10 bookings, {name} | "
            + " | ".join(map(_gain, by_size))
            + f" | {_gain(np.concatenate(by_size))} |"
        )
    return lines


def _gain(values: FloatArray) -> str:
    if not len(values):
        return "-"
    # Adding zero turns -0.0 into 0.0.
    return f"{round(values.mean() * 1000, 1) + 0.0:.1f} ({(values < -WORSE).mean():.0%})"


def shuffled_table(plan: Plan) -> list[str]:
    """How often something is published where outcomes are shuffled: nothing should be."""
    lines = [
        f"Tenants with weights published on shuffled outcomes, of {plan.shuffled_tenants} per n.",
        "",
        "| n | P(better) alone | score test alone | both parts of the gate |",
        "|---|---|---|---|",
    ]
    for size in plan.sizes:
        spec = CohortSpec(tenants=plan.shuffled_tenants, leads=size, held_out=1, shuffled=True)
        fits = fit(cells_of(draw_cohorts(spec, seed=SEED + 1)))
        decisions = decide(fits)
        better = np.mean([(decision.probability_better or 0.0) >= BETTER for decision in decisions])
        signal = np.mean([decision.signal_p is not None and decision.signal_p < SIGNAL_P for decision in decisions])
        published = np.mean([decision.action == "publish" for decision in decisions])
        lines.append(f"| {size} | {better:.1%} | {signal:.1%} | {published:.1%} |")
    return lines


def gate_table(plan: Plan) -> list[str]:
    """The second part of the gate at other thresholds, all n together."""
    lines = ["| P(better) at least | gain | tenants worse | published on shuffled outcomes |", "|---|---|---|---|"]
    real, noise = [], []
    for size in plan.sizes:
        spec = CohortSpec(tenants=plan.tenants, leads=size)
        cohorts = draw_cohorts(spec, seed=SEED + 5)
        fits = fit(cells_of(cohorts))
        shuffled = draw_cohorts(replace(spec, shuffled=True, held_out=1), seed=SEED + 6)
        real.append((gains(cohorts, rank_by_weights(cohorts, fits.weights)), decide(fits)))
        noise.append(decide(fit(cells_of(shuffled))))
    for threshold in (0.5, 0.6, 0.65, 0.7, 0.8):
        gain = np.concatenate([values * _passing(decisions, threshold) for values, decisions in real])
        false = np.concatenate([_passing(decisions, threshold) for decisions in noise]).mean()
        used = " (used)" if threshold == BETTER else ""
        lines.append(
            f"| {threshold:.2f}{used} | {gain.mean() * 1000:.2f} | {(gain < -WORSE).mean():.1%} | {false:.1%} |"
        )
    return lines


def _passing(decisions: list[Decision], threshold: float) -> NDArray[np.bool_]:
    return np.array(
        [
            decision.signal_p is not None
            and decision.signal_p < SIGNAL_P
            and (decision.probability_better or 0.0) >= threshold
            for decision in decisions
        ]
    )


def pool_table(plan: Plan) -> list[str]:
    """How often shuffled worlds get pooled weights, by number of tenants."""
    worlds = 40 if plan.peers else 10
    lines = [
        f"Share of {worlds} shuffled worlds (300 leads per tenant) that get pooled weights; without the pool's",
        "own signal test every one would.",
        "",
        "| tenants | pooled weights |",
        "|---|---|",
    ]
    for tenants in (6, 20, 60):
        spec = CohortSpec(tenants=tenants, leads=300, held_out=1, shuffled=True)
        pools = [pool(fit(cells_of(draw_cohorts(spec, seed=SEED + 100 + world)))) for world in range(worlds)]
        lines.append(f"| {tenants} | {np.mean([given.reference is not None for given in pools]):.1%} |")
    return lines


def effort_table(plan: Plan) -> list[str]:
    """What knowing the tier at contact costs where effort is equal, and saves where hot leads get more of it."""
    lines = [
        "Tier at contact as a nuisance: gain where components matter (thousandths of AUC) / publications where "
        "nothing but effort does.",
        "",
        "| effort per tier (log-odds) | n | tier left out | sd 0.25 | sd 0.5 (used) | sd 1 |",
        "|---|---|---|---|---|---|",
    ]
    priors = [replace(Prior(), tier_sd=sd) for sd in (None, 0.25, 0.5, 1.0)]
    for effort in (0.0, 0.2, 0.4):
        for size in plan.sizes[1:]:
            spec = CohortSpec(tenants=plan.tenants, leads=size, effort=effort)
            real = draw_cohorts(spec, seed=SEED + 2)
            null = draw_cohorts(replace(spec, slope=(0.0, 0.0), held_out=1), seed=SEED + 3)
            entries = []
            for prior in priors:
                gain = gains(real, rank_by_weights(real, live(decide(fit(cells_of(real), prior=prior)))))
                false = np.mean([decision.action == "publish" for decision in decide(fit(cells_of(null), prior=prior))])
                entries.append(f"{gain.mean() * 1000:.1f} / {false:.1%}")
            lines.append(f"| {effort} | {size} | " + " | ".join(entries) + " |")
    return lines


def time_table(plan: Plan) -> list[str]:
    """Milliseconds per tenant, all methods in one run on one machine."""
    lines = ["| milliseconds per tenant | 200 leads | 1,000 leads |", "|---|---|---|"]
    worlds = [
        draw_cohorts(CohortSpec(tenants=plan.timed, leads=size, held_out=1), seed=SEED + 4) for size in (200, 1000)
    ]
    grouped = [cells_of(cohorts) for cohorts in worlds]
    rows: dict[str, list[float]] = {
        "grouping leads into cells": [_milliseconds(lambda c=c: cells_of(c), plan.timed) for c in worlds],
        "this, all tenants in one batch: fit and decide": [
            _milliseconds(lambda g=g: decide(fit(g)), plan.timed) for g in grouped
        ],
        "this, pooled in two rounds": [_milliseconds(lambda g=g: fit_pooled(g), plan.timed) for g in grouped],
    }
    few = min(plan.timed, 200)
    for name, ranker in (
        ("specification's loss, SLSQP per tenant", rank_by_specification),
        ("scikit-learn logistic regression per tenant", rank_by_logistic_regression),
    ):
        rows[name] = [_milliseconds(lambda c=c, r=ranker: _learn_each(c, r, few), few) for c in worlds]
    for name, values in rows.items():
        lines.append(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |")
    large = draw_cohorts(CohortSpec(tenants=1, leads=1_000_000, held_out=1), seed=SEED)
    single = cells_of(large)
    alone = _milliseconds(lambda: decide(fit(single)), 1)
    return [*lines, "", f"One tenant of a million leads in {len(single):,} cells: {alone:.0f} ms."]


def _learn_each(cohorts: Cohorts, ranker: Ranker, tenants: int) -> None:
    edges = np.searchsorted(cohorts.tenant, np.arange(tenants + 1))
    for first, last in pairwise(edges):
        ranker(cohorts.components[first:last], cohorts.booked[first:last])


def _milliseconds(work: Callable[[], object], tenants: int) -> float:
    """Best of three, per tenant."""
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best * 1000 / tenants


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tenants, no boosting, nothing written")
    quick = parser.parse_args().quick
    plan = QUICK if quick else FULL
    start = time.perf_counter()
    lines = ["# Weights"]
    for title, table in (
        ("What they are worth", gain_table),
        ("Shuffled outcomes", shuffled_table),
        ("The gate at other thresholds", gate_table),
        ("The pool on shuffled outcomes", pool_table),
        ("Effort that follows the score", effort_table),
        ("What they cost", time_table),
    ):
        section = ["", f"## {title}", "", *table(plan)]
        print("\n".join(section))
        lines += section
    lines += ["", f"`python -m benchmarks.weights`, {time.perf_counter() - start:.0f} s on one core."]
    print("\n" + lines[-1])
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
