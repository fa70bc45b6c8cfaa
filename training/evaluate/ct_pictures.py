"""Pictures of E4: the best, the median and the worst case of every model, and what it makes of real volumes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from inference.ct.hounsfield import OUTSIDE_HU
from inference.volume import BoolArray, Volume
from training.evaluate.contestants import Named
from training.evaluate.pictures import axial, sagittal
from training.evaluate.results import Row, by_metric
from training.evaluate.trial import Label

_RANKED_BY = "mae_hu"
_WINDOW_HU = (-250.0, 1250.0)
_DIFFERENCE_HU = 500.0
_WHITE_PERCENTILE = 99.0
_VIEWS = {"axial": axial, "sagittal": sagittal}


def keep_planes(
    folder: Path, label: Label, contestant: Named, images: tuple[Volume, Volume, Volume | None], head: BoolArray
) -> None:
    """Write two planes of a case and a contestant.

    Parameters
    ----------
    folder
        For one file a case and contestant.
    label, contestant
        Whose they are.
    images
        MR, synthetic CT, and the true one where there is one.
    head
        Shape of the images: the planes go through its middle.
    """
    folder.mkdir(parents=True, exist_ok=True)
    planes = {
        f"{name} {view}": plane(image, head, outside=outside).astype(np.float16)
        for name, image, outside in zip(("MR", "synthetic", "true"), images, (0.0, OUTSIDE_HU, OUTSIDE_HU), strict=True)
        if image is not None
        for view, plane in _VIEWS.items()
    }
    np.savez_compressed(_path(folder, contestant.digest, label.case), allow_pickle=False, **planes)


def draw_cases(folder: Path, rows: Sequence[Row], out: Path) -> None:
    """Draw the best, the median and the worst case of every model by its error, and every real volume.

    A case whose planes are gone is left out.

    Parameters
    ----------
    folder
        Of what `keep_planes` wrote.
    rows
        Of E4.
    out
        Folder for one picture a model with truth, and one without.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = [row for row in rows if _path(folder, row.model_digest, row.case).is_file()]
    for model, cases in by_metric(rows, _RANKED_BY).items():
        ranked = sorted(cases.values(), key=lambda row: row.value)
        shown = {"best": ranked[0], "median": ranked[len(ranked) // 2], "worst": ranked[-1]}
        titles = [(f"{name}: {_short(row)}, {row.value:.0f} HU", row) for name, row in shown.items()]
        _draw(folder, titles, out / f"{model}.png")
    without_truth = {row.case for row in rows} - {row.case for row in rows if row.metric == _RANKED_BY}
    for model, cases in by_metric(rows, "bone_percent").items():
        real = [row for case, row in cases.items() if case in without_truth]
        if real:
            titles = [(f"{_short(row)}: {row.value:.1f} % bone", row) for row in real]
            _draw(folder, titles, out / f"{model}-real.png")


def _short(row: Row) -> str:
    return row.case.split("/", 2)[2].replace("_", " ").removesuffix("/scan")


def _draw(folder: Path, titles: Iterable[tuple[str, Row]], path: Path) -> None:
    held = [(title, np.load(_path(folder, row.model_digest, row.case), allow_pickle=False)) for title, row in titles]
    names = ("MR", "synthetic", "true") if "true axial" in held[0][1] else ("MR", "synthetic")
    columns = len(_VIEWS) * (len(names) + ("true" in names))
    figure = Figure(figsize=(2.0 * columns, 2.5 * len(held)), layout=ConstrainedLayoutEngine(h_pad=0.12))
    grid = figure.subplots(len(held), columns, squeeze=False)
    for line, (title, planes) in zip(grid, held, strict=True):
        panels = iter(line)
        for view in _VIEWS:
            for name in names:
                _show(next(panels), planes[f"{name} {view}"], name)
            if "true" in names:
                difference = planes[f"synthetic {view}"].astype(np.float32) - planes[f"true {view}"]
                _show(next(panels), difference, "synthetic − true")
        line[0].text(0, -0.03, title, transform=line[0].transAxes, va="top", fontsize=8).set_in_layout(False)
    with mpl.rc_context({"savefig.dpi": 100}):
        figure.savefig(path)


def _show(axes: Axes, plane: np.ndarray, name: str) -> None:
    plane = plane.astype(np.float32)
    if name == "MR":
        axes.imshow(plane, cmap="gray", vmin=0, vmax=max(float(np.percentile(plane, _WHITE_PERCENTILE)), 1.0))
    elif name in ("synthetic", "true"):
        axes.imshow(plane, cmap="gray", vmin=_WINDOW_HU[0], vmax=_WINDOW_HU[1])
    else:
        axes.imshow(plane, cmap="RdBu_r", vmin=-_DIFFERENCE_HU, vmax=_DIFFERENCE_HU)
    axes.set_title(name, fontsize=8)
    axes.axis("off")


def _path(folder: Path, digest: str, case: str) -> Path:
    return folder / f"{digest} {case.replace('/', ' ')}.npz"
