"""What a correction does at the most, measured on every case, and whether it stays within the limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.bounded.limits import KNOTS, LARGEST_LOG_GAIN, STEEPEST_CURVE, STEEPEST_LOG_GAIN_PER_MM
from inference.bounded.network import GAIN_MM, Correction

_ROUNDING = 1e-4


@dataclass(frozen=True, slots=True)
class Bounds:
    """What was measured of a correction.

    Attributes
    ----------
    largest_log_gain
        Of the field.
    log_gain_per_mm
        Largest change of the field between neighbouring cells.
    least_slope, greatest_slope
        Of the local curves against their chords: below 0 an edge would be reversed.
    farthest_told
        Of what the network knows, from 0; any number will do, but a number it must be.
    """

    largest_log_gain: float
    log_gain_per_mm: float
    least_slope: float
    greatest_slope: float
    farthest_told: float

    @property
    def hold(self) -> bool:
        """Whether all of it is within the limits; never with numbers that are none."""
        return (
            self.largest_log_gain <= LARGEST_LOG_GAIN + _ROUNDING
            and self.log_gain_per_mm <= STEEPEST_LOG_GAIN_PER_MM + _ROUNDING
            and self.least_slope >= 1 - STEEPEST_CURVE - _ROUNDING
            and self.greatest_slope <= 1 + STEEPEST_CURVE + _ROUNDING
            and math.isfinite(self.farthest_told)
        )

    @property
    def numbers(self) -> Mapping[str, float]:
        """Return them by name, to be kept with the job."""
        return {
            "largest_log_gain": self.largest_log_gain,
            "log_gain_per_mm": self.log_gain_per_mm,
            "least_slope": self.least_slope,
            "greatest_slope": self.greatest_slope,
        }


def bounds_of(correction: Correction) -> Bounds:
    """Measure a correction of a batch of one."""
    knots = torch.tensor(KNOTS, dtype=correction.log_curve.dtype, device=correction.log_curve.device)
    steps = torch.diff(correction.log_curve, dim=1) / torch.diff(knots).reshape(1, -1, 1, 1, 1)
    turned = steps * knots[1:].reshape(1, -1, 1, 1, 1)  # where a piece is steepest against its chord
    return Bounds(
        largest_log_gain=float(correction.log_gain.abs().max()),
        log_gain_per_mm=_steepest(correction.log_gain) / GAIN_MM,
        least_slope=1 + float(turned.min()),
        greatest_slope=1 + float(turned.max()),
        farthest_told=float(correction.told.abs().max()),
    )


def _steepest(cells: Tensor) -> float:
    return max(float(torch.diff(cells, dim=axis).abs().max()) for axis in (2, 3, 4))
