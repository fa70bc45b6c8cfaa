"""The output gate: what a model made of a volume is judged before it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dicom_node.infer import ct_gate, uncertainty_gate
from dicom_node.infer.agreement import Agreement, agreement
from dicom_node.infer.verdict import Verdict
from inference.classical.head import Head, find_head, upper_extents_mm
from inference.manifest import OutputSpec, QaLimits
from inference.output import Output
from inference.volume import BoolArray, Float32Array, Volume

_SAME_MM = 1e-3


def judge(
    source: Volume, result: Volume, *, output: OutputSpec, limits: QaLimits, asked: Output = Output.RESULT
) -> Verdict:
    """Judge what a model made of a volume.

    Parameters
    ----------
    source, result
        What the model was given and what it gave.
    output, limits
        From the manifest of its bundle.
    asked
        What the model was asked for.
    """
    if failures := _unusable(source, result, output.of(asked)):
        return Verdict(failures)
    head = find_head(source)
    if not head.inside.any():
        return Verdict(("no head can be told from the air in the source: the result cannot be judged",))
    size = _not_a_head(upper_extents_mm(source, head), limits)
    if asked is Output.UNCERTAINTY:
        found = uncertainty_gate.judge(result, head)
    elif limits.ct is not None:
        found = ct_gate.judge(result, head, limits.ct)
    else:
        found = _judge_mr(source, result, head, output, limits)
    return replace(found, failures=(*found.failures, *size))


def _judge_mr(source: Volume, result: Volume, head: Head, output: OutputSpec, limits: QaLimits) -> Verdict:
    """Judge a harmonized MR: the same edges, dark air, little clipped, a median that its window shows."""
    inside = head.inside
    clipped = result.voxels >= output.range[1]
    numbers = {
        "background_rise": _background(result.voxels, inside) - _background(source.voxels, inside),
        "clipped": float(np.mean(clipped[inside])),
        "head_median": float(np.median(result.voxels[inside])),
    }
    failures = _failures(numbers, limits)
    judged = inside & ~clipped  # what is clipped has no edges, and a limit of its own
    if not judged.any():
        return Verdict(failures, (), numbers)
    edges = agreement(source, result, judged)
    numbers |= {
        "gradient_cosine": edges.mean,
        "worst_slice_cosine": edges.worst_slice,
        "worst_place_cosine": edges.worst_place,
    }
    disagreement = _disagreement(edges, limits, slices=len(inside))
    return Verdict((*disagreement, *failures), _warnings(edges, limits), numbers)


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


def _not_a_head(extents_mm: tuple[float, float], limits: QaLimits) -> tuple[str, ...]:
    if limits.head_mm is None or (limits.head_mm[0] <= extents_mm[0] and extents_mm[1] <= limits.head_mm[1]):
        return ()
    short, long = extents_mm
    return (f"what is imaged is {short:.0f} x {long:.0f} mm across, which is not the size of a head",)


def _disagreement(edges: Agreement, limits: QaLimits, *, slices: int) -> tuple[str, ...]:
    """Return the widest of the three ways in which edges can disagree: where all do, each place does."""
    at = ", ".join(f"{axis}={mm:.0f}" for axis, mm in zip("xyz", edges.place_mm, strict=True))
    checks = (
        (edges.mean, limits.min_gradient_cosine, "edges do not agree with the source"),
        (
            edges.worst_slice,
            limits.min_slice_cosine,
            f"edges do not agree with the source in slice {edges.slice_index + 1} of {slices}",
        ),
        (edges.worst_place, limits.min_place_cosine, f"edges do not agree with the source around {at} mm"),
    )
    found = (
        f"{what}: mean gradient cosine {cosine:.2f}, at least {least:g} is asked for"
        for cosine, least, what in checks
        if cosine < least
    )
    return tuple(found)[:1]


def _failures(numbers: Mapping[str, float], limits: QaLimits) -> tuple[str, ...]:
    rise, clipped, median = numbers["background_rise"], numbers["clipped"], numbers["head_median"]
    low, high = limits.head_median or (-np.inf, np.inf)
    checks = (
        (
            rise > limits.max_background_rise,
            f"the air around the head became brighter by {rise:.2f} of the head's median, "
            f"at most {limits.max_background_rise:g} is allowed",
        ),
        (
            clipped > limits.max_clipped,
            f"{clipped:.1%} of the head is clipped, at most {limits.max_clipped:.1%} is allowed",
        ),
        (
            not low <= median <= high,
            f"the head's median is {median:.0f}, {low:g} to {high:g} is asked for: it would show as black or white",
        ),
    )
    return tuple(sentence for failed, sentence in checks if failed)


def _warnings(edges: Agreement, limits: QaLimits) -> tuple[str, ...]:
    if limits.min_gradient_cosine <= edges.mean < limits.warn_gradient_cosine:
        return (f"edges agree only in part with the source: mean gradient cosine {edges.mean:.2f}",)
    return ()


def _background(voxels: Float32Array, inside: BoolArray) -> float:
    """Return how bright the air is, in parts of the head's median: its 99th percentile, so that spots count."""
    air = voxels[~inside]
    level = float(np.median(voxels[inside]))
    if air.size == 0 or level <= 0:
        return 0.0
    return float(np.percentile(air, 99)) / level
