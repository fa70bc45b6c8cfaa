"""A correction at points of a head, in its order: the field, then curves fitted to what it left, then local curves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from inference.bounded.limits import KNOTS
from inference.bounded.network import Correction
from inference.classical.nyul import Curve


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


def curved(even: Tensor, curves: Sequence[tuple[Curve, Curve]], correction: Correction) -> Tensor:
    """Apply the curves of each head, as far as they are trusted, then the local ones.

    Parameters
    ----------
    even
        As `evened` returns it.
    curves
        Of each head of the batch, fitted to its evened intensities: the scale alone, and the base curve; in the unit of
        `even`, both ways.
    correction
        Of the batch.

    Returns
    -------
    Shape of `even`.
    """
    scaled, based = (
        torch.stack([along(pair[k], head) for pair, head in zip(curves, even, strict=True)]) for k in (0, 1)
    )
    mixed = torch.lerp(scaled, based, correction.trust.reshape(-1, 1, 1, 1, 1))
    size = list(even.shape[2:])
    local = functional.interpolate(correction.log_curve, size=size, mode="trilinear", align_corners=False)
    return mixed * torch.exp(at_intensity(local, mixed))


def along(curve: Curve, intensities: Tensor) -> Tensor:
    """Apply a curve; the gradient runs along it."""
    mapped: Tensor = float(curve.slopes[-1]) * (intensities - float(curve.source[-1])).clamp_min(0)
    for (low, high), slope in zip(pairwise(curve.source.tolist()), curve.slopes.tolist(), strict=False):
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
