"""What shrunk rates claim beside the specification's rule, and cost: ``python -m benchmarks.rates [--quick]``.

Tenants whose attributes do or do not matter, with the planted rates known. Printed, and written to
benchmarks/results/rates.md: claims where nothing differs, true and found claims where something does, by how much the
first five exaggerate, how many planted rates the 90 % intervals hold, and seconds.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models_py.rates import RateEstimates, estimate, label

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

RESULTS = Path(__file__).parent / "results" / "rates.md"
SEED = 20260630
#: Values per attribute of a typical tenant: titles, industries, sizes, countries, sources, three signals.
ATTRIBUTES = (40, 18, 7, 5, 8, 2, 2, 2)
#: The specification's rule for a value worth naming.
RULE_LIFT, RULE_LEADS = 1.5, 5


@dataclass(frozen=True)
class Market:
    """Values of all attributes of many tenants with their planted rates; all (m,)."""

    tenant: IntArray
    group: IntArray
    leads: IntArray
    booked: IntArray
    rate: FloatArray
    lift: FloatArray
    tenant_booked: IntArray


def draw_market(*, tenants: int, leads: int, base_rate: tuple[float, float], spread: float, seed: int) -> Market:
    """Every value multiplies the chance to book by exp(N(0, spread^2)); 0 is a world in which nothing differs."""
    random = np.random.default_rng(seed)
    rows: list[tuple[IntArray | FloatArray, ...]] = []
    for tenant in range(tenants):
        codes = [random.choice(size, leads, p=random.dirichlet(np.full(size, 0.7))) for size in ATTRIBUTES]
        rate = np.full(leads, np.exp(random.uniform(*np.log(base_rate))))
        for size, code in zip(ATTRIBUTES, codes, strict=True):
            rate *= np.exp(random.normal(-(spread**2) / 2, spread, size))[code]
        rate = np.minimum(rate, 0.95)
        booked = random.random(leads) < rate
        for attribute, code in enumerate(codes):
            n = np.bincount(code)
            seen = np.flatnonzero(n)
            own = np.bincount(code, weights=rate)[seen] / n[seen]
            won = np.bincount(code, weights=booked)[seen].astype(np.int64)
            same = np.ones(len(seen), dtype=np.int64)
            group = same * (tenant * len(ATTRIBUTES) + attribute)
            rows.append((same * tenant, group, n[seen], won, own, own / rate.mean(), same * booked.sum()))
    return Market(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def top_five_exaggeration(market: Market, shown: FloatArray, listed: NDArray[np.bool_]) -> float:
    """Rate shown for the first five values over their planted rate, over attributes with ten values or more."""
    ratios = []
    for group in np.unique(market.group[listed]):
        rows = np.flatnonzero((market.group == group) & listed)
        if len(rows) >= 10:
            top = rows[np.argsort(-shown[rows])[:5]]
            ratios.append(shown[top].mean() / market.rate[top].mean())
    return float(np.mean(ratios))


def describe(market: Market, tenants: int) -> str:
    """One row of the table."""
    found: RateEstimates = estimate(market.group, market.leads, market.booked)
    labels = label(market.tenant, found, tenant_booked=market.tenant_booked)
    better, worse = np.isin(labels, ("better", "strong")), labels == "worse"
    rule = (found.lift > RULE_LIFT) & (found.leads >= RULE_LEADS)
    inside = (found.interval_low <= market.rate) & (market.rate <= found.interval_high)
    claims = better.sum() + worse.sum()
    # Where nothing differs planted lifts are 1 but for floating dust.
    not_above, not_below = market.lift <= 1 + 1e-9, market.lift >= 1 - 1e-9
    wrong = (better & not_above).sum() + (worse & not_below).sum()
    rule_wrong = (rule & not_above).sum() / max(1, rule.sum())
    labelled = len(np.unique(market.tenant[better | worse])) / tenants
    raw = np.where(found.listed, found.raw_rate, 0.0)
    return " | ".join(
        [
            f"{labelled:.0%}",
            f"{claims / tenants:.1f} ({wrong / max(1, claims):.0%})",
            f"{rule.sum() / tenants:.1f} ({rule_wrong:.0%})",
            f"{top_five_exaggeration(market, found.shrunk_rate, found.listed):.2f}",
            f"{top_five_exaggeration(market, raw, found.listed):.2f}",
            f"{inside[found.listed].mean():.1%}",
        ]
    )


def claims_table(tenants: int) -> list[str]:
    """Claims, exaggeration and coverage by how much values differ."""
    lines = [
        f"Eight attributes of {', '.join(map(str, ATTRIBUTES))} values; {tenants} tenants per row. In brackets the",
        "share of claims whose planted lift is not on their side of 1. First five: the rate shown over the true one.",
        "",
        "| leads | base rate | values differ by | tenants with a label | labels per tenant (false) "
        "| lift > 1.5, n ≥ 5: claims (false) | first five, shrunk | first five, raw | 90 % intervals hold |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for leads, base_rate in ((1000, (0.05, 0.15)), (5000, (0.02, 0.15))):
        for spread in (0.0, 0.1, 0.3, 0.6):
            market = draw_market(tenants=tenants, leads=leads, base_rate=base_rate, spread=spread, seed=SEED)
            named = f"{base_rate[0]:.0%}-{base_rate[1]:.0%}"
            lines.append(f"| {leads:,} | {named} | {spread:.0%} | {describe(market, tenants)} |")
    return lines


def time_table(tenants: int) -> list[str]:
    """Seconds for many tenants, and for one attribute of very many values."""
    random = np.random.default_rng(SEED)
    groups = tenants * 8
    leads = random.geometric(0.01, groups * 20)
    booked = random.binomial(leads, 0.06)
    start = time.perf_counter()
    found = estimate(np.repeat(np.arange(groups), 20), leads, booked)
    middle = time.perf_counter()
    label(np.repeat(np.arange(tenants), 160), found, tenant_booked=np.full(len(leads), 100))
    end = time.perf_counter()
    leads = random.geometric(0.2, 50_000)
    single = time.perf_counter()
    estimate(np.zeros(50_000, dtype=np.int64), leads, random.binomial(leads, 0.08))
    return [
        "| | seconds |",
        "|---|---|",
        f"| {tenants:,} tenants × 8 attributes × 20 values, estimates | {middle - start:.1f} |",
        f"| the same, labels | {end - middle:.2f} |",
        f"| one attribute of 50,000 values | {time.perf_counter() - single:.1f} |",
    ]


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tenants, nothing written")
    quick = parser.parse_args().quick
    start = time.perf_counter()
    lines = ["# Rates", "", "## What is claimed", "", *claims_table(40 if quick else 300)]
    lines += ["", "## What it costs", "", *time_table(100 if quick else 1000)]
    lines += ["", f"`python -m benchmarks.rates`, {time.perf_counter() - start:.0f} s on one core."]
    print("\n".join(lines))
    if not quick:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
