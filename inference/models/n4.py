"""N4 bias correction, then histogram matching; no network.

Weights: ``<target>.<contrast>.deep`` and ``.head``, the looks that come with the bundle (see `inference.look`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inference.bundle import Bundle
from inference.bundled import bundled_looks, meant
from inference.classical.head import find_head
from inference.classical.n4 import estimate
from inference.look import Look
from inference.manifest import Manifest
from inference.model import Result
from inference.models.histogram import matched
from inference.volume import Volume


class N4Model:
    """Evens out the receive field of a head, then gives its tissue the histogram of a look.

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
        head = find_head(volume)
        field = estimate(volume, head)
        even = volume.with_voxels(field.removed_from(volume.voxels))
        curve = matched(even, head, look)
        output = self._manifest.output
        voxels = curve(even.voxels)
        np.clip(voxels, *output.range, out=voxels)
        numbers = {
            "slope_ratio": float(curve.slopes.max() / curve.slopes.min()),
            "log_gain_spread": field.spread,
        }
        return Result(Volume(voxels, volume.affine.copy(), output.unit), numbers)


def load(bundle: Bundle, *, device: str) -> N4Model:
    """Read the looks of every target.

    Raises
    ------
    BundleRefused
        When a target has none.
    """
    del device  # SimpleITK runs on the CPU
    return N4Model(bundle.manifest, bundled_looks(bundle))
