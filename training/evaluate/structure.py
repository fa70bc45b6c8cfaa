"""Structure: what a harmonizer must leave as it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import marching_cubes, mesh_surface_area
from sklearn.mixture import GaussianMixture

from inference.volume import BoolArray, Float32Array, Volume
from training.simulate.grid import Grid
from training.simulate.space import LabelArray
from training.simulate.tissues import Tissue

CLASSES: dict[str, tuple[Tissue, ...]] = {
    "csf": (Tissue.CSF,),
    "gm": (Tissue.GREY_MATTER, Tissue.STRIATUM, Tissue.THALAMUS, Tissue.CEREBELLAR_CORTEX),
    "wm": (Tissue.WHITE_MATTER, Tissue.BRAIN_STEM, Tissue.PALLIDUM),
}
"""Class -> tissues, darkest first in T1."""

_SAMPLE = 20_000
_RING_VOXELS = 3
_CORTEX_REACHES_MM = 12.0
"""Grey matter that lies further inside the brain's outline is no cortex, or at the bottom of a sulcus."""


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """What is known of a head on a scan's grid.

    Attributes
    ----------
    classes
        Shape (slices, rows, columns): 1, 2, 3 for the `CLASSES`, 0 outside the brain.
    voxel_ml
        Of one voxel.
    spacing_mm
        Along (slices, rows, columns).
    """

    classes: NDArray[np.uint8]
    voxel_ml: float
    spacing_mm: tuple[float, float, float]

    @classmethod
    def of(cls, labels: LabelArray, grid: Grid) -> Anatomy:
        """Sort the tissues of a grid into classes."""
        table = np.zeros(256, np.uint8)
        for number, tissues in enumerate(CLASSES.values(), start=1):
            table[list(tissues)] = number
        return cls(table[labels], float(np.prod(grid.spacing_mm)) / 1000, grid.spacing_mm)


def gradient_cosine(source: Volume, result: Volume, mask: BoolArray) -> float:
    """Return how far edges point the same way, 1 for all, -1 for contrast reversed.

    The mean over the mask of the cosine between both gradients, weighted by the gradient in the source and by that in
    the result, then averaged: an edge that vanished counts, and so does one that was drawn.
    """
    a, b = (
        np.array([np.gradient(volume.voxels, mm, axis=axis)[mask] for axis, mm in enumerate(volume.spacing_mm)])
        for volume in (source, result)
    )
    norm_a, norm_b = np.linalg.norm(a, axis=0), np.linalg.norm(b, axis=0)
    cosine = (a * b).sum(axis=0) / np.maximum(norm_a * norm_b, 1e-9)
    return float(sum((cosine * norm).sum() / max(norm.sum(), 1e-9) for norm in (norm_a, norm_b)) / 2)


def segmented(voxels: Float32Array, anatomy: Anatomy) -> NDArray[np.uint8]:
    """Segment the brain by intensity alone.

    A mixture of three Gaussians, fitted to a fixed sample inside the known brain, darkest class first: a plain method
    on purpose, it follows what intensities do.

    Returns
    -------
    As `Anatomy.classes`.
    """
    brain = anatomy.classes > 0
    values = voxels[brain].astype(np.float64)[:, None]
    sample = values[np.random.default_rng(0).integers(len(values), size=_SAMPLE)]
    start = np.percentile(values, [8, 40, 80])[:, None]
    mixture = GaussianMixture(3, means_init=start, random_state=0, max_iter=200, reg_covar=1.0).fit(sample)
    darkest_first = np.argsort(np.argsort(mixture.means_[:, 0])).astype(np.uint8)
    found = np.zeros_like(anatomy.classes)
    found[brain] = darkest_first[mixture.predict(values)] + 1
    return found


def tissue_errors(found: NDArray[np.uint8], anatomy: Anatomy) -> dict[str, float]:
    """Compare what `segmented` found with the labels.

    Returns
    -------
    ``<class>_error_percent``
        Volume of the class against that of the labels.
    ``cortex_error_percent``
        The same of a thickness proxy: volume of grey matter over the area of the surface of white matter.
    """
    errors = {}
    for number, name in enumerate(CLASSES, start=1):
        true = (anatomy.classes == number).sum()
        errors[f"{name}_error_percent"] = float(100 * ((found == number).sum() / true - 1))
    errors["cortex_error_percent"] = 100 * (_cortex_mm(found, anatomy) / _cortex_mm(anatomy.classes, anatomy) - 1)
    return errors


def cortical_thickness_mm(classes: NDArray[np.uint8], anatomy: Anatomy) -> float:
    """Return the median thickness of the grey matter that lies at the surface of the brain, by distance transforms.

    At each such voxel: the distance to white matter and the distance to what is neither, less one voxel, since both
    run from centre to centre. The seed of MH-GAN judges by a cortical radius; at 2 mm this is a counterpart, no
    measurement of a cortex.

    Parameters
    ----------
    classes
        Shape (slices, rows, columns), as `Anatomy.classes`: of the labels, or found.
    anatomy
        The grid, and the brain's known outline.
    """
    grey, white = classes == 2, classes == 3
    to_white, to_rest, depth = (
        ndimage.distance_transform_edt(where, sampling=anatomy.spacing_mm)
        for where in (~white, grey | white, anatomy.classes > 0)
    )
    cortex = grey & (depth < _CORTEX_REACHES_MM)
    if not cortex.any():
        return math.nan
    return float(np.median((to_white + to_rest)[cortex]) - np.mean(anatomy.spacing_mm))


def flicker(volume: Volume, mask: BoolArray) -> float:
    """Return how much the mean of slices jumps from one to the next: mean |second difference| over their mean, %."""
    full = mask.sum(axis=(1, 2))
    chosen = np.flatnonzero(full > full.max() / 4)
    means = np.array([volume.voxels[k][mask[k]].mean() for k in chosen])
    return float(100 * np.abs(np.diff(means, 2)).mean() / means.mean())


def lesion_contrast(voxels: Float32Array, lesions: BoolArray, anatomy: Anatomy) -> float:
    """Return how much darker lesions are than the white matter around them, in parts of it."""
    near = ndimage.binary_dilation(lesions, iterations=_RING_VOXELS) & ~ndimage.binary_dilation(lesions)
    ring = near & (anatomy.classes == 3)
    return float(1 - voxels[lesions].mean() / voxels[ring].mean())


def _cortex_mm(classes: NDArray[np.uint8], anatomy: Anatomy) -> float:
    white = ndimage.gaussian_filter((classes == 3).astype(np.float32), 0.6)
    vertices, faces, _, _ = marching_cubes(np.pad(white, 1), 0.5, spacing=anatomy.spacing_mm)
    area_mm2 = mesh_surface_area(vertices, faces)
    return float(1000 * anatomy.voxel_ml * (classes == 2).sum() / area_mm2)
