"""Intensities in the networks of the multi-harmonization GAN: seen as a histogram is, and changed as a curve does."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_TISSUES = (-0.5, 0.75)
"""From the darkest to the brightest that bands tell, as slices are shown: see `inference.mhgan.sight`."""

_CURVED = (-0.5, 1.0)
"""From the darkest to the brightest that local curves tell apart."""


class Bands(nn.Module):
    """Shows slices with squares of pixels as channels, and how near each square is to each of some intensities.

    What tells scanners apart is where tissues lie, some hundredths of the range: averaged over a slice, bands are its
    histogram, which convolutions of the slice alone learn to tell but slowly.

    Parameters
    ----------
    seen
        Slices in a stack.
    bands
        How many: evenly over what tissues are shown as; 0 for none.
    fold
        Side of the squares.
    """

    def __init__(self, seen: int, bands: int, fold: int) -> None:
        super().__init__()
        self._fold, self.channels = fold, seen * fold**2 + bands
        self._middles, self._width = torch.linspace(*_TISSUES, bands), (_TISSUES[1] - _TISSUES[0]) / max(1, bands - 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return features, shape (batch, `channels`, rows / fold, columns / fold)."""
        folded = functional.pixel_unshuffle(x, self._fold)
        if not len(self._middles):
            return folded
        away = functional.avg_pool2d(x, self._fold)[:, :, None] - self._middles.to(x)[:, None, None]
        near = torch.exp(-0.5 * (away / self._width).square()).mean(dim=1)  # over the slices of a stack
        return torch.cat([folded, 2 * near - 0.5], dim=1)


def curved(x: Tensor, curves: Tensor, fold: int) -> Tensor:
    """Return what local curves say of the intensities of slices.

    A bilateral grid (Chen, Paris and Durand 2007, ACM Trans. Graph.), as networks give one in Gharbi et al. 2017 (ACM
    Trans. Graph.): coarse in place, so that edges stay where the slices have them.

    Parameters
    ----------
    x
        Shape (batch, slices, rows, columns).
    curves
        Shape (batch, intensities, rows / fold, columns / fold): values at intensities that lie evenly over what slices
        are shown as; linear between them, level beyond.
    fold
        How much coarser the curves lie.
    """
    at = functional.interpolate(curves, scale_factor=float(fold), mode="bilinear") if fold > 1 else curves
    last = at.shape[1] - 1
    position = (x.clamp(*_CURVED) - _CURVED[0]) * (last / (_CURVED[1] - _CURVED[0]))
    below = position.detach().floor().clamp_max(last - 1).long()
    part = position - below
    return at.gather(1, below) * (1 - part) + at.gather(1, below + 1) * part
