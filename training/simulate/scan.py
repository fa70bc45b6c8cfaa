"""A scan: the image that a site would make of a head."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from inference.volume import Float32Array, Float64Array, Volume
from training.simulate.grid import Grid
from training.simulate.head import Head
from training.simulate.shapes import smooth_field
from training.simulate.sites import ReceiveField, Site
from training.simulate.tissues import Tissue, relaxation

LARGEST = 4095.0
"""Scanners store 12 bits."""

_TEXTURE: dict[Tissue, float] = {
    Tissue.MUSCLE: 0.11, Tissue.FAT: 0.08, Tissue.MARROW: 0.20, Tissue.SKIN: 0.10, Tissue.MUCOSA: 0.15,
    Tissue.GREY_MATTER: 0.09, Tissue.WHITE_MATTER: 0.045, Tissue.CEREBELLAR_CORTEX: 0.08, Tissue.STRIATUM: 0.05,
    Tissue.THALAMUS: 0.06, Tissue.BRAIN_STEM: 0.04,
}  # fmt: skip
"""Spread of the signal within a tissue, against its mean; invented. It belongs to the head, not to the scan."""


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
    rng = np.random.default_rng([head.seed, seed])
    grid = grid or site.grid
    voxels = resampled(_signal(head, site), head.affine, grid, blur=site.blur)
    voxels *= _gain(rng, grid, site.receive_field)
    noise = np.float32(site.noise)  # in both channels (Gudbjartsson and Patz 1995, Magn Reson Med 34:910)
    voxels += noise * rng.standard_normal(voxels.shape, np.float32)
    voxels = np.hypot(voxels, noise * rng.standard_normal(voxels.shape, np.float32))
    voxels *= np.float32(site.white_matter * np.exp(site.gain_spread * rng.standard_normal()))
    return Volume(np.minimum(voxels, np.float32(LARGEST)), grid.affine)


def _signal(head: Head, site: Site) -> Float32Array:
    """Return the signal on the head's own grid; white matter's is 1."""
    levels = np.array([site.sequence.signal(relaxation(tissue, site.field_strength)) for tissue in Tissue])
    levels = (levels / levels[Tissue.WHITE_MATTER]).astype(np.float32)
    spread = np.array([_TEXTURE.get(tissue, 0.0) for tissue in Tissue], np.float32) * levels
    texture = smooth_field(np.random.default_rng(head.seed), head.labels.shape, 32)
    texture *= spread[head.labels]
    texture += levels[head.labels]
    return np.maximum(texture, 0, out=texture)


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
        Full width at half maximum of its point spread, in its voxels.
    outside
        What lies beyond the head's field of view.
    """
    to_head = np.linalg.inv(affine) @ grid.affine
    thickness = np.abs(to_head[:3, :3]) @ np.ones(3)  # of a site's voxel, in voxels of the head, along the head's axes
    sigma = np.maximum(thickness * blur / 2.355, 0.25)
    ndimage.gaussian_filter(signal, sigma, output=signal, truncate=2.5)
    return np.asarray(
        ndimage.affine_transform(signal, to_head[:3, :3], to_head[:3, 3], grid.shape, order=1, cval=outside), np.float32
    )


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
