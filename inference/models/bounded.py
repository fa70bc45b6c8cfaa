"""The bounded harmonizer: a base curve, a low-frequency gain and small local curves, each within hard limits.

Weights: ``network.<parameter>``, half precision; ``<target>.<contrast>.deep`` and ``.head``, the looks that come with
the bundle (see `inference.look`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from inference.bounded.bounds import bounds_of
from inference.bounded.description import LENGTH, description
from inference.bounded.frame import FramedHead, coarse, framed
from inference.bounded.histograms import local_histograms
from inference.bounded.native import apply_natively
from inference.bounded.network import BoundedNetwork, Correction, without_cells
from inference.bounded.quiet import quieted
from inference.bounded.slicing import evened
from inference.bundle import Bundle
from inference.bundled import bundled_looks, meant
from inference.classical.base import SPREAD, Gaps, aim_of, base_curve, gaps, scale_curve
from inference.classical.head import find_head
from inference.classical.histogram import refuse_uniform
from inference.classical.nyul import Curve
from inference.errors import BundleRefused
from inference.look import Look, Profile, profile
from inference.manifest import Manifest
from inference.model import Result
from inference.volume import Float32Array, Float64Array, Volume

WIDTHS = (32, 64, 96)
"""Channels of the network at 8, 16 and 32 mm."""

LEARNED = ("T1",)
"""Contrasts that the network is asked about: those of which it saw real heads. What it said of real
FLAIR and T2 did harm; there the base curve works alone."""

BRIGHTEST = 4.0
"""What is brighter, in parts of `TOP`, is shown to the network as this bright."""


class BoundedModel:
    """Maps a head to a look.

    Parameters
    ----------
    manifest
        Of the bundle.
    network
        Trained, on `device`.
    looks
        Target -> look.
    device
        Where it runs.
    """

    def __init__(self, manifest: Manifest, network: BoundedNetwork, looks: Mapping[str, Look], *, device: str) -> None:
        self._manifest = manifest
        self._network = network
        self._looks = looks
        self.device = device

    def __call__(self, volume: Volume, *, target: str | Look | None = None) -> Result:
        """Harmonize a volume on its own grid; see `inference.model.Model`."""
        look = meant(self._manifest, self._looks, target)
        head = find_head(volume)
        seen = framed(volume, head)
        source = seen.profile_of(seen.voxels)
        refuse_uniform(source)
        aim = aim_of(look)
        learned = look.contrast in LEARNED
        with torch.inference_mode():
            correction = self._correction(seen, source, look)
            if not learned:
                correction = without_cells(correction)
            bounds = bounds_of(correction)
            if not bounds.hold:  # a network gone wrong: what it says is left out, and the job says so
                correction = without_cells(correction)
            asked = learned and bounds.hold
            scale = 1 / source.anchor
            left = _left(seen, correction, scale) if asked else profile(volume, head=head).times(scale)
            gap = gaps(left, aim, top=1)
            judged = self._spread(correction, gap) if asked else SPREAD
            spread = judged if np.isfinite(judged).all() else SPREAD
            curve = base_curve(left, aim, top=1, spread=spread)
            voxels = apply_natively(volume, correction, scale=scale, curve=curve, frame=seen.affine, device=self.device)
        output = self._manifest.output
        np.clip(voxels, *output.range, out=voxels)
        within_limits = bounds.hold and spread is judged
        numbers = {**bounds.numbers, "trust": gap.trust(spread)}
        numbers |= {"learned": float(learned), "within_limits": float(within_limits)}
        return Result(Volume(voxels, volume.affine.copy(), output.unit), numbers)

    def _spread(self, correction: Correction, gap: Gaps) -> Float64Array:
        """Ask the network how much people differ, now that the head is even; may be no numbers at all."""
        differs = torch.from_numpy(gap.all_differences[None]).float().to(self.device)
        answer: Tensor = self._network.spread(correction.told, differs)
        spread: Float64Array = SPREAD * answer[0].double().cpu().numpy()
        return spread

    def _correction(self, seen: FramedHead, source: Profile, look: Look) -> Correction:
        image = network_image(seen, (scale_curve(source, top=1), base_curve(source, aim_of(look), top=1)))
        histograms = local_histograms(seen.voxels, seen.inside, scale=1 / source.anchor)
        shown = (image, histograms, description(source, look))
        correction: Correction = self._network(*(torch.from_numpy(a)[None].to(self.device) for a in shown))
        return quieted(correction, torch.from_numpy(image[None, 2:3]).to(self.device))


def _left(seen: FramedHead, correction: Correction, scale: float) -> Profile:
    """Measure what the field leaves, in the frame, as in training.

    The frame's interpolation smooths, which `SPREAD` alone takes for a difference between scanners: a curve that works
    without the network is fitted on the scan's own grid, as looks are measured.
    """
    even = evened(torch.from_numpy(seen.voxels * np.float32(scale))[None, None], correction.log_gain.cpu())
    return seen.profile_of(even[0, 0].numpy())


def network_image(seen: FramedHead, curves: tuple[Curve, Curve]) -> Float32Array:
    """Return what the network sees of a head: shape (channels, slices, rows, columns) at 4 mm.

    Parameters
    ----------
    seen
        The head.
    curves
        The scale alone, and the base curve.
    """
    means = coarse(seen.voxels)
    masks = (coarse(mask.astype(np.float32)) for mask in (seen.inside, seen.deep))
    return np.minimum(np.stack([*(curve(means) for curve in curves), *masks]), BRIGHTEST)


def load(bundle: Bundle, *, device: str) -> BoundedModel:
    """Read network and looks.

    Raises
    ------
    BundleRefused
        When the weights are not those of this network, or a target has no look.
    """
    tensors = bundle.weights()
    network = BoundedNetwork(WIDTHS, LENGTH)
    held = {
        name.removeprefix("network."): torch.from_numpy(tensor.astype(np.float32))
        for name, tensor in tensors.items()
        if name.startswith("network.")
    }
    try:
        network.load_state_dict(held)
    except RuntimeError as error:
        raise BundleRefused(f"{bundle.folder}: the weights are not those of this network") from error
    network.eval().to(device)
    return BoundedModel(bundle.manifest, network, bundled_looks(bundle), device=device)
