"""Pictures: one axial slice of source, truth and every result, a family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from inference.look import TOP
from inference.volume import Float32Array, Volume
from training.evaluate.trial import Label, Trial

_BELOW_THE_TOP_MM = 75.0
"""How far below the top of the head the slice lies: through the ventricles, above the eyes."""

_WHITE = 1.5 * TOP
"""Value that is shown white."""


def keep_slices(folder: Path, label: Label, trial: Trial, shown: Mapping[str, Volume]) -> None:
    """Write the slices of a case, unless its family has some already.

    Parameters
    ----------
    folder
        For one file a group and family.
    label, trial
        The case.
    shown
        Model -> result.
    """
    path = folder / f"{label.experiment} {label.group} {label.family}.npz".replace("/", "-")
    if not shown or path.is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    source = trial.source.voxels * np.float32(trial.known_scale)
    every = {"source": source, **{name: volume.voxels for name, volume in shown.items()}, "truth": trial.truth.voxels}
    slices = {name: _axial(trial.truth.with_voxels(voxels), trial.mask) for name, voxels in every.items()}
    np.savez(path, **slices, allow_pickle=False)


def draw_slices(folder: Path, out: Path) -> None:
    """Draw all slices that were kept, one picture a family."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.npz")):
        with np.load(path, allow_pickle=False) as held:
            slices = {name: held[name] for name in held.files if name != "identity"}
        figure = Figure(figsize=(2.2 * len(slices), 2.9))
        for axes, (name, plane) in zip(np.ravel(figure.subplots(1, len(slices))), slices.items(), strict=True):
            axes.imshow(plane, cmap="gray", vmin=0, vmax=_WHITE, aspect="equal")
            axes.set_title(name, fontsize=8)
            axes.axis("off")
        figure.suptitle(path.stem, fontsize=9)
        with mpl.rc_context({"savefig.dpi": 110}):
            figure.savefig(out / f"{path.stem.replace(' ', '-')}.png", bbox_inches="tight")


def _axial(volume: Volume, mask: np.ndarray) -> Float32Array:
    """Return the nearest voxels of an axial plane, 1.5 mm apart, as radiologists hang it."""
    step_mm, half_mm = 1.5, 110.0
    index = np.argwhere(mask)[::7]
    points = index @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    x, y, z = (points[:, axis] for axis in range(3))
    height = z.max() - _BELOW_THE_TOP_MM
    upper = z > height
    line = np.arange(-half_mm, half_mm, step_mm)
    rows, columns = np.meshgrid(line + np.median(y[upper]), line + np.median(x[upper]), indexing="ij")
    plane = np.stack([columns, rows, np.full_like(rows, height), np.ones_like(rows)])
    nearest = np.rint(np.einsum("ij,jrc->irc", np.linalg.inv(volume.affine), plane)[:3]).astype(int)
    inside = np.all([(n >= 0) & (n < length) for n, length in zip(nearest, volume.voxels.shape, strict=True)], axis=0)
    k, r, c = np.where(inside, nearest, 0)
    return np.where(inside, volume.voxels[k, r, c], 0).astype(np.float32)
