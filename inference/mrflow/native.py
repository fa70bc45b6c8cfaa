"""What a flow changed in the frame, brought to the scan's own grid: a bounded log gain, and nothing in the air."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.bins import Bins
from inference.bounded.frame import FINE_MM, FramedHead, on_slice, trusted_part
from inference.bundle import Tensors
from inference.mrflow.settings import FlowSettings
from inference.volume import Float32Array, Float64Array, Volume

MOST_LOG_GAIN = math.log(3)
"""A third to three times the mere scale, the same bounds as the base curve's."""

_DARK = 0.05
"""Added to what is compared, in parts of the anchor: the noise of dark voxels is no gain."""

_BLACK = 1e-3
_SIGMA_OF_WIDTH = 1 / math.sqrt(8 * math.log(2))
_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What was done to a head: a log gain by place and one by intensity.

    Attributes
    ----------
    places
        Shape of the frame.
    levels, curve
        Shape (bins,): intensities in parts of the anchor, increasing, and the log gain there.
    everywhere
        Whether the curve counts beside the places; else only where these fade, at the end of the frame.
    bounded
        Part of the head where the bound of the gain was met.
    """

    places: Float32Array
    levels: Float64Array
    curve: Float64Array
    everywhere: bool
    bounded: float


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What a flow makes of the target's own images: it errs towards the middle of what it knows, there as anywhere.

    Attributes
    ----------
    levels
        Shape (n,): intensities in parts of the anchor, increasing.
    told
        Same shape, increasing: what the flow makes of them on average.
    """

    levels: Float64Array
    told: Float64Array

    def undone(self, levels: Float64Array, curve: Float64Array) -> Float64Array:
        """Return the log gains to the intensities of which, in the target, the flow would have made the same."""
        told = levels * np.exp(curve)
        ends = self.levels[[0, -1]] / self.told[[0, -1]]
        beyond = np.where(told < self.told[0], ends[0], ends[1]) * told
        within = (told >= self.told[0]) & (told <= self.told[-1])
        return np.asarray(np.log(np.where(within, np.interp(told, self.told, self.levels), beyond) / levels))


def calibration_of(before: Float32Array, after: Float32Array) -> Calibration:
    """Measure a flow on images of the target itself.

    Parameters
    ----------
    before, after
        Shape (voxels,): voxels of heads, what the flow was given and what it made of them.
    """
    bins = Bins.of(before)
    levels = _levels(bins)
    told = levels * np.exp(_monotone(levels, _means(bins, _log_gain(before, after))))
    return Calibration(levels, told + _BLACK * np.arange(told.size) / told.size)  # never level


def read_calibration(tensors: Tensors, prefix: str) -> Calibration | None:
    """Return the calibration among weights: ``calibration``, shape (2, n); None where there is none.

    Raises
    ------
    ValueError
        When it is none.
    """
    held = tensors.get(f"{prefix}calibration")
    if held is None:
        return None
    if held.ndim != 2 or len(held) != 2 or (np.diff(held, axis=1) <= 0).any() or held.min() <= 0:
        raise ValueError("the calibration must be two rows of positive numbers that increase")
    return Calibration(*held.astype(np.float64))


def change_of(
    before: Float32Array,
    after: Float32Array,
    head: FramedHead,
    settings: FlowSettings,
    calibration: Calibration | None = None,
) -> Change:
    """Compare what a flow was given with what it made of it.

    Parameters
    ----------
    before, after
        Shape of the frame, the anchor at 1.
    head
        In the frame.
    settings
        What of the change is kept.
    calibration
        Of the flow under these settings: the curve is measured against it; None: as it is.
    """
    log_gain = _log_gain(before, after)
    bounded = float((np.abs(log_gain[head.inside]) >= MOST_LOG_GAIN).mean())
    values, gains = before[head.inside], log_gain[head.inside]
    bins = Bins.of(values)
    levels = _levels(bins)
    if settings.change == "places":
        places = _smoothed(log_gain, head, settings.smooth_mm) if settings.smooth_mm else log_gain
        return Change(places * head.inside, levels, _means(bins, gains), everywhere=False, bounded=bounded)
    places, curve = np.zeros_like(log_gain), np.zeros(levels.size)
    for _ in range(_ROUNDS if settings.smooth_mm else 1):  # each is fitted to what the other leaves
        curve = _monotone(levels, _means(bins, gains - places[head.inside]))
        if settings.smooth_mm:
            left = log_gain - np.interp(before, levels, curve).astype(np.float32)
            places = _smoothed(left, head, settings.smooth_mm)
    if calibration is not None:
        curve = calibration.undone(levels, curve)
    return Change(places, levels, curve, everywhere=True, bounded=bounded)


def apply_change(volume: Volume, change: Change, head: FramedHead, *, scale: float) -> Float32Array:
    """Return a volume on its own grid with a change made to it, its anchor where `scale` puts it at 1.

    Parameters
    ----------
    volume
        Any matrix, spacing and orientation.
    change, head
        In the frame.
    scale
        From its unit to parts of the anchor.
    """
    to_frame = np.linalg.inv(head.affine) @ volume.affine
    trusted = trusted_part(change.places.shape)
    places = change.places * trusted
    mapped = np.empty_like(volume.voxels)
    for k, voxels in enumerate(volume.voxels):  # slice by slice: no second volume in memory
        plane = voxels * np.float32(scale)
        gain = np.interp(plane, change.levels, change.curve)
        if not change.everywhere:
            gain *= 1 - on_slice(trusted, to_frame, k, plane.shape)
        gain += on_slice(places, to_frame, k, plane.shape)
        mapped[k] = plane * np.exp(np.clip(gain, -MOST_LOG_GAIN, MOST_LOG_GAIN))
    return mapped


def _levels(bins: Bins) -> Float64Array:
    return np.maximum(bins.levels, _BLACK)


def _means(bins: Bins, gains: Float32Array) -> Float64Array:
    """Return the mean log gain of each bin; the darkest is air, and nothing is done to what is as dark."""
    means = bins.means(gains)
    means[0] = 0
    return means


def _monotone(levels: Float64Array, gains: Float64Array) -> Float64Array:
    """Return log gains that turn no two intensities around."""
    mapped = np.maximum.accumulate(levels * np.exp(gains))
    return np.asarray(np.log(mapped / levels))


def _log_gain(before: Float32Array, after: Float32Array) -> Float32Array:
    dark = np.float32(_DARK)
    return np.clip(np.log((np.maximum(after, 0) + dark) / (before + dark)), -MOST_LOG_GAIN, MOST_LOG_GAIN)


def _smoothed(log_gain: Float32Array, head: FramedHead, width_mm: float) -> Float32Array:
    """Average over the head around each place; beyond the head it falls off."""
    sigma = width_mm * _SIGMA_OF_WIDTH / FINE_MM
    inside = head.inside.astype(np.float32)
    around = ndimage.gaussian_filter(inside, sigma)
    return np.asarray(ndimage.gaussian_filter(log_gain * inside, sigma) / np.maximum(around, np.float32(0.05)))
