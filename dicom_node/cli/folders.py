"""DICOM files in a folder, as series: what the commands that need no node work on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
        Empty when it holds no images.
    refused
        Why no model may see any of it; None when nothing is known against the whole.
    """

    series_uid: str
    stacks: tuple[Stack, ...]
    refused: str | None


def series_in(path: Path) -> Iterator[SeriesOnDisk]:
    """Yield the series of a DICOM file or of all files below a folder, by UID.

    Raises
    ------
    NotFound
        When there is nothing there, or no DICOM file with images.
    """
    if not path.exists():
        raise NotFound(f"{path}: there is no such file or folder")
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    by_series: dict[str, list[Frame]] = {}
    reasons: dict[str, None] = {}
    for file in files:
        try:
            content = read_frames(file)
        except SeriesRefused as refused:
            reasons[str(refused)] = None
            continue
        if content.set_aside:
            reasons[content.set_aside] = None
        for frame in content.frames:
            by_series.setdefault(str(frame.header.get("SeriesInstanceUID", "")), []).append(frame)
    if not by_series:
        raise NotFound(f"{path}: no DICOM images here: {'; '.join(reasons) or 'the folder is empty'}")
    for series_uid, frames in sorted(by_series.items()):
        yield _series(series_uid, frames)


def _series(series_uid: str, frames: list[Frame]) -> SeriesOnDisk:
    try:
        return SeriesOnDisk(series_uid, split(frames), series_refusal(frames))
    except SeriesRefused as refused:
        return SeriesOnDisk(series_uid, (), str(refused))
