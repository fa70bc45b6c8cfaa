"""Run inside a network namespace by test_node_orthanc.py: the scanner sends to Orthanc too, which the node asks."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from made_series import made_series
from node_process import NodeProcess
from orthanc_commitment import encoded, http
from until import until

from dicom_node.demo.orthanc import OrthancPacs, bring_loopback_up
from dicom_node.spool.ledger import Ledger


def main(folder: Path) -> None:
    bring_loopback_up()
    with OrthancPacs(folder / "orthanc") as orthanc:
        where = {"host": "127.0.0.1", "port": orthanc.port, "ae_title": orthanc.ae_title}
        os.environ["DICOM_NODE__COMPLETENESS__COUNT_FROM"] = json.dumps(where)
        os.environ["DICOM_NODE__COMPLETENESS__SILENCE_S"] = "120"
        with NodeProcess(folder / "node", orthanc.port, ae_title=orthanc.ae_title) as node:
            localizer = made_series()[20:23]  # too few for geometry: without the count it would wait for silence
            for ds in localizer:
                http(orthanc, "POST", "/instances", encoded(ds))
            node.send(localizer)
            until(lambda: evidence(node), limit_s=60)
            assert "all 3 instances that the PACS counts are there" in evidence(node)[0]


def evidence(node: NodeProcess) -> list[str]:
    """Return the evidence of the series that are complete."""
    ledger = Ledger(f"sqlite:///{node.folder / 'var' / 'ledger.sqlite'}")
    try:
        return [series.evidence for series in ledger.series() if series.evidence is not None]
    finally:
        ledger.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
