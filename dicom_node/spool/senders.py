"""Who sent the instances of a series, by the file meta information that the receiver wrote."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info


def senders(paths: Iterable[Path]) -> tuple[str, ...]:
    """Return the Sending Application Entity Titles (0002,0017) of files, each once, sorted; damaged files have none."""
    return tuple(sorted({title for path in paths if (title := _sender(path))}))


def _sender(path: Path) -> str:
    try:
        return str(read_file_meta_info(path).get("SendingApplicationEntityTitle", "")).strip()
    except (OSError, EOFError, ValueError, AttributeError, InvalidDicomError):
        return ""
