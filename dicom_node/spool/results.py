"""Derived series on disk, a folder a job, until they are delivered and their time is over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dicom_node.spool import durable


class Results:
    """Encoded instances below one folder.

    Parameters
    ----------
    root
        Made when it is not there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o750)

    def folder(self, job_id: str) -> Path:
        """Return where the derived series of a job lies or will lie."""
        return self._root / job_id

    def write(self, job_id: str, files: Sequence[bytes]) -> None:
        """Store the files of a derived series: all of them durably, or none."""
        durable.write_folder(self.folder(job_id), {f"{n:05d}.dcm": file for n, file in enumerate(files, start=1)})

    def paths(self, job_id: str) -> list[Path]:
        """Return the files of a derived series in slice order; empty when there are none."""
        return sorted(self.folder(job_id).glob("*.dcm"))

    def write_rejection(self, job_id: str, note: bytes) -> list[Path]:
        """Store the note that rejects a derived series, durably, and return its file as a list."""
        folder = self._rejection(job_id)
        durable.write_folder(folder, {"rejection.dcm": note})
        return list(folder.glob("*.dcm"))

    def discard(self, job_id: str) -> None:
        """Delete the files of a derived series, and the note that rejects it."""
        durable.remove_folder(self._rejection(job_id))
        durable.remove_folder(self.folder(job_id))

    def _rejection(self, job_id: str) -> Path:
        return self._root / f"{job_id}-rejection"
