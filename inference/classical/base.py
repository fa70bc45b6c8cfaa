"""The base curve: one monotone curve from a head's percentiles to those of a look, with bounded slopes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.classical.nyul import Curve
from inference.look import LEVELS, TOP, Look, Profile
from inference.volume import BoolArray, Float64Array

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


@dataclass(frozen=True, slots=True, eq=False)
class Gaps:
    """Where a head and a look differ.

    Attributes
    ----------
    scale
        From the unit of the head to the one in which its anchor is where the look has it.
    levels
        Shape (n,), increasing: landmarks of the head that lie apart from each other.
    differs
        Shape (n,): log of what is aimed at against these, scaled.
    kept
        Shape (knots + 1,): which landmarks these are.
    """

    scale: float
    levels: Float64Array
    differs: Float64Array
    kept: BoolArray

    @property
    def all_differences(self) -> Float64Array:
        """Return the differences at all landmarks, 0 where one lies too near to the next below; shape (knots + 1,)."""
        every = np.zeros(self.kept.size)
        every[self.kept] = self.differs
        return every

    def trust(self, spread: Float64Array) -> float:
        """Return which part of all differences is taken for the scanner's, 0 to 1; see `base_curve` for `spread`."""
        apart = np.abs(self.differs)
        return float((apart * _share(self.differs, spread[self.kept])).sum() / max(apart.sum(), 1e-9))


def gaps(source: Profile, aim: Float64Array, *, top: float = TOP) -> Gaps:
    """Compare a head with what is aimed at; parameters as of `base_curve`."""
    scale = top / source.anchor
    levels, wanted = landmarks(source.deep, source.head), aim * (top / TOP)
    apart = np.diff(levels, prepend=0) > _SMALLEST_STEP * source.anchor
    differs = np.log(np.maximum(wanted[apart], _DARKEST * top) / (levels[apart] * scale))
    return Gaps(scale, levels[apart], differs, apart)


def base_curve(source: Profile, aim: Float64Array, *, top: float = TOP, spread: Float64Array = SPREAD) -> Curve:
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
    spread
        Shape (knots + 1,): s of each landmark.

    Returns
    -------
    From the unit of the head to one in which the anchor is at `top`. Where a bound holds, the curve runs along it,
    from zero upwards, so that it stays monotone.
    """
    gap = gaps(source, aim, top=top)
    wanted = gap.levels * gap.scale * np.exp(gap.differs * _share(gap.differs, spread[gap.kept]))
    standard = _within_slopes(gap.levels, wanted, low=gap.scale / STEEPEST, high=gap.scale * STEEPEST)
    return Curve(np.concatenate(([0.0], gap.levels)), np.concatenate(([0.0], standard)))


def _share(differs: Float64Array, spread: Float64Array) -> Float64Array:
    """Return the part of differences that is taken for the scanner's."""
    return np.asarray(differs**2 / (differs**2 + spread**2))


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


def landmarks(deep: Float64Array, head: Float64Array) -> Float64Array:
    """Return the percentiles at `KNOTS` of deep tissue, then `BRIGHT` of the head; shape (knots + 1,)."""
    return np.append(np.interp(KNOTS, LEVELS, deep), np.interp(BRIGHT, LEVELS, head))
