"""A scanner that asks for storage commitment, and takes the reports on the association it asked over or on others."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pydicom.uid import MRImageStorage
from pynetdicom import AE, evt
from pynetdicom.events import Event

STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
INSTANCE = "1.2.840.10008.1.20.1.1"


def action_information(transaction_uid: str, instances: Sequence[str], sop_class: str = MRImageStorage) -> Dataset:
    information = Dataset()
    information.TransactionUID = transaction_uid
    information.ReferencedSOPSequence = []
    for uid in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        information.ReferencedSOPSequence.append(item)
    return information


@dataclass
class Scanner:
    """Keeps the reports that it is sent, and answers them as the test says."""

    ae_title: str = "MR1"
    reports: list[tuple[int, Dataset]] = field(default_factory=list)
    roles: list[Any] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    port: int = 0

    def on_report(self, event: Event) -> tuple[int, None]:
        request: Any = event.request
        self.reports.append((request.EventTypeID, event.event_information))
        self.roles.append((event.assoc.is_acceptor, event.context))
        return (self.answers.pop(0) if self.answers else 0x0000), None

    def associate(self, port: int) -> Any:
        entity = AE(self.ae_title)
        entity.acse_timeout = entity.dimse_timeout = 20
        entity.add_requested_context(STORAGE_COMMITMENT)
        return entity.associate(
            "127.0.0.1", port, ae_title="HARMONIZE", evt_handlers=[(evt.EVT_N_EVENT_REPORT, self.on_report)]
        )

    def ask(self, association: Any, transaction_uid: str, instances: Sequence[str], **how: Any) -> int:
        information = action_information(transaction_uid, instances)
        action = {"action_type": 1, "instance_uid": INSTANCE, **how}
        status, _ = association.send_n_action(
            information, action["action_type"], STORAGE_COMMITMENT, action["instance_uid"]
        )
        return int(status.Status)

    @property
    def committed(self) -> list[str]:
        """What the last report says is safe."""
        return [item.ReferencedSOPInstanceUID for item in self.reports[-1][1].get("ReferencedSOPSequence", [])]

    @property
    def failed(self) -> dict[str, int]:
        """What the last report says is not, with the reasons."""
        items = self.reports[-1][1].get("FailedSOPSequence", [])
        return {item.ReferencedSOPInstanceUID: item.FailureReason for item in items}


@contextmanager
def listening(scanner: Scanner, *, takes_the_role: bool = True, tls: ssl.SSLContext | None = None) -> Iterator[Scanner]:
    """Let a scanner take reports on associations that the node opens."""
    entity = AE(scanner.ae_title)
    entity.require_called_aet = True
    roles = {"scu_role": False, "scp_role": True} if takes_the_role else {}
    entity.add_supported_context(STORAGE_COMMITMENT, **roles)  # type: ignore[arg-type]  # of mixed keywords
    server = entity.start_server(
        ("127.0.0.1", scanner.port), block=False, ssl_context=tls,
        evt_handlers=[(evt.EVT_N_EVENT_REPORT, scanner.on_report)],
    )  # fmt: skip
    scanner.port = server.server_address[1]
    try:
        yield scanner
    finally:
        # in the background: pynetdicom looks only twice a second whether it should stop
        threading.Thread(target=server.shutdown).start()
