"""Histogram matching as a model: one monotone curve for the whole head; no network.

Weights: ``<target>.<contrast>.deep`` and ``.head``, the looks that come with the bundle (see `inference.look`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inference.bundle import Bundle
from inference.bundled import bundled_looks, meant
from inference.classical.head import Head, find_head
from inference.classical.histogram import match, refuse_uniform
from inference.classical.nyul import Curve, sparing_air
from inference.look import TOP, Look, profile
from inference.manifest import Manifest
from inference.model import Result
from inference.volume import Volume


class HistogramModel:
    """Gives the tissue of a head the histogram of a look.

    Parameters
    ----------
    manifest
        Of the bundle.
    looks
        Target -> look.
    """

    device = "cpu"

    def __init__(self, manifest: Manifest, looks: Mapping[str, Look]) -> None:
        self._manifest = manifest
        self._looks = looks

    def __call__(self, volume: Volume, *, target: str | Look | None = None) -> Result:
        """Harmonize a volume on its own grid; see `inference.model.Model`."""
        look = meant(self._manifest, self._looks, target)
        curve = matched(volume, find_head(volume), look)
        output = self._manifest.output
        voxels = curve(volume.voxels)
        np.clip(voxels, *output.range, out=voxels)
        numbers = {"slope_ratio": float(curve.slopes.max() / curve.slopes.min())}
        return Result(Volume(voxels, volume.affine.copy(), output.unit), numbers)


def matched(volume: Volume, head: Head, look: Look) -> Curve:
    """Fit the curve that gives a head the histogram of a look and leaves the air dark.

    Parameters
    ----------
    volume, head
        A volume, and what `find_head` found in it.
    look
        What is aimed at.

    Raises
    ------
    ModelRefused
        When no head can be told from the air, or no two tissues from one another.
    """
    source = profile(volume, head=head)
    refuse_uniform(source)
    return sparing_air(match(source, look), volume, head, scale=TOP / source.anchor)


def load(bundle: Bundle, *, device: str) -> HistogramModel:
    """Read the looks of every target.

    Raises
    ------
    BundleRefused
        When a target has none.
    """
    del device  # numpy runs where it runs
    return HistogramModel(bundle.manifest, bundled_looks(bundle))
