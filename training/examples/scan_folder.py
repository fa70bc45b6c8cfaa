"""A folder of real scans of one scanner, as people gather them: a person an entry."""

from __future__ import annotations

import sys
from pathlib import Path

from nibabel.filebasedimages import ImageFileError
from pydicom.errors import InvalidDicomError

from inference.errors import ModelRefused
from inference.volume import Volume
from training.evaluate.real import read_real

UNREADABLE = (ModelRefused, ValueError, RuntimeError, AttributeError, ImageFileError, InvalidDicomError)
"""What reading a scan raises where it is no single volume of a head."""


def entries(folder: Path) -> list[Path]:
    """Return what lies there of each person, in the order of their names; hidden files are of none.

    Parameters
    ----------
    folder
        In it NIfTI files, or folders of one DICOM series each.
    """
    return sorted(place for place in folder.iterdir() if not place.name.startswith("."))


def read_scan(place: Path, *, unpacked: Path) -> Volume:
    """Read one entry; see `training.evaluate.real.read_real`.

    Raises
    ------
    ValueError
        When there is nothing in it, and as `UNREADABLE` has it.
    """
    volume = read_real(place.parent, place.name, unpacked=unpacked)
    if volume is None:
        raise ValueError("neither NIfTI nor a folder of DICOM")
    return volume


def tell_left_out(place: Path, reason: Exception) -> None:
    """Say on standard error that a scan is not trained on, and why."""
    print(f"{place}: left out: {reason}", file=sys.stderr)


def refuse_too_few(folder: Path, found: int) -> None:
    """Raise where there are too few scans to train on.

    Raises
    ------
    ValueError
        When there are fewer than two: one to learn from, and one to watch progress on.
    """
    if found < 2:
        raise ValueError(f"{folder}: {found} heads; put scans of two people or more there, one an entry")
