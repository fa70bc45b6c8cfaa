"""Whole heads through the networks: slices of three planes, one style, and one volume."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.mhgan.networks import SEEN, Generator, StyleEncoder
from inference.mhgan.sight import Sight, counted
from inference.mhgan.style import Style
from inference.planes import AXES, fused, on_canvas, stacks
from inference.volume import Float32Array


@torch.inference_mode()
def in_style(generator: Generator, sight: Sight, style: Style, *, device: str) -> Float32Array:
    """Return a head in a style, on its frame: the mean of three planes and of the stacks that show a slice.

    Parameters
    ----------
    generator
        On `device`.
    sight, style
        The head, and what it is to look like.
    device
        Where to work.
    """
    code = torch.from_numpy(style.code).to(device)

    def made(part: Tensor) -> Tensor:
        result: Tensor = generator(part.contiguous(), code.expand(len(part), -1))
        return result

    weights = [torch.from_numpy(counted(sight.head.inside, axis)).to(device) for axis in AXES]
    volume = torch.from_numpy(sight.voxels).to(device)
    shown = on_canvas(made, generator.side, outside=sight.floor)
    return np.asarray(fused(volume, shown, weights=weights, seen=SEEN).cpu().numpy())


@torch.inference_mode()
def read_styles(
    encoder: StyleEncoder, voxels: Float32Array, floor: float, spans: NDArray[np.int64], *, device: str
) -> Float32Array:
    """Return the style code that each branch of the encoder reads in a head: the mean over its slices.

    Parameters
    ----------
    encoder
        On `device`.
    voxels
        Shape of the frame, as `inference.mhgan.sight.Sight` has them.
    floor
        What black is shown as.
    spans
        Shape (3, 2): first slice to read, and the one after the last, along each axis.
    device
        Where to work.

    Returns
    -------
    Shape (sites, `STYLE`).
    """
    volume = torch.from_numpy(voxels).to(device)
    read: list[Tensor] = []

    def kept(part: Tensor) -> Tensor:
        read.append(encoder.every(part.contiguous()))
        return part

    shown = on_canvas(kept, encoder.side, outside=floor)
    for axis, (first, end) in zip(AXES, spans, strict=True):
        for part in stacks(volume.narrow(axis, int(first), int(end - first)), axis, seen=SEEN):
            shown(part)
    return np.asarray(torch.cat(read).mean(dim=0).cpu().numpy())
