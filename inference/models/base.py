"""The base curve as a model: one monotone curve for the whole head; no network.

Weights: ``<target>.<contrast>.deep`` and ``.head``, the looks that come with the bundle (see `inference.look`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inference.bundle import Bundle
from inference.bundled import bundled_looks, meant
from inference.classical.base import aim_of, base_curve
from inference.classical.histogram import refuse_uniform
from inference.look import Look, profile
from inference.manifest import Manifest
from inference.model import Result
from inference.volume import Volume


class BaseModel:
    """Maps a head to a look by the base curve alone.

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
        source = profile(volume)
        refuse_uniform(source)
        curve = base_curve(source, aim_of(look))
        output = self._manifest.output
        voxels = curve(volume.voxels)
        np.clip(voxels, *output.range, out=voxels)
        numbers = {"slope_ratio": float(curve.slopes.max() / curve.slopes.min())}
        return Result(Volume(voxels, volume.affine.copy(), output.unit), numbers)


def load(bundle: Bundle, *, device: str) -> BaseModel:
    """Read the looks of every target.

    Raises
    ------
    BundleRefused
        When a target has none.
    """
    del device  # numpy runs where it runs
    return BaseModel(bundle.manifest, bundled_looks(bundle))
