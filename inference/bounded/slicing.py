"""A correction at the points of an image: what the cells say there, at that intensity."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from inference.bounded.limits import KNOTS
from inference.bounded.network import Correction


def corrected(scaled: Tensor, based: Tensor, correction: Correction) -> Tensor:
    """Apply corrections at points that lie evenly over the frame.

    Parameters
    ----------
    scaled, based
        Shape (batch, 1, slices, rows, columns): intensities under the scale alone and under the base curve, in parts of
        `inference.look.TOP`.
    correction
        Of the batch.

    Returns
    -------
    Same shape and unit.
    """
    trust = correction.trust.reshape(-1, 1, 1, 1, 1)
    mixed = trust * based + (1 - trust) * scaled
    shape = list(scaled.shape[2:])
    gain = functional.interpolate(correction.log_gain, size=shape, mode="trilinear", align_corners=False)
    curves = functional.interpolate(correction.log_curve, size=shape, mode="trilinear", align_corners=False)
    return mixed * torch.exp(gain + at_intensity(curves, mixed))


def at_intensity(log_curves: Tensor, intensities: Tensor) -> Tensor:
    """Read local curves, linear between knots and level beyond the last.

    Parameters
    ----------
    log_curves
        Shape (batch, knots, slices, rows, columns).
    intensities
        Shape (batch, 1, slices, rows, columns).

    Returns
    -------
    Shape of `intensities`.
    """
    total = log_curves[:, :1]
    for upper, (low, high) in enumerate(pairwise(KNOTS), start=1):
        taken = ((intensities - low) / (high - low)).clamp(0, 1)
        total = total + (log_curves[:, upper : upper + 1] - log_curves[:, upper - 1 : upper]) * taken
    return total
