"""Voxels sorted into bins of intensity: what was done to an image, by how bright it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.volume import Float32Array, Float64Array

_BINS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Voxels in bins of intensity, about as many in each.

    Attributes
    ----------
    levels
        Shape (bins,): mean intensity of each, increasing.
    index
        Shape (voxels,): which bin each voxel is in.
    """

    levels: Float64Array
    index: NDArray[np.intp]

    @classmethod
    def of(cls, values: Float32Array) -> Bins:
        """Sort intensities, shape (voxels,)."""
        edges = np.unique(np.percentile(values, np.linspace(0, 100, _BINS + 1)))
        _, index = np.unique(np.searchsorted(edges[1:-1], values, side="right"), return_inverse=True)
        return cls(np.bincount(index, values) / np.bincount(index), index)

    def means(self, values: Float32Array) -> Float64Array:
        """Return the mean over each bin of something else that the same voxels have, shape (voxels,)."""
        return np.asarray(np.bincount(self.index, values) / np.bincount(self.index))
