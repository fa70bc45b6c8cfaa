"""Series as files in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset


def write_dicom(series: Sequence[Dataset], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, ds in enumerate(series):
        ds.save_as(folder / f"{ds.SeriesNumber}-{number:03d}.dcm", enforce_file_format=True)
    return folder
