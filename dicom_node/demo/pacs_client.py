"""Asks a PACS what it holds and fetches series from it: C-FIND and C-GET as SCU (PS3.4 C, Study Root)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.events import Event, EventHandlerType

from dicom_node.demo.pacs import STUDY_ROOT_FIND, STUDY_ROOT_GET, send_at_once
from dicom_node.dimse.library import prepare_library
from dicom_node.dimse.statuses import SUCCESS
from dicom_node.errors import NodeError

FETCHED = (MRImageStorage, CTImageStorage)


class PacsRefused(NodeError):
    """The PACS did not take the association, or answered a request with a failure."""


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """A series as the PACS describes it."""

    description: str
    instances: int


@dataclass(frozen=True, slots=True)
class PacsClient:
    """Someone at a workstation, who asks the PACS."""

    host: str
    port: int
    ae_title: str
    calling_ae: str = "DEMO_VIEWER"

    def find_series(self, study_uid: str, series_uid: str) -> FoundSeries | None:
        """Return what the PACS knows of a series of a study, None when the study holds no such series.

        Raises
        ------
        PacsRefused
            When it does not answer.
        """
        query = _identifier(study_uid, series_uid)
        query.SeriesDescription = query.NumberOfSeriesRelatedInstances = None
        with self._associated() as association:
            answers = list(association.send_c_find(query, STUDY_ROOT_FIND))
        _check(answers[-1][0])
        found = [identifier for _, identifier in answers if identifier is not None]
        if not found:
            return None
        instances = found[0].get("NumberOfSeriesRelatedInstances")
        return FoundSeries(str(found[0].get("SeriesDescription", "")), int(instances or 0))

    def fetch_series(self, study_uid: str, series_uid: str, folder: Path) -> list[Path]:
        """Write the MR and CT images of a series into a folder, and return their paths.

        Raises
        ------
        PacsRefused
            When it does not give them.
        """
        folder.mkdir(parents=True, exist_ok=True)
        paths: list[Path] = []

        def keep(event: Event) -> int:
            path = folder / f"IM{len(paths) + 1:04d}.dcm"
            path.write_bytes(event.encoded_dataset())
            paths.append(path)
            return SUCCESS

        with self._associated((evt.EVT_C_STORE, keep)) as association:
            answers = list(association.send_c_get(_identifier(study_uid, series_uid), STUDY_ROOT_GET))
        _check(answers[-1][0])
        return paths

    @contextmanager
    def _associated(self, *handlers: EventHandlerType) -> Iterator[Association]:
        prepare_library()
        entity = AE(ae_title=self.calling_ae)
        for sop_class in (STUDY_ROOT_FIND, STUDY_ROOT_GET, *FETCHED):
            entity.add_requested_context(sop_class)
        roles = [build_role(sop_class, scp_role=True) for sop_class in FETCHED]
        association = entity.associate(
            self.host,
            self.port,
            ae_title=self.ae_title,
            ext_neg=[*roles],
            evt_handlers=[(evt.EVT_CONN_OPEN, send_at_once), *handlers],
        )
        if not association.is_established:
            raise PacsRefused(f"{self.ae_title}@{self.host}:{self.port} did not take the association")
        try:
            yield association
        finally:
            association.release()


def _identifier(study_uid: str, series_uid: str) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "SERIES"
    identifier.StudyInstanceUID = study_uid
    identifier.SeriesInstanceUID = series_uid
    return identifier


def _check(status: Dataset) -> None:
    if status.get("Status") != SUCCESS:  # empty when the association broke
        raise PacsRefused(f"the PACS answered with status {status.get('Status', 'none')}")
