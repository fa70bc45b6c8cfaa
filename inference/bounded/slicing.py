"""A correction at points of a head, in its order: the field, then curves fitted to what it left, then local curves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from inference.bounded.limits import KNOTS


def evened(scaled: Tensor, log_gain: Tensor) -> Tensor:
    """Apply fields.

    Parameters
    ----------
    scaled
        Shape (batch, 1, slices, rows, columns): intensities under the scale alone, at points that lie evenly over the
        frame.
    log_gain
        Of a `Correction`.

    Returns
    -------
    Shape and unit of `scaled`.
    """
    gain = functional.interpolate(log_gain, size=list(scaled.shape[2:]), mode="trilinear", align_corners=False)
    return scaled * torch.exp(gain)


def curved(based: Tensor, log_curve: Tensor) -> Tensor:
    """Apply local curves.

    Parameters
    ----------
    based
        As `evened` returns it, the base curve applied to it.
    log_curve
        Of a `Correction`.

    Returns
    -------
    Shape and unit of `based`.
    """
    size = list(based.shape[2:])
    local = functional.interpolate(log_curve, size=size, mode="trilinear", align_corners=False)
    return based * torch.exp(at_intensity(local, based))


def along(levels: Sequence[float], slopes: Sequence[float] | Tensor, intensities: Tensor) -> Tensor:
    """Apply a piecewise linear curve through zero; the gradient runs along it, and into its slopes.

    Parameters
    ----------
    levels
        Where its pieces begin, increasing; the first is 0.
    slopes
        One a piece; the last goes on for ever.
    intensities
        Any shape.
    """
    mapped: Tensor = slopes[len(levels) - 1] * (intensities - levels[-1]).clamp_min(0)
    for (low, high), slope in zip(pairwise(levels), slopes, strict=False):
        mapped = mapped + slope * (intensities.clamp(low, high) - low)
    return mapped


def at_intensity(log_curves: Tensor, intensities: Tensor) -> Tensor:
    """Read local curves, linear between knots and level beyond the last.

    Parameters
    ----------
    log_curves
        Shape (batch, knots, slices, rows, columns).
    intensities
        Shape (batch, 1, slices, rows, columns), in parts of `inference.look.TOP`.

    Returns
    -------
    Shape of `intensities`.
    """
    total = log_curves[:, :1]
    for upper, (low, high) in enumerate(pairwise(KNOTS), start=1):
        taken = ((intensities - low) / (high - low)).clamp(0, 1)
        total = total + (log_curves[:, upper : upper + 1] - log_curves[:, upper - 1 : upper]) * taken
    return total
