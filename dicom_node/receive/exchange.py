"""The life of an accepted association: PDU after PDU until it is released, aborted or lost (PS3.8 9.2, Sta6)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dicom_node.dimse import pdu
from dicom_node.dimse.connection import Connection
from dicom_node.dimse.messages import Messages
from dicom_node.dimse.pdu import AbortReason, PduType
from dicom_node.domain.association import Outcome
from dicom_node.errors import ProtocolBroken
from dicom_node.receive.limits import ReceiverLimits
from dicom_node.receive.own_requests import OwnRequests

LOOK_EVERY_S = 0.1
"""How often an association over which the node may have to ask something looks whether it has."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended.

    Attributes
    ----------
    outcome, reason
        See `AssociationEvent`.
    last_words
        PDU that the peer is still to get.
    """

    outcome: Outcome
    reason: str | None = None
    last_words: bytes = b""


def broken(error: ProtocolBroken) -> Ending:
    """Return the ending that a breach of the protocol makes (PS3.8 9.2.3, AA-1, AA-8)."""
    return Ending("aborted", str(error), pdu.abort(pdu.ABORT_BY_PROVIDER, error.reason))


@dataclass(frozen=True, slots=True)
class Exchange:
    """The data transfer of one association.

    Attributes
    ----------
    messages
        Where P-DATA goes.
    own
        What the node itself asks of the peer.
    peer_maximum
        Longest P-DATA-TF that the peer receives; 0: no limit.
    """

    connection: Connection
    messages: Messages
    own: OwnRequests
    limits: ReceiverLimits
    peer_maximum: int
    clock: Callable[[], float] = time.monotonic

    def run(self) -> Ending:
        """Serve the peer until its association ends; nothing of a message that was under way is left."""
        end = self.clock() + self.limits.association_s
        try:
            while True:
                idle_by = self.clock() + self.limits.idle_s
                self._ask(until=min(idle_by, end))
                kind, body = self.connection.receive(
                    by=idle_by,
                    whole_by=end,
                    pdu_s=self.limits.pdu_s,
                    maximum=self.limits.maximum_pdu,
                )
                if kind != PduType.P_DATA_TF:
                    return _ENDINGS.get(kind, _UNEXPECTED)
                for context_id, answer in self.messages.take(body):
                    answers = pdu.command_pdus(context_id, answer, maximum=self.peer_maximum)
                    self.connection.send(answers, within_s=self.limits.pdu_s)
        except ProtocolBroken as error:
            return broken(error)
        except TimeoutError as error:
            return Ending("aborted", str(error), pdu.abort(pdu.ABORT_BY_USER, AbortReason.NOT_SPECIFIED))
        except (EOFError, OSError):
            if self.connection.interrupted:
                reason = "the node is being stopped"
                return Ending("aborted", reason, pdu.abort(pdu.ABORT_BY_USER, AbortReason.NOT_SPECIFIED))
            return Ending("lost", "the connection was lost")
        finally:
            self.own.close()
            self.messages.discard()

    def _ask(self, *, until: float) -> None:
        """Send what the node itself asks, while nothing comes."""
        while self.own.is_expected and self.clock() < until:
            if not self.messages.is_under_way and (asked := self.own.next(maximum=self.peer_maximum)):
                self.connection.send(asked, within_s=self.limits.pdu_s)
            if self.connection.has_come(by=min(self.clock() + LOOK_EVERY_S, until)):
                return


_UNEXPECTED = broken(ProtocolBroken(AbortReason.UNEXPECTED_PDU, "a PDU that an association does not hold"))

_ENDINGS: Mapping[int, Ending] = {
    PduType.RELEASE_RQ: Ending("released", None, pdu.RELEASE_RESPONSE),  # AR-2, AR-4
    PduType.ABORT: Ending("aborted", "by the peer"),  # AA-3
}
