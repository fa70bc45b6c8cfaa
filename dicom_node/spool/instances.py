"""The spool: received instances as durable files, a folder a series. It is the truth about what was received."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import struct
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_file_meta_info
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from dicom_node.domain.instance import InstanceKey, Stored, Transport
from dicom_node.domain.provenance import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.errors import AssociationLost, InstanceRejected
from dicom_node.spool import durable

OUT_OF_RESOURCES = 0xA700  # PS3.4 table B.2-1

_LARGEST_NUMBER = 10**9
"""IS ends at 2**31 (PS3.5 6.2), and derived series are numbered above their source."""

# A zero preamble: the sender's may hold an executable, and nothing of it is data (PS3.10 7.1)
_PREAMBLE = bytes(128) + b"DICM"
_INSTANCE, _CONFLICT, _SENDER, _LOST, _REVISION = ".dcm", ".conflict", ".sender", ".lost", ".revision"


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
        self._news = root / "news"
        self._min_free_bytes = min_free_bytes
        for folder in (root, self._series, self._incoming, self._news):
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
        # not synced: after a power cut every folder is looked into
        (self._news / folder.name).touch()
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
            for lost in folder.glob("*" + _LOST):
                lost.unlink(missing_ok=True)
            try:
                yield
            except AssociationLost:
                (folder / (name + _LOST)).touch()
                raise
            finally:
                marker.unlink(missing_ok=True)

    def is_sender_connected(self, folder: str) -> bool:
        """Tell whether any process holds a mark in a series folder; marks of dead processes are removed."""
        return any(not _removed_as_left_over(path) for path in (self._series / folder).glob("*" + _SENDER))

    def has_broken_off(self, folder: str) -> bool:
        """Tell whether the last association that brought a series was lost: the rest may be on its way."""
        return any((self._series / folder).glob("*" + _LOST))

    def folders(self) -> list[str]:
        """Return the names of all series folders."""
        return os.listdir(self._series)

    def news(self) -> Iterator[str]:
        """Yield the folders into which something was put since they were last yielded here, each once.

        Until the process ends it is for the caller to remember them; after a start, all folders are news.
        """
        for name in os.listdir(self._news):
            # before it is looked into: what comes from now on is told again
            (self._news / name).unlink(missing_ok=True)
            yield name

    def instances(self, folder: str) -> list[Path]:
        """Return the instance files of a series folder, sorted; none when it is gone."""
        place = self._series / folder
        try:
            return [place / name for name in sorted(os.listdir(place)) if name.endswith(_INSTANCE)]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def identify(self, folder: str) -> SeriesKey:
        """Tell which series a folder holds, by the first of its files that can be read.

        Raises
        ------
        ValueError
            When there is none.
        """
        for path in self.instances(folder):
            key = _series_key(path)
            if key is not None and folder_name(key.series_uid) == folder:
                return key
        raise ValueError("no file of this folder tells which series it belongs to")

    def seal(self, folder: str, revision: int, paths: Sequence[Path]) -> None:
        """Write down, durably, which of the instances of a series its revision consists of."""
        place = self._series / folder
        temporary = self._incoming / uuid.uuid4().hex
        durable.write_file(temporary, ["\n".join(path.name for path in paths).encode()])
        temporary.rename(place / f"{revision}{_REVISION}")
        durable.sync_folder(place)

    def sealed(self, folder: str, revision: int) -> list[Path]:
        """Return the instances of a revision; all that there are when the folder was emptied since and filled again."""
        place = self._series / folder
        try:
            names = (place / f"{revision}{_REVISION}").read_text()
        except FileNotFoundError:
            return self.instances(folder)
        return [place / name for name in names.split()]

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

    def discard(self, folder: str, *, instances: int) -> bool:
        """Delete a series folder, unless more instances or a sender have come meanwhile; tell whether it did.

        What is put there while this goes on stays: only what was there at first is deleted.

        Parameters
        ----------
        instances
            How many are known of.
        """
        place = self._series / folder
        names = os.listdir(place)
        if any(name.endswith(_SENDER) for name in names) or sum(name.endswith(_INSTANCE) for name in names) > instances:
            return False
        for name in names:
            (place / name).unlink(missing_ok=True)
        try:
            place.rmdir()
        except OSError:
            return False
        return True

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


def instance_name(sop_instance_uid: str) -> str:
    """Return the name of an instance's file in its folder, without what stands behind the dot."""
    return _name(sop_instance_uid)


def _name(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:32]


def _file_meta(key: InstanceKey, transport: Transport) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(key.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(key.sop_instance_uid)
    meta.TransferSyntaxUID = UID(transport.transfer_syntax_uid)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    # so that no header, however broken, keeps a series from being told (PS3.10 7.1)
    meta.PrivateInformationCreatorUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.PrivateInformation = f"{key.study_uid}\n{key.series_uid}\n".encode()
    meta.SendingApplicationEntityTitle = transport.calling_ae
    meta.ReceivingApplicationEntityTitle = transport.called_ae
    buffer = DicomBytesIO()
    write_file_meta_info(buffer, meta)
    return buffer.getvalue()


def _series_key(path: Path) -> SeriesKey | None:
    meta = _read_meta(path)
    if meta is None or meta.get("PrivateInformationCreatorUID") != IMPLEMENTATION_CLASS_UID:
        return None
    study_uid, series_uid, *_ = meta.PrivateInformation.decode().split("\n")
    return SeriesKey(study_uid, series_uid, _series_number(path))


def _read_meta(path: Path) -> FileMetaDataset | None:
    """Return the file meta information, None where the file is damaged."""
    try:
        return read_file_meta_info(path)
    except (InvalidDicomError, EOFError, ValueError, AttributeError, struct.error):
        return None


def _series_number(path: Path) -> int | None:
    """Return SeriesNumber (0020,0011), None where the header has none or cannot be read."""
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=["SeriesNumber"])
        number = str(header.get("SeriesNumber", "")).strip()
    except Exception:  # the boundary to bytes that others wrote; what is wrong with them, assemble says
        return None
    known = number.removeprefix("-").isdecimal() and abs(int(number)) < _LARGEST_NUMBER
    return int(number) if known else None


def _link(temporary: Path, final: Path, transfer_syntax_uid: str, dataset: bytes) -> Stored:
    """Give a written file its name; never replace other content that is there.

    The same content does replace what is there: whoever wrote that may not have come to have it on the disk.
    """
    try:
        os.link(temporary, final)
    except FileExistsError:
        meta = _read_meta(final)
        if meta is not None and not _holds(final, meta, transfer_syntax_uid, dataset):
            temporary.rename(final.with_suffix(f".{hashlib.sha256(dataset).hexdigest()[:16]}{_CONFLICT}"))
            return Stored.CONFLICT
        temporary.rename(final)
        return Stored.NEW if meta is None else Stored.DUPLICATE
    return Stored.NEW


def _holds(path: Path, meta: FileMetaDataset, transfer_syntax_uid: str, dataset: bytes) -> bool:
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
