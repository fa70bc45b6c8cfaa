"""MRFlow: a normalizing flow that learned the target alone pulls a head towards it, round by round.

Weights: one flow a target, ``<target>.shape`` and ``<target>.flow.<parameter>``; see `inference.mrflow.flow.read_flow`;
with ``change: curve and field`` also ``<target>.calibration``, see `inference.mrflow.native.read_calibration`.
How it is iterated stands in the manifest under ``flow``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from inference.bounded.frame import SHAPE, framed
from inference.bundle import Bundle
from inference.classical.head import find_head
from inference.classical.histogram import refuse_uniform
from inference.errors import BundleRefused, ModelRefused
from inference.look import TOP, Look
from inference.manifest import Manifest
from inference.model import Result
from inference.mrflow.flow import Flow, read_flow
from inference.mrflow.iteration import harmonized_volume
from inference.mrflow.native import Calibration, apply_change, change_of, read_calibration
from inference.mrflow.settings import FlowSettings
from inference.volume import Volume

Learned: TypeAlias = tuple[Flow, Calibration | None]

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
        Target -> flow, on `device`, and its calibration, if it has one.
    device
        Where it runs.
    """

    def __init__(
        self, manifest: Manifest, settings: FlowSettings, flows: Mapping[str, Learned], *, device: str
    ) -> None:
        self._manifest, self._settings, self._flows = manifest, settings, flows
        self.device = device

    def __call__(self, volume: Volume, *, target: str | Look | None = None) -> Result:
        """Harmonize a volume on its own grid; see `inference.model.Model`."""
        if isinstance(target, Look):
            raise ModelRefused(f"model {self._manifest.name} takes no looks: a new target needs a flow trained on it")
        flow, calibration = self._flows[self._manifest.choose_target(target) or ""]
        seen = framed(volume, find_head(volume))
        source = seen.profile_of(seen.voxels)
        refuse_uniform(source)
        scale = 1 / source.anchor
        before = np.clip(seen.voxels * np.float32(scale), 0, np.float32(BRIGHTEST))
        after = harmonized_volume(flow, before, self._settings, device=self.device)
        change = change_of(before, after, seen, self._settings, calibration)
        voxels = apply_change(volume, change, seen, scale=scale)
        voxels *= np.float32(TOP)
        output = self._manifest.output
        np.clip(voxels, *output.range, out=voxels)
        return Result(Volume(voxels, volume.affine.copy(), output.unit), {"at_bound": change.bounded})


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
            calibration = read_calibration(tensors, f"{target}.")
        except ValueError as error:
            raise BundleRefused(f"{bundle.folder}: target {target}: {error}") from error
        if any(length % flow.shape.multiple for length in SHAPE):
            raise BundleRefused(f"{bundle.folder}: target {target}: slices are no multiple of {flow.shape.multiple}")
        flows[target] = flow.eval().to(device), calibration
    return MrflowModel(bundle.manifest, settings, flows, device=device)
