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

SPREAD = np.array([0.10, 0.09, 0.07, 0.05, 0.03, 0.01, 0.02, 0.15])
"""How much these percentiles differ among people in one scanner, as a log, the anchor taken away; the last is fat's.

Chosen after the spread among simulated heads, not fitted."""

_SMALLEST_STEP = 0.01
_DARKEST = 0.001


def base_curve(source: Profile, aim: Float64Array, *, top: float = TOP) -> Curve:
    """Fit the curve.

    A percentile differs from that of a look because of the scanner, or because people differ. Where it differs by
    less than people do, it is hardly moved; where by more, it is matched: of a log difference d the part
    d^2 / (d^2 + s^2) is taken, s the `SPREAD` among people. Matching in full would cost an image that has the look
    already 5 dB (measured on simulated heads, against other people's), and gain nothing on one that has not.

    Parameters
    ----------
    source
        Of the head that is to be mapped.
    aim
        Shape (knots + 1,): what is aimed at, as `aim_of` has it of a look.
    top
        Where the anchor goes.

    Returns
    -------
    From the unit of the head to one in which the anchor is at `top`. Where a bound holds, the curve runs along it,
    from zero upwards, so that it stays monotone.
    """
    scale = top / source.anchor
    levels, wanted = landmarks(source.deep, source.head), aim * (top / TOP)
    apart = np.diff(levels, prepend=0) > _SMALLEST_STEP * source.anchor
    levels, wanted, spread = levels[apart], wanted[apart], SPREAD[apart]
    differs = np.log(np.maximum(wanted, _DARKEST * top) / (levels * scale))
    standard = levels * scale * np.exp(differs**3 / (differs**2 + spread**2))
    standard = _within_slopes(levels, standard, low=scale / STEEPEST, high=scale * STEEPEST)
    return Curve(np.concatenate(([0.0], levels)), np.concatenate(([0.0], standard)))


def _within_slopes(levels: Float64Array, wanted: Float64Array, *, low: float, high: float) -> Float64Array:
    """Go to what is wanted as directly as the slopes allow: where a bound holds, along it until that is met."""
    reached, before, standard = 0.0, 0.0, []
    for level, value in zip(levels, wanted, strict=True):
        step = level - before
        reached, before = float(np.clip(value, reached + low * step, reached + high * step)), level
        standard.append(reached)
    return np.array(standard)


def aim_of(look: Look) -> Float64Array:
    """Return the mean landmarks of a look; shape (knots + 1,)."""
    return landmarks(look.mean_deep, look.mean_head)


def scale_curve(source: Profile, *, top: float = TOP) -> Curve:
    """Return the curve that only scales: the anchor of the head to `top`."""
    return Curve(np.array([0.0, source.anchor]), np.array([0.0, top]))


def blend(first: Curve, second: Curve, share: float) -> Curve:
    """Return a curve `share` of the way from one to another; monotone, as they are."""
    knots = np.union1d(first.source, second.source)
    low, high = (curve(knots.astype(np.float32)[None])[0].astype(np.float64) for curve in (first, second))
    return Curve(knots, (1 - share) * low + share * high)


def landmarks(deep: Float64Array, head: Float64Array) -> Float64Array:
    """Return the percentiles at `KNOTS` of deep tissue, then `BRIGHT` of the head; shape (knots + 1,)."""
    return np.append(np.interp(KNOTS, LEVELS, deep), np.interp(BRIGHT, LEVELS, head))
