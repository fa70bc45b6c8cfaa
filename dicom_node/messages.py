"""What a receiver does beside storing images: storage commitment, performed procedure steps, the audit."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from dicom_node.auditing import Auditor
from dicom_node.commitments import CommitmentAnswers
from dicom_node.domain.association import AssociationEvent
from dicom_node.receive.services import Service
from dicom_node.ticks import Ticks

REPORT_EVERY_S = 0.5
WRITE_EVERY_S = 0.25
SEND_EVERY_S = 1.0
LAST_MESSAGES_S = 1.0
"""How long the end of the node waits for its last audit messages; what was not sent is, after the next start."""


class Messages:
    """The rarer services of a receiver, and what goes on behind them.

    Parameters
    ----------
    services
        What the receiver offers beside storage and verification.
    answers
        Reports on storage commitment.
    auditor
        Is told of every association.
    """

    def __init__(self, services: Sequence[Service], answers: CommitmentAnswers, auditor: Auditor) -> None:
        self.services = services
        self._answers = answers
        self._auditor = auditor

    def on_association(self, event: AssociationEvent) -> None:
        """Take note of an association that has ended or was refused."""
        self._auditor.on_association(event)

    def start(self, ticks: Ticks) -> None:
        """Begin, or go on with what an earlier process left behind."""
        self._auditor.started()
        self._answers.start()
        ticks.start("commitment", self._answers.report_due, every_s=REPORT_EVERY_S)
        ticks.start("audit", self._auditor.write, every_s=WRITE_EVERY_S)
        ticks.start("audit messages", self._auditor.send, every_s=SEND_EVERY_S)

    def stop(self) -> None:
        """End: what waits is in the ledger."""
        self._answers.close()
        self._auditor.stopped()
        last = threading.Thread(target=self._auditor.send, name="last audit messages", daemon=True)
        last.start()
        last.join(LAST_MESSAGES_S)
