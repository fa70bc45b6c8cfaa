"""What the node asks a PACS by C-FIND, what it makes of every answer, and that it gives up in time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event

from dicom_node.dimse.archive import STUDY_ROOT_FIND, DicomArchive
from dicom_node.dimse.library import prepare_library
from dicom_node.errors import ArchiveSilent

pytestmark = pytest.mark.network

STUDY, SERIES = "1.2.3", "1.2.3.4"
Answers = Callable[[Event], Iterator[tuple[int, Dataset | None]]]


@contextmanager
def pacs(answers: Answers, *, title: str = "PACS", sop_class: str = STUDY_ROOT_FIND) -> Iterator[DicomArchive]:
    prepare_library()
    entity = AE(ae_title="PACS")
    entity.require_called_aet = True
    entity.add_supported_context(sop_class)
    server: Any = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, answers)])
    try:
        yield asked_at(server.server_address[1], title=title)
    finally:
        threading.Thread(target=server.shutdown).start()


def asked_at(port: int, *, title: str = "PACS", timeout_s: float = 20) -> DicomArchive:
    return DicomArchive("127.0.0.1", port, ae_title=title, calling_ae="HARMONIZE", timeout_s=timeout_s)


def match(series_uid: str = SERIES, **keys: Any) -> Dataset:
    found = Dataset()
    found.QueryRetrieveLevel, found.StudyInstanceUID, found.SeriesInstanceUID = "SERIES", STUDY, series_uid
    for keyword, value in keys.items():
        setattr(found, keyword, value)
    return found


def test_a_pacs_is_asked_for_one_series_and_tells_how_many_instances_it_has() -> None:
    asked: list[Dataset] = []

    def answers(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        asked.append(event.identifier)
        # some archives return the whole study, whatever key they are given
        yield 0xFF00, match("1.2.3.5", NumberOfSeriesRelatedInstances=3)
        yield 0xFF01, match(NumberOfSeriesRelatedInstances=192)

    with pacs(answers) as archive:
        assert archive.instances(STUDY, SERIES) == 192
        assert archive.instances(STUDY, "1.2.3.6") == 0  # it knows none
    assert asked[0] == match(NumberOfSeriesRelatedInstances=None)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((0xFF00, match()), r"does not tell NumberOfSeriesRelatedInstances .*: remove completeness.count_from"),
        ((0xFF00, match(NumberOfSeriesRelatedInstances=None)), "does not tell NumberOfSeriesRelatedInstances"),
        ((0xA900, None), "gave status 0xA900 to a C-FIND: see its log"),
    ],
)
def test_an_answer_without_a_count_is_none(answer: tuple[int, Dataset | None], said: str) -> None:
    with pacs(lambda event: iter([answer])) as archive, pytest.raises(ArchiveSilent, match=said):
        archive.instances(STUDY, SERIES)


def test_a_pacs_that_ends_the_association_gave_no_answer() -> None:
    def answers(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        event.assoc.abort()
        yield 0xFF00, match()

    with pacs(answers) as archive, pytest.raises(ArchiveSilent, match="no answer"):
        archive.instances(STUDY, SERIES)


def test_answers_without_end_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def answers(event: Event) -> Iterator[tuple[int, Dataset | None]]:
        while True:
            yield 0xFF00, match("1.2.3.5", NumberOfSeriesRelatedInstances=1)

    monkeypatch.setattr("dicom_node.dimse.archive.ANSWERS_S", 0)
    with pacs(answers) as archive, pytest.raises(ArchiveSilent, match="does not come to an end"):
        archive.instances(STUDY, SERIES)


@pytest.mark.parametrize("how", [{"title": "OTHER"}, {"sop_class": "1.2.840.10008.1.1"}])
def test_a_pacs_that_takes_no_such_association_gives_none(how: dict[str, str]) -> None:
    with pacs(lambda event: iter(()), **how) as archive, pytest.raises(ArchiveSilent, match="does it let HARMONIZE"):
        archive.instances(STUDY, SERIES)


def test_a_pacs_that_is_down_or_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes the connection and answers nothing
        port = mute.getsockname()[1]
        with pytest.raises(ArchiveSilent, match="is it running"):
            asked_at(port, timeout_s=0.3).instances(STUDY, SERIES)
    with pytest.raises(ArchiveSilent, match="is it running"):
        asked_at(port).instances(STUDY, SERIES)
