"""A head of nested ellipsoids, quick to make on any grid: for tests that need a head but no anatomy."""

from __future__ import annotations

import numpy as np

from inference.volume import BoolArray, Float64Array, Volume

HALF_AXES_MM = np.array([75.0, 95.0, 105.0])  # left-right, front-back, foot-head
SHELLS = ((1.0, 900.0), (0.93, 60.0), (0.87, 180.0), (0.83, 420.0), (0.6, 600.0), (0.15, 150.0))
"""Relative radius and T1-like intensity, from the skin inwards: scalp, skull, CSF, grey, white, ventricle."""

SAGITTAL = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float)
AXIAL = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], float)
CORONAL = np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]], float)


def grid(
    spacing_mm: tuple[float, float, float], directions: Float64Array = AXIAL
) -> tuple[tuple[int, ...], Float64Array]:
    """Return shape and affine of a field of view of 190 x 230 x 240 mm around the origin.

    `directions`: columns are the directions of slices, rows and columns, LPS.
    """
    extent = np.abs(directions).T @ np.array([190.0, 230.0, 240.0])
    shape = tuple(max(1, round(e / s)) for e, s in zip(extent, spacing_mm, strict=True))
    affine = np.eye(4)
    affine[:3, :3] = directions * np.array(spacing_mm)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return shape, affine


def radius(shape: tuple[int, ...], affine: Float64Array) -> Float64Array:
    """Return the relative distance from the centre of each voxel: 1 on the skin."""
    index = np.indices(shape).reshape(3, -1)
    points = affine[:3, :3] @ index + affine[:3, 3:]
    return np.linalg.norm(points / HALF_AXES_MM[:, None], axis=0).reshape(shape)


def head(
    spacing_mm: tuple[float, float, float] = (5.0, 5.0, 5.0),
    directions: Float64Array = AXIAL,
    *,
    gain: float = 1.0,
    gamma: float = 1.0,
    noise: float = 12.0,
    seed: int = 0,
) -> Volume:
    """Return a noisy head; `gamma` bends its contrast, `gain` scales everything."""
    shape, affine = grid(spacing_mm, directions)
    distance = radius(shape, affine)
    clean = np.zeros(shape)
    for relative, intensity in SHELLS:
        clean[distance < relative] = intensity
    clean = 900 * (clean / 900) ** gamma
    rng = np.random.default_rng(seed)
    noisy = np.hypot(clean + rng.normal(0, noise, shape), rng.normal(0, noise, shape))  # Rician, as in magnitude images
    return Volume((gain * noisy).astype(np.float32), affine)


def inside(volume: Volume) -> BoolArray:
    """Return which voxels of a phantom are head."""
    return radius(volume.voxels.shape, volume.affine) < 1
