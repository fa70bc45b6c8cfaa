"""Nyúl-Udupa landmark standardisation of a whole head: the harmonizer without a network.

Weights: ``landmarks.<target>``, shape (11,), the standard landmarks of each target.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inference.bundle import Bundle
from inference.classical.nyul import PERCENTILES, fit, landmarks
from inference.errors import BundleRefused
from inference.manifest import Manifest
from inference.model import Result
from inference.volume import Float64Array, Volume


class NyulModel:
    """Maps the landmarks of a head onto those of the target.

    Parameters
    ----------
    manifest
        Of the bundle.
    standards
        Target -> standard landmarks, shape (11,).
    """

    device = "cpu"

    def __init__(self, manifest: Manifest, standards: Mapping[str | None, Float64Array]) -> None:
        self._manifest = manifest
        self._standards = standards

    def __call__(self, volume: Volume, *, target: str | None = None) -> Result:
        """Standardise a volume on its own grid; see `inference.model.Model`."""
        standard = self._standards[self._manifest.choose_target(target)]
        curve = fit(landmarks(volume), standard)
        output = self._manifest.output
        voxels = curve(volume.voxels)
        np.clip(voxels, *output.range, out=voxels)
        numbers = {
            "landmarks_used": float(curve.source.size - 1),
            "slope_ratio": float(curve.slopes.max() / curve.slopes.min()),
        }
        return Result(Volume(voxels, volume.affine.copy(), output.unit), numbers)


def load(bundle: Bundle, *, device: str) -> NyulModel:
    """Read the standard landmarks of every target.

    Raises
    ------
    BundleRefused
        When a target has none, or ones that do not increase.
    """
    del device  # numpy runs where it runs
    tensors = bundle.weights()
    standards: dict[str | None, Float64Array] = {}
    for target in bundle.manifest.targets:
        standard = tensors.get(f"landmarks.{target}")
        if standard is None or standard.shape != (len(PERCENTILES),) or (np.diff(standard, prepend=0) <= 0).any():
            raise BundleRefused(f"{bundle.folder}: the weights hold no landmarks for target '{target}'")
        standards[target] = standard.astype(np.float64)
    if not standards:
        raise BundleRefused(f"{bundle.folder}: a landmark model needs a target")
    return NyulModel(bundle.manifest, standards)
