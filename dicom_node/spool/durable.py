"""Writes that survive a power cut once they return."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from shutil import rmtree


def write_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a new file and have its content on the disk; its name is durable only after `sync_folder`.

    Raises
    ------
    OSError
        When any step fails. A failed fsync is never tried again: the kernel may have dropped the pages.
    """
    with os.fdopen(new_file(path), "wb") as file:
        file.writelines(chunks)
        file.flush()
        os.fsync(file.fileno())


def new_file(path: Path | str) -> int:
    """Make a file that is not there yet, and return its descriptor."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)


def write_all(descriptor: int, *chunks: bytes | memoryview) -> None:
    """Write all of it: the kernel may take less at a time."""
    left = sum(map(len, chunks))
    written = os.writev(descriptor, chunks)
    while written < left:
        chunks = tuple(_behind(written, chunks))
        left -= written
        written = os.writev(descriptor, chunks)


def _behind(count: int, chunks: Iterable[bytes | memoryview]) -> Iterable[memoryview]:
    for chunk in chunks:
        if count < len(chunk):
            yield memoryview(chunk)[count:]
        count = max(count - len(chunk), 0)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder, whose parent exists, and have its name on the disk.

    One that is there and empty may be there for less than that: whoever made it has not come to the end, or failed.
    """
    try:
        folder.mkdir(mode=0o750)
    except FileExistsError:
        with os.scandir(folder) as entries:
            if any(entries):
                return
    try:
        sync_folder(folder.parent)
    except OSError:
        with suppress(OSError):  # to be made anew: syncing once more what failed to be synced proves nothing
            folder.rmdir()
        raise


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files so that it is there whole or not at all; an earlier one of that name is replaced.

    Parameters
    ----------
    folder
        Its parent exists.
    files
        Name to content.
    """
    remove_folder(folder)
    part = _part(folder)
    try:
        part.mkdir(mode=0o750)
        for name, content in files.items():
            write_file(part / name, [content])
        sync_folder(part)
        part.rename(folder)
    except OSError:
        rmtree(part, ignore_errors=True)  # on a full disk it would be in its own way
        raise
    sync_folder(folder.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder of files so that it is there whole or not at all."""
    rmtree(_part(folder), ignore_errors=True)
    with suppress(FileNotFoundError):
        folder.rename(_part(folder))
    rmtree(_part(folder), ignore_errors=True)


def _part(folder: Path) -> Path:
    return folder.with_name(folder.name + ".part")


def replace_text(path: Path, text: str) -> None:
    """Put another text into a file, or make it: whoever reads it sees the old text or the new, nothing between.

    A link stays one; the new file has the old one's permissions.
    """
    real = path.resolve()
    fresh = real.with_name(f".{real.name}.{os.getpid()}.new")
    try:
        write_file(fresh, [text.encode()])
        if real.exists():
            fresh.chmod(real.stat().st_mode & 0o777)
        fresh.rename(real)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(real.parent)
