"""The spool: received instances as durable files, a folder a series. It is the truth about what was received."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydicom import dcmread
from pydicom.filereader import read_file_meta_info

from dicom_node.domain.instance import InstanceKey, Stored, Transport
from dicom_node.domain.provenance import IMPLEMENTATION_CLASS_UID
from dicom_node.errors import AssociationLost
from dicom_node.spool import durable
from dicom_node.spool.file_meta import read_meta
from dicom_node.spool.folder_syncs import FolderSyncs
from dicom_node.spool.incoming import CONFLICT, INSTANCE, IncomingInstance, rejected

_LARGEST_NUMBER = 10**9
"""IS ends at 2**31 (PS3.5 6.2), and derived series are numbered above their source."""

_SENDER, _LOST, _REVISION = ".sender", ".lost", ".revision"


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
        self._marked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._folder_syncs = FolderSyncs()
        for folder in (root, self._series, self._incoming, self._news):
            folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        durable.sync_folder(root)

    def put(self, key: InstanceKey, transport: Transport, dataset: bytes) -> Stored:
        """Store an instance; see `dicom_node.domain.ports.InstanceStore`."""
        incoming = self.begin(key, transport)
        try:
            incoming.write(dataset)
            return incoming.commit()
        finally:
            incoming.discard()

    def begin(self, key: InstanceKey, transport: Transport) -> IncomingInstance:
        """Begin to store an instance; see `dicom_node.domain.ports.InstanceStore`."""
        name = folder_name(key.series_uid)
        folder = self._series / name
        try:
            self.check_room()
            if not self._marked[name]:  # else it is there, synced, and stays: see `discard`
                durable.make_folder(folder)
            return IncomingInstance(
                key,
                transport,
                incoming=self._incoming,
                folder=folder,
                name=_name(key.sop_instance_uid) + INSTANCE,
                sync_folder=self._folder_syncs.sync,
                announce=partial(self._announce, name),
            )
        except OSError as error:
            raise rejected(error) from error

    def _announce(self, folder: str) -> None:
        # not synced: after a power cut every folder is looked into
        os.close(os.open(f"{self._news}/{folder}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640))

    def check_room(self) -> None:
        """Raise OSError (ENOSPC) when less than the configured space is free."""
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
            try:
                marker = (self._incoming / name).rename(folder / (name + _SENDER))
            except OSError:
                (self._incoming / name).unlink(missing_ok=True)
                raise
            try:
                self._mark(folder.name, 1)
                self.is_sender_connected(folder.name)  # what a dead process left must not count as lost after this one
                for lost in folder.glob("*" + _LOST):
                    lost.unlink(missing_ok=True)
                yield
            except AssociationLost:
                _mark_as_lost(folder, name)
                raise
            finally:
                self._mark(folder.name, -1)
                marker.unlink(missing_ok=True)

    def _mark(self, folder: str, count: int) -> None:
        with self._lock:
            self._marked[folder] += count
            if not self._marked[folder]:
                del self._marked[folder]

    def is_sender_connected(self, folder: str) -> bool:
        """Tell whether any process holds a mark in a series folder.

        A mark of a dead process is removed: its association was lost with it.
        """
        # a list: every mark is looked at
        return not all([_removed_as_left_over(path) for path in (self._series / folder).glob("*" + _SENDER)])

    def has_broken_off(self, folder: str) -> bool:
        """Tell whether the last association that brought a series was lost: the rest may be on its way."""
        return any((self._series / folder).glob("*" + _LOST))

    def folders(self) -> list[str]:
        """Return the names of all series folders."""
        return os.listdir(self._series)

    def latest_folders(self) -> list[str]:
        """Return the names of all series folders, the ones into which something came last first."""
        with os.scandir(self._series) as entries:
            ages = [(entry.stat().st_mtime_ns, entry.name) for entry in entries if entry.is_dir()]
        return [name for _, name in sorted(ages, reverse=True)]

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
            return [place / name for name in sorted(os.listdir(place)) if name.endswith(INSTANCE)]
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
        paths = sorted((self._series / folder).glob("*" + CONFLICT), key=lambda path: path.stat().st_mtime_ns)
        return [
            Conflict(
                str(read_file_meta_info(path).MediaStorageSOPInstanceUID),
                datetime.fromtimestamp(path.stat().st_mtime, tz=UTC),
            )
            for path in paths
        ]

    def disputed(self, folder: str) -> frozenset[str]:
        """Return the instance names in a folder of which other content came under the same UID."""
        try:
            names = os.listdir(self._series / folder)
        except (FileNotFoundError, NotADirectoryError):
            return frozenset()
        return frozenset(name.split(".")[0] for name in names if name.endswith(CONFLICT))

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
        if any(name.endswith(_SENDER) for name in names) or sum(name.endswith(INSTANCE) for name in names) > instances:
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


def _series_key(path: Path) -> SeriesKey | None:
    meta = read_meta(path)
    if meta is None or meta.get("PrivateInformationCreatorUID") != IMPLEMENTATION_CLASS_UID:
        return None
    study_uid, series_uid, *_ = meta.PrivateInformation.decode().split("\n")
    return SeriesKey(study_uid, series_uid, _series_number(path))


def _series_number(path: Path) -> int | None:
    """Return SeriesNumber (0020,0011), None where the header has none or cannot be read."""
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=["SeriesNumber"])
        number = str(header.get("SeriesNumber", "")).strip()
    except Exception:  # the boundary to bytes that others wrote; what is wrong with them, assemble says
        return None
    known = number.removeprefix("-").isdecimal() and abs(int(number)) < _LARGEST_NUMBER
    return int(number) if known else None


def _removed_as_left_over(marker: Path) -> bool:
    try:
        with marker.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _mark_as_lost(marker.parent, marker.stem)
            marker.unlink(missing_ok=True)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def _mark_as_lost(folder: Path, name: str) -> None:
    if any(folder.glob("*" + INSTANCE)):  # else there is nothing that could be taken for the whole
        (folder / (name + _LOST)).touch()
