"""The plots: every case of every model as a dot, the quartiles as a box."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from training.evaluate.results import Row, by_metric

PLOTTED = {"psnr": "PSNR, dB", "psnr_fitted": "PSNR after a linear fit, dB", "ssim": "SSIM"}
"""Measure -> how its axis is called."""


def draw_plots(rows: Iterable[Row], out: Path) -> None:
    """Draw one figure a measure: a panel a group, a box a model; cases of one family share a colour. And one by family.

    Parameters
    ----------
    rows
        Of one experiment.
    out
        Folder for ``<measure>.png`` and ``psnr-families.png``.
    """
    rows = list(rows)
    out.mkdir(parents=True, exist_ok=True)
    groups = sorted({row.group for row in rows})
    families = sorted({row.family for row in rows})
    for metric, title in PLOTTED.items():
        figure = Figure(figsize=(4.2 * len(groups), 4.2), layout="constrained")
        for axes, group in zip(np.ravel(figure.subplots(1, len(groups), squeeze=False)), groups, strict=True):
            models = by_metric([row for row in rows if row.group == group], metric)
            values = [[row.value for row in cases.values()] for cases in models.values()]
            if not values:
                continue
            axes.boxplot(values, showfliers=False, medianprops={"color": "black"})
            for place, cases in enumerate(models.values(), start=1):
                each = list(cases.values())
                aside = place + np.linspace(-0.25, 0.25, len(each))
                colours = [f"C{families.index(row.family)}" for row in each]
                axes.scatter(aside, [row.value for row in each], c=colours, s=9, zorder=3)
            axes.set_xticks(range(1, len(models) + 1), list(models), rotation=35, ha="right", fontsize=8)
            axes.set_title(group, fontsize=9)
            axes.set_ylabel(title)
            axes.grid(axis="y", alpha=0.3)
        handles = [figure.axes[0].scatter([], [], c=f"C{k}", s=9, label=family) for k, family in enumerate(families)]
        figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=8)
        figure.savefig(out / f"{metric}.png", dpi=110)
    _draw_families(rows, out / "psnr-families.png")


def _draw_families(rows: list[Row], path: Path) -> None:
    """Draw PSNR by family: a panel a group, mean and standard deviation of each model side by side."""
    groups = sorted({row.group for row in rows})
    models = dict.fromkeys(row.model for row in rows if row.metric == "psnr")
    figure = Figure(figsize=(7, 3.4 * len(groups) + 0.6), layout="constrained")
    for axes, group in zip(np.ravel(figure.subplots(len(groups), 1, squeeze=False)), groups, strict=True):
        found = by_metric([row for row in rows if row.group == group], "psnr")
        families = sorted({row.family for cases in found.values() for row in cases.values()})
        for number, model in enumerate(models):
            each = [[row.value for row in found.get(model, {}).values() if row.family == name] for name in families]
            places = np.arange(len(families)) + 0.7 * ((number + 0.5) / len(models) - 0.5)
            told = [
                (place, np.mean(values), np.std(values)) for place, values in zip(places, each, strict=True) if values
            ]
            if told:
                x, mean, spread = zip(*told, strict=True)
                axes.errorbar(x, mean, spread, fmt="o", markersize=4, capsize=2, color=f"C{number}", label=model)
        axes.set_xticks(range(len(families)), families, fontsize=8)
        axes.set_title(group, fontsize=9)
        axes.set_ylabel(PLOTTED["psnr"])
        axes.grid(axis="y", alpha=0.3)
    drawn = {label: each for axes in figure.axes for each, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(path, dpi=110)
