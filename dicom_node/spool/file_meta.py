"""What stands before the data set in a file of the spool: preamble and file meta information (PS3.10 7.1)."""

from __future__ import annotations

import struct
from pathlib import Path

from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from dicom_node.domain.instance import InstanceKey, Transport
from dicom_node.domain.provenance import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

# A zero preamble: the sender's may hold an executable, and nothing of it is data (PS3.10 7.1)
_PREAMBLE = bytes(128) + b"DICM"
_GROUP_LENGTH = struct.Struct("<HH2sHL")
_SHORT, _LONG = struct.Struct("<HH2sH"), struct.Struct("<HH2sHL")
_LONG_VRS = (b"OB",)


def head(key: InstanceKey, transport: Transport) -> bytes:
    """Return everything up to the data set. By hand: pydicom takes longer for it than the disk for the image."""
    meta = b"".join(
        _element(number, vr, value)
        for number, vr, value in (
            (0x0001, b"OB", b"\0\1"),
            (0x0002, b"UI", key.sop_class_uid.encode()),
            (0x0003, b"UI", key.sop_instance_uid.encode()),
            (0x0010, b"UI", transport.transfer_syntax_uid.encode()),
            (0x0012, b"UI", IMPLEMENTATION_CLASS_UID.encode()),
            (0x0013, b"SH", IMPLEMENTATION_VERSION_NAME.encode()),
            (0x0017, b"AE", transport.calling_ae.encode()),
            (0x0018, b"AE", transport.called_ae.encode()),
            # so that no header, however broken, keeps a series from being told
            (0x0100, b"UI", IMPLEMENTATION_CLASS_UID.encode()),
            (0x0102, b"OB", f"{key.study_uid}\n{key.series_uid}\n".encode()),
        )
    )
    return _PREAMBLE + _GROUP_LENGTH.pack(0x0002, 0x0000, b"UL", 4, len(meta)) + meta


def read_meta(path: Path) -> FileMetaDataset | None:
    """Return the file meta information, None where the file is damaged."""
    try:
        return read_file_meta_info(path)
    except (InvalidDicomError, EOFError, ValueError, AttributeError, struct.error):
        return None


def head_length(meta: FileMetaDataset) -> int:
    """Return where the data set begins in a file of the spool, from its file meta information."""
    return len(_PREAMBLE) + _GROUP_LENGTH.size + int(meta.FileMetaInformationGroupLength)


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    pad = b"\0" if vr in (b"UI", b"OB") else b" "
    padded = value + pad * (len(value) % 2)
    layout = _LONG if vr in _LONG_VRS else _SHORT
    if layout is _LONG:
        return _LONG.pack(0x0002, number, vr, 0, len(padded)) + padded
    return _SHORT.pack(0x0002, number, vr, len(padded)) + padded
