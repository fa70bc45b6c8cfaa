"""Correction of an uneven receive field by N4, on a coarse grid.

Tustison NJ, Avants BB, Cook PA, Zheng Y, Egan A, Yushkevich PA, Gee JC. N4ITK: improved N3 bias correction. IEEE Trans
Med Imaging 29:1310-1320, 2010; run by SimpleITK.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK

from inference.classical.head import Head, block_means
from inference.errors import ModelRefused
from inference.volume import BoolArray, Float32Array, Volume

GRID_MM = 4.0
"""Grid on which the field is estimated: it is far smoother."""

ITERATIONS = (20, 20, 20)
"""At most so many on each level; each halves the distance between the knots of the field, about 200 mm at first."""

CONVERGENCE = 1e-6
"""Coefficient of variation of a field's change below which a level is over."""

_FEWEST_VOXELS = 200


@dataclass(frozen=True, slots=True, eq=False)
class LogField:
    """A smooth log gain.

    Attributes
    ----------
    nodes
        Shape (slices, rows, columns) of the coarse grid.
    factors
        How many voxels of the volume along each axis make one of the coarse grid; node k lies in the middle of its k-th
        block.
    inside
        Same shape as `nodes`: where it was estimated. There its mean is 0.
    """

    nodes: Float32Array
    factors: tuple[int, int, int]
    inside: BoolArray

    @property
    def spread(self) -> float:
        """Standard deviation inside the head."""
        return float(self.nodes[self.inside].std())

    def removed_from(self, voxels: Float32Array) -> Float32Array:
        """Divide a volume by the gain; shape (slices, rows, columns), slice by slice to spare memory."""
        across, down, along = (
            _weights(voxels.shape[axis], self.nodes.shape[axis], self.factors[axis]) for axis in range(3)
        )
        result = np.empty_like(voxels)
        for k, (plane, weights) in enumerate(zip(voxels, across, strict=True)):
            log_gain = down @ np.tensordot(weights, self.nodes, axes=1) @ along.T
            np.multiply(plane, np.exp(-log_gain), out=result[k])
        return result


def estimate(volume: Volume, head: Head) -> LogField:
    """Estimate the log gain of the receive field.

    Parameters
    ----------
    volume, head
        A volume, and what `find_head` found in it.

    Raises
    ------
    ModelRefused
        When no head can be told from the air.
    """
    slices, rows, columns = (max(1, round(GRID_MM / mm)) for mm in volume.spacing_mm)
    factors = (slices, rows, columns)
    means = block_means(volume.voxels, list(factors))
    inside = block_means(head.inside.astype(np.float32), list(factors)) > 0.5
    tissue = inside & (means > head.tissue_above)
    if np.count_nonzero(tissue) < _FEWEST_VOXELS:
        raise ModelRefused("no head can be told from the air around it")
    spacing_mm = [mm * factor for mm, factor in zip(volume.spacing_mm, factors, strict=True)]
    nodes = _log_gain(means, tissue, spacing_mm)
    return LogField(nodes - nodes[tissue].mean(), factors, tissue)


def _log_gain(means: Float32Array, tissue: BoolArray, spacing_mm: list[float]) -> Float32Array:
    image, mask = SimpleITK.GetImageFromArray(means), SimpleITK.GetImageFromArray(tissue.astype(np.uint8))
    for each in (image, mask):
        each.SetSpacing(spacing_mm[::-1])  # ITK: columns first
    n4 = SimpleITK.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(list(ITERATIONS))
    n4.SetConvergenceThreshold(CONVERGENCE)
    n4.Execute(image, mask)
    return np.asarray(SimpleITK.GetArrayFromImage(n4.GetLogBiasFieldAsImage(image)), np.float32)


def _weights(length: int, nodes: int, factor: int) -> Float32Array:
    """Return how voxels along one axis mix the nodes, linearly; shape (length, nodes). The ends go on level."""
    place = np.clip((np.arange(length) - (factor - 1) / 2) / factor, 0, nodes - 1)
    weights: Float32Array = np.maximum(1 - np.abs(place[:, None] - np.arange(nodes)), 0).astype(np.float32)
    return weights
