"""Plots for the UI: matplotlib figures from what was decided. Draws, never reads the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from models_py.components import COMPONENTS, DEFAULT_WEIGHTS
from warehouse.publication import WeightDecision

MOST_TENANTS = 12  # more would not be read
_LEARNED, _DEFAULT, _PROPOSED = "#1f6f8b", "#b8c4c8", "#e0a458"


def weights_figure(decisions: Sequence[WeightDecision], names: Mapping[int, str]) -> Figure:
    """Live (and proposed) weights of each tenant against the defaults, with one standard error."""
    shown = sorted(decisions, key=lambda d: -d.bookings)[:MOST_TENANTS]
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(3.1 * columns, 2.3 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    at = np.arange(len(COMPONENTS))
    for panel, decision in zip(axes.flat, shown, strict=False):
        panel.bar(at - 0.2, DEFAULT_WEIGHTS, 0.38, color=_DEFAULT, label="default")
        proposed = decision.proposal is not None
        errors = [error or 0.0 for error in decision.evidence.get("weight_errors", [])] or None
        panel.bar(
            at + 0.2,
            decision.proposal or decision.live,
            0.38,
            color=_PROPOSED if proposed else _LEARNED,
            label="proposed" if proposed else decision.live_source,
            yerr=errors if proposed or decision.live_source == "learned" else None,
            error_kw={"elinewidth": 1, "ecolor": "#333333"},
        )
        panel.set_title(f"{names[decision.tenant_id]}: {decision.bookings} of {decision.leads} booked", fontsize=8)
        panel.set_xticks(at, [name.replace("_", "\n") for name in COMPONENTS], fontsize=7)
        panel.tick_params(axis="y", labelsize=7)
        panel.legend(fontsize=6, frameon=False)
        panel.spines[["top", "right"]].set_visible(False)
    for panel in axes.flat[len(shown) :]:
        panel.set_visible(False)
    figure.suptitle("Weights: learned against default (bars: one standard error)", fontsize=10)
    return figure


def lift_figure(decisions: Sequence[WeightDecision], names: Mapping[int, str]) -> Figure | None:
    """Booking rate of the top fifth over all leads, on quarters the weights were not learned from. None without any."""
    measured = [
        (
            f"{names[d.tenant_id]}\n{held['learned']['booked']:,} of {held['learned']['leads']:,} booked",
            held["learned"]["lift"],
            held["default"]["lift"],
        )
        for d in sorted(decisions, key=lambda d: -d.bookings)
        if (held := d.evidence.get("hold_out")) and held.get("learned") and held.get("default")
        if held["learned"]["lift"] is not None and held["default"]["lift"] is not None
    ][:MOST_TENANTS]
    if not measured:
        return None
    figure = Figure(figsize=(6.5, 0.45 * len(measured) + 1.2), layout="constrained")
    panel = figure.subplots()
    at = np.arange(len(measured))
    panel.barh(
        at - 0.2, [learned for _, learned, _ in measured], 0.38, color=_LEARNED, label="learned on the quarters before"
    )
    panel.barh(at + 0.2, [default for _, _, default in measured], 0.38, color=_DEFAULT, label="default")
    panel.axvline(1.0, color="#333333", linewidth=1)
    panel.set_yticks(at, [name for name, _, _ in measured], fontsize=8)
    panel.invert_yaxis()
    panel.set_xlabel("lift of the top fifth on the held-out last quarters (1 = chance)", fontsize=8)
    panel.legend(fontsize=7, frameon=False, loc="lower right")
    panel.spines[["top", "right"]].set_visible(False)
    return figure
