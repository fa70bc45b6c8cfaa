"""DICOM files in a folder, as series: what the commands that need no node work on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from dicom_node.assemble.elements import UNREADABLE
from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.gate import series_refusal
from dicom_node.assemble.stacks import split
from dicom_node.domain.stack import Frame, Stack
from dicom_node.errors import NotFound, SeriesRefused


@dataclass(frozen=True, slots=True)
class SeriesOnDisk:
    """A series found in a folder.

    Attributes
    ----------
    stacks
        Empty when none of its images can be read.
    refused
        Why no model may see any of it; None when nothing is known against the whole.
    """

    series_uid: str
    stacks: tuple[Stack, ...]
    refused: str | None


@dataclass(frozen=True, slots=True)
class FolderContent:
    """What a folder holds.

    Attributes
    ----------
    series
        By UID.
    left_out
        Reason -> how many files it kept from being part of a series.
    """

    series: tuple[SeriesOnDisk, ...]
    left_out: Mapping[str, int]


@dataclass(slots=True)
class _Found:
    frames: list[Frame] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def series_of(files: Sequence[Path]) -> SeriesOnDisk | None:
    """Return the series that files are known to be one of; None where none of them holds images or is broken."""
    found: defaultdict[str, _Found] = defaultdict(_Found)
    for file in files:
        _sort_in(file, found)
    return next((_series(uid, each) for uid, each in found.items()), None)


def series_in(path: Path) -> FolderContent:
    """Read a DICOM file, or all files below a folder.

    Raises
    ------
    NotFound
        When there is nothing there, or no DICOM file with images.
    """
    if not path.exists():
        raise NotFound(f"{path}: there is no such file or folder")
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    found: defaultdict[str, _Found] = defaultdict(_Found)
    left_out: Counter[str] = Counter()
    for file in files:
        reason = _sort_in(file, found)
        if reason is not None:
            left_out[reason] += 1
    series = tuple(_series(uid, each) for uid, each in sorted(found.items()))
    if not series:
        raise NotFound(f"{path}: no DICOM images here: {'; '.join(left_out) or 'the folder is empty'}")
    return FolderContent(series, left_out)


def _sort_in(file: Path, found: defaultdict[str, _Found]) -> str | None:
    """Add a file to its series; return why it brings no images, None when it does."""
    try:
        content = read_frames(file)
    except SeriesRefused as refused:
        uid = _series_uid(file)
        if uid:  # a slice that cannot be read must not make a silently shorter volume
            found[uid].broken.append(str(refused))
        return str(refused)
    for frame in content.frames:
        found[str(frame.header.get("SeriesInstanceUID", ""))].frames.append(frame)
    return content.set_aside


def _series_uid(file: Path) -> str:
    try:
        return str(dcmread(file, specific_tags=["SeriesInstanceUID"], stop_before_pixels=True).SeriesInstanceUID)
    except (*UNREADABLE, InvalidDicomError):
        return ""


def _series(series_uid: str, found: _Found) -> SeriesOnDisk:
    stacks: Sequence[Stack] = ()
    try:
        stacks = split(found.frames)
        refused = series_refusal(found.frames, found.broken)
    except SeriesRefused as error:
        refused = str(error)
    return SeriesOnDisk(series_uid, tuple(stacks), refused)
