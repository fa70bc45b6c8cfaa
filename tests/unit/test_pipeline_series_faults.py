"""Faults of series, numbered as in the list of what must be seen: never a silent partial volume, never twice.

33, 35 and 38 stand in test_pipeline.py and test_pipeline_late.py, too; docs/explanation/reliability.md lists all.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from io import BytesIO
from pathlib import Path

import pytest
from fake_clock import FakeClock
from harness import RULES, Harness
from made_series import TRANSPORT, a_few, encoded, key_of
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from dicom_node.domain.instance import Transport
from dicom_node.domain.job import JobState
from dicom_node.domain.series import SeriesState

ALL_MR = RULES.replace(", contrast: T1}", "}")
OTHER = Transport("WORKSTATION", TRANSPORT.called_ae, TRANSPORT.transfer_syntax_uid)


class Scanner:
    """What a scanner says that it made (MPPS), once a test has said so."""

    def __init__(self) -> None:
        self.made: dict[str, frozenset[str]] = {}

    def performed(self, series_uid: str) -> frozenset[str] | None:
        return self.made.get(series_uid)


@pytest.fixture
def node(tmp_path: Path, clock: FakeClock) -> Harness:
    return Harness(tmp_path, clock, rules=ALL_MR)


def wait_for_silence(node: Harness) -> None:
    node.pipeline.collect()
    node.clock.advance(seconds=31)
    node.run_all()


def _gap(series: list[Dataset]) -> list[Dataset]:
    return series[:9] + series[10:]


def _twice(series: list[Dataset]) -> list[Dataset]:
    again = deepcopy(series[7])
    again.SOPInstanceUID = generate_uid()
    return [*series, again]


def _tilted(series: list[Dataset]) -> list[Dataset]:
    for k, ds in enumerate(series):
        x, y, z = ds.ImagePositionPatient
        ds.ImagePositionPatient = [x, y + 2 * k, z]
    return series


def _two_patients(series: list[Dataset]) -> list[Dataset]:
    series[11] = deepcopy(series[11])  # the images share what they have in common
    series[11].PatientID = "ANOTHER-CANARY"
    return series


def _with(**wrong: object) -> Callable[[list[Dataset]], list[Dataset]]:
    def spoil(series: list[Dataset]) -> list[Dataset]:
        for ds in series:
            for keyword, value in wrong.items():
                setattr(ds, keyword, value)
        return series

    return spoil


def _cut_off(series: list[Dataset]) -> list[Dataset]:
    series[7].PixelData = series[7].PixelData[:100]
    return series


@pytest.mark.parametrize(
    ("fault", "spoil", "reason"),
    [
        (19, _cut_off, "the pixel data holds 100 of 100 bytes, the header asks for 3496"),
        (29, _with(BitsAllocated=8), "the pixel data holds 3496 of 3496 bytes, the header asks for 1748"),
        (29, _with(HighBit=14), "BitsAllocated, BitsStored and HighBit contradict each other"),
        (29, _with(BitsStored=20), "BitsAllocated, BitsStored and HighBit contradict each other"),
        (30, _with(PixelSpacing=[0, 0]), "PixelSpacing is not positive"),
        (30, _with(PixelSpacing=[-1, 1]), "PixelSpacing is not positive"),
        (
            30,
            _with(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]),
            "is not two perpendicular unit vectors",
        ),
        (31, _with(Rows=60000, Columns=60000), "the header asks for 7200000000"),
        (32, _with(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "it is a localizer (ImageType)"),
        (33, _gap, "a slice is missing"),
        (34, _twice, "1 of 21 images repeat a position"),
        (34, _tilted, "shifted sideways"),
        (37, _two_patients, "its images name more than one patient"),
    ],
)
def test_a_series_that_is_no_volume_is_held_with_the_reason_and_nothing_is_sent(
    node: Harness, fault: int, spoil: Callable[[list[Dataset]], list[Dataset]], reason: str
) -> None:
    node.receive(spoil(a_few()))
    wait_for_silence(node)
    assert node.series.state is SeriesState.HELD, fault
    assert reason in str(node.series.reason)
    assert "CANARY" not in str(node.series.reason)
    assert node.executor.ran == 0
    assert node.pacs["PACS"].held == {}


def test_fault_34_two_volumes_of_other_geometry_in_one_series_are_two_results(node: Harness) -> None:
    series, other = a_few(), a_few()
    for ds in other:
        ds.SeriesInstanceUID, ds.StudyInstanceUID = series[0].SeriesInstanceUID, series[0].StudyInstanceUID
        ds.FrameOfReferenceUID = series[0].FrameOfReferenceUID
        ds.PixelSpacing = [4, 4]
        ds.InstanceNumber += 40
    node.receive(series + other)
    wait_for_silence(node)
    jobs = node.ledger.jobs()
    assert sorted(job.stack for job in jobs) == ["PixelSpacing=4\\4", "PixelSpacing=5\\5"]
    assert {job.state for job in jobs} == {JobState.DELIVERED}


def test_fault_36_two_senders_interleaved_make_one_series_and_one_result(node: Harness) -> None:
    for k, ds in enumerate(a_few()):
        node.spool.put(key_of(ds), (TRANSPORT, OTHER)[k % 2], encoded(ds))
        node.pipeline.collect()
        node.clock.advance(seconds=1)
    node.run_all()
    assert node.job.state is JobState.DELIVERED
    assert list(node.pacs["PACS"].series().values()) == [20]


def test_fault_38_a_series_that_is_sent_again_while_it_is_worked_on_makes_no_second_result(node: Harness) -> None:
    series = a_few()
    node.receive(series)
    node.close_series()
    node.receive(series)
    node.run_all()
    node.receive(series)
    node.run_all()
    assert (node.series.revision, node.job.state, node.executor.ran) == (1, JobState.DELIVERED, 1)


def test_fault_57_what_another_node_derived_is_known_by_its_headers(
    node: Harness, tmp_path_factory: pytest.TempPathFactory
) -> None:
    node.receive(a_few())
    node.run_all()
    derived = [dcmread(BytesIO(content)) for content in node.pacs["PACS"].held.values()]
    stranger = Harness(tmp_path_factory.mktemp("other"), node.clock, rules=ALL_MR)
    stranger.receive(derived)
    stranger.run_all()
    assert stranger.series.state is SeriesState.HELD
    assert "made by a model already" in str(stranger.series.reason)
    assert stranger.executor.ran == 0


def test_what_the_scanner_says_that_it_made_completes_a_series_at_once_and_nothing_less_does(
    tmp_path: Path, clock: FakeClock
) -> None:
    node, scanner = Harness(tmp_path, clock), Scanner()
    node.start(performed=scanner)
    series = a_few()
    node.receive(series[:-1])
    scanner.made[series[0].SeriesInstanceUID] = frozenset(str(ds.SOPInstanceUID) for ds in series)
    node.close_series()
    assert node.series.state is SeriesState.RECEIVING  # gapless and quiet, but the scanner knows of one more
    node.receive(series[-1:])
    node.pipeline.collect()
    assert node.series.evidence == "all 20 instances that the scanner's MPPS names are there"


@pytest.mark.filterwarnings("ignore:(Unknown|Failed to decode|Value '.*' for Specific)")
@pytest.mark.parametrize("character_set", ["ISO_IR 999", "ISO_IR 192", None])
def test_fault_25_a_wrong_character_set_or_none_hides_nothing_from_the_rules_and_keeps_the_bytes(
    tmp_path: Path, clock: FakeClock, character_set: str | None
) -> None:
    node, name = Harness(tmp_path, clock), "M\u00fcller^J\u00f6rg".encode("latin-1")
    series = a_few(patient_name="M_ller^J_rg")
    for ds in series:
        if character_set is not None:
            ds.SpecificCharacterSet = "ISO_IR 100"  # as text that pydicom writes, and then what it would not
        wrong = encoded(ds).replace(b"ISO_IR 100", str(character_set).encode())
        node.spool.put(key_of(ds), TRANSPORT, wrong.replace(b"M_ller^J_rg", name))
    node.run_all()
    assert node.job.state is JobState.DELIVERED
    assert all(name in content for content in node.pacs["PACS"].held.values())
