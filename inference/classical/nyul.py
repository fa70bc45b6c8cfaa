"""Intensity standardisation by histogram landmarks.

Nyúl LG, Udupa JK. On standardizing the MR image intensity scale. Magn Reson Med 42:1072-1081, 1999.
Nyúl LG, Udupa JK, Zhang X. New variants of a method of MRI scale standardization. IEEE Trans Med Imaging 19:143-150,
2000.

Two things differ from the papers. Zero is a landmark too, source and standard: the air of a magnitude image stays
where it is. And the percentiles are those of tissue deep in the upper part of the head: how much scalp, bone, air, face
and neck an image holds depends on the person and the field of view, and would move the percentiles of everything else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from inference.classical.head import CROWN_MM, deep_part, find_head
from inference.errors import ModelRefused
from inference.volume import Float32Array, Float64Array, Volume

DEPTH_MM = 15.0
"""How far below the surface of the head the sample begins: past scalp and skull."""

_FEWEST_VOXELS = 500
_SMALLEST_STEP = 1e-4
"""Landmarks closer than this part of the highest one are one landmark."""


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A monotone, piecewise linear map of intensities that keeps zero.

    Attributes
    ----------
    source, standard
        Shape (knots,), both strictly increasing and beginning with 0.
    """

    source: Float64Array
    standard: Float64Array

    @property
    def slopes(self) -> Float64Array:
        """Slope of each piece, the one beyond the last knot included; shape (knots,).

        Beyond the last knot lie fat and vessels: they follow the last piece, but never more steeply than the map as a
        whole, so that a short last piece does not make them explode.
        """
        pieces = np.diff(self.standard) / np.diff(self.source)
        return np.append(pieces, min(pieces[-1], self.standard[-1] / self.source[-1]))

    def __call__(self, voxels: Float32Array) -> Float32Array:
        """Map intensities; shape (slices, rows, columns), slice by slice to spare memory."""
        mapped = np.empty_like(voxels)
        top, beyond = self.source[-1], self.slopes[-1]
        for k, plane in enumerate(voxels):
            mapped[k] = np.interp(plane, self.source, self.standard)
            mapped[k] += beyond * np.maximum(plane - top, 0)
        return mapped


def landmarks(volume: Volume, percentiles: Float64Array) -> Float64Array:
    """Measure the landmarks of a head.

    Parameters
    ----------
    volume
        Of a head.
    percentiles
        Shape (landmarks,), increasing.

    Returns
    -------
    Shape (landmarks,): these percentiles of the intensities of deep tissue, not decreasing.

    Raises
    ------
    ModelRefused
        When no head can be told from the air.
    """
    head = find_head(volume)
    tissue = volume.voxels > head.tissue_above
    deep = tissue & deep_part(volume, head, depth_mm=DEPTH_MM, crown_mm=CROWN_MM)
    sample = deep if np.count_nonzero(deep) >= _FEWEST_VOXELS else tissue & head.inside
    if np.count_nonzero(sample) < _FEWEST_VOXELS:
        raise ModelRefused("no head can be told from the air around it")
    return np.percentile(volume.voxels[sample].astype(np.float64), percentiles)


def learn(volumes: Iterable[Volume], percentiles: Float64Array, *, top: float) -> Float64Array:
    """Learn standard landmarks: each head is scaled so that its highest landmark is `top`, then all are averaged.

    Parameters
    ----------
    volumes
        Heads in the scanner that is to be the standard.
    percentiles
        Shape (landmarks,), increasing.
    top
        Standard value of the highest landmark.

    Returns
    -------
    Shape (landmarks,), strictly increasing.

    Raises
    ------
    ValueError
        When there are no volumes, or their landmarks do not increase.
    """
    measured = np.array([landmarks(volume, percentiles) for volume in volumes])
    if not measured.size:
        raise ValueError("there are no heads to learn from")
    standard: Float64Array = (measured / measured[:, -1:]).mean(axis=0) * top
    if standard[0] <= 0 or (np.diff(standard) <= 0).any():
        raise ValueError("the landmarks of these heads do not increase")
    return standard


def fit(measured: Float64Array, standard: Float64Array) -> Curve:
    """Join measured landmarks with the standard ones.

    Landmarks that coincide in the source, as in images whose air cavities are exactly zero, are left out.

    Parameters
    ----------
    measured, standard
        Shape (landmarks,).

    Raises
    ------
    ModelRefused
        When too few distinct landmarks are left to tell tissues apart.
    """
    kept, last = [], 0.0
    for knot, value in enumerate(measured):
        if value - last > _SMALLEST_STEP * measured[-1]:
            kept.append(knot)
            last = value
    if len(kept) < 2:
        raise ModelRefused("the image holds too few distinct intensities to tell tissues apart")
    return Curve(np.concatenate(([0.0], measured[kept])), np.concatenate(([0.0], standard[kept])))
