"""Water-equivalent path: how much water a beam would meet on its way to a point, in a synthetic and in the true CT."""

from __future__ import annotations

import math

import numpy as np
from scipy import ndimage

from inference.ct.hounsfield import RANGE_HU
from inference.volume import BoolArray, Float64Array, Volume

GANTRY_DEG = tuple(range(0, 360, 45))
"""Gantry angles (IEC 61217, head first supine): 0 shoots from the front, 90 from the patient's left."""

TARGETS = 300
"""Points in the brain that beams end at."""

_STEP_MM = 1.0
_REACH_MM = 250.0
"""From the point outwards: across the largest head."""

_HU = (-1002.8, -205.95, -199.58, -100.97, 24.72, 75.93, 136.03, 150.42, 254.2, 428.17, 823.79, 1410.21)
_STOPPING_POWER = (0.0026, 0.7933, 0.8, 0.94855, 1.02548, 1.07548, 1.08798, 1.09519, 1.1432, 1.2313, 1.421, 1.7041)
"""HU -> stopping power for protons relative to water, straight between.

Schaffner and Pedroni 1998, Phys Med Biol 43:1579, as a public dose calculation quotes its curve; the paper itself was
not looked up. Above its last point the last piece goes on. Other scanners have other curves; here both images of a
comparison go through this one, so that its offsets cancel, and only its slopes matter.
"""


def stopping_power(hounsfield: np.ndarray) -> Float64Array:
    """Return the stopping power for protons relative to water; any shape, HU."""
    slope = (_STOPPING_POWER[-1] - _STOPPING_POWER[-2]) / (_HU[-1] - _HU[-2])
    most = _STOPPING_POWER[-1] + slope * (RANGE_HU[1] - _HU[-1])
    return np.asarray(np.interp(hounsfield, (*_HU, RANGE_HU[1]), (*_STOPPING_POWER, most)))


def path_errors(result: Volume, truth: Volume, brain: BoolArray) -> dict[str, float]:
    """Compare water-equivalent paths from outside to points in the brain.

    Nothing is masked: what either image shows outside of the head is on the way too. Beyond the image there is nothing.

    Parameters
    ----------
    result, truth
        HU, on the same grid.
    brain
        Shape of the volumes: where the points are drawn, the same `TARGETS` in every run.

    Returns
    -------
    ``path_median_percent``, ``path_p95_percent``
        Median and 95th percentile, over all beams, of the absolute difference in percent of the true path.
    ``path_bias_percent``
        Mean of the difference with its sign: above 0, protons would stop early.
    ``path_gamma_2_percent``, ``path_gamma_1_percent``
        Part of the beams, in percent, with gamma at most 1 for 2 % and 2 mm, and for 1 % and 1 mm; see `gamma`.
    """
    points, directions = _points_mm(truth, brain), _directions()
    ours, wanted = (_paths_mm(volume, points, directions) for volume in (result, truth))
    difference = ours - wanted
    percent = 100 * difference / wanted
    return {
        "path_median_percent": float(np.median(np.abs(percent))),
        "path_p95_percent": float(np.percentile(np.abs(percent), 95)),
        "path_bias_percent": float(percent.mean()),
        **{
            f"path_gamma_{k}_percent": 100 * float((gamma(ours, wanted, k / 100, float(k)) <= 1).mean()) for k in (2, 1)
        },
    }


def gamma(ours_mm: Float64Array, wanted_mm: Float64Array, part: float, distance_mm: float) -> Float64Array:
    """Return gamma of the end of a beam.

    The gamma of dose (Low et al. 1998, Med Phys 25:656) with path in place of dose: the least, over shifts s along the
    beam, of the root of ((difference + s) / (part x path))^2 + (s / distance)^2. Where path grows as in water, that is
    |difference| over the root of (part x path)^2 + distance^2. It is no dose, and no gamma of dose.

    Parameters
    ----------
    ours_mm, wanted_mm
        Water-equivalent paths, any shape.
    part, distance_mm
        The tolerances.
    """
    return np.abs(ours_mm - wanted_mm) / np.hypot(part * wanted_mm, distance_mm)


def _directions() -> Float64Array:
    """Return unit vectors to where beams come from, LPS: the gantry angles, and the vertex; shape (beams, 3)."""
    around = [(math.sin(math.radians(angle)), -math.cos(math.radians(angle)), 0.0) for angle in GANTRY_DEG]
    return np.array([*around, (0.0, 0.0, 1.0)])


def _points_mm(volume: Volume, brain: BoolArray) -> Float64Array:
    index = np.argwhere(brain)
    chosen = index[np.random.default_rng(0).permutation(len(index))[:TARGETS]]
    return np.asarray(chosen @ volume.affine[:3, :3].T + volume.affine[:3, 3])


def _paths_mm(volume: Volume, points: Float64Array, directions: Float64Array) -> Float64Array:
    """Return water-equivalent paths, mm; shape (points, beams)."""
    power = stopping_power(volume.voxels).astype(np.float32)
    to_index = np.linalg.inv(volume.affine)
    starts = points @ to_index[:3, :3].T + to_index[:3, 3]
    steps = (np.arange(0, _REACH_MM, _STEP_MM) + _STEP_MM / 2)[:, None]
    total = np.empty((len(points), len(directions)))
    for beam, direction in enumerate(directions):
        along = steps * (to_index[:3, :3] @ direction)
        at = starts[:, None] + along
        # grid-constant: a beam along the image's outermost plane lies in it, whichever way its index is rounded
        seen = ndimage.map_coordinates(power, np.moveaxis(at, -1, 0), order=1, mode="grid-constant", cval=0.0)
        total[:, beam] = seen.sum(axis=1)
    return total * _STEP_MM
