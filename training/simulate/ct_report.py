"""Compare the simulated CT with a real one: ``python -m training.simulate.ct_report --data FOLDER --series FOLDER``.

What is printed stands in ``docs/explanation/virtual-scanners.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from scipy import ndimage

from inference.volume import Float32Array
from training.evaluate.people import LABELMAPS
from training.evaluate.splits import read_splits
from training.simulate.air_cells import pneumatised
from training.simulate.ct import ct_scan
from training.simulate.grid import Grid
from training.simulate.head import Head, procedural_head
from training.simulate.labelmap import labelmap_head

BONE_HU = 250.0
LEVELS = (10, 25, 50, 75, 90, 99)
"""Percentiles of bone."""
_THICK = Grid("axial", (26, 256, 256), (5.0, 0.9375, 0.9375), thickness_mm=5.0)
"""About as thick as the real slices, and as far down: from the vertex to the skull's base."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """What is compared: parts of the head, and percentiles of bone, HU.

    Attributes
    ----------
    air, fat, soft, bone
        Parts below -400, from -150 to -30, from 0 to 80, above `BONE_HU`.
    bone_hu
        `LEVELS` of what is above `BONE_HU`.
    mode_hu
        The most frequent value of soft tissue.
    """

    air: float
    fat: float
    soft: float
    bone: float
    bone_hu: tuple[float, ...]
    mode_hu: int


def histogram(slices: Float32Array) -> Histogram:
    """Measure a head CT.

    Parameters
    ----------
    slices
        Shape (slices, rows, columns), HU; axial.
    """
    body = [ndimage.binary_fill_holes(ndimage.binary_opening(plane > -300, iterations=3)) for plane in slices]
    values = slices[np.stack(body)]
    bone = values[values > BONE_HU]
    soft = np.rint(values[(values >= 0) & (values <= 80)]).astype(int)

    def share(low: float, high: float) -> float:
        return float(((values >= low) & (values <= high)).mean())

    return Histogram(
        air=share(-np.inf, -400), fat=share(-150, -30), soft=share(0, 80), bone=share(BONE_HU, np.inf),
        bone_hu=tuple(float(level) for level in np.percentile(bone, LEVELS)), mode_hu=int(np.bincount(soft).argmax()),
    )  # fmt: skip


def real_slices(folder: Path) -> Float32Array:
    """Read the axial slices of a series at half of their matrix; in any order, since places do not count here."""
    read = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    axial = [ds for ds in read if ds.get("Modality") == "CT" and ds.Rows == ds.Columns == 512]
    return np.stack([
        (ds.pixel_array[::2, ::2] * float(ds.RescaleSlope) + float(ds.RescaleIntercept)).astype(np.float32)
        for ds in axial
    ])  # fmt: skip


def row(name: str, found: Histogram) -> str:
    """Return a row of the table, Markdown."""
    parts = (f"{100 * part:.1f} %" for part in (found.air, found.fat, found.soft, found.bone))
    return " | ".join(["", name, *parts, str(found.mode_hu), *(f"{level:.0f}" for level in found.bone_hu), ""]).strip()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(prog="python -m training.simulate.ct_report", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of real data: label maps")
    parser.add_argument("--series", type=Path, required=True, help="folder of a real head CT")
    parser.add_argument("--heads", type=int, default=3, help="label maps of the training side")
    options = parser.parse_args(arguments)
    print(row("**real** GE HiSpeed, 4 and 7 mm slices", histogram(real_slices(options.series))))
    heads: dict[str, Head] = {
        f"label map {number}": labelmap_head(options.data / LABELMAPS / f"synthseg_labels_{number}.nii.gz")
        for number in read_splits().labelmaps.train[: options.heads]
    }
    for name, head in {**heads, "drawn head 3": procedural_head(3)}.items():
        print(row(name, histogram(ct_scan(pneumatised(head), seed=0, grid=_THICK, noise_hu=4).voxels)))


if __name__ == "__main__":
    main()
