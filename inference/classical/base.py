"""The base curve: one monotone curve from a head's percentiles to those of a look, with bounded slopes."""

from __future__ import annotations

import numpy as np

from inference.classical.nyul import Curve
from inference.look import LEVELS, TOP, Look, Profile
from inference.volume import Float64Array

KNOTS = np.array([3.0, 10.0, 25.0, 50.0, 75.0, 90.0, 97.0])
"""Percentiles of deep tissue that are matched."""

BRIGHT = 99.5
"""Percentile of the whole head that is matched above them where it lies clearly higher: fat."""

STEEPEST = 3.0
"""How much more, or less, steeply than the mere scale a piece of the curve may run."""

STEEPEST_AIR = 1.25
"""The same below the first knot, upwards: the noise of the air is not lifted."""

_CLEARLY = 1.1
_SMALLEST_STEP = 1e-3


def base_curve(source: Profile, look: Look) -> Curve:
    """Fit the curve.

    Parameters
    ----------
    source
        Of the head that is to be mapped.
    look
        Whose mean percentiles are aimed at.

    Returns
    -------
    From the unit of the head to that of looks, whose anchor is at `TOP`. Where a bound holds, the curve runs along it,
    from zero upwards, so that it stays monotone.
    """
    levels, standard = landmarks(source.deep, source.head), landmarks(look.mean_deep, look.mean_head)
    if not (levels[-1] > _CLEARLY * levels[-2] and standard[-1] > _CLEARLY * standard[-2]):
        levels, standard = levels[:-1], standard[:-1]
    kept = np.diff(levels, prepend=0) > _SMALLEST_STEP * source.anchor
    levels, standard = levels[kept], standard[kept]
    steps = np.diff(levels, prepend=0)
    scale = TOP / source.anchor
    slopes = np.diff(standard, prepend=0) / steps
    highest = np.full(slopes.size, STEEPEST * scale)
    highest[0] = STEEPEST_AIR * scale
    slopes = np.clip(slopes, scale / STEEPEST, highest)
    # What the first piece lost to its bound the second makes up for, as far as its own allows.
    if slopes.size > 1:
        slopes[1] = np.clip((standard[1] - slopes[0] * steps[0]) / steps[1], scale / STEEPEST, highest[1])
    return Curve(np.concatenate(([0.0], levels)), np.concatenate(([0.0], np.cumsum(slopes * steps))))


def scale_curve(source: Profile) -> Curve:
    """Return the curve that only scales: the anchor of the head to `TOP`."""
    return Curve(np.array([0.0, source.anchor]), np.array([0.0, TOP]))


def blend(first: Curve, second: Curve, share: float) -> Curve:
    """Return a curve `share` of the way from one to another; monotone, as they are."""
    knots = np.union1d(first.source, second.source)
    low, high = (curve(knots.astype(np.float32)[None])[0].astype(np.float64) for curve in (first, second))
    return Curve(knots, (1 - share) * low + share * high)


def landmarks(deep: Float64Array, head: Float64Array) -> Float64Array:
    """Return the percentiles at `KNOTS` of deep tissue, then `BRIGHT` of the head; shape (knots + 1,)."""
    return np.append(np.interp(KNOTS, LEVELS, deep), np.interp(BRIGHT, LEVELS, head))
