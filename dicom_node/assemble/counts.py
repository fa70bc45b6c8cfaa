"""What headers say of how many images there are to be: of an acquisition, a stack, a series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydicom import Dataset

from dicom_node.assemble.elements import UNREADABLE, value_of
from dicom_node.domain.stack import Frame, Stack

PRIVATE: dict[str, tuple[int, str, int]] = {
    "ImagesInSeries": (0x0025, "GEMS_SERS_01", 0x07),
    "NumberOfSlices": (0x2001, "Philips Imaging DD 001", 0x18),
    "NumberOfEchoes": (0x2001, "Philips Imaging DD 001", 0x14),
}
"""Vendors' own counts: group, private creator and element; without its creator an element means nothing (PS3.5 7.8)."""


@dataclass(frozen=True, slots=True)
class Count:
    """A number of images that a header promises, and how many there are.

    Attributes
    ----------
    what
        For people: ``all 20 images of the acquisition``.
    source
        The attribute.
    promised, present
        How many there are to be, and are.
    of_series
        Whether there is nothing more to come of the series when they are there.
    """

    what: str
    source: str
    promised: int
    present: int
    of_series: bool


def counts_of(frames: Sequence[Frame], stacks: Sequence[Stack]) -> tuple[Count, ...]:
    """Return what the headers count.

    Parameters
    ----------
    frames, stacks
        The series, and the same frames divided.
    """
    return tuple(count for look in (_acquisitions, _series, _slices, _times) for count in look(frames, stacks))


def _acquisitions(frames: Sequence[Frame], _stacks: Sequence[Stack]) -> Iterator[Count]:
    """Count by ImagesInAcquisition (0020,1002), which counts one acquisition, not the series.

    A GE series of 20 slices has 20 acquisitions of 1 image each: only a series of one acquisition is counted by it.
    """
    acquisitions: dict[int | None, list[Frame]] = defaultdict(list)
    for frame in frames:
        acquisitions[integer(frame.header, "AcquisitionNumber")].append(frame)
    for number, members in acquisitions.items():
        promised = _agreed(members, lambda header: integer(header, "ImagesInAcquisition"))
        if promised is not None and number is not None:
            what = f"all {promised} images of the acquisition"
            yield Count(what, "ImagesInAcquisition", promised, len(members), of_series=len(acquisitions) == 1)


def _series(frames: Sequence[Frame], _stacks: Sequence[Stack]) -> Iterator[Count]:
    promised = _agreed(frames, lambda header: _private(header, "ImagesInSeries"))
    if promised is not None:
        source = "GE Images in Series (0025,1007)"
        yield Count(f"all {promised} images of the series", source, promised, len(frames), of_series=True)


def _slices(_frames: Sequence[Frame], stacks: Sequence[Stack]) -> Iterator[Count]:
    """Count by the vendor's number of slices, which is that of a stack: echoes and dynamics have as many each."""
    for stack in stacks:
        promised = _agreed(stack.frames, lambda header: _private(header, "NumberOfSlices"))
        if promised is not None:
            echoes = _agreed(stack.frames, lambda header: _private(header, "NumberOfEchoes")) or 1
            times = _agreed(stack.frames, lambda header: integer(header, "NumberOfTemporalPositions")) or 1
            alone = len(stacks) == echoes == times == 1
            source = "Philips Number of Slices (2001,1018)"
            yield Count(f"all {promised} slices of the stack", source, promised, len(stack.frames), of_series=alone)


def _times(frames: Sequence[Frame], _stacks: Sequence[Stack]) -> Iterator[Count]:
    promised = _agreed(frames, lambda header: integer(header, "NumberOfTemporalPositions"))
    present = {integer(frame.header, "TemporalPositionIdentifier") for frame in frames} - {None}
    if promised is not None and present:
        source = "NumberOfTemporalPositions"
        yield Count(f"all {promised} time points", source, promised, len(present), of_series=False)


def _agreed(frames: Sequence[Frame], read: Callable[[Dataset], int | None]) -> int | None:
    """Return the number that all headers agree on, None where one has none or another; 0 counts nothing."""
    found = {read(frame.header) for frame in frames}
    return (found.pop() or None) if len(found) == 1 else None


def _private(header: Dataset, name: str) -> int | None:
    group, creator, element = PRIVATE[name]
    try:
        value = header.private_block(group, creator)[element].value
    except UNREADABLE:
        return None
    return int(value) if isinstance(value, int) else None


def integer(header: Dataset, keyword: str) -> int | None:
    """Return a whole number, None where the element is missing or holds something else."""
    value = value_of(header, keyword)
    return int(value) if isinstance(value, int) else None
