"""Synthetic CT by bulk densities: a threshold segmentation of the MR, and one value a tissue.

Weights: ``hounsfield.air``, ``.fat``, ``.soft_tissue`` and ``.bone``, each of shape (1,), HU.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inference.bundle import Bundle
from inference.classical.head import find_head
from inference.ct.body import find_body
from inference.ct.hounsfield import OUTSIDE_HU
from inference.ct.tissues import BulkClass, segment
from inference.errors import BundleRefused, ModelRefused
from inference.look import Look
from inference.manifest import Manifest
from inference.model import Result
from inference.volume import Volume


class BulkModel:
    """Gives each tissue of a T1 head the value that it has on average.

    Parameters
    ----------
    manifest
        Of the bundle.
    hounsfield
        Class -> HU, of all but what is outside.
    """

    device = "cpu"

    def __init__(self, manifest: Manifest, hounsfield: Mapping[BulkClass, float]) -> None:
        self._manifest = manifest
        self._table = np.full(len(BulkClass), OUTSIDE_HU, np.float32)
        for each, value in hounsfield.items():
            self._table[each] = value

    def __call__(self, volume: Volume, *, target: str | Look | None = None) -> Result:
        """Make a CT on the grid of the volume; see `inference.model.Model`."""
        if target is not None:
            raise ModelRefused(f"model {self._manifest.name} takes no target")
        head = find_head(volume)
        classes = segment(volume, find_body(volume, head=head), head)
        return Result(Volume(self._table[classes], volume.affine.copy(), self._manifest.output.unit))


def load(bundle: Bundle, *, device: str) -> BulkModel:
    """Read the value of every class.

    Raises
    ------
    BundleRefused
        When one is missing, or lies beyond the range of the output.
    """
    del device  # numpy runs where it runs
    tensors, (low, high) = bundle.weights(), bundle.manifest.output.range
    hounsfield: dict[BulkClass, float] = {}
    for each in BulkClass:
        if each is BulkClass.OUTSIDE:
            continue
        value = tensors.get(f"hounsfield.{each.name.lower()}")
        if value is None or value.shape != (1,) or not low <= value[0] <= high:
            raise BundleRefused(f"{bundle.folder}: the weights hold no value for {each.name.lower()}")
        hounsfield[each] = float(value[0])
    return BulkModel(bundle.manifest, hounsfield)
