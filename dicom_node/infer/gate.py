"""The output gate: what a model made of a volume is judged before it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from inference.classical.head import find_head
from inference.manifest import OutputSpec, QaLimits
from inference.volume import BoolArray, Float32Array, Float64Array, Volume

_SAME_MM = 1e-3
_SLAB = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found.

    Attributes
    ----------
    failures
        Why the result may not be sent; each a sentence that an admin understands.
    warnings
        What must be told with it.
    numbers
        What was measured, unitless.
    """

    failures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)


def judge(source: Volume, result: Volume, *, output: OutputSpec, limits: QaLimits) -> Verdict:
    """Judge what a model made of a volume.

    Parameters
    ----------
    source, result
        What the model was given and what it gave.
    output, limits
        From the manifest of its bundle.
    """
    if failures := _unusable(source, result, output):
        return Verdict(failures)
    inside = find_head(source).inside
    if not inside.any():
        return Verdict(("no head can be told from the air in the source: the result cannot be judged",))
    numbers = {
        "gradient_cosine": gradient_cosine(source, result, inside),
        "background_rise": _background(result.voxels, inside) - _background(source.voxels, inside),
        "clipped": float(np.mean(result.voxels[inside] >= output.range[1])),
    }
    return Verdict(_failures(numbers, limits), _warnings(numbers, limits), numbers)


def _unusable(source: Volume, result: Volume, output: OutputSpec) -> tuple[str, ...]:
    """Return why nothing can be measured at all."""
    low, high = output.range
    if result.voxels.shape != source.voxels.shape:
        return ("the result has another matrix than the source",)
    if not np.allclose(result.affine, source.affine, rtol=0, atol=_SAME_MM):
        return ("the result lies elsewhere than the source",)
    if result.unit != output.unit:
        return ("the result has another unit than its model promises",)
    lowest, highest = float(result.voxels.min()), float(result.voxels.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):  # a minimum or maximum with NaN in it is NaN
        return ("the result holds values that are not numbers",)
    if lowest == highest:
        return ("the result is blank",)
    if lowest < low or highest > high:
        return (f"the result goes beyond {low:g} to {high:g}, the range that its model promises",)
    return ()


def _failures(numbers: Mapping[str, float], limits: QaLimits) -> tuple[str, ...]:
    cosine, rise, clipped = numbers["gradient_cosine"], numbers["background_rise"], numbers["clipped"]
    checks = (
        (
            cosine < limits.min_gradient_cosine,
            f"edges do not agree with the source: mean gradient cosine {cosine:.2f}, "
            f"at least {limits.min_gradient_cosine:g} is asked for",
        ),
        (
            rise > limits.max_background_rise,
            f"the air around the head became brighter by {rise:.2f} of the head's median, "
            f"at most {limits.max_background_rise:g} is allowed",
        ),
        (
            clipped > limits.max_clipped,
            f"{clipped:.1%} of the head is clipped, at most {limits.max_clipped:.1%} is allowed",
        ),
    )
    return tuple(sentence for failed, sentence in checks if failed)


def _warnings(numbers: Mapping[str, float], limits: QaLimits) -> tuple[str, ...]:
    cosine = numbers["gradient_cosine"]
    if limits.min_gradient_cosine <= cosine < limits.warn_gradient_cosine:
        return (f"edges agree only in part with the source: mean gradient cosine {cosine:.2f}",)
    return ()


def _background(voxels: Float32Array, inside: BoolArray) -> float:
    """Return how bright the air is, in parts of the head's median: its 99th percentile, so that spots count."""
    air = voxels[~inside]
    level = float(np.median(voxels[inside]))
    if air.size == 0 or level <= 0:
        return 0.0
    return float(np.percentile(air, 99)) / level


def gradient_cosine(source: Volume, result: Volume, inside: BoolArray) -> float:
    """Measure how well edges point the same way: the weighted mean cosine between the two gradients inside the head.

    Each voxel weighs as much as its gradient in the source and in the result, each relative to its own mean: an edge
    that vanished counts against the result, and so does one that was drawn.

    Parameters
    ----------
    source, result
        On the same grid.
    inside
        Shape (slices, rows, columns).

    Returns
    -------
    From -1 (contrast reversed) to 1 (same edges); 1 where neither has any edge.
    """
    box = ndimage.find_objects(inside.astype(np.int8))[0]
    a, b, mask = source.voxels[box], result.voxels[box], inside[box]
    sums = np.zeros(4)
    for first in range(0, mask.shape[0], _SLAB):
        sums += _slab_sums(a, b, mask, first=first, spacing_mm=source.spacing_mm)
    norm_a, norm_b, along_a, along_b = sums
    if norm_a == 0 or norm_b == 0:
        return 1.0 if norm_a == norm_b else 0.0
    return float(along_a / norm_a + along_b / norm_b) / 2


def _slab_sums(
    a: Float32Array, b: Float32Array, inside: BoolArray, *, first: int, spacing_mm: tuple[float, float, float]
) -> Float64Array:
    """Return sums over a few slices: the norms of both gradients, and cosine times each norm."""
    low, high = max(first - 1, 0), min(first + _SLAB + 1, a.shape[0])
    own = slice(first - low, min(first + _SLAB, a.shape[0]) - low)
    gradients_a, gradients_b = (_gradients(voxels[low:high], own, spacing_mm) for voxels in (a, b))
    norm_a, norm_b = (np.sqrt(np.einsum("c...,c...", each, each)) for each in (gradients_a, gradients_b))
    both = norm_a * norm_b
    product = np.einsum("c...,c...", gradients_a, gradients_b)
    cosine = np.divide(product, both, out=np.zeros_like(both), where=both > 0)
    weights = inside[low:high][own]
    return np.array([np.sum(each, where=weights) for each in (norm_a, norm_b, cosine * norm_a, cosine * norm_b)], float)


def _gradients(voxels: Float32Array, own: slice, spacing_mm: tuple[float, float, float]) -> Float32Array:
    """Return central differences per mm in the slices `own`; shape (3, slices, rows, columns).

    An axis of one voxel has none.
    """
    gradients = [
        np.gradient(voxels, mm, axis=axis)[own] if voxels.shape[axis] > 1 else np.zeros_like(voxels[own])
        for axis, mm in enumerate(spacing_mm)
    ]
    return np.stack(gradients).astype(np.float32, copy=False)
