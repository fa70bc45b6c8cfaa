"""What a destination answered so far, instance by instance."""

from __future__ import annotations

from collections import Counter

from dicom_node.dimse.statuses import StatusClass, storage_status
from dicom_node.domain.ports import DeliveryReport
from dicom_node.errors import DeliveryDeferred


class Tally:
    """Collects the statuses of one attempt.

    Parameters
    ----------
    destination
        As messages name it.
    """

    def __init__(self, destination: str) -> None:
        self._destination = destination
        self._accepted = 0
        self._warnings: Counter[int] = Counter()
        self._refused: dict[str, int] = {}

    @property
    def answered(self) -> int:
        """How many instances have an answer."""
        return self._accepted + len(self._refused)

    def count(self, sop_instance_uid: str, code: int) -> None:
        """Take in one status.

        Raises
        ------
        DeliveryDeferred
            When it says that the destination cannot take instances now.
        """
        status = storage_status(code)
        if status.status_class is StatusClass.TRY_LATER:
            raise DeliveryDeferred(
                f"{self._destination} answered 0x{code:04X} ({status.meaning}): look at its disk space and its log; "
                "the same instances are sent again later"
            )
        if status.status_class is StatusClass.REFUSED:
            self._refused[sop_instance_uid] = code
            return
        self._accepted += 1
        if status.status_class is StatusClass.WARNING:
            self._warnings[code] += 1

    def report(self) -> DeliveryReport:
        """Return the report of the attempt."""
        warnings = tuple(
            f"0x{code:04X} {storage_status(code).meaning}: {count} instances"
            for code, count in sorted(self._warnings.items())
        )
        return DeliveryReport(self._accepted, warnings, self._refused)
