"""Run inside a network namespace by test_node_orthanc.py: Orthanc sends what it has to the receiver."""

from __future__ import annotations

import json
import sys
import urllib.request
from io import BytesIO
from pathlib import Path

from made_instances import made_instance
from orthanc_commitment import encoded, http
from pydicom import Dataset, dcmread
from pydicom.uid import ImplicitVRLittleEndian
from until import until

from dicom_node.demo.orthanc import OrthancPacs, bring_loopback_up
from dicom_node.domain.association import AssociationEvent
from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver
from dicom_node.spool.file_meta import head_length, read_meta
from dicom_node.spool.instances import Spool, folder_name


def main(folder: Path) -> None:
    bring_loopback_up()
    spool, events = Spool(folder / "spool"), list[AssociationEvent]()
    receiver = Receiver(spool, Policy("HARMONIZE"), on_association=events.append)
    receiver.start()
    with OrthancPacs(folder / "orthanc") as orthanc:
        where = {"AET": "HARMONIZE", "Host": "127.0.0.1", "Port": receiver.port}
        http(orthanc, "PUT", "/modalities/node", json.dumps(where).encode())
        http(orthanc, "POST", "/modalities/node/echo", b"{}")
        images = [made_instance(series_uid="1.2.3", number=number, side=256) for number in range(1, 6)]
        images[-1].file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        names = [http(orthanc, "POST", "/instances", encoded(each))["ID"] for each in images]
        asked = json.dumps({"Resources": names, "Synchronous": True}).encode()
        sent = http(orthanc, "POST", "/modalities/node/store", asked)
        assert (sent["InstancesCount"], sent["FailedInstancesCount"]) == (5, 0)
        until(lambda: sum(event.instances for event in events) == 5)
        held = {str(each.SOPInstanceUID): each for each in map(read, spool.instances(folder_name("1.2.3")))}
        theirs = [dcmread(BytesIO(http_bytes(orthanc, f"/instances/{name}/file"))) for name in names]
        for image, their in zip(images, theirs, strict=True):
            assert held[image.SOPInstanceUID] == their, "Orthanc gave the node something else than it has"
            assert held[image.SOPInstanceUID].PixelData == image.PixelData
        assert {event.outcome for event in events} == {"released"}
    receiver.stop(0)


def read(path: Path) -> Dataset:
    meta = read_meta(path)
    assert meta is not None
    assert path.stat().st_size > head_length(meta)
    return dcmread(path)


def http_bytes(orthanc: OrthancPacs, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{orthanc.http_port}{path}", timeout=60) as answer:
        return bytes(answer.read())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
