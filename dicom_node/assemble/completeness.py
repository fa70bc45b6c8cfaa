"""When a series is complete: evidence from its headers, from its geometry, and from silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydicom import Dataset

from dicom_node.assemble.elements import unquoted, value_of
from dicom_node.assemble.geometry import Plane, irregularity, plane_of
from dicom_node.assemble.stacks import split
from dicom_node.domain.stack import Frame, Stack

MIN_SLICES = 5
"""Fewer slices than this say nothing by lying regularly."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the headers that have come tell of completeness, whatever the time; each a sentence or None.

    Attributes
    ----------
    whole
        The series cannot grow: one multi-frame instance, or all parts of a concatenation.
    counted
        The images that the acquisition counts are there, and lie without a gap.
    gapless
        Every stack is regular and has as many slices as the others, and no InstanceNumber is left out.
    """

    whole: str | None = None
    counted: str | None = None
    gapless: str | None = None


@dataclass(frozen=True, slots=True)
class Waits:
    """How long nothing may have come, in seconds.

    Attributes
    ----------
    settle_s
        Where the geometry agrees.
    silence_s
        Where nothing else speaks.
    """

    settle_s: float
    silence_s: float


def evidence(shape: Shape, waits: Waits, *, quiet_s: float, sender_connected: bool) -> str | None:
    """Return what shows that a series is complete, strongest first, or None.

    A count is scoped to an acquisition and a series may hold several, so it settles too; unlike geometry it does not
    wait for the sender to hang up (closing an association means nothing by itself, PS3.4 B.4).

    Parameters
    ----------
    quiet_s
        Seconds since the last instance came.
    sender_connected
        Whether an association that brought instances of the series is open.
    """
    if shape.whole:
        return shape.whole
    if quiet_s >= waits.settle_s:
        if shape.counted:
            return f"{shape.counted}, and nothing came for {waits.settle_s:g} s"
        if shape.gapless and not sender_connected:
            return f"{shape.gapless}, and nothing came for {waits.settle_s:g} s"
    return f"nothing came for {waits.silence_s:g} s" if quiet_s >= waits.silence_s else None


def told(shape: Shape, sentence: str | None) -> Shape:
    """Return the shape of a series of which someone else knows that all of it is there (MPPS, the archive)."""
    return shape if sentence is None or shape.whole else replace(shape, whole=sentence)


def whole_series(frames: Sequence[Frame]) -> Shape:
    """Look only for evidence of the whole series, which is quick."""
    with unquoted():
        return Shape(whole=_whole(frames))


def shape_of(frames: Sequence[Frame]) -> Shape:
    """Look for all evidence that the headers give."""
    with unquoted():
        gapless = _gapless(split(frames)) if _numbered_without_hole(frames) else None
        counted = _counted(frames) if gapless else None
        return Shape(_whole(frames), counted, gapless)


def _whole(frames: Sequence[Frame]) -> str | None:
    if not frames or any(frame.frame_number is None for frame in frames):
        return None
    headers = list({frame.sop_instance_uid: frame.header for frame in frames}.values())
    if any("ConcatenationUID" in header for header in headers):
        return _concatenated(headers)
    times = {_integer(frame.header, "TemporalPositionIdentifier") for frame in frames}
    expected = _integer(headers[0], "NumberOfTemporalPositions") or 1
    if len(headers) > 1 or len(frames) < 2 or len(times) < expected:
        return None  # some scanners write one multi-frame instance a time point
    return f"one multi-frame instance holds its {len(frames)} images"


def _concatenated(headers: Sequence[Dataset]) -> str | None:
    """Compare with InConcatenationTotalNumber (0020,9163), which not every maker fills in."""
    parts = {_integer(header, "InConcatenationNumber") for header in headers}
    totals = {_integer(header, "InConcatenationTotalNumber") for header in headers}
    concatenations = {str(value_of(header, "ConcatenationUID")) for header in headers}
    if len(concatenations) > 1 or totals != {len(headers)} or parts != set(range(1, len(headers) + 1)):
        return None
    return f"all {len(headers)} parts of the concatenation are there"


def _counted(frames: Sequence[Frame]) -> str | None:
    """Compare with ImagesInAcquisition (0020,1002), which counts one acquisition, not the series.

    A GE series of 20 slices has 20 acquisitions of 1 image each: only a series of one acquisition is counted by it.
    """
    counts = {_integer(frame.header, "ImagesInAcquisition") for frame in frames}
    acquisitions = {_integer(frame.header, "AcquisitionNumber") for frame in frames}
    if counts != {len(frames)} or len(acquisitions) > 1 or None in acquisitions:
        return None
    return f"all {len(frames)} images of the acquisition are there without a gap (ImagesInAcquisition)"


def _integer(header: Dataset, keyword: str) -> int | None:
    value = value_of(header, keyword)
    return int(value) if isinstance(value, int) else None


def _numbered_without_hole(frames: Sequence[Frame]) -> bool:
    """Tell whether InstanceNumber (0020,0013), where it tells the images apart, leaves none out.

    Of a stack of which only every second slice has come, nothing else in the headers can be trusted to say so.
    """
    numbers = {_integer(frame.header, "InstanceNumber") for frame in frames}
    known = [number for number in numbers if number is not None]
    return not known or len(known) < len(frames) or max(known) - min(known) == len(known) - 1


def _gapless(stacks: Sequence[Stack]) -> str | None:
    slices = {len(stack.frames) for stack in stacks}
    if len(slices) != 1 or max(slices) < MIN_SLICES:
        return None
    for stack in stacks:
        planes = [plane for frame in stack.frames if isinstance(plane := plane_of(frame.header), Plane)]
        if len(planes) < len(stack.frames) or irregularity(planes) is not None:
            return None
    what = "one stack" if len(stacks) == 1 else f"{len(stacks)} stacks"
    return f"{what} of {max(slices)} slices without a gap"
