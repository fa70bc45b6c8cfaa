"""Synthetic CT of a single density: the head is water; the least that any synthetic CT must beat.

Weights: ``hounsfield.body``, shape (1,), HU.
"""

from __future__ import annotations

import numpy as np

from inference.bundle import Bundle
from inference.ct.body import find_body
from inference.ct.hounsfield import OUTSIDE_HU
from inference.errors import BundleRefused, ModelRefused
from inference.look import Look
from inference.manifest import Manifest
from inference.model import Result
from inference.volume import Volume


class WaterModel:
    """Fills the body with one value.

    Parameters
    ----------
    manifest
        Of the bundle.
    body_hu
        What the body is filled with.
    """

    device = "cpu"

    def __init__(self, manifest: Manifest, body_hu: float) -> None:
        self._manifest = manifest
        self._body_hu = body_hu

    def __call__(self, volume: Volume, *, target: str | Look | None = None) -> Result:
        """Make a CT on the grid of the volume; see `inference.model.Model`."""
        if target is not None:
            raise ModelRefused(f"model {self._manifest.name} takes no target")
        voxels = np.where(find_body(volume), np.float32(self._body_hu), np.float32(OUTSIDE_HU))
        return Result(Volume(voxels, volume.affine.copy(), self._manifest.output.unit))


def load(bundle: Bundle, *, device: str) -> WaterModel:
    """Read the value that fills the body.

    Raises
    ------
    BundleRefused
        When there is none, or it lies beyond the range of the output.
    """
    del device  # numpy runs where it runs
    hounsfield = bundle.weights().get("hounsfield.body")
    low, high = bundle.manifest.output.range
    if hounsfield is None or hounsfield.shape != (1,) or not low <= hounsfield[0] <= high:
        raise BundleRefused(f"{bundle.folder}: the weights hold no value for the body")
    return WaterModel(bundle.manifest, float(hounsfield[0]))
