"""A receiver under faults: what it gave account of, and whether it is as it was before."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from pydicom.uid import ExplicitVRLittleEndian
from raw_peer import (
    COMMAND,
    LAST,
    RELEASE,
    VERIFICATION,
    RawPeer,
    command,
    elements,
    p_data,
    request,
)
from until import until

from dicom_node.domain.association import AssociationEvent
from dicom_node.domain.ports import InstanceStore
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.receive.policy import Policy
from dicom_node.receive.server import Receiver
from dicom_node.spool.instances import Spool

ECHO = p_data((1, COMMAND | LAST, command(elements(0x0030))))
ECHO_CONTEXT = (1, VERIFICATION, ExplicitVRLittleEndian)
QUICK = ReceiverLimits(negotiation_s=0.4, pdu_s=0.4)


class Ward:
    """A receiver on a spool, with the accounts it gave, and what must be as before when a fault is over."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool: InstanceStore = Spool(folder)
        self.events: list[AssociationEvent] = []
        self._receivers: list[Receiver] = []

    def start(self, limits: ReceiverLimits = QUICK, callers: object = "any") -> Receiver:
        policy = Policy("HARMONIZE", callers)  # type: ignore[arg-type]  # the type of two kinds of callers
        receiver = Receiver(self.spool, policy, limits=limits, on_association=self.events.append)
        receiver.start()
        self._receivers.append(receiver)
        self._before = self._held()
        return receiver

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file() and path.parent.name != "news"]

    def is_alive(self) -> None:
        """See that an echo is answered and that threads and file handles are back to what they were."""
        until(self._echoes)  # not at once where all places were taken: peers are counted out when they are seen to go
        until(lambda: self._held() <= self._before)

    def _echoes(self) -> bool:
        with RawPeer(self._receivers[-1].port, request((ECHO_CONTEXT,))) as peer:
            if peer.answer[:1] in (b"", b"\x03"):
                return False
            peer.send(ECHO)
            assert peer.status() == 0x0000
            peer.send(RELEASE)
            return peer.read()[0] == 6

    def _held(self) -> int:
        own = sum(thread.name == "dicom-connection" for thread in threading.enumerate())
        return own + len(os.listdir("/proc/self/fd"))

    def outcomes(self) -> list[tuple[str, str | None]]:
        return [(event.outcome, event.reason) for event in self.events]

    def stop(self) -> None:
        for receiver in self._receivers:
            receiver.stop(0)
