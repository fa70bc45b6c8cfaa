"""Pictures of E1 and E3: the best, the median and the worst case of every model, and what is wrong in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from inference.look import TOP
from inference.volume import Float32Array
from training.evaluate.case_planes import planes_of
from training.evaluate.results import Row, by_metric

_RANKED_BY = "psnr"
_BEFORE = "identity"
_WHITE = 1.5 * TOP
_DIFFERENCE = 0.4 * TOP
_PANELS = ("source", "result", "target", "source − target", "result − target")


def draw_ranked(folder: Path, rows: Sequence[Row], out: Path) -> None:
    """Draw the best, the median and the worst case of every model by its PSNR; a case that was not kept is left out.

    Parameters
    ----------
    folder
        Of what `training.evaluate.case_planes.keep_planes` wrote.
    rows
        Of one experiment.
    out
        Folder for ``<model>.png``.
    """
    out.mkdir(parents=True, exist_ok=True)
    psnr = by_metric(rows, _RANKED_BY)
    before = psnr.get(_BEFORE, {})
    for model, cases in psnr.items():
        ranked = sorted(cases.values(), key=lambda row: -row.value)
        shown = {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
        lines = {
            f"{place}: {_told(row, before)}": planes
            for place, row in shown.items()
            if (planes := planes_of(folder, row)) is not None
        }
        if lines:
            _draw(model, lines, out / f"{model.replace(' ', '-')}.png")


def _told(row: Row, before: Mapping[str, Row]) -> str:
    untouched = f", untouched {before[row.case].value:.1f}" if row.case in before and row.model != _BEFORE else ""
    return f"{row.case.split('/', 2)[2].replace('_', ' ')}, PSNR {row.value:.1f} dB{untouched}"


def _draw(model: str, lines: Mapping[str, Mapping[str, Float32Array]], path: Path) -> None:
    size = (2.0 * len(_PANELS), 2.4 * len(lines) + 0.2)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.12))
    figure.suptitle(model, fontsize=9)
    grid = figure.subplots(len(lines), len(_PANELS), squeeze=False)
    for line, (title, planes) in zip(grid, lines.items(), strict=True):
        source, result, target = (planes[name] for name in ("source", "result", "truth"))
        panels = (source, result, target, source - target, result - target)
        for axes, name, plane in zip(line, _PANELS, panels, strict=True):
            _show(axes, name, plane)
        line[0].text(0, -0.03, title, transform=line[0].transAxes, va="top", fontsize=8).set_in_layout(False)
    with mpl.rc_context({"savefig.dpi": 100}):
        figure.savefig(path)


def _show(axes: Axes, name: str, plane: Float32Array) -> None:
    if "−" in name:
        axes.imshow(plane, cmap="RdBu_r", vmin=-_DIFFERENCE, vmax=_DIFFERENCE)
    else:
        axes.imshow(plane, cmap="gray", vmin=0, vmax=_WHITE)
    axes.set_title(name, fontsize=8)
    axes.axis("off")
