"""The spool: received instances as durable files, a folder a series. It is the truth about what was received."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_file_meta_info
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from dicom_node.domain.instance import InstanceKey, Stored, Transport
from dicom_node.domain.provenance import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.errors import InstanceRejected
from dicom_node.spool import durable

OUT_OF_RESOURCES = 0xA700  # PS3.4 table B.2-1


# A zero preamble: the sender's may hold an executable, and nothing of it is data (PS3.10 7.1)
_PREAMBLE = bytes(128) + b"DICM"
_INSTANCE, _CONFLICT, _SENDER = ".dcm", ".conflict", ".sender"


@dataclass(frozen=True, slots=True)
class Conflict:
    """An instance that came again with other content: the first is kept, this one was set aside."""

    sop_instance_uid: str
    received: datetime


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """Which series a folder holds."""

    study_uid: str
    series_uid: str
    series_number: int | None


class Spool:
    """Instance files below one folder.

    File names are hashes, never text from the network. Several processes may write and read the same spool.

    Parameters
    ----------
    root
        Made when it is not there.
    min_free_bytes
        Below this much free space nothing is taken, so that what is there can still be worked on.
    """

    def __init__(self, root: Path, *, min_free_bytes: int = 0) -> None:
        self._series = root / "series"
        self._incoming = root / "incoming"
        self._min_free_bytes = min_free_bytes
        for folder in (root, self._series, self._incoming):
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        durable.sync_folder(root)

    def put(self, key: InstanceKey, transport: Transport, dataset: bytes) -> Stored:
        """Store an instance; see `dicom_node.domain.ports.InstanceStore`."""
        try:
            self._refuse_when_full()
            return self._put(key, transport, dataset)
        except OSError as error:
            raise InstanceRejected(OUT_OF_RESOURCES, _comment(error)) from error

    def _put(self, key: InstanceKey, transport: Transport, dataset: bytes) -> Stored:
        folder = self._series / folder_name(key.series_uid)
        durable.make_folder(folder)
        final = folder / (_name(key.sop_instance_uid) + _INSTANCE)
        temporary = self._incoming / uuid.uuid4().hex
        try:
            durable.write_file(temporary, (_PREAMBLE, _file_meta(key, transport), dataset))
            stored = _link(temporary, final, transport.transfer_syntax_uid, dataset)
        finally:
            temporary.unlink(missing_ok=True)
        durable.sync_folder(folder)
        return stored

    def _refuse_when_full(self) -> None:
        if self._min_free_bytes and self.free_bytes() < self._min_free_bytes:
            raise OSError(errno.ENOSPC, "less than the configured space is free")

    def free_bytes(self) -> int:
        """Return how much the file system of the spool can still take."""
        return shutil.disk_usage(self._series).free

    @contextmanager
    def sender_connected(self, series_uid: str) -> Iterator[None]:
        """Mark that an association which brought this series is open; see `InstanceStore`.

        The mark is a locked file: the kernel drops the lock when the process dies, so that no mark outlives it.
        """
        folder = self._series / folder_name(series_uid)
        durable.make_folder(folder)
        name = uuid.uuid4().hex
        with (self._incoming / name).open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            # locked before it is seen: a mark without a lock counts as left over
            marker = (self._incoming / name).rename(folder / (name + _SENDER))
            try:
                yield
            finally:
                marker.unlink(missing_ok=True)

    def is_sender_connected(self, folder: str) -> bool:
        """Tell whether any process holds a mark in a series folder; marks of dead processes are removed."""
        return any(not _removed_as_left_over(path) for path in (self._series / folder).glob("*" + _SENDER))

    def folders(self) -> Iterator[tuple[str, int]]:
        """Yield each series folder's name and when it last changed, ns since 1970."""
        with os.scandir(self._series) as entries:
            for entry in entries:
                yield entry.name, entry.stat().st_mtime_ns

    def instances(self, folder: str) -> list[Path]:
        """Return the instance files of a series folder, sorted."""
        return sorted((self._series / folder).glob("*" + _INSTANCE))

    def identify(self, folder: str) -> SeriesKey:
        """Tell which series a folder holds; the folder holds an instance."""
        header = dcmread(
            self.instances(folder)[0],
            stop_before_pixels=True,
            force=True,
            specific_tags=["StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber"],
        )
        number = str(header.get("SeriesNumber", "")).strip()
        return SeriesKey(
            str(header.StudyInstanceUID),
            str(header.SeriesInstanceUID),
            int(number) if number.removeprefix("-").isdecimal() else None,
        )

    def conflicts(self, folder: str) -> list[Conflict]:
        """Return what came again with other content, oldest first."""
        paths = sorted((self._series / folder).glob("*" + _CONFLICT), key=lambda path: path.stat().st_mtime_ns)
        return [
            Conflict(
                str(read_file_meta_info(path).MediaStorageSOPInstanceUID),
                datetime.fromtimestamp(path.stat().st_mtime, tz=UTC),
            )
            for path in paths
        ]

    def discard(self, folder: str) -> None:
        """Delete a series folder with everything in it."""
        shutil.rmtree(self._series / folder, ignore_errors=True)

    def sweep(self) -> int:
        """Delete what interrupted receptions left behind, and return how many; nothing of it was acknowledged.

        Called when the node starts, before anything is received.
        """
        leftovers = list(self._incoming.iterdir())
        for path in leftovers:
            path.unlink(missing_ok=True)
        return len(leftovers)


def folder_name(series_uid: str) -> str:
    """Return the name of a series' folder."""
    return _name(series_uid)


def _name(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:32]


def _file_meta(key: InstanceKey, transport: Transport) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(key.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(key.sop_instance_uid)
    meta.TransferSyntaxUID = UID(transport.transfer_syntax_uid)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    meta.SendingApplicationEntityTitle = transport.calling_ae
    meta.ReceivingApplicationEntityTitle = transport.called_ae
    buffer = DicomBytesIO()
    write_file_meta_info(buffer, meta)
    return buffer.getvalue()


def _link(temporary: Path, final: Path, transfer_syntax_uid: str, dataset: bytes) -> Stored:
    """Give a written file its name; never replace one that is there."""
    try:
        os.link(temporary, final)
    except FileExistsError:
        if _holds(final, transfer_syntax_uid, dataset):
            return Stored.DUPLICATE
        aside = final.with_suffix(f".{hashlib.sha256(dataset).hexdigest()[:16]}{_CONFLICT}")
        if not aside.exists():
            temporary.rename(aside)
        return Stored.CONFLICT
    return Stored.NEW


def _holds(path: Path, transfer_syntax_uid: str, dataset: bytes) -> bool:
    meta = read_file_meta_info(path)
    with path.open("rb") as file:
        # preamble, prefix, the group length element of 12 bytes, then as many bytes as it says
        file.seek(len(_PREAMBLE) + 12 + int(meta.FileMetaInformationGroupLength))
        return bool(meta.TransferSyntaxUID == transfer_syntax_uid) and file.read() == dataset


def _removed_as_left_over(marker: Path) -> bool:
    try:
        with marker.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            marker.unlink(missing_ok=True)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def _comment(error: OSError) -> str:
    return f"cannot store now: {os.strerror(error.errno) if error.errno else 'input/output error'}"[:64]
