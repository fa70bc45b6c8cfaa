"""A PACS that is asked how much it has of a series: C-FIND as SCU (PS3.4 C.4.1, Study Root)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydicom import Dataset
from pydicom.uid import UID
from pynetdicom import AE, build_context, evt
from pynetdicom.events import Event

from dicom_node.dimse.contexts import UNCOMPRESSED_LITTLE_ENDIAN
from dicom_node.dimse.guard import ConnectionGuard, ConnectionLimits
from dicom_node.dimse.library import prepare_library
from dicom_node.dimse.statuses import SUCCESS
from dicom_node.errors import ArchiveSilent

STUDY_ROOT_FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")  # pynetdicom names it only at run time (PS3.6 A)
KEYS = ("QueryRetrieveLevel", "StudyInstanceUID", "SeriesInstanceUID", "NumberOfSeriesRelatedInstances")
"""What is asked with: the level is SERIES, the UIDs are given, the number is asked for (PS3.4 table C.6-2)."""
PENDING = (0xFF00, 0xFF01)
TIMEOUT_S = 5.0
"""For the TCP connection, and for each answer."""
ANSWERS_S = 10.0
"""For all answers together: one match is all that there can be."""


class DicomArchive:
    """A PACS; see `dicom_node.domain.ports.Archive`.

    Parameters
    ----------
    host, port
        Where it is.
    ae_title
        Its AE title.
    calling_ae
        Ours.
    timeout_s
        For the TCP connection, and for each answer, s.
    """

    def __init__(self, host: str, port: int, *, ae_title: str, calling_ae: str, timeout_s: float = TIMEOUT_S) -> None:
        prepare_library()
        self._address = (host, port)
        self._ae_title, self._calling_ae = ae_title, calling_ae
        self._timeout_s = timeout_s
        self._name = f"{ae_title}@{host}:{port}"

    def instances(self, study_uid: str, series_uid: str) -> int:
        """Return how many instances of a series it has, 0 where it knows none.

        Raises
        ------
        ArchiveSilent
            When it does not say; the message says what to do.
        """
        query = _query(study_uid, series_uid)
        with self._association() as association:
            try:
                return self._counted(association.send_c_find(query, STUDY_ROOT_FIND), series_uid)
            except (RuntimeError, ValueError):  # the association, or its context, is not there any more
                raise ArchiveSilent(f"{self._name} ended the association without an answer: see its log") from None

    def _counted(self, answers: Iterator[tuple[Dataset, Dataset | None]], series_uid: str) -> int:
        count = 0
        end = time.monotonic() + ANSWERS_S
        for response, match in answers:
            status = response.get("Status")  # none when the association broke or nothing came in time
            if status == SUCCESS:
                return count
            if status not in PENDING:
                said = "no answer in time" if status is None else f"status 0x{status:04X}"
                raise ArchiveSilent(f"{self._name} gave {said} to a C-FIND: see its log")
            if time.monotonic() > end:
                break
            if match is not None and str(match.get("SeriesInstanceUID", "")) == series_uid:
                count = self._number(match)
        raise ArchiveSilent(f"{self._name} does not come to an end: it seems to take no SeriesInstanceUID as a key")

    def _number(self, match: Dataset) -> int:
        try:
            return int(match.NumberOfSeriesRelatedInstances)
        except (AttributeError, TypeError, ValueError):
            raise ArchiveSilent(
                f"{self._name} does not tell NumberOfSeriesRelatedInstances (0020,1209), which it need not: remove "
                "completeness.count_from"
            ) from None

    @contextmanager
    def _association(self) -> Iterator[Any]:
        entity = AE(ae_title=self._calling_ae)
        entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = self._timeout_s
        limits = ConnectionLimits(negotiation_s=self._timeout_s, pdu_s=self._timeout_s)

        def guard(event: Event) -> None:
            ConnectionGuard(event.assoc, limits)

        context = build_context(STUDY_ROOT_FIND, list(UNCOMPRESSED_LITTLE_ENDIAN))
        try:
            association: Any = entity.associate(
                *self._address, [context], ae_title=self._ae_title, evt_handlers=[(evt.EVT_CONN_OPEN, guard)]
            )
        except OSError as error:
            raise ArchiveSilent(f"cannot reach {self._name}: {error.strerror or error}") from None
        if not association.is_established:
            raise ArchiveSilent(
                f"{self._name} takes no association for C-FIND (Study Root): is it running, is completeness.count_from "
                f"right, and does it let {self._calling_ae} ask?"
            )
        try:
            yield association
        except ArchiveSilent:
            association.abort()  # more answers may be on their way
            raise
        finally:
            if association.is_established:
                association.release()


def _query(study_uid: str, series_uid: str) -> Dataset:
    identifier = Dataset()
    for keyword, value in zip(KEYS, ("SERIES", study_uid, series_uid, None), strict=True):
        setattr(identifier, keyword, value)
    return identifier
