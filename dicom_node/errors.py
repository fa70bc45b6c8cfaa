"""The errors of the node: one tree, in which the class decides what happens next.

::

    NodeError
    ├── RefusedToStart         configuration or rules cannot be used: print one line, exit 1
    ├── InstanceRejected       answer the sender with `status`, store nothing
    ├── RequestRefused         answer an N-ACTION, N-CREATE or N-SET with `status`, change nothing
    ├── ProtocolBroken         the peer does not keep to the Standard: A-ABORT, close
    ├── AssociationLost        the sender did not release it: what it brought may be a part
    ├── SeriesRefused          the series cannot become a volume: HELD, with the reason
    ├── JobHeld                the model's contract or the output gate says no: HELD, with the reason
    ├── JobFailed              the model broke: tried again a few times, then FAILED
    │   ├── ModelCrashed
    │   └── ModelTimedOut
    ├── DeliveryDeferred       the destination cannot take it now: tried again later
    ├── DeliveryRefused        the destination will never take it: FAILED, with the reason
    ├── ArchiveSilent          the PACS that counts gave no answer: it counts as no evidence, asked again later
    ├── NotFound               the thing that a command names is not in the ledger
    └── IllegalTransition      a state change outside the tables: a bug in the node
"""


class NodeError(Exception):
    """Anything that the node itself raises."""


class RefusedToStart(NodeError):
    """Configuration, rules or data folder cannot be used; the message is one line that names file, line and key."""


class InstanceRejected(NodeError):
    """A C-STORE request that is answered with a failure status.

    Parameters
    ----------
    status
        C-STORE response status (PS3.4 B.2.3).
    comment
        ErrorComment (0000,0902), at most 64 characters; never a value from the data set.
    """

    def __init__(self, status: int, comment: str) -> None:
        super().__init__(f"0x{status:04X} {comment}")
        self.status = status
        self.comment = comment


class RequestRefused(NodeError):
    """An N-ACTION, N-CREATE or N-SET request that is answered with a failure status.

    Parameters
    ----------
    status
        Of the response (PS3.7 C).
    comment
        ErrorComment (0000,0902), at most 64 characters; never a value from the data set.
    error_id
        ErrorID (0000,0903), where the service class defines one.
    """

    def __init__(self, status: int, comment: str, *, error_id: int | None = None) -> None:
        super().__init__(f"0x{status:04X} {comment}")
        self.status = status
        self.comment = comment
        self.error_id = error_id


class ProtocolBroken(NodeError):
    """A peer that does not keep to PS3.7 or PS3.8; the message is worded here and holds nothing that it sent.

    Parameters
    ----------
    reason
        Reason/Diag. of the A-ABORT that answers it, source 2 (PS3.8 table 9-26).
    why
        For the log and the audit.
    """

    def __init__(self, reason: int, why: str) -> None:
        super().__init__(why)
        self.reason = reason


class AssociationLost(NodeError):
    """An association that was aborted, or whose connection was lost."""


class SeriesRefused(NodeError):
    """A series or stack that no model may see; the message is a reason that an admin understands."""


class JobHeld(NodeError):
    """A job stopped by the model's input contract or by the output gate; the message is the reason."""


class JobFailed(NodeError):
    """A model that did not answer as it should."""


class ModelCrashed(JobFailed):
    """The inference process ended, or answered with an error."""


class ModelTimedOut(JobFailed):
    """The inference process did not answer in time and was killed."""


class DeliveryDeferred(NodeError):
    """A destination that is down, busy or out of resources: the same objects are sent again later."""


class DeliveryRefused(NodeError):
    """A destination that refused instances for good (A9xx, Cxxx, no presentation context)."""


class ArchiveSilent(NodeError):
    """A PACS that was asked for a count and gave none; the message says what to do."""


class NotFound(NodeError):
    """No series, job, model or version of that name."""


class IllegalTransition(NodeError):
    """A state change that the transition table does not hold.

    Parameters
    ----------
    noun
        What changes, for instance ``job 3f2a``.
    state, event
        The state it is in and the event that came.
    """

    def __init__(self, noun: str, state: str, event: str) -> None:
        super().__init__(f"{noun} is {state}: '{event}' cannot happen to it")
