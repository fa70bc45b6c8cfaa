"""How well sites are told apart before and after, pair by pair, beside what the seed reports."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.evaluate.pairwise import SEEDS
from training.evaluate.results import Row, by_metric

_CHANCE = 50.0
_WIDTH = 0.8


def draw_accuracies(rows: Iterable[Row], out: Path) -> None:
    """Draw one figure a classifier: a panel frozen, one retrained; a group of bars a pair, a bar a model.

    Parameters
    ----------
    rows
        Of E2.
    out
        Folder for ``accuracy-<classifier>.png``.
    """
    rows = list(rows)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("network", "statistics", "resnet"):
        found = {how: by_metric(rows, f"{how}_{name}_percent") for how in ("frozen", "retrained")}
        if not any(found.values()):
            continue
        figure = Figure(figsize=(13, 4.2), layout="constrained")
        for axes, (how, models) in zip(figure.subplots(1, 2, sharey=True), found.items(), strict=True):
            _bars(axes, {model: {row.family: row.value for row in cases.values()} for model, cases in models.items()})
            axes.set_title(f"{name}, {how}", fontsize=9)
        figure.axes[0].set_ylabel("slices that go to the right site, %")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=8)
        figure.savefig(out / f"accuracy-{name}.png", dpi=110)


def _bars(axes: Axes, models: dict[str, dict[str, float]]) -> None:
    pairs = sorted({pair for values in models.values() for pair in values})
    places = np.arange(len(pairs))
    for number, (model, values) in enumerate(models.items()):
        aside = (number - (len(models) - 1) / 2) * _WIDTH / len(models)
        label = f"{model} (before)" if model == "identity" else model
        axes.bar(places + aside, [values.get(pair, np.nan) for pair in pairs], _WIDTH / len(models), label=label)
    for when, colour in (("before", "black"), ("after", "red")):
        told = [SEEDS[pair][when == "after"] if pair in SEEDS else np.nan for pair in pairs]
        axes.scatter(places, told, marker="_", s=900, color=colour, label=f"seed's own images, {when}", zorder=3)
    axes.axhline(_CHANCE, color="grey", linewidth=0.8, linestyle=":")
    axes.set_ylim(0, 105)
    axes.set_xticks(places, pairs, rotation=25, ha="right", fontsize=8)
