"""A scan: the image that a site would make of a head."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.volume import Float32Array, Float64Array, Volume
from training.simulate.grid import Grid
from training.simulate.head import Head
from training.simulate.shapes import smooth_field
from training.simulate.signal import signal_of
from training.simulate.sites import Ghosting, ReceiveField, Site

LARGEST = 4095.0
"""Scanners store 12 bits."""

_SOFT = 0.25
"""How much of a 2D slice's thickness its edges take on either side: selective pulses are no boxes. Invented."""


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """A scan with what it is made of.

    Attributes
    ----------
    volume
        The image.
    signal
        Shape of the volume: without noise, with even coils and without copies; at the scale of the volume.
    gain
        Shape of the volume: the receive field, about 1 in the middle of the head.
    """

    volume: Volume
    signal: Float32Array
    gain: Float32Array


def scan(head: Head, site: Site, *, seed: int, grid: Grid | None = None) -> Volume:
    """Scan a head.

    Signal of each tissue, mixed where tissues share a voxel; the coils' uneven gain; the point spread; Rician noise;
    the vendor's scaling to stored values, 0 to `LARGEST`, not yet rounded. On the Siemens site white matter lies near
    350, grey matter near 220 and fat near 550, as its product protocols store them, with most of the 12 bits free.

    Parameters
    ----------
    head
        Who is scanned: the same head at another site is a travelling subject, on the same spot of the frame.
    site
        Where.
    seed
        Noise, the smooth part of the receive field and the scaling come from it: the same seed, the same scan.
    grid
        Another grid than the site's.

    Returns
    -------
    On the grid, LPS, unit ``1``.
    """
    return exposed(head, site, seed=seed, grid=grid).volume


def exposed(head: Head, site: Site, *, seed: int, grid: Grid | None = None) -> Exposure:
    """Scan a head as `scan` does, and keep what the image is made of."""
    rng = np.random.default_rng([head.seed, seed])
    grid = grid or site.grid
    signal = resampled(signal_of(head, site, scan_seed=seed), head.affine, grid, blur=site.blur)
    gain = _gain(rng, grid, site.receive_field)
    voxels = signal * gain
    if site.ghosting is not None:
        voxels = _ghosted(voxels, site.ghosting, np.random.default_rng([head.seed, seed, 2]))
    noise = np.float32(site.noise)  # in both channels (Gudbjartsson and Patz 1995, Magn Reson Med 34:910)
    voxels += noise * rng.standard_normal(voxels.shape, np.float32)
    voxels = np.hypot(voxels, noise * rng.standard_normal(voxels.shape, np.float32))
    scaling = np.float32(site.white_matter * np.exp(site.gain_spread * rng.standard_normal()))
    voxels *= scaling
    signal *= scaling
    return Exposure(Volume(np.minimum(voxels, np.float32(LARGEST)), grid.affine), signal, gain)


def resampled(
    signal: Float32Array, affine: Float64Array, grid: Grid, *, blur: float, outside: float = 0.0
) -> Float32Array:
    """Return what a scanner's voxels see of a finer signal.

    Parameters
    ----------
    signal
        On the head's grid; it is overwritten.
    affine
        Of the head's grid.
    grid
        The scanner's.
    blur
        Full width at half maximum of its point spread, in its voxels; along the slices of a 2D protocol the slice
        profile takes its place.
    outside
        What lies beyond the head's field of view.
    """
    to_head = np.linalg.inv(affine) @ grid.affine
    matrix, offset = to_head[:3, :3], to_head[:3, 3]
    blurred = matrix if grid.thickness_mm is None else matrix[:, 1:]
    thickness = np.abs(blurred) @ np.ones(blurred.shape[1])  # of a site's voxel, in voxels of the head, along its axes
    sigma = np.maximum(thickness * blur / 2.355, 0.25)
    ndimage.gaussian_filter(signal, sigma, output=signal, truncate=2.5)
    if grid.thickness_mm is None:
        return np.asarray(
            ndimage.affine_transform(signal, matrix, offset, grid.shape, order=1, cval=outside), np.float32
        )
    seen = np.zeros(grid.shape, np.float32)
    for step, weight in slice_profile(grid.thickness_mm, grid.spacing_mm[0]):
        plane = ndimage.affine_transform(
            signal, matrix, offset + matrix[:, 0] * step, grid.shape, order=1, cval=outside
        )
        seen += np.float32(weight) * plane
    return seen


def slice_profile(thickness_mm: float, spacing_mm: float) -> list[tuple[float, float]]:
    """Return where across a slice its signal comes from.

    Parameters
    ----------
    thickness_mm, spacing_mm
        Of a slice, and from slice to slice.

    Returns
    -------
    (Offset from the middle in slices, weight): a box with slanting edges, about one sample a mm.
    """
    samples = 2 * math.ceil(thickness_mm / 2) + 1
    across = np.linspace(-0.5 - _SOFT / 2, 0.5 + _SOFT / 2, samples + 2)[1:-1]
    weights = np.clip((0.5 + _SOFT / 2 - np.abs(across)) / _SOFT, 0, 1)
    weights /= weights.sum()
    return [(float(a * thickness_mm / spacing_mm), float(w)) for a, w in zip(across, weights, strict=True)]


def _ghosted(voxels: Float32Array, ghosting: Ghosting, rng: np.random.Generator) -> Float32Array:
    """Add a copy on either side, out of phase with the head and wrapped around the field of view."""
    axis = {"rows": 1, "columns": 2}[ghosting.axis]
    shift = round(ghosting.shift * voxels.shape[axis])
    phase = rng.uniform(0, 2 * math.pi)
    ahead, behind = (np.roll(voxels, sign * shift, axis) for sign in (1, -1))
    real = voxels + np.float32(ghosting.strength * math.cos(phase)) * (ahead + behind)
    imaginary = np.float32(ghosting.strength * math.sin(phase)) * (ahead - behind)
    return np.asarray(np.hypot(real, imaginary), np.float32)


def _gain(rng: np.random.Generator, grid: Grid, field: ReceiveField) -> Float32Array:
    """Return the receive field on the grid; about 1 in the middle of the head."""
    slices, rows, columns = (np.arange(n, dtype=np.float32) for n in grid.shape)
    affine = grid.affine.astype(np.float32)
    x, y, z = (
        affine[i, 0] * slices[:, None, None] + affine[i, 1] * rows[:, None] + affine[i, 2] * columns + affine[i, 3]
        for i in range(3)
    )
    away = (x**2 + (y + 5) ** 2 + np.maximum(z, 0) ** 2) * np.float32(1e-4)
    below = (np.maximum(-z, 0) / np.float32(field.reach_mm)) ** 2
    return np.asarray(np.exp(field.rim * away - below + field.random * smooth_field(rng, grid.shape, 2)), np.float32)
