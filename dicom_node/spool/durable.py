"""Writes that survive a power cut once they return."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from shutil import rmtree


def write_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a new file and have its content on the disk; its name is durable only after `sync_folder`.

    Raises
    ------
    OSError
        When any step fails. A failed fsync is never tried again: the kernel may have dropped the pages.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder, whose parent exists, and have its name on the disk."""
    try:
        folder.mkdir(mode=0o750)
    except FileExistsError:
        return
    sync_folder(folder.parent)


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files so that it is there whole or not at all; an earlier one of that name is replaced.

    Parameters
    ----------
    folder
        Its parent exists.
    files
        Name to content.
    """
    part = folder.with_name(folder.name + ".part")
    if part.exists():
        rmtree(part)
    part.mkdir(mode=0o750)
    for name, content in files.items():
        write_file(part / name, [content])
    sync_folder(part)
    if folder.exists():
        rmtree(folder)
    part.rename(folder)
    sync_folder(folder.parent)
