"""What makes this node itself: its serial number, and the salt of its logs. Made once, kept in the data folder."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dicom_node.errors import RefusedToStart
from dicom_node.spool import durable

_FILE = "node.json"


@dataclass(frozen=True, slots=True)
class Identity:
    """Of one installed node.

    Attributes
    ----------
    serial_number
        DeviceSerialNumber (0018,1000) in what it makes.
    salt
        Of the hashes that stand for UIDs in its logs.
    """

    serial_number: str
    salt: bytes


def identity(data_dir: Path) -> Identity:
    """Return the identity of the node in this folder, and make it on the first call.

    Raises
    ------
    RefusedToStart
        When the folder cannot be written or its file is not ours.
    """
    path = data_dir / _FILE
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        if not path.exists():
            _make(path)
        found = json.loads(path.read_bytes())
        return Identity(str(found["serial_number"]), bytes.fromhex(found["salt"]))
    except OSError as error:
        raise RefusedToStart(f"data_dir: {data_dir} cannot be used: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedToStart(f"{path}: is damaged; restore it from a backup, or delete it to get a new one") from error


def _make(path: Path) -> None:
    """Write a new identity, whole or not at all; when another process was quicker, its own stands."""
    made = {"serial_number": secrets.token_hex(6).upper(), "salt": secrets.token_hex(16)}
    temporary = path.with_name(f".{_FILE}.{secrets.token_hex(4)}")
    try:
        durable.write_file(temporary, [json.dumps(made).encode()])
        with suppress(FileExistsError):
            os.link(temporary, path)
        durable.sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def claim(data_dir: Path, role: str) -> IO[bytes]:
    """Make sure that only one process has a role on a data folder; the claim ends when the file is closed.

    Raises
    ------
    RefusedToStart
        When another process has it, or the folder cannot be written.
    """
    try:
        file = _lock_file(data_dir, role).open("wb")
    except OSError as error:
        raise RefusedToStart(f"data_dir: {data_dir} cannot be used: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise RefusedToStart(f"data_dir: another node runs as {role} on {data_dir}: stop that one first") from None
    return file


def is_claimed(data_dir: Path, role: str) -> bool:
    """Tell whether a process has a role on a data folder now."""
    try:
        with _lock_file(data_dir, role).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _lock_file(data_dir: Path, role: str) -> Path:
    return data_dir / f"{role}.lock"
