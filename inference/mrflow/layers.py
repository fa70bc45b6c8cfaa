"""Invertible layers of images: scaling by channel, mixing of channels, and squares of pixels made channels.

Dinh et al. 2017 (arXiv:1605.08803), Kingma and Dhariwal 2018 (arXiv:1807.03039). A layer goes forward from image to
latent and tells the log of the determinant of its Jacobian, one number an image; `inverse` undoes it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAST_SPREAD = 1e-3


class ActNorm(nn.Module):
    """An affine map of each channel by itself; `fit` sets it so that a first batch comes out standardised.

    Parameters
    ----------
    channels
        Of the image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    def fit(self, x: Tensor) -> None:
        """Set scale and shift from a batch; shape (batch, channels, rows, columns)."""
        with torch.no_grad():
            self.shift.copy_(-x.mean(dim=(0, 2, 3)))
            self.log_scale.copy_(-x.std(dim=(0, 2, 3)).clamp_min(_LEAST_SPREAD).log())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scaled image and the log determinant, shape (batch,)."""
        y = (x + self.shift[:, None, None]) * self.log_scale.exp()[:, None, None]
        return y, (self.log_scale.sum() * x[0, 0].numel()).expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """Undo `forward`."""
        return y * (-self.log_scale).exp()[:, None, None] - self.shift[:, None, None]


class Mixing(nn.Module):
    """A matrix that mixes the channels of every pixel: the invertible 1 x 1 convolution. It begins as a rotation.

    Parameters
    ----------
    channels
        Of the image.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation, _ = torch.linalg.qr(torch.randn(channels, channels))
        self.matrix = nn.Parameter(rotation)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mixed image and the log determinant, shape (batch,)."""
        log_det = torch.linalg.slogdet(self.matrix)[1] * x[0, 0].numel()
        return functional.conv2d(x, self.matrix[:, :, None, None]), log_det.expand(len(x))

    def inverse(self, y: Tensor) -> Tensor:
        """Undo `forward`; inverted in double precision, so that what is lost is lost in the products alone."""
        back = torch.linalg.inv(self.matrix.double()).to(y.dtype)
        return functional.conv2d(y, back[:, :, None, None])


def squeezed(x: Tensor) -> Tensor:
    """Make the four pixels of each square four channels: half as many rows and columns. Nothing is lost or scaled."""
    return functional.pixel_unshuffle(x, 2)


def unsqueezed(x: Tensor) -> Tensor:
    """Undo `squeezed`."""
    return functional.pixel_shuffle(x, 2)
