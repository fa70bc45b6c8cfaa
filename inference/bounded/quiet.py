"""What is too little to be worth it: a correction that would hardly do anything does nothing."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from inference.bounded.network import Correction

HARDLY, CLEARLY = 0.02, 0.04
"""Root mean square of a log gain in the head up to which it is left out, and from which all of it is taken.

Chosen on heads of the training side: what the network makes of an image that has the look already stays below 0.02 in
most cases, and of one with a field that is worth correcting lies above 0.04."""

_FAINT = 1e-3


def quieted(correction: Correction, inside: Tensor) -> Correction:
    """Take field and local curves as far as they matter: none, all, or, between `HARDLY` and `CLEARLY`, part of them.

    An image that has the look already then stays as it is, and one that was brought to it is hardly changed again.

    Parameters
    ----------
    correction
        Of a batch.
    inside
        Shape (batch, 1, slices, rows, columns) at 4 mm: how much of each voxel is head.
    """
    return Correction(
        correction.told,
        *(_as_far_as_it_matters(part, inside) for part in (correction.log_gain, correction.log_curve)),
    )


def _as_far_as_it_matters(log_gains: Tensor, inside: Tensor) -> Tensor:
    depth, height, width = log_gains.shape[2:]
    head = functional.adaptive_avg_pool3d(inside, (depth, height, width))
    mean_square = (log_gains.square().mean(dim=1, keepdim=True) * head).sum(dim=(2, 3, 4), keepdim=True)
    strength = torch.sqrt(mean_square / head.sum(dim=(2, 3, 4), keepdim=True).clamp_min(_FAINT))
    return log_gains * ((strength - HARDLY) / (CLEARLY - HARDLY)).clamp(0, 1)
