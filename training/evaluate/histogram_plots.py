"""Histograms before and after, beside the target's own: as the seed of MRFlow shows them (its Figure 4b)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from inference.look import TOP
from inference.volume import Float32Array, Float64Array
from training.evaluate.case_planes import SHOWN, planes_of
from training.evaluate.results import Row, by_metric

_EDGES = np.linspace(0.1 * TOP, 1.6 * TOP, 61)
"""Below lies air. Intensities of the truth's unit."""

_DRAWN = {"source": ("C7", "--"), "result": ("C3", "-"), "truth": ("C0", "-")}


def draw_histograms(folder: Path, rows: Sequence[Row], out: Path) -> None:
    """Draw one figure a group: a panel a model, means over the kept slices of its cases.

    Parameters
    ----------
    folder
        Of what `training.evaluate.case_planes.keep_planes` wrote.
    rows
        Of one experiment.
    out
        Folder for ``histograms-<group>.png``.
    """
    out.mkdir(parents=True, exist_ok=True)
    for group in sorted({row.group for row in rows}):
        models = by_metric([row for row in rows if row.group == group], "psnr")
        found = {model: means for model, cases in models.items() if (means := _means(folder, [*cases.values()]))}
        if found:
            _draw(group, found, out / f"histograms-{group.replace(' ', '-')}.png")


def overlap(one: Float64Array, other: Float64Array) -> float:
    """Return how much two histograms that sum to 1 share: 1 when they are the same, 0 when nothing."""
    return float(np.minimum(one, other).sum())


def _means(folder: Path, cases: Sequence[Row]) -> dict[str, Float64Array]:
    counted: dict[str, list[Float64Array]] = defaultdict(list)
    for row in cases:
        for name, plane in (planes_of(folder, row) or {}).items():
            counted[name].append(_histogram(plane))
    return {name: np.asarray(np.mean(each, axis=0)) for name, each in counted.items()}


def _histogram(plane: Float32Array) -> Float64Array:
    counts, _ = np.histogram(np.clip(plane, None, _EDGES[-1]), _EDGES)
    return np.asarray(counts / max(counts.sum(), 1), np.float64)


def _draw(group: str, found: dict[str, dict[str, Float64Array]], path: Path) -> None:
    columns = min(len(found), 4)
    lines = -(-len(found) // columns)
    figure = Figure(figsize=(3.4 * columns, 2.6 * lines + 0.4), layout="constrained")
    figure.suptitle(group, fontsize=9)
    panels = np.ravel(figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True))
    for axes, (model, means) in zip(panels, found.items(), strict=False):
        for name in SHOWN:
            colour, style = _DRAWN[name]
            axes.plot(_EDGES[:-1] / TOP, means[name], color=colour, linestyle=style, linewidth=1.2, label=name)
        before, after = (overlap(means[name], means["truth"]) for name in ("source", "result"))
        axes.set_title(f"{model}\noverlap with the truth {before:.2f} → {after:.2f}", fontsize=8)
    for axes in panels[len(found) :]:
        axes.axis("off")
    panels[0].legend(fontsize=7)
    figure.supxlabel("intensity, parts of the anchor", fontsize=8)
    figure.savefig(path, dpi=110)
