"""An instance on its way into the spool: written to a file of another name, then synced and named."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from dicom_node.domain.instance import InstanceKey, Stored, Transport
from dicom_node.errors import InstanceRejected
from dicom_node.spool import durable
from dicom_node.spool.file_meta import head, head_length, read_meta

OUT_OF_RESOURCES = 0xA700  # PS3.4 table B.2-1
INSTANCE, CONFLICT = ".dcm", ".conflict"

_CHUNK_BYTES = 1 << 20


class IncomingInstance:
    """One instance; either `commit` or `discard` ends it.

    Parameters
    ----------
    key, transport
        Of it.
    incoming
        Folder of files without a name.
    folder, name
        Where it is to be, and what it is to be called there.
    sync_folder
        Has the names in a folder on the disk.
    announce
        Called when it is durable, before it is told.
    """

    def __init__(
        self,
        key: InstanceKey,
        transport: Transport,
        *,
        incoming: Path,
        folder: Path,
        name: str,
        sync_folder: Callable[[Path], None],
        announce: Callable[[], None],
    ) -> None:
        self._syntax = transport.transfer_syntax_uid
        # as text: pathlib takes longer for such a name than the kernel for the file
        self._temporary = f"{incoming}/{os.urandom(16).hex()}"
        self._folder = folder
        self._name = name
        self._sync_folder = sync_folder
        self._announce = announce
        self._head: bytes = head(key, transport)
        self._head_bytes = len(self._head)
        self._descriptor = durable.new_file(self._temporary)

    def write(self, chunk: bytes | memoryview) -> None:
        """Add to the data set; see `dicom_node.domain.ports.IncomingInstance`."""
        try:
            if self._head:
                durable.write_all(self._descriptor, self._head, chunk)
                self._head = b""
            else:
                durable.write_all(self._descriptor, chunk)
        except OSError as error:
            raise rejected(error) from error

    def commit(self) -> Stored:
        """Have it on the disk under its name; see `dicom_node.domain.ports.IncomingInstance`."""
        try:
            if self._head:
                self.write(b"")
            os.fsync(self._descriptor)
            stored = self._link()
            self._sync_folder(self._folder)
            self._announce()
        except OSError as error:
            raise rejected(error) from error
        finally:
            self.discard()
        return stored

    def discard(self) -> None:
        """Leave nothing behind; after `commit` it does nothing."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            with suppress(OSError):  # on a disk that fails it stays until the next start
                os.unlink(self._temporary)
            os.close(descriptor)

    def _link(self) -> Stored:
        """Give the file its name; never replace other content that is there.

        The same content does replace what is there: whoever wrote that may not have come to have it on the disk.
        """
        final = f"{self._folder}/{self._name}"
        try:
            os.link(self._temporary, final)
        except FileExistsError:
            return self._meet(Path(final))
        return Stored.NEW

    def _meet(self, earlier: Path) -> Stored:
        """Give the file a name beside, or instead of, one that came under the same UID."""
        meta = read_meta(earlier)
        if meta is not None and not self._is_alike(earlier, str(meta.TransferSyntaxUID), head_length(meta)):
            os.rename(self._temporary, earlier.with_suffix(f".{self._digest()[:16]}{CONFLICT}"))
            return Stored.CONFLICT
        os.rename(self._temporary, earlier)
        return Stored.NEW if meta is None else Stored.DUPLICATE

    def _is_alike(self, earlier: Path, syntax: str, start: int) -> bool:
        if syntax != self._syntax:
            return False
        ours, theirs = _chunks(self._temporary, self._head_bytes), _chunks(earlier, start)
        return all(mine == other for mine, other in zip(ours, theirs, strict=True))

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for chunk in _chunks(self._temporary, self._head_bytes):
            digest.update(chunk)
        return digest.hexdigest()


def rejected(error: OSError) -> InstanceRejected:
    """Return the refusal for an error of the file system."""
    reason = os.strerror(error.errno) if error.errno else "input/output error"
    return InstanceRejected(OUT_OF_RESOURCES, f"cannot store now: {reason}"[:64])


def _chunks(path: Path | str, start: int) -> Iterator[bytes]:
    """Yield a file from `start` on; an empty chunk is the last, so that a shorter file differs from a longer one."""
    with open(path, "rb") as file:
        file.seek(start)
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
        yield b""
