"""A head as mixtures of tissues on the network's frame: any scan of it is then a weighted sum, made in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.bounded.frame import FINE_MM, SHAPE, crown_of, deep_in, frame_affine
from inference.volume import BoolArray, Float32Array, Float64Array
from training.simulate.head import Head
from training.simulate.tissues import Tissue

_SMOOTHED = 1.0
"""Standard deviation, in voxels of the head, of what stands for a scanner's point spread before averaging."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """How much of each tissue lies in each voxel of the frame.

    Attributes
    ----------
    parts
        Shape (tissues, slices, rows, columns) of `SHAPE`, 0 to 255: 255 is all.
    inside
        Shape `SHAPE`: the head within its skin, air cavities included.
    deep
        Shape `SHAPE`: deep in the upper head, as `inference.classical.head.deep_part`.
    affine
        Of the frame; LPS mm.
    """

    parts: NDArray[np.uint8]
    inside: BoolArray
    deep: BoolArray
    affine: Float64Array

    def signal(self, levels: Float32Array) -> Float32Array:
        """Return scans of one signal a tissue: shape (scans, tissues) -> (scans, *`SHAPE`)."""
        flat = self.parts.reshape(len(self.parts), -1).astype(np.float32)
        return np.asarray((levels.astype(np.float32) / 255) @ flat, np.float32).reshape(len(levels), *SHAPE)


def mixture(head: Head) -> Mixture:
    """Bring a head into the frame as mixtures.

    Parameters
    ----------
    head
        Labels at 2 mm or finer.
    """
    inside = _within_skin(head.labels != Tissue.AIR)
    to_lps = frame_affine(crown_of(inside, head.affine))
    to_head = np.linalg.inv(head.affine) @ to_lps
    matrix, offset = to_head[:3, :3], to_head[:3, 3]
    step = FINE_MM / float(np.linalg.norm(head.affine[:3, 0]))
    parts = np.zeros((len(Tissue), *SHAPE), np.uint8)
    for tissue in Tissue:
        share = (head.labels == tissue).astype(np.float32)
        if not share.any():
            continue
        share = ndimage.gaussian_filter(share, np.hypot(_SMOOTHED, step / 3.46), truncate=2.5)
        outside = 1.0 if tissue is Tissue.AIR else 0.0
        share = ndimage.affine_transform(share, matrix, offset, SHAPE, order=1, cval=outside)
        parts[tissue] = np.rint(share * 255)
    framed = np.asarray(ndimage.affine_transform(inside.astype(np.uint8), matrix, offset, SHAPE, order=0), bool)
    return Mixture(parts, framed, deep_in(framed), to_lps)


def _within_skin(tissue: BoolArray) -> BoolArray:
    """Fill the air that the head encloses, in space and in each axial slice."""
    filled = ndimage.binary_fill_holes(tissue)
    return np.stack([ndimage.binary_fill_holes(plane) for plane in filled])
