"""A correction on the grid of the scan: cells are read where its voxels lie, slab by slab."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from inference.bounded.frame import SHAPE
from inference.bounded.limits import KNOTS
from inference.bounded.network import Correction
from inference.classical.nyul import Curve
from inference.look import TOP
from inference.volume import Float32Array, Float64Array, Volume

LATTICE_MM = 8.0
"""Cells are read at points of the scan this far apart, half a cell of the field, and interpolated between them."""

_SLAB = 8


def apply_natively(
    volume: Volume, correction: Correction, *, scale: float, curve: Curve, frame: Float64Array, device: str
) -> Float32Array:
    """Map a volume on its own grid.

    Parameters
    ----------
    volume
        Any matrix, spacing and orientation.
    correction
        Of a batch of one.
    scale
        From its intensities to parts of `TOP`.
    curve
        Of what the field has evened; in parts of `TOP`, both ways.
    frame
        Affine of the frame that the cells divide; LPS mm.
    device
        Where to work.

    Returns
    -------
    Shape of the volume, in the scale of looks.
    """
    lattice = _lattice(volume, correction, frame, device)
    mapped = np.empty_like(volume.voxels)
    slices, planes = len(mapped), lattice.shape[2]
    heights = torch.linspace(0, planes - 1, slices) if slices > 1 else torch.zeros(1)
    for first in range(0, slices, _SLAB):
        own = slice(first, min(first + _SLAB, slices))
        below = heights[own].long().clamp(max=planes - 2)
        share = (heights[own] - below).reshape(1, -1, 1, 1).to(device)
        cells = torch.lerp(lattice[0][:, below], lattice[0][:, below + 1], share).transpose(0, 1)
        cells = functional.interpolate(cells, size=mapped.shape[1:], mode="bilinear", align_corners=True)
        even = torch.from_numpy(volume.voxels[own]).to(device).mul(scale).mul_(torch.exp(cells[:, 0]))
        plane = torch.from_numpy(curve(even.cpu().numpy())).to(device)
        mapped[own] = plane.mul_(_local_gain(cells[:, 1:], plane)).mul_(TOP).cpu().numpy()
    return mapped


def _lattice(volume: Volume, correction: Correction, frame: Float64Array, device: str) -> Tensor:
    """Read the cells at points of the scan: the log gain, the local curves' first knot, then their steps.

    Returns
    -------
    Shape (1, 1 + knots, slices, rows, columns), the outer points on the scan's outer voxels.
    """
    counts = [
        max(2, math.ceil((n - 1) * mm / LATTICE_MM) + 1)
        for n, mm in zip(volume.voxels.shape, volume.spacing_mm, strict=True)
    ]
    lines = [np.linspace(0, n - 1, count) for n, count in zip(volume.voxels.shape, counts, strict=True)]
    points = np.stack([*np.meshgrid(*lines, indexing="ij"), np.ones(counts)], axis=-1)
    in_frame = points @ (np.linalg.inv(frame) @ volume.affine).T[:, :3]
    relative = (in_frame + 0.5) / np.array(SHAPE) * 2 - 1  # -1 and 1 are the outer faces of the frame
    grid = torch.from_numpy(relative[..., ::-1].astype(np.float32)).to(device)[None]
    gain, curves = (
        functional.grid_sample(cells, grid, mode="bilinear", padding_mode="border", align_corners=False)
        for cells in (correction.log_gain, correction.log_curve)
    )
    return torch.cat([gain, curves[:, :1], torch.diff(curves, dim=1)], dim=1)


def _local_gain(cells: Tensor, intensities: Tensor) -> Tensor:
    """Return the local curves' gain at every voxel: the first knot's, and of each further step as much as was taken."""
    total = cells[:, 0].clone()
    for step, (low, high) in enumerate(pairwise(KNOTS), start=1):
        taken = (intensities - low).mul_(1 / (high - low)).clamp_(0, 1)
        total.addcmul_(cells[:, step], taken)
    return total.exp_()
