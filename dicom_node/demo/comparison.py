"""How near a derived series and its source each are to the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dicom_node.demo.pair import Pair
from dicom_node.demo.truth import Truth
from dicom_node.infer.agreement import agreement
from inference.look import TOP, profile
from inference.volume import Float32Array, Volume

RANGE_PERCENTILE = 99.9
"""Percentile of the truth in the head that counts as its range."""

CLEAR_DB = 0.1
"""A smaller difference of PSNR is none: it is not seen in the digits that are shown."""

_SAME_MM = 0.01


@dataclass(frozen=True, slots=True)
class Distance:
    """From the truth, inside the head.

    Attributes
    ----------
    psnr_db
        Peak signal-to-noise ratio; its range is the truth's 99.9th percentile in the head.
    difference_percent
        Mean absolute difference, in percent of the truth's white matter.
    """

    psnr_db: float
    difference_percent: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The numbers of a derived series.

    Attributes
    ----------
    scanner
        Whose truth it was compared with.
    before, after
        Of the source, scaled as looks are so that mere scale is no merit, and of the derived series.
    edges
        Mean cosine between the gradients of source and derived series in the head: 1 where all edges point the same
        way.
    """

    scanner: str
    before: Distance
    after: Distance
    edges: float

    @property
    def is_nearer(self) -> bool:
        """Tell whether the derived series is nearer to the truth than its source, by both measures."""
        gain_db = self.after.psnr_db - self.before.psnr_db
        return gain_db >= CLEAR_DB and self.after.difference_percent < self.before.difference_percent

    @property
    def verdict(self) -> str:
        """What the numbers say, in plain words."""
        gain_db = self.after.psnr_db - self.before.psnr_db
        if self.is_nearer:
            return "nearer to the truth"
        if gain_db >= CLEAR_DB:
            return "not better: nearer by PSNR, but not by the mean difference"
        return "worse: further from the truth than before" if gain_db <= -CLEAR_DB else "not better: as far as before"


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """A pair, the truth and the numbers, as they are drawn.

    Attributes
    ----------
    pair
        As it was read.
    source, result
        Upright, on the scale of looks.
    truth
        On the same grid.
    numbers
        Of all three.
    """

    pair: Pair
    source: Volume
    result: Volume
    truth: Truth
    numbers: Comparison


def compare(pair: Pair, truth: Truth) -> Compared:
    """Compare a pair with the truth.

    Raises
    ------
    ModelRefused
        When no head can be told from the air in the source.
    ValueError
        When they do not lie on one grid.
    """
    for volume in (pair.before, pair.after):
        same = volume.voxels.shape == truth.volume.voxels.shape
        if not same or not np.allclose(volume.affine, truth.volume.affine, rtol=0, atol=_SAME_MM):
            raise ValueError("the truth was scanned on another grid")
    source = pair.before.with_voxels(pair.before.voxels * np.float32(TOP / profile(pair.before).anchor))
    result = pair.after.with_voxels(pair.after.voxels / np.float32(pair.per_unit))
    numbers = Comparison(
        truth.scanner,
        distance(source.voxels, truth),
        distance(result.voxels, truth),
        agreement(source, result, truth.inside).mean,
    )
    return Compared(pair, source, result, truth, numbers)


def distance(voxels: Float32Array, truth: Truth) -> Distance:
    """Measure how far voxels, in the unit of looks and on the grid of the truth, are from it."""
    true = truth.volume.voxels[truth.inside].astype(np.float64)
    off = voxels[truth.inside] - true
    mean_square = float(np.mean(off**2))
    return Distance(
        20 * math.log10(float(np.percentile(true, RANGE_PERCENTILE))) - 10 * math.log10(max(mean_square, 1e-12)),
        100 * float(np.abs(off).mean()) / truth.white_matter,
    )
