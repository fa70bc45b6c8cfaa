"""Statistics of a head volume, measured alike on simulated and on real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from sklearn.mixture import GaussianMixture

from inference.classical.head import CROWN_MM, Head, block_means, deep_part, find_head, working_factors
from inference.classical.n4 import LogField, estimate
from inference.look import DEPTH_MM, LEVELS, profile
from inference.volume import BoolArray, Float32Array, Volume

PERCENTILES = (10, 50, 99)
"""Of deep tissue, against its 90th."""

_SAMPLE = 20000
_AWAY_MM = 12.0
_FIELD_MM = 6.0


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is compared.

    Attributes
    ----------
    deep
        `PERCENTILES` of deep tissue (`inference.look.profile`) against its 90th.
    classes
        Means of the two darker of three classes of deep tissue against the brightest one, at 2 mm and after N4: CSF
        and grey matter against white matter in T1.
    width
        Standard deviation within the brightest class against its mean: white matter in T1.
    noise
        Standard deviation of the noise in each channel, from the air around the head, against deep tissue's 90th
        percentile; None where the scanner stores no noise there.
    field
        Standard deviation of the log of the receive field as N4 estimates it, within the head.
    """

    deep: tuple[float, float, float]
    classes: tuple[float, float]
    width: float
    noise: float | None
    field: float


def statistics(volume: Volume) -> Statistics:
    """Measure a head volume.

    Parameters
    ----------
    volume
        As the scanner made it; any orientation and spacing.

    Raises
    ------
    ModelRefused
        When no head can be told from the air.
    """
    head = find_head(volume)
    measured = profile(volume)
    at = {level: float(np.interp(level, LEVELS, measured.deep)) / measured.anchor for level in PERCENTILES}
    log_field = _field(volume, head)
    factors = working_factors(volume)
    every = tuple(slice(None, None, factor) for factor in factors)
    deep = deep_part(volume, head, depth_mm=DEPTH_MM, crown_mm=CROWN_MM)[every]
    even = block_means(log_field.removed_from(volume.voxels), factors)
    classes, width = _classes(even[deep & (even > 0)])
    return Statistics(
        (at[10], at[50], at[99]), classes, width, _noise(volume, head.inside, measured.anchor), log_field.spread
    )


def _field(volume: Volume, head: Head) -> LogField:
    """Estimate the receive field on a grid of about 6 mm, which is quick and as good where fields are smooth."""
    slices, rows, columns = (max(1, round(_FIELD_MM / mm)) for mm in volume.spacing_mm)
    factors = (slices, rows, columns)
    every = tuple(slice(None, None, factor) for factor in factors)
    small = Volume(block_means(volume.voxels, list(factors)), volume.affine @ np.diag([*factors, 1.0]))
    return replace(estimate(small, Head(head.inside[every], head.tissue_above)), factors=factors)


def _classes(values: Float32Array) -> tuple[tuple[float, float], float]:
    """Return the means of two classes against the third and brightest, and the relative width of that one."""
    low, high = np.percentile(values, (0.5, 98.0))  # brighter: vessels, fat
    values = values[(values > low) & (values < high)]
    chosen = np.random.default_rng(0).choice(values, min(_SAMPLE, values.size), replace=False)
    start = np.percentile(chosen, (6, 40, 85))[:, None]
    mixture = GaussianMixture(3, means_init=start, random_state=0, max_iter=200, tol=1e-4).fit(chosen[:, None])
    order = np.argsort(mixture.means_[:, 0])
    dark, middle, bright = (float(mean) for mean in mixture.means_[order, 0])
    return (dark / bright, middle / bright), float(np.sqrt(mixture.covariances_[order[2], 0, 0])) / bright


def _noise(volume: Volume, inside: BoolArray, white: float) -> float | None:
    """Measure the noise in the air over the head's upper half, where no copies or tissue reach; 12 mm off the skin."""
    factors = working_factors(volume)
    every = tuple(slice(None, None, factor) for factor in factors)
    sampling = [mm * factor for mm, factor in zip(volume.spacing_mm, factors, strict=True)]
    away = ndimage.distance_transform_edt(~inside[every], sampling=sampling) > _AWAY_MM
    air = volume.voxels[every][away]
    if air.size < 1000 or np.median(air) <= 0:
        return None
    return float(np.median(air)) / 1.1774 / white  # the median of Rayleigh noise is 1.1774 of each channel's spread
