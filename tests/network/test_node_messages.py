"""A whole node as a process: a commitment that was promised is kept after a kill, and the audit tells what happened."""

from __future__ import annotations

from pathlib import Path

import pytest
from commitment_scu import Scanner, listening
from made_series import a_few
from node_process import NodeProcess
from until import until

from dicom_node.spool.ledger import Ledger

pytestmark = pytest.mark.network

CANARY = "CANARY^TWEETY"
SETTINGS = """\
commitment: {{peers: [{{ae_title: MR1, host: 127.0.0.1, port: {port}}}], wait_s: 1, retry_first_s: 0.5}}
audit: {{to: file, file: audit.log}}
"""


def test_a_report_that_was_promised_comes_after_a_kill_and_the_audit_holds_no_patient(tmp_path: Path) -> None:
    scanner = Scanner()
    with listening(scanner):
        pass  # its port is known, and nothing listens there any more
    node = NodeProcess(tmp_path / "node", 9, more=SETTINGS.format(port=scanner.port))
    series = a_few(patient_name=CANARY)[:4]
    instances = [str(ds.SOPInstanceUID) for ds in series]
    with node:
        assert node.send(series, calling_ae="MR1") == instances
        association = scanner.associate(node.ports("dicom")[-1])
        assert scanner.ask(association, "1.2.3.4", instances) == 0x0000
        association.release()
        until(lambda: associations(node) == 2)
        node.kill()
    with listening(scanner), node:
        until(lambda: scanner.reports, limit_s=60)
        assert scanner.committed == instances
    audit, log = (node.folder / "audit.log").read_text(), node.log.read_text()
    for code in ("110120", "110104", "association", "110121"):
        assert f'csd-code="{code}"' in audit
    for told in (audit, log):
        assert not any(
            word in told for word in ("CANARY", "TWEETY", "PHANTOM-1", series[0].StudyInstanceUID, *instances)
        )


def associations(node: NodeProcess) -> int:
    ledger = Ledger(f"sqlite:///{node.folder / 'var' / 'ledger.sqlite'}")
    try:
        return len(ledger.audit_trail.associations())
    finally:
        ledger.close()
