"""Signed distances of simple bodies, approximately in mm and negative inside, and smooth random fields."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from scipy import ndimage

from inference.volume import BoolArray, Float32Array

Point: TypeAlias = tuple[float, float, float]
Coordinates: TypeAlias = tuple[Float32Array, Float32Array, Float32Array]
"""x, y, z (LPS, mm) of the same shape."""

SPREAD = 0.63
"""Standard deviation of a `smooth_field` of three axes."""


def ellipsoid(at: Coordinates, centre: Point, radii: Point) -> Float32Array:
    """Return the distance from an axis-parallel ellipsoid: exact on its surface, first order beside it."""
    offsets = [coordinate - np.float32(c) for coordinate, c in zip(at, centre, strict=True)]
    scaled = sum((offset / np.float32(r)) ** 2 for offset, r in zip(offsets, radii, strict=True))
    steep = sum((offset / np.float32(r * r)) ** 2 for offset, r in zip(offsets, radii, strict=True))
    level = np.sqrt(scaled)
    return np.asarray(level * (level - 1) / (np.sqrt(steep) + np.float32(1e-6)), np.float32)


def tube(at: Coordinates, path: Sequence[Point], radii: Sequence[float]) -> Float32Array:
    """Return the distance from a tube of changing radius along a line of straight pieces.

    Parameters
    ----------
    at
        Where.
    path
        Corners of the line, mm.
    radii
        One a corner, mm.
    """
    distance = np.full(at[0].shape, np.inf, np.float32)
    for (start, end), (first, last) in zip(pairwise(path), pairwise(radii), strict=True):
        np.minimum(distance, _capsule(at, start, end, (first, last)), out=distance)
    return distance


def _capsule(at: Coordinates, start: Point, end: Point, radii: tuple[float, float]) -> Float32Array:
    along = [np.float32(e - s) for s, e in zip(start, end, strict=True)]
    offsets = [coordinate - np.float32(s) for coordinate, s in zip(at, start, strict=True)]
    length2 = sum(float(a) ** 2 for a in along)
    share = np.clip(sum(o * a for o, a in zip(offsets, along, strict=True)) / np.float32(length2), 0, 1)
    distance2 = sum((o - share * a) ** 2 for o, a in zip(offsets, along, strict=True))
    return np.asarray(np.sqrt(distance2) - (radii[0] + share * np.float32(radii[1] - radii[0])), np.float32)


def blend(a: Float32Array, b: Float32Array, width_mm: float) -> Float32Array:
    """Return the union of two bodies whose crease is filled over `width_mm`."""
    overlap = np.maximum(np.float32(width_mm) - np.abs(a - b), 0)
    return np.asarray(np.minimum(a, b) - overlap * overlap * np.float32(0.25 / width_mm), np.float32)


def smooth_field(rng: np.random.Generator, shape: tuple[int, ...], cells: int) -> Float32Array:
    """Return a random field of standard deviation `SPREAD`, in 3D, that varies over a `cells`-th of each axis."""
    knots = rng.standard_normal((cells + 3,) * len(shape)).astype(np.float32)
    for axis, size in enumerate(shape):
        knots = np.moveaxis(np.tensordot(_cubic(size, cells), knots, (1, axis)), 0, axis)
    return np.asarray(
        knots * np.float32(1.9), np.float32
    )  # a cubic B-spline takes away a third of the spread along each axis


def _cubic(size: int, cells: int) -> Float32Array:
    """Return the weights of uniform cubic B-splines: shape (size, cells + 3)."""
    position = np.linspace(0, cells * (1 - 1e-6), size)
    cell, t = position.astype(int), position % 1.0
    weights = np.zeros((size, cells + 3), np.float32)
    pieces = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    for step, piece in enumerate(pieces):
        weights[np.arange(size), cell + step] = piece / 6
    return weights


def wavy_field(rng: np.random.Generator, shape: tuple[int, ...], wavelength: float) -> Float32Array:
    """Return a random field with hardly more than one wavelength, in nodes: its zeros are sheets half of that apart."""
    white = rng.standard_normal(shape).astype(np.float32)
    sigma = wavelength / 5.72  # where a difference of two Gaussians, 1 : 1.6, passes most
    band = ndimage.gaussian_filter(white, sigma, truncate=3) - ndimage.gaussian_filter(white, 1.6 * sigma, truncate=3)
    return np.asarray(band / band.std(), np.float32)


def enclosed(tissue: BoolArray) -> BoolArray:
    """Return some tissue with all that it encloses in an axial slice; shape (slices, rows, columns)."""
    return np.stack([ndimage.binary_fill_holes(plane) for plane in tissue])
