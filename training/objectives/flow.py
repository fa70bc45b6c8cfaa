"""What a flow is trained by: how many bits it takes to tell a pixel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

QUANTUM = 1 / 128
"""Width of the intensities that count as one, in parts of the anchor: about the noise of the quietest site at 2 mm."""


def dequantised(x: Tensor, noise: Tensor) -> Tensor:
    """Spread intensities evenly over their quanta, so that a density of them has a bound (Theis et al. 2016).

    Parameters
    ----------
    x
        Intensities.
    noise
        Same shape, even from 0 to 1.
    """
    return (torch.floor(x / QUANTUM) + noise) * QUANTUM


def bits_per_dimension(latents: Sequence[Tensor], log_det: Tensor) -> Tensor:
    """Return the negative log likelihood of quanta, in bits a pixel.

    Parameters
    ----------
    latents
        Of a flow, one a level, standard normal when it fits; shape (batch, channels, rows, columns) each.
    log_det
        Shape (batch,): of the flow's Jacobian.

    Returns
    -------
    Shape (batch,): an upper bound for images that are told in steps of `QUANTUM`.
    """
    pixels = sum(z[0].numel() for z in latents)
    half_norm = sum(0.5 * z.square().sum(dim=(1, 2, 3)) for z in latents)
    nats = half_norm + pixels * (0.5 * math.log(2 * math.pi) - math.log(QUANTUM)) - log_det
    return torch.as_tensor(nats / (pixels * math.log(2)))
