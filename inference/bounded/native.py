"""A correction on the grid of the scan: cells are read where its voxels lie, slab by slab."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
    gain, curves = correction.log_gain, correction.log_curve
    cells = (gain, curves[:, :1], torch.diff(curves, dim=1))
    mapped = np.empty_like(volume.voxels)
    for own, read in _read(volume, [each.to(device) for each in cells], frame):
        even = torch.from_numpy(volume.voxels[own]).to(device).mul(scale).mul_(torch.exp(read[:, 0]))
        plane = torch.from_numpy(curve(even.cpu().numpy())).to(device)
        mapped[own] = plane.mul_(_local_gain(read[:, 1:], plane)).mul_(TOP).cpu().numpy()
    return mapped


def even_natively(volume: Volume, log_gain: Tensor, *, scale: float, frame: Float64Array) -> Float32Array:
    """Apply a field on the grid of a volume, and nothing else; parameters as of `apply_natively`.

    Returns
    -------
    Shape of the volume, in parts of `TOP`.
    """
    mapped = np.empty_like(volume.voxels)
    for own, read in _read(volume, [log_gain], frame):
        mapped[own] = volume.voxels[own] * scale * torch.exp(read[:, 0]).cpu().numpy()
    return mapped


def _read(volume: Volume, cells: Sequence[Tensor], frame: Float64Array) -> Iterator[tuple[slice, Tensor]]:
    """Yield some slices of a volume, and what cells say there: shape (slices, channels, rows, columns)."""
    lattice = _lattice(volume, cells, frame)[0]
    slices, planes = len(volume.voxels), lattice.shape[1]
    heights = torch.linspace(0, planes - 1, slices) if slices > 1 else torch.zeros(1)
    for first in range(0, slices, _SLAB):
        own = slice(first, min(first + _SLAB, slices))
        below = heights[own].long().clamp(max=planes - 2)
        share = (heights[own] - below).reshape(1, -1, 1, 1).to(lattice.device)
        between = torch.lerp(lattice[:, below], lattice[:, below + 1], share).transpose(0, 1)
        yield own, functional.interpolate(between, size=volume.voxels.shape[1:], mode="bilinear", align_corners=True)


def _lattice(volume: Volume, cells: Sequence[Tensor], frame: Float64Array) -> Tensor:
    """Read cells at points of the scan.

    Returns
    -------
    Shape (1, channels, slices, rows, columns), the outer points on the scan's outer voxels.
    """
    counts = [
        max(2, math.ceil((n - 1) * mm / LATTICE_MM) + 1)
        for n, mm in zip(volume.voxels.shape, volume.spacing_mm, strict=True)
    ]
    lines = [np.linspace(0, n - 1, count) for n, count in zip(volume.voxels.shape, counts, strict=True)]
    points = np.stack([*np.meshgrid(*lines, indexing="ij"), np.ones(counts)], axis=-1)
    in_frame = points @ (np.linalg.inv(frame) @ volume.affine).T[:, :3]
    relative = (in_frame + 0.5) / np.array(SHAPE) * 2 - 1  # -1 and 1 are the outer faces of the frame
    grid = torch.from_numpy(relative[..., ::-1].astype(np.float32)).to(cells[0].device)[None]
    read = [
        functional.grid_sample(each, grid, mode="bilinear", padding_mode="border", align_corners=False)
        for each in cells
    ]
    return torch.cat(read, dim=1)


def _local_gain(cells: Tensor, intensities: Tensor) -> Tensor:
    """Return the local curves' gain at every voxel: the first knot's, and of each further step as much as was taken."""
    total = cells[:, 0].clone()
    for step, (low, high) in enumerate(pairwise(KNOTS), start=1):
        taken = (intensities - low).mul_(1 / (high - low)).clamp_(0, 1)
        total.addcmul_(cells[:, step], taken)
    return total.exp_()
