"""Batches of slices of the target, each with a copy whose intensities were changed: what edges are told from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.volume import Float32Array
from training.examples.curves import apply_curve, random_curve
from training.examples.target_scans import TargetScan

_LEAST_HEAD = 0.12
"""Part of a slice that must be head."""

_UNTOUCHED = 0.2
_MOST_LOG_GAIN, _MOST_NOISE, _MOST_BLUR = 0.3, 0.03, 0.7


class TargetSlices:
    """Batches by number: patches of slices of one plane; the same number gives the same batch.

    Parameters
    ----------
    scans
        To draw from.
    patch
        Rows and columns.
    group
        Slices a batch.
    planes
        Axes across which slices lie, as in `inference.planes.AXES`; one is drawn for each batch.
    seed
        Of the order, and of all that is random.
    """

    def __init__(
        self, scans: Sequence[TargetScan], patch: tuple[int, int], *, group: int, planes: Sequence[int], seed: int
    ) -> None:
        self._scans, self._patch, self._group, self._planes, self._seed = scans, patch, group, tuple(planes), seed
        self._usable = [{axis: _usable(scan, axis) for axis in planes} for scan in scans]

    def __getitem__(self, number: int) -> dict[str, NDArray[np.float32]]:
        """Return ``image``, slices as the target shows them, and ``seen``, the changed copies.

        Returns
        -------
        Both of shape (slices, 1, rows, columns), the anchor of the head at 1.
        """
        rng = np.random.default_rng([self._seed, number])
        axis = self._planes[rng.integers(len(self._planes))]
        patches = np.stack([self._drawn(rng, axis) for _ in range(self._group)])
        return {"image": patches[:, None], "seen": np.stack([changed(patch, rng) for patch in patches])[:, None]}

    def _drawn(self, rng: np.random.Generator, axis: int) -> Float32Array:
        chosen = int(rng.integers(len(self._scans)))
        index = int(rng.choice(self._usable[chosen][axis]))
        plane = np.take(self._scans[chosen].voxels, index, axis=axis).astype(np.float32)
        corner = [int(rng.integers(max(n - size, 0) + 1)) for n, size in zip(plane.shape, self._patch, strict=True)]
        part = plane[tuple(slice(first, first + size) for first, size in zip(corner, self._patch, strict=True))]
        missing = [(0, size - n) for n, size in zip(part.shape, self._patch, strict=True)]
        part = np.pad(part, missing)
        return part[:, ::-1] if axis != 2 and rng.random() < 0.5 else part  # left for right: a head is the same


def changed(patch: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Return a slice as some other scanner might show it: another curve, a smooth gain, more noise, less sharp.

    Nothing here is an image of another scanner: the target's own slices are changed at random, so that the condition
    tells no more than what all of them share.

    Parameters
    ----------
    patch
        Shape (rows, columns), the anchor at 1.
    """
    if rng.random() < _UNTOUCHED:
        return patch
    image = apply_curve(random_curve(rng), patch)
    image = image * np.exp(_smooth(rng, patch.shape, rng.uniform(0, _MOST_LOG_GAIN)))
    image = ndimage.gaussian_filter(image, rng.uniform(0, _MOST_BLUR))
    noise = np.float32(rng.uniform(0, _MOST_NOISE))
    image = np.hypot(image + noise * rng.standard_normal(patch.shape, np.float32),
                     noise * rng.standard_normal(patch.shape, np.float32))  # fmt: skip
    return np.asarray(image, np.float32)


def _smooth(rng: np.random.Generator, shape: tuple[int, ...], most: float) -> Float32Array:
    nodes = rng.uniform(-1, 1, (4, 4)).astype(np.float32)
    field = ndimage.zoom(nodes, [n / 4 for n in shape], order=3, grid_mode=True, mode="nearest")
    return np.asarray(field * np.float32(most), np.float32)


def _usable(scan: TargetScan, axis: int) -> NDArray[np.intp]:
    """Return the slices that show enough of the head."""
    others = tuple(each for each in range(3) if each != axis)
    return np.flatnonzero(scan.inside.mean(axis=others) > _LEAST_HEAD)
