"""When a series is complete: evidence from its headers, from its geometry, and from silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydicom import Dataset

from dicom_node.assemble.counts import Count, counts_of, integer
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
        The images that a header counts are there, and lie without a gap.
    gapless
        Every stack is regular and has as many slices as the others, no InstanceNumber is left out, and no header
        counts more than there are.
    """

    whole: str | None = None
    counted: str | None = None
    gapless: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What someone says who knows the whole series.

    Attributes
    ----------
    what
        Of which instances, and who says so: ``all 192 instances that the scanner's MPPS names``.
    missing
        How many of them are not there.
    """

    what: str
    missing: int


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


def heard(shape: Shape, told: Told | None) -> Shape:
    """Return the shape of a series of which someone else knows how much there is to be (MPPS, the archive)."""
    if told is None or shape.whole:
        return shape
    return Shape() if told.missing else replace(shape, whole=f"{told.what} are there")


def whole_series(frames: Sequence[Frame]) -> Shape:
    """Look only for evidence of the whole series, which is quick."""
    with unquoted():
        return Shape(whole=_whole(frames))


def shape_of(frames: Sequence[Frame]) -> Shape:
    """Look for all evidence that the headers give."""
    with unquoted():
        stacks = split(frames) if _numbered_without_hole(frames) else ()
        gapless = _gapless(stacks)
        counts = counts_of(frames, stacks) if gapless else ()
        if any(count.present < count.promised for count in counts):
            return Shape(_whole(frames))
        return Shape(_whole(frames), _counted(counts), gapless)


def _whole(frames: Sequence[Frame]) -> str | None:
    if not frames or any(frame.frame_number is None for frame in frames):
        return None
    headers = list({frame.sop_instance_uid: frame.header for frame in frames}.values())
    if any("ConcatenationUID" in header for header in headers):
        return _concatenated(headers)
    times = {integer(frame.header, "TemporalPositionIdentifier") for frame in frames}
    expected = integer(headers[0], "NumberOfTemporalPositions") or 1
    if len(headers) > 1 or len(frames) < 2 or len(times) < expected:
        return None  # some scanners write one multi-frame instance a time point
    return f"one multi-frame instance holds its {len(frames)} images"


def _concatenated(headers: Sequence[Dataset]) -> str | None:
    """Compare with InConcatenationTotalNumber (0020,9163), which not every maker fills in."""
    parts = {integer(header, "InConcatenationNumber") for header in headers}
    totals = {integer(header, "InConcatenationTotalNumber") for header in headers}
    concatenations = {str(value_of(header, "ConcatenationUID")) for header in headers}
    if len(concatenations) > 1 or totals != {len(headers)} or parts != set(range(1, len(headers) + 1)):
        return None
    return f"all {len(headers)} parts of the concatenation are there"


def _counted(counts: Sequence[Count]) -> str | None:
    exact = (count for count in counts if count.of_series and count.present == count.promised)
    return next((f"{count.what} are there without a gap ({count.source})" for count in exact), None)


def _numbered_without_hole(frames: Sequence[Frame]) -> bool:
    """Tell whether InstanceNumber (0020,0013), where it tells the images apart, leaves none out.

    Of a stack of which only every second slice has come, nothing else in the headers can be trusted to say so.
    """
    numbers = {integer(frame.header, "InstanceNumber") for frame in frames}
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
