"""Nyúl-Udupa landmark standardisation of a whole head: the harmonizer without a network.

Weights: ``percentiles``, shape (landmarks,); ``landmarks.<target>``, same shape, the standard landmarks of each target;
``least_upper_ratio``, shape (1,), optional: how many times the middle landmark the highest one is at the least.

A look of a site's own takes landmarks of its own, which are chosen in `inference.classical.nyul`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.bundle import Bundle
from inference.classical.head import find_head
from inference.classical.histogram import refuse_uniform
from inference.classical.nyul import Curve, fit, landmarks, match, sparing_air
from inference.errors import BundleRefused, ModelRefused
from inference.look import TOP, Look, profile
from inference.manifest import Manifest
from inference.model import Result
from inference.volume import Float64Array, Volume


class NyulModel:
    """Maps the landmarks of a head onto those of the target.

    Parameters
    ----------
    manifest
        Of the bundle.
    percentiles
        Which landmarks, shape (landmarks,).
    standards
        Target -> standard landmarks, same shape.
    least_upper_ratio
        Of the highest landmark to the middle one; below it no two tissues can be told apart, as in a bottle of water.
    """

    device = "cpu"

    def __init__(
        self,
        manifest: Manifest,
        percentiles: Float64Array,
        standards: Mapping[str | None, Float64Array],
        *,
        least_upper_ratio: float = 0.0,
    ) -> None:
        self._manifest = manifest
        self._percentiles = percentiles
        self._standards = standards
        self._least_upper_ratio = least_upper_ratio

    def __call__(self, volume: Volume, *, target: str | Look | None = None) -> Result:
        """Standardise a volume on its own grid; see `inference.model.Model`."""
        curve = _to_look(volume, target) if isinstance(target, Look) else self._to_standard(volume, target)
        output = self._manifest.output
        voxels = curve(volume.voxels)
        np.clip(voxels, *output.range, out=voxels)
        numbers = {
            "landmarks_used": float(curve.source.size - 1),
            "slope_ratio": float(curve.slopes.max() / curve.slopes.min()),
        }
        return Result(Volume(voxels, volume.affine.copy(), output.unit), numbers)

    def _to_standard(self, volume: Volume, target: str | None) -> Curve:
        standard = self._standards[self._manifest.choose_target(target)]
        measured = landmarks(volume, self._percentiles)
        self._refuse_uniform(measured)
        return fit(measured, standard)

    def _refuse_uniform(self, measured: Float64Array) -> None:
        ratio, least = measured[-1] / measured[measured.size // 2], self._least_upper_ratio
        if ratio < least:
            raise ModelRefused(
                f"bright and middle tissue hardly differ ({ratio:.2f} times as bright, {least:g} or more in a head): "
                "is this a phantom, or not a T1 head?"
            )


def _to_look(volume: Volume, look: Look) -> Curve:
    head = find_head(volume)
    source = profile(volume, head=head)
    refuse_uniform(source)
    return sparing_air(match(source, look), volume, head, scale=TOP / source.anchor)


def load(bundle: Bundle, *, device: str) -> NyulModel:
    """Read the standard landmarks of every target.

    Raises
    ------
    BundleRefused
        When a target has none, or ones that do not increase.
    """
    del device  # numpy runs where it runs
    tensors = bundle.weights()
    percentiles = tensors.get("percentiles")
    if percentiles is None or percentiles.ndim != 1 or not _rises(percentiles) or percentiles[-1] > 100:
        raise BundleRefused(f"{bundle.folder}: the weights hold no percentiles")
    standards: dict[str | None, Float64Array] = {}
    for target in bundle.manifest.targets:
        standard = tensors.get(f"landmarks.{target}")
        if standard is None or standard.shape != percentiles.shape or not _rises(standard):
            raise BundleRefused(f"{bundle.folder}: the weights hold no landmarks for target '{target}'")
        standards[target] = standard.astype(np.float64)
    if not standards:
        raise BundleRefused(f"{bundle.folder}: a landmark model needs a target")
    least = tensors.get("least_upper_ratio")
    return NyulModel(
        bundle.manifest,
        percentiles.astype(np.float64),
        standards,
        least_upper_ratio=0.0 if least is None else float(least[0]),
    )


def _rises(landmarks: NDArray[Any]) -> bool:
    return bool((np.diff(landmarks, prepend=0) > 0).all())
