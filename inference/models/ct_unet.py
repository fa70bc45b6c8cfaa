"""Synthetic CT by a 3-D residual U-Net that sees the whole head at once.

Weights: ``network.<parameter>``, half precision, of `inference.ct.network.ResidualUnet`; its widths are read from them.
"""

from __future__ import annotations

import re

import numpy as np
import torch

from inference.bundle import Bundle, Tensors
from inference.classical.head import Head, find_head
from inference.ct.body import find_body
from inference.ct.disagreement import spread
from inference.ct.frame import FramedMr, framed, natively
from inference.ct.hounsfield import AIR_HU, OUTSIDE_HU
from inference.ct.network import HU_PER_UNIT, ResidualUnet
from inference.errors import BundleRefused, ModelRefused
from inference.look import Look
from inference.manifest import Manifest
from inference.model import Result
from inference.volume import Float32Array, Volume

_PREFIX = "network."


class CtUnetModel:
    """Makes a CT of an MR of a head.

    Parameters
    ----------
    manifest
        Of the bundle.
    network
        Trained, on `device`.
    device
        Where it runs.
    """

    def __init__(self, manifest: Manifest, network: ResidualUnet, *, device: str) -> None:
        self._manifest = manifest
        self._network = network
        self.device = device

    def __call__(self, volume: Volume, *, target: str | Look | None = None) -> Result:
        """Make a CT on the grid of the volume; see `inference.model.Model`."""
        if target is not None:
            raise ModelRefused(f"model {self._manifest.name} takes no target")
        head = find_head(volume)
        seen = self._framed(volume, head)
        voxels = self._placed(self._answer(seen), seen, volume)
        voxels[~find_body(volume, head=head)] = OUTSIDE_HU
        return Result(Volume(voxels, volume.affine.copy(), self._manifest.output.unit))

    def uncertainty(self, volume: Volume) -> Result:
        """Tell how far the CTs of changed heads lie apart; see `inference.model.UncertainModel`."""
        head = find_head(volume)
        seen = self._framed(volume, head)
        found = spread(seen, self._answer, lambda answer: self._placed(answer, seen, volume))
        found.voxels[~find_body(volume, head=head)] = 0
        unit = self._manifest.output.unit
        return Result(Volume(found.voxels, volume.affine.copy(), unit), {"passes": found.passes})

    def _framed(self, volume: Volume, head: Head) -> FramedMr:
        side = self._network.multiple
        return framed(volume, head, (side, side, side))

    def _answer(self, seen: FramedMr) -> Float32Array:
        """Return HU in the frame."""
        with torch.inference_mode():
            mr = torch.from_numpy(seen.voxels)[None, None].to(self.device)
            answer = self._network(mr, torch.tensor([seen.corner_mm], device=self.device))[0, 0].float().cpu().numpy()
        hounsfield: Float32Array = answer * np.float32(HU_PER_UNIT)
        return hounsfield

    def _placed(self, answer: Float32Array, seen: FramedMr, volume: Volume) -> Float32Array:
        """Return HU on the grid of the volume, within the range of the output."""
        voxels = natively(answer, seen.affine, volume, outside=AIR_HU)
        return np.clip(voxels, *self._manifest.output.range, out=voxels)


def load(bundle: Bundle, *, device: str) -> CtUnetModel:
    """Read the network.

    Raises
    ------
    BundleRefused
        When the weights are not those of such a network.
    """
    try:
        network = read_network(bundle.weights())
    except ValueError as error:
        raise BundleRefused(f"{bundle.folder}: {error}") from error
    network.eval().to(device)
    return CtUnetModel(bundle.manifest, network, device=device)


def read_network(tensors: Tensors) -> ResidualUnet:
    """Make the network that weights are of.

    Raises
    ------
    ValueError
        When they are of another.
    """
    own = {name.removeprefix(_PREFIX): tensor for name, tensor in tensors.items() if name.startswith(_PREFIX)}
    held = {name: torch.from_numpy(tensor.astype(np.float32)) for name, tensor in own.items()}
    firsts = {name: tensor for name, tensor in held.items() if re.fullmatch(r"before\.\d\.first\.weight", name)}
    if not firsts:
        raise ValueError("the weights are not those of this network")
    network = ResidualUnet(tuple(firsts[name].shape[0] for name in sorted(firsts)))
    try:
        network.load_state_dict(held)
    except RuntimeError as error:
        raise ValueError("the weights are not those of this network") from error
    return network
