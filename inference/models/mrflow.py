"""MRFlow: a normalizing flow that learned the target alone pulls a head towards it, round by round.

Weights: one flow a target, ``<target>.shape`` and ``<target>.flow.<parameter>``; see `inference.mrflow.flow.read_flow`.
How it is iterated stands in the manifest under ``flow``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from inference.bounded.frame import SHAPE, framed
from inference.bundle import Bundle
from inference.classical.head import find_head
from inference.classical.histogram import refuse_uniform
from inference.errors import BundleRefused, ModelRefused
from inference.look import TOP, Look
from inference.manifest import Manifest
from inference.model import Result
from inference.mrflow.flow import Flow, read_flow
from inference.mrflow.iteration import harmonized
from inference.mrflow.native import apply_change, change_of
from inference.mrflow.settings import PLANES, FlowSettings
from inference.planes import fused
from inference.volume import Float32Array, Volume

BRIGHTEST = 3.0
"""What is brighter, in parts of the anchor, is shown to a flow as this bright."""


class MrflowModel:
    """Maps a head to the look of a scanner that a flow has learned.

    Parameters
    ----------
    manifest
        Of the bundle.
    settings
        Of the iteration.
    flows
        Target -> flow, on `device`.
    device
        Where it runs.
    """

    def __init__(self, manifest: Manifest, settings: FlowSettings, flows: Mapping[str, Flow], *, device: str) -> None:
        self._manifest, self._settings, self._flows = manifest, settings, flows
        self.device = device

    def __call__(self, volume: Volume, *, target: str | Look | None = None) -> Result:
        """Harmonize a volume on its own grid; see `inference.model.Model`."""
        if isinstance(target, Look):
            raise ModelRefused(f"model {self._manifest.name} takes no looks: a new target needs a flow trained on it")
        flow = self._flows[self._manifest.choose_target(target) or ""]
        seen = framed(volume, find_head(volume))
        source = seen.profile_of(seen.voxels)
        refuse_uniform(source)
        scale = 1 / source.anchor
        before = np.clip(seen.voxels * np.float32(scale), 0, np.float32(BRIGHTEST))
        change = change_of(before, self._through(flow, before), seen, self._settings)
        voxels = apply_change(volume, change, seen, scale=scale)
        voxels *= np.float32(TOP)
        output = self._manifest.output
        np.clip(voxels, *output.range, out=voxels)
        return Result(Volume(voxels, volume.affine.copy(), output.unit), {"at_bound": change.bounded})

    def _through(self, flow: Flow, before: Float32Array) -> Float32Array:
        def iterated(slices: Tensor) -> Tensor:
            return harmonized(flow, slices, self._settings)

        with torch.inference_mode():
            given = torch.from_numpy(before).to(self.device)
            made = fused(given, iterated, axes=[PLANES.index(plane) for plane in self._settings.planes])
        return made.cpu().numpy()


def load(bundle: Bundle, *, device: str) -> MrflowModel:
    """Read the flow of every target.

    Raises
    ------
    BundleRefused
        When a target has none, the manifest has no ``flow``, or what it says does not fit the flows.
    """
    settings, tensors = bundle.manifest.flow, bundle.weights()
    if settings is None:
        raise BundleRefused(f"{bundle.folder}: the manifest needs a part `flow`: alpha, betas, iterations, planes")
    flows = {}
    for target in bundle.manifest.targets:
        try:
            flow = read_flow(tensors, f"{target}.")
            settings.shrinking(flow.shape.levels)
        except ValueError as error:
            raise BundleRefused(f"{bundle.folder}: target {target}: {error}") from error
        if any(length % flow.shape.multiple for length in SHAPE):
            raise BundleRefused(f"{bundle.folder}: target {target}: slices are no multiple of {flow.shape.multiple}")
        flows[target] = flow.eval().to(device)
    return MrflowModel(bundle.manifest, settings, flows, device=device)
