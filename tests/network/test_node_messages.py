"""A whole node as a process: promised commitments outlive a kill, the audit tells of it, MPPS closes a series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from commitment_scu import Scanner, listening
from made_series import a_few
from node_process import NodeProcess
from pydicom import Dataset
from pynetdicom import AE
from scripted_pacs import running_pacs
from until import until

from dicom_node.domain.series import Series
from dicom_node.spool.ledger import Ledger

pytestmark = pytest.mark.network

CANARY = "CANARY^TWEETY"
MPPS = "1.2.840.10008.3.1.2.3.3"
SETTINGS = """\
commitment: {{accept: true, peers: [{{ae_title: MR1, host: 127.0.0.1, port: {port}}}], wait_s: 1, retry_first_s: 0.5}}
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


def test_what_a_scanner_says_that_it_made_closes_its_series_at_once_and_the_rest_of_the_node_goes_on(
    tmp_path: Path,
) -> None:
    with running_pacs() as pacs:
        node = NodeProcess(tmp_path / "node", pacs.port)
        file = node.folder / "node.yaml"
        only_mpps = file.read_text().replace("{settle_s: 0.5, silence_s: 3}", "{settle_s: 3600, silence_s: 3600}")
        file.write_text(only_mpps)
        made = a_few()
        with node:
            node.send(made[:8], calling_ae="MR1")
            report_performed(node, made)
            until(lambda: [each.state for each in all_series(node)] == ["RECEIVING"])
            node.send(made[8:], calling_ae="MR1")
            until(lambda: node.states() == ["DELIVERED"], limit_s=60)
            (closed,) = all_series(node)
    assert (closed.state, closed.instances) == ("ROUTED", len(made))
    assert closed.evidence == f"all {len(made)} instances that the scanner's MPPS names are there"


def report_performed(node: NodeProcess, made: Sequence[Dataset]) -> None:
    """Say as a scanner does that a step has begun, and that it is completed with these instances (PS3.4 F.7.2)."""
    begun, ended, series = Dataset(), Dataset(), Dataset()
    begun.PerformedProcedureStepStatus = "IN PROGRESS"
    begun.PerformedSeriesSequence = []
    series.SeriesInstanceUID = made[0].SeriesInstanceUID
    series.ReferencedImageSequence = [Dataset() for _ in made]
    for reference, ds in zip(series.ReferencedImageSequence, made, strict=True):
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ended.PerformedProcedureStepStatus = "COMPLETED"
    ended.PerformedSeriesSequence = [series]
    entity = AE("MR1")
    entity.add_requested_context(MPPS)
    association = entity.associate("127.0.0.1", node.ports("dicom")[-1], ae_title="HARMONIZE")
    assert association.send_n_create(begun, MPPS, "1.2.3.9")[0].Status == 0x0000
    assert association.send_n_set(ended, MPPS, "1.2.3.9")[0].Status == 0x0000
    association.release()


def all_series(node: NodeProcess) -> list[Series]:
    ledger = Ledger(f"sqlite:///{node.folder / 'var' / 'ledger.sqlite'}")
    try:
        return ledger.series()
    finally:
        ledger.close()


def associations(node: NodeProcess) -> int:
    ledger = Ledger(f"sqlite:///{node.folder / 'var' / 'ledger.sqlite'}")
    try:
        return len(ledger.audit_trail.associations())
    finally:
        ledger.close()
