"""Synthetic CT by a generator that sees a head in sagittal slices: what adversarial training makes.

Weights: see `inference.ct.slices.read_generator`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from inference.bundle import Bundle
from inference.classical.head import find_head
from inference.ct.body import find_body
from inference.ct.disagreement import spread
from inference.ct.frame import FramedMr, framed, natively
from inference.ct.hounsfield import AIR_HU, OUTSIDE_HU
from inference.ct.slices import SIDE, Window, hounsfield_of, mr_unit, read_generator
from inference.errors import BundleRefused, ModelRefused
from inference.look import Look
from inference.manifest import Manifest
from inference.model import Result
from inference.volume import Float32Array, Volume

_AT_ONCE = 8


class CtSlicesModel:
    """Makes a CT of an MR of a head, slice by slice.

    Parameters
    ----------
    manifest
        Of the bundle.
    generator
        Trained, on `device`.
    seen
        How many neighbouring slices it sees.
    window
        HU that it gives.
    device
        Where it runs.
    """

    def __init__(self, manifest: Manifest, generator: nn.Module, *, seen: int, window: Window, device: str) -> None:
        self._manifest = manifest
        self._generator = generator
        self._seen = seen
        self._window = window
        self.device = device

    def __call__(self, volume: Volume, *, target: str | Look | None = None) -> Result:
        """Make a CT on the grid of the volume; see `inference.model.Model`."""
        if target is not None:
            raise ModelRefused(f"model {self._manifest.name} takes no target")
        head = find_head(volume)
        seen = framed(volume, head, (SIDE, SIDE, 1))
        voxels = self._placed(self._answer(seen), seen, volume)
        voxels[~find_body(volume, head=head)] = OUTSIDE_HU
        return Result(Volume(voxels, volume.affine.copy(), self._manifest.output.unit))

    def uncertainty(self, volume: Volume) -> Result:
        """Tell how far the CTs of changed heads lie apart; see `inference.model.UncertainModel`."""
        head = find_head(volume)
        seen = framed(volume, head, (SIDE, SIDE, 1))
        found = spread(seen, self._answer, lambda answer: self._placed(answer, seen, volume))
        found.voxels[~find_body(volume, head=head)] = 0
        unit = self._manifest.output.unit
        return Result(Volume(found.voxels, volume.affine.copy(), unit), {"passes": found.passes})

    def _placed(self, answer: Float32Array, seen: FramedMr, volume: Volume) -> Float32Array:
        """Return HU on the grid of the volume, within the range of the output."""
        voxels = natively(answer, seen.affine, volume, outside=AIR_HU)
        return np.clip(voxels, *self._manifest.output.range, out=voxels)

    def _answer(self, seen: FramedMr) -> Float32Array:
        """Return HU in the frame."""
        reach = self._seen // 2
        sagittal = torch.from_numpy(np.ascontiguousarray(seen.voxels.transpose(2, 0, 1)))
        slices = mr_unit(torch.cat([sagittal[:1].repeat(reach, 1, 1), sagittal, sagittal[-1:].repeat(reach, 1, 1)]))
        stacks = slices.unfold(0, self._seen, 1).permute(0, 3, 1, 2)
        with torch.inference_mode():
            made = [self._generator(part.contiguous().to(self.device)).float().cpu() for part in stacks.split(_AT_ONCE)]
        hounsfield = hounsfield_of(torch.cat(made)[:, 0], self._window).numpy()
        return np.ascontiguousarray(hounsfield.transpose(1, 2, 0))


def load(bundle: Bundle, *, device: str) -> CtSlicesModel:
    """Read the generator.

    Raises
    ------
    BundleRefused
        When the weights are not those of a generator.
    """
    try:
        generator, seen, window = read_generator(bundle.weights())
    except ValueError as error:
        raise BundleRefused(f"{bundle.folder}: {error}") from error
    generator.eval().to(device)
    return CtSlicesModel(bundle.manifest, generator, seen=seen, window=window, device=device)
