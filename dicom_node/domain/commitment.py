"""A storage commitment request: which instances a sender wants to know to be safe here, and what it is told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from dicom_node.errors import IllegalTransition

# Failure Reason (0008,1197), PS3.3 C.14.1.1
PROCESSING_FAILURE = 0x0110
NO_SUCH_INSTANCE = 0x0112
CLASS_INSTANCE_CONFLICT = 0x0119
DUPLICATE_TRANSACTION_UID = 0x0131

FAILURE_REASONS: Mapping[int, str] = {
    PROCESSING_FAILURE: "Other content came under the same UID and was set aside: which is meant cannot be told.",
    NO_SUCH_INSTANCE: "It is not here, or damaged.",
    CLASS_INSTANCE_CONFLICT: "It is here as an instance of another SOP class.",
    DUPLICATE_TRANSACTION_UID: "The TransactionUID stands for other instances of the same requestor already.",
}
"""Those that the node gives, and when."""


class Reference(NamedTuple):
    """An instance that the request names."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Holding:
    """What the spool holds under a SOPInstanceUID.

    Attributes
    ----------
    sop_class_uid
        Of the instance that is kept.
    conflict
        Whether another content came under the same UID and was set aside: nobody knows which one the sender means.
    """

    sop_class_uid: str
    conflict: bool = False


class CommitmentState(StrEnum):
    """Where a request stands."""

    WAITING = "WAITING"  # to be reported on
    REPORTED = "REPORTED"
    GIVEN_UP = "GIVEN_UP"  # the requestor could not be reached for so long that it will have asked again


class CommitmentEvent(StrEnum):
    """What can happen to a request."""

    ASKED_AGAIN = "asked again"
    REPORTED = "reported"
    DEFERRED = "deferred"
    GIVEN_UP = "given up"


_S, _E = CommitmentState, CommitmentEvent

COMMITMENT_TRANSITIONS: dict[tuple[CommitmentState, CommitmentEvent], CommitmentState] = {
    (_S.WAITING, _E.ASKED_AGAIN): _S.WAITING,
    (_S.REPORTED, _E.ASKED_AGAIN): _S.WAITING,
    (_S.GIVEN_UP, _E.ASKED_AGAIN): _S.WAITING,
    (_S.WAITING, _E.REPORTED): _S.REPORTED,
    (_S.REPORTED, _E.REPORTED): _S.REPORTED,  # two processes may have reported at the same time
    (_S.WAITING, _E.DEFERRED): _S.WAITING,
    (_S.REPORTED, _E.DEFERRED): _S.REPORTED,
    (_S.WAITING, _E.GIVEN_UP): _S.GIVEN_UP,
}


@dataclass(frozen=True, slots=True)
class Commitment:
    """A request as the ledger knows it (PS3.4 J.3.2).

    Attributes
    ----------
    transaction_uid
        TransactionUID (0008,1195), chosen by the requestor.
    requestor
        Its AE title.
    peer
        Address that the request came from.
    references
        What is to be committed, in the order of the request.
    received, next_attempt
        When it came, and when it is to be reported on at the earliest, UTC.
    duplicate
        Whether its TransactionUID stood for other instances before.
    state, attempts, reason
        Where it stands, how often a report was tried, and why the last one failed.
    """

    transaction_uid: str
    requestor: str
    peer: str
    references: tuple[Reference, ...]
    received: datetime
    next_attempt: datetime
    duplicate: bool = False
    state: CommitmentState = CommitmentState.WAITING
    attempts: int = 0
    reason: str | None = None

    @property
    def id(self) -> str:
        """A hash of who asks what under which name: the same request has the same, whenever it comes."""
        parts = (self.requestor, self.transaction_uid, *(uid for each in sorted(set(self.references)) for uid in each))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def after(self, event: CommitmentEvent, **changes: Any) -> Commitment:
        """Return the request after `event`, with other fields changed too.

        Raises
        ------
        IllegalTransition
            When the table holds no such change.
        """
        try:
            state = COMMITMENT_TRANSITIONS[self.state, event]
        except KeyError:
            raise IllegalTransition("commitment request", self.state, event) from None
        return replace(self, state=state, **changes)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the requestor is told (PS3.4 J.3.3).

    Attributes
    ----------
    committed
        Those that are safe.
    failed
        Those that are not, each with its Failure Reason.
    """

    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...]

    @property
    def missing(self) -> bool:
        """Whether something is not there that may still be on its way."""
        return any(reason == NO_SUCH_INSTANCE for _, reason in self.failed)


def answer(request: Commitment, held: Mapping[str, Holding]) -> Answer:
    """Return the answer to a request; each reference is in it once.

    Parameters
    ----------
    held
        SOPInstanceUID -> what the spool holds under it; absent: nothing.
    """
    committed: list[Reference] = []
    failed: list[tuple[Reference, int]] = []
    for reference in dict.fromkeys(request.references):
        reason = DUPLICATE_TRANSACTION_UID if request.duplicate else _failure(reference, held)
        if reason is None:
            committed.append(reference)
        else:
            failed.append((reference, reason))
    return Answer(tuple(committed), tuple(failed))


def _failure(reference: Reference, held: Mapping[str, Holding]) -> int | None:
    holding = held.get(reference.sop_instance_uid)
    if holding is None:
        return NO_SUCH_INSTANCE
    if holding.sop_class_uid != reference.sop_class_uid:
        return CLASS_INSTANCE_CONFLICT
    return PROCESSING_FAILURE if holding.conflict else None


def references_of(pairs: Sequence[Sequence[str]]) -> tuple[Reference, ...]:
    """Return references as they were written down."""
    return tuple(Reference(*pair) for pair in pairs)
