"""What the spool holds of instances that are named without their series."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydicom.filereader import read_file_meta_info

from dicom_node.domain.commitment import Holding
from dicom_node.spool.instances import Spool, instance_name


def holdings(spool: Spool, sop_instance_uids: Iterable[str]) -> dict[str, Holding]:
    """Return what the spool holds; SOPInstanceUIDs of which it holds nothing that can be read are left out.

    Every series folder is listed until all are found, the ones that changed last first: a commitment is asked for soon
    after the images were sent.
    """
    wanted = {instance_name(uid): uid for uid in sop_instance_uids}
    found: dict[str, Holding] = {}
    for folder in spool.latest_folders():
        if len(found) == len(wanted):
            break
        named = [path for path in spool.instances(folder) if path.stem in wanted and wanted[path.stem] not in found]
        disputed = spool.disputed(folder) if named else frozenset()
        for path in named:
            sop_class_uid = _sop_class(path, wanted[path.stem])
            if sop_class_uid is not None:
                found[wanted[path.stem]] = Holding(sop_class_uid, conflict=path.stem in disputed)
    return found


def _sop_class(path: Path, sop_instance_uid: str) -> str | None:
    """Return the SOP class of an instance file; None where the file is damaged, gone, or another instance's."""
    try:
        meta = read_file_meta_info(path)
        same = str(meta.MediaStorageSOPInstanceUID) == sop_instance_uid
        return str(meta.MediaStorageSOPClassUID) if same else None
    except Exception:  # the boundary to the bytes on a disk: what cannot be read is not safe, so it is not committed
        return None
