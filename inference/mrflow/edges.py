"""Edges of a slice, told so that they are much the same in every scanner, and the U-Net that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 2
"""Edges along rows and along columns."""

_AROUND = 17
"""Pixels across: edges are told against those around them, which takes away what a smooth gain does to them."""

_FAINT = 0.03
"""Rise from pixel to pixel, in parts of the anchor, below which there is hardly an edge: the noise of air stays out."""

_SOBEL = torch.tensor([[1.0, 2.0, 1.0], [0.0, 0.0, 0.0], [-1.0, -2.0, -1.0]]) / 8


def sobel(slices: Tensor) -> Tensor:
    """Return the rise along rows and columns; shape (batch, 1, rows, columns) -> (batch, 2, rows, columns)."""
    kernels = torch.stack([-_SOBEL, -_SOBEL.T])[:, None].to(slices)
    return functional.conv2d(functional.pad(slices, (1, 1, 1, 1), mode="replicate"), kernels)


def edges(slices: Tensor) -> Tensor:
    """Return the direction of edges, and how far they stand out from those around.

    A monotone curve of intensities turns no edge, a smooth gain changes all edges of a place alike: both hardly show.

    Parameters
    ----------
    slices
        Shape (batch, 1, rows, columns), the anchor of the head at 1.

    Returns
    -------
    Shape (batch, `CHANNELS`, rows, columns), each vector at most 2 long.
    """
    rise = sobel(slices)
    power = rise.square().sum(dim=1, keepdim=True)
    around = functional.avg_pool2d(power, _AROUND, 1, _AROUND // 2, count_include_pad=False)
    return rise / (power / 4 + around + _FAINT**2).sqrt()


class EdgeNetwork(nn.Module):
    """A small U-Net that tells the condition at every level of a flow.

    Parameters
    ----------
    widths
        Channels at 1/2, 1/4, ... of the resolution: at least as many as the flow has levels.
    context
        Channels that it tells, at each level.
    levels
        Of the flow.
    """

    def __init__(self, widths: Sequence[int], context: int, levels: int) -> None:
        super().__init__()
        before = [4 * CHANNELS, *widths[:-1]]
        self.down = nn.ModuleList([
            _block(seen if level == 0 else 4 * seen, width)
            for level, (seen, width) in enumerate(zip(before, widths, strict=True))
        ])  # fmt: skip
        self.up = nn.ModuleList([_block(wide + fine, fine) for fine, wide in pairwise(widths)])
        self.told = nn.ModuleList([nn.Conv2d(width, context, 1) for width in widths[:levels]])

    def forward(self, slices: Tensor) -> list[Tensor]:
        """Return the condition of every level, finest first; slices as in `edges`."""
        x = functional.pixel_unshuffle(edges(slices), 2)
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.pixel_unshuffle(x, 2))
            kept.append(x)
        for level in reversed(range(len(self.up))):
            wide = functional.interpolate(kept[level + 1], scale_factor=2.0, mode="nearest")
            kept[level] = self.up[level](torch.cat([wide, kept[level]], dim=1))
        return [tell(x) for tell, x in zip(self.told, kept, strict=False)]


def _block(seen: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(seen, width, 3, padding=1), nn.LeakyReLU(0.1),
        nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.1),
    )  # fmt: skip
