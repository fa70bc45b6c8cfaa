"""Local histograms: how bright the tissue is around each place, finer than averages tell it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inference.bounded.frame import FINE_MM, SHAPE
from inference.volume import BoolArray, Float32Array

BINS = 16
"""Bins of a histogram; a voxel counts in the two that it lies between, so that a shift of a few percent shows."""

CELL_MM = 8.0
"""Side of the cubes that a histogram is taken of."""

_DARKEST, _BRIGHTEST = 0.12, 2.5
"""Middle of the first and of the last bin, in parts of `inference.look.TOP`; between them they lie evenly by log."""

_STEP = np.log(_BRIGHTEST / _DARKEST) / (BINS - 1)
_SIDE = round(CELL_MM / FINE_MM)
CELLS = (SHAPE[0] // _SIDE, SHAPE[1] // _SIDE, SHAPE[2] // _SIDE)
"""Cubes upwards, to the back, to the left."""

_EVERY = 2  # second column is looked at: 32 voxels of each cube
_COLUMNS = SHAPE[2] // _EVERY


def _first_bins() -> NDArray[np.int32]:
    z, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], :_COLUMNS]
    cell = ((z // _SIDE) * CELLS[1] + y // _SIDE) * CELLS[2] + x * _EVERY // _SIDE
    return np.asarray(cell * BINS, np.int32).ravel()


_FIRST_BIN = _first_bins()
_VOXELS = _SIDE**3 / _EVERY


def local_histograms(voxels: Float32Array, inside: BoolArray, *, scale: float) -> Float32Array:
    """Take the histogram of each cube of the frame.

    Parameters
    ----------
    voxels, inside
        Shape `SHAPE`: intensities, and the head.
    scale
        From their unit to parts of `inference.look.TOP`.

    Returns
    -------
    Shape (`BINS`, *`CELLS`), 0 to 1: which part of a cube is that bright; what is outside the head or nearly
    black counts nowhere.
    """
    seen = voxels[..., ::_EVERY].ravel()
    chosen = np.flatnonzero(inside[..., ::_EVERY].ravel() & (seen > _DARKEST / 2 / scale))
    place = (np.log(seen[chosen]) - np.float32(np.log(_DARKEST / scale))) * np.float32(1 / _STEP)
    np.clip(place, 0, BINS - 1.001, out=place)
    lower = place.astype(np.int32)
    upper_share = place - lower
    lower += _FIRST_BIN[chosen]
    length = int(np.prod(CELLS)) * BINS
    counts = np.bincount(lower, 1 - upper_share, length)
    counts[1:] += np.bincount(lower, upper_share, length)[:-1]
    shares = (counts / _VOXELS).astype(np.float32).reshape(*CELLS, BINS)
    return np.ascontiguousarray(np.moveaxis(shares, -1, 0))
