"""Run inside a network namespace by test_node_orthanc.py: Orthanc asks whether what it sent is safe at the node."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

from made_series import a_few
from node_process import NodeProcess
from pydicom import dcmwrite
from pydicom.filebase import DicomBytesIO
from pydicom.uid import MRImageStorage
from until import until

from dicom_node.demo.orthanc import OrthancPacs, bring_loopback_up


def main(folder: Path) -> None:
    bring_loopback_up()
    with OrthancPacs(folder / "orthanc") as orthanc:
        peer = f"{{ae_title: {orthanc.ae_title}, host: 127.0.0.1, port: {orthanc.port}}}"
        more = f"commitment: {{accept: true, peers: [{peer}], wait_s: 1}}"
        with NodeProcess(folder / "node", orthanc.port, ae_title=orthanc.ae_title, more=more) as node:
            names = [http(orthanc, "POST", "/instances", encoded(ds))["ID"] for ds in a_few()[:3]]
            where = {
                "AET": "HARMONIZE",
                "Host": "127.0.0.1",
                "Port": node.ports("dicom")[-1],
                "AllowStorageCommitment": True,
            }
            http(orthanc, "PUT", "/modalities/node", json.dumps(where).encode())
            asked = {"Resources": names, "Synchronous": True, "StorageCommitment": True}
            sent = http(orthanc, "POST", "/modalities/node/store", json.dumps(asked).encode())
            report = settled(orthanc, sent["StorageCommitmentTransactionUID"])
            assert (report["Status"], len(report["Success"]), report["Failures"]) == ("Success", 3, [])

            absent = {"DicomInstances": [[MRImageStorage, "1.2.3.4"]], "Timeout": 30}
            sent = http(orthanc, "POST", "/modalities/node/storage-commitment", json.dumps(absent).encode())
            report = settled(orthanc, sent["ID"])
            assert (report["Status"], [each["FailureReason"] for each in report["Failures"]]) == ("Failure", [0x0112])


def encoded(ds: Any) -> bytes:
    buffer = DicomBytesIO()
    dcmwrite(buffer, ds, enforce_file_format=True)
    return buffer.getvalue()


def http(orthanc: OrthancPacs, method: str, path: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{orthanc.http_port}{path}", body, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        content = answer.read()
    return json.loads(content) if content else None


def settled(orthanc: OrthancPacs, transaction: str) -> Any:
    def look() -> Any:
        return http(orthanc, "GET", f"/storage-commitment/{transaction}")

    until(lambda: look()["Status"] != "Pending", limit_s=60)
    return look()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
