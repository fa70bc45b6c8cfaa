"""Run inside a network namespace by test_node_orthanc.py: scanner -> node -> Orthanc, and what Orthanc gives back."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from made_series import made_series
from node_process import NodeProcess
from pydicom import Dataset, dcmread
from until import until

from dicom_node.demo.orthanc import OrthancPacs, bring_loopback_up


def main(folder: Path) -> None:
    bring_loopback_up()
    series = made_series()
    with (
        OrthancPacs(folder / "orthanc") as orthanc,
        NodeProcess(folder / "node", orthanc.port, ae_title=orthanc.ae_title) as node,
    ):
        assert len(node.send(series)) == len(series)
        until(lambda: node.states() == ["DELIVERED"], limit_s=120)
        job = node.jobs()[0]
        sent = {
            str(ds.SOPInstanceUID): ds for ds in map(dcmread, (node.folder / "var" / "derived" / job.id).glob("*.dcm"))
        }
        # and back again: Orthanc's copy comes to the node as any scanner's series would
        kept = instances_in(orthanc.http_port)
        node.send(kept)
        until(lambda: node.get("/metrics")[1].count('dicom_node_series{state="IGNORED"} 1.0') == 1, limit_s=120)
        assert len(node.jobs()) == 1
    compare(sent, kept, series)


def instances_in(http_port: int) -> list[Dataset]:
    def get(path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{http_port}{path}", timeout=30) as answer:
            return bytes(answer.read())

    return [dcmread(BytesIO(get(f"/instances/{name}/file"))) for name in json.loads(get("/instances"))]


def compare(sent: dict[str, Dataset], kept: Sequence[Dataset], source: Sequence[Dataset]) -> None:
    assert {str(ds.SOPInstanceUID) for ds in kept} == sent.keys()
    assert len(kept) == len(source)
    for ds in kept:
        ours = sent[str(ds.SOPInstanceUID)]
        assert ds.StudyInstanceUID == source[0].StudyInstanceUID
        assert ds.SyntheticData == "YES"
        np.testing.assert_array_equal(ds.pixel_array, ours.pixel_array)
        assert [element for element in ds if element != ours.get(element.tag)] == []


if __name__ == "__main__":
    main(Path(sys.argv[1]))
