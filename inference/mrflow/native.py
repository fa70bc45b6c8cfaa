"""What a flow changed in the frame, brought to the scan's own grid: a log gain, bounded, and nothing in the air."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from inference.bounded.frame import FINE_MM, FramedHead
from inference.volume import Float32Array, Volume

MOST_LOG_GAIN = math.log(3)
"""A third to three times the mere scale, the same bounds as the base curve's."""

_DARK = 0.05
"""Added to what is compared, in parts of the anchor: the noise of dark voxels is no gain."""

_FADE_VOXELS = 6
"""Where the frame ends, what was done to each place gives way to what was done to its intensity."""

_SIGMA_OF_WIDTH = 1 / math.sqrt(8 * math.log(2))
_BINS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What was done to a head.

    Attributes
    ----------
    log_gain
        Shape of the frame; 0 outside the head.
    trusted
        Same shape, 0 to 1: falls off where the frame ends.
    levels, mean_log_gain
        Shape (bins,): intensities in parts of the anchor, increasing, and the mean change there: for the neck, where it
        reaches beyond the frame.
    bounded
        Part of the head where the bound of the gain was met.
    """

    log_gain: Float32Array
    trusted: Float32Array
    levels: Float32Array
    mean_log_gain: Float32Array
    bounded: float


def change_of(before: Float32Array, after: Float32Array, head: FramedHead, *, smooth_mm: float) -> Change:
    """Compare what a flow was given with what it made of it.

    Parameters
    ----------
    before, after
        Shape of the frame, the anchor at 1.
    head
        In the frame.
    smooth_mm
        As in `inference.mrflow.settings.FlowSettings`.
    """
    raw = np.log((np.maximum(after, 0) + np.float32(_DARK)) / (before + np.float32(_DARK)))
    log_gain = np.clip(raw, -MOST_LOG_GAIN, MOST_LOG_GAIN)
    bounded = float((log_gain != raw)[head.inside].mean())
    inside = head.inside.astype(np.float32)
    log_gain *= inside
    if smooth_mm:
        sigma = smooth_mm * _SIGMA_OF_WIDTH / FINE_MM
        around = ndimage.gaussian_filter(inside, sigma)
        log_gain = inside * ndimage.gaussian_filter(log_gain, sigma) / np.maximum(around, np.float32(1e-3))
    values, gains = before[head.inside], log_gain[head.inside]
    edges = np.unique(np.percentile(values, np.linspace(0, 100, _BINS + 1)))
    index = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(edges.size - 2, 0))
    count = np.maximum(np.bincount(index), 1)
    levels, means = (np.bincount(index, each) / count for each in (values, gains))
    return Change(log_gain, _trusted(log_gain.shape), levels.astype(np.float32), means.astype(np.float32), bounded)


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
    matrix, offset = to_frame[:3, :3], to_frame[:3, 3]
    mapped = np.empty_like(volume.voxels)
    for k in range(len(mapped)):  # slice by slice: no second volume in memory
        plane = volume.voxels[k] * np.float32(scale)
        gain, trusted = (_plane(each, matrix, offset, k, plane.shape) for each in (change.log_gain, change.trusted))
        # the log gain ends with the head, so that the rest of the weight is told only where there is no frame
        beyond = np.interp(plane, change.levels, change.mean_log_gain).astype(np.float32)
        mapped[k] = plane * np.exp(trusted * gain + (1 - trusted) * beyond)
    return mapped


def _plane(
    frame: Float32Array, matrix: np.ndarray, offset: np.ndarray, k: int, shape: tuple[int, ...]
) -> Float32Array:
    """Return slice k of what a frame holds on the grid of a volume."""
    found = ndimage.affine_transform(frame, matrix, offset + matrix[:, 0] * k, (1, *shape), order=1, output=np.float32)
    return np.asarray(found[0], np.float32)


def _trusted(shape: tuple[int, ...]) -> Float32Array:
    lines = [np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / _FADE_VOXELS) for n in shape]
    return np.asarray(lines[0][:, None, None] * lines[1][:, None] * lines[2], np.float32)
