"""What was acknowledged, and what the PACS holds: read from the disk and the wire, not from what the node says."""

from __future__ import annotations

from collections import Counter
from io import BytesIO

from node_process import NodeProcess
from pydicom import dcmread
from scripted_pacs import ScriptedPacs


def derived_in(pacs: ScriptedPacs) -> Counter[str]:
    """Return derived series -> distinct instances; the same UID with other bytes is a failure of its own."""
    bytes_of: dict[str, bytes] = {}
    for uid, _, dataset in pacs.received:
        assert bytes_of.setdefault(uid, dataset) == dataset
    headers = (dcmread(BytesIO(dataset), force=True) for dataset in bytes_of.values())
    return Counter(str(header.SeriesInstanceUID) for header in headers)


def spooled(node: NodeProcess) -> set[str]:
    paths = (node.folder / "var" / "spool" / "series").rglob("*.dcm")
    return {str(dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in paths}
