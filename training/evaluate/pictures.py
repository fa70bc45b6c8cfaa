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

_STEP_MM = 1.5
_HALF_MM = 110.0
_MARGIN_MM = 8.0

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
    slices = {name: axial(trial.truth.with_voxels(voxels), trial.mask) for name, voxels in every.items()}
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


def axial(volume: Volume, mask: np.ndarray, *, outside: float = 0.0) -> Float32Array:
    """Return an axial plane through the ventricles, as radiologists hang it; see `_plane`."""
    x, y, z = _positions(volume, mask)
    height = z.max() - _BELOW_THE_TOP_MM
    upper = z > height
    middle = (np.median(x[upper]), np.median(y[upper]), height)
    return _plane(volume, middle, down=(0, 1, 0), right=(1, 0, 0), outside=outside)


def sagittal(volume: Volume, mask: np.ndarray, *, outside: float = 0.0) -> Float32Array:
    """Return the sagittal plane of the middle, the face to the left; see `_plane`."""
    x, y, z = _positions(volume, mask)
    upper = z > z.max() - _BELOW_THE_TOP_MM
    middle = (np.median(x[upper]), np.median(y[upper]), z.max() - _HALF_MM + _MARGIN_MM)
    return _plane(volume, middle, down=(0, 0, -1), right=(0, 1, 0), outside=outside)


def _positions(volume: Volume, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    points = np.argwhere(mask)[::7] @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    return points[:, 0], points[:, 1], points[:, 2]


def _plane(
    volume: Volume,
    middle_mm: tuple[float, float, float],
    *,
    down: tuple[int, int, int],
    right: tuple[int, int, int],
    outside: float,
) -> Float32Array:
    """Return the nearest voxels of a plane, 1.5 mm apart; beyond the volume lies `outside`."""
    line = np.arange(-_HALF_MM, _HALF_MM, _STEP_MM)
    rows, columns = np.meshgrid(line, line, indexing="ij")
    points = [m + d * rows + r * columns for m, d, r in zip(middle_mm, down, right, strict=True)]
    plane = np.stack([*points, np.ones_like(rows)])
    nearest = np.rint(np.einsum("ij,jrc->irc", np.linalg.inv(volume.affine), plane)[:3]).astype(int)
    inside = np.all([(n >= 0) & (n < length) for n, length in zip(nearest, volume.voxels.shape, strict=True)], axis=0)
    k, r, c = np.where(inside, nearest, 0)
    return np.where(inside, volume.voxels[k, r, c], outside).astype(np.float32)
