"""The output gate of a synthetic CT: it fills the head of its source, with as much bone and air as a head has."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy

from dicom_node.infer.verdict import Verdict
from inference.classical.head import Head, deep_part, find_head, working_factors
from inference.ct.hounsfield import OUTSIDE_HU
from inference.manifest import CtLimits
from inference.volume import BoolArray, Volume

BONE_ABOVE_HU = 250.0
AIR_BELOW_HU = -400.0
"""What counts as bone and as air, both past what a voxel holds that they share with soft tissue by a small part."""

BRAIN_DEPTH_MM, BRAIN_CROWN_MM = 25.0, 110.0
"""Deeper than the skull, higher than its base: brain."""

NEXT = "this is no CT to plan on: look at the source for what the model is not made for, or plan on a CT scan"
"""What to do about a synthetic CT that is held; stands after the last of its reasons."""


def judge(result: Volume, head: Head, limits: CtLimits) -> Verdict:
    """Judge a synthetic CT.

    Parameters
    ----------
    result
        On the grid of its source, HU, finite.
    head
        What `find_head` found in the source: something.
    """
    body = find_head(result.with_voxels(result.voxels - np.float32(OUTSIDE_HU))).inside
    if not body.any():
        return Verdict((f"the result holds no body: {NEXT}",))
    numbers = {"body_dice": _dice(body, head.inside)}
    every = tuple(slice(None, None, factor) for factor in working_factors(result))
    sampled = result.voxels[every]
    core = scipy.ndimage.binary_erosion(body[every], border_value=1)  # its outermost voxels are air in part
    brain = deep_part(result, head, depth_mm=BRAIN_DEPTH_MM, crown_mm=BRAIN_CROWN_MM)[every]
    if core.any():
        numbers["bone_share"] = float(np.mean(sampled[core] > BONE_ABOVE_HU))
        numbers["air_share"] = float(np.mean(sampled[core] < AIR_BELOW_HU))
    if brain.any():
        numbers["brain_hu"] = float(np.median(sampled[brain]))
    return Verdict(_failures(numbers, limits), _warnings(numbers, limits), numbers)


def _failures(numbers: Mapping[str, float], limits: CtLimits) -> tuple[str, ...]:
    checks = (
        ("body_dice", (limits.min_body_dice, 1.0), "the body of the result agrees with the head in the source by "
         "a Dice coefficient of {0:.3f}, at least {1:g} is asked for"),
        ("bone_share", limits.bone_share, "{0:.1%} of the result's head is bone, {1:.1%} to {2:.1%} is asked for"),
        ("air_share", limits.air_share, "{0:.1%} of the result's head is air, {1:.1%} to {2:.1%} is asked for"),
        ("brain_hu", limits.brain_hu, "the median of the result's brain is {0:.0f} HU, {1:g} to {2:g} is asked for"),
    )  # fmt: skip
    found = [
        (words.format(numbers[name], low, high) if name in numbers else f"{name} cannot be measured")
        for name, (low, high), words in checks
        if not low <= numbers.get(name, np.nan) <= high
    ]
    return (*found[:-1], f"{found[-1]}: {NEXT}") if found else ()


def _warnings(numbers: Mapping[str, float], limits: CtLimits) -> tuple[str, ...]:
    dice = numbers["body_dice"]
    if limits.min_body_dice <= dice < limits.warn_body_dice:
        return (f"the body agrees only in part with the head in the source: Dice coefficient {dice:.3f}",)
    return ()


def _dice(one: BoolArray, other: BoolArray) -> float:
    both = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero(one & other) / both
