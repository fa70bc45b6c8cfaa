"""What the networks made of a head, on the scan's own grid: what they changed is added, and the air gets quieter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.bins import Bins
from inference.bounded.frame import on_slice, trusted_part
from inference.look import TOP
from inference.mhgan.sight import CLIP, Sight
from inference.mhgan.style import Style
from inference.volume import Float32Array, Float64Array, Volume

QUIETEST = 0.2
"""The noise in the air is brought down to this part of itself at the most."""


def natively(made: Float32Array, sight: Sight, volume: Volume, style: Style) -> tuple[Float32Array, dict[str, float]]:
    """Bring what the networks made of a head to the grid of the scan, in the scale of looks.

    Only what was changed is interpolated: y - g x, with g the ratio of the spreads of y and x; towards the end of the
    frame and beyond it, what was changed on average in voxels as bright. The scan itself, times g, gives the rest, so
    that what is finer than the frame, or was clipped, stays. In the air, the noise comes down to that of the style,
    where it is stronger.

    Parameters
    ----------
    made
        Shape of the frame: what the networks made of `sight.voxels`.
    sight, volume
        The head, and the scan that it is of.
    style
        That was given.

    Returns
    -------
    Shape of the volume, the anchor of deep tissue at `TOP`; and numbers: g, in parts of the mere scale; what the air
    was brought down to, in parts of itself.
    """
    inside = sight.head.inside
    black = np.where(inside, made - np.float32(style.floor), np.float32(0))
    scale = TOP / sight.head.profile_of(black).anchor
    wanted = black * np.float32(scale)
    gain = scale * float(made[inside].std() / (sight.voxels[inside].std() * sight.spread * CLIP))
    shown = (sight.voxels - np.float32(sight.floor)) * np.float32(sight.spread * CLIP)
    change = wanted - np.float32(gain) * shown
    quiet = float(np.clip(style.noise / sight.noise, QUIETEST, 1)) if sight.noise else 1.0
    voxels = _brought(volume, sight, _Change(change, *_by_intensity(shown[inside], change[inside], gain)), gain, quiet)
    return voxels, {"gain": gain * sight.head.profile_of(sight.head.voxels).anchor / TOP, "air": quiet}


@dataclass(frozen=True, slots=True, eq=False)
class _Change:
    """What is added: by place, shape of the frame; and by intensity, shape (bins,) each."""

    places: Float32Array
    levels: Float64Array
    curve: Float64Array


def _by_intensity(shown: Float32Array, change: Float32Array, gain: float) -> tuple[Float64Array, Float64Array]:
    """Return intensities, and what is added to them on average: it turns no two around; the darkest are left alone."""
    bins = Bins.of(shown)
    means = bins.means(change)
    means[0] = 0
    return bins.levels, np.asarray(np.maximum.accumulate(gain * bins.levels + means) - gain * bins.levels)


def _brought(volume: Volume, sight: Sight, change: _Change, gain: float, quiet: float) -> Float32Array:
    to_frame = np.linalg.inv(sight.head.affine) @ volume.affine
    trusted = trusted_part(change.places.shape)
    places = change.places * trusted
    found = np.empty_like(volume.voxels)
    for k, voxels in enumerate(volume.voxels):  # slice by slice: no second volume in memory
        left = 1 - on_slice(trusted, to_frame, k, voxels.shape)
        found[k] = np.float32(gain) * voxels + on_slice(places, to_frame, k, voxels.shape)
        end = left > 0
        found[k][end] += left[end] * np.interp(voxels[end], change.levels, change.curve)
        if quiet < 1:
            dark = np.clip(2 - voxels / np.float32(sight.head.tissue_above), 0, 1)  # what is as bright as tissue stays
            air = on_slice(sight.air, to_frame, k, voxels.shape, beyond="nearest")
            found[k] *= 1 - np.float32(1 - quiet) * dark * air
    return found
