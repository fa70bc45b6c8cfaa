"""What the demo says and draws at its end, from what a PACS gave back."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydicom import Dataset
from rich.console import Console

from dicom_node.demo.comparison import Comparison, Distance
from dicom_node.demo.narrator import Narrator
from dicom_node.demo.outcome import Kind, Outcome, Proof
from dicom_node.demo.report import AGAINST_TRUTH, BEFORE_AFTER, look_at, show
from dicom_node.demo.sources import SourceSeries, read_sources
from dicom_node.demo.truth import Truths
from dicom_node.demo.virtual_scanner import ScannedSeries, demo_study, save_study

SOURCE = SourceSeries("1.2.1", "1.2", "AX T1", "GE MEDICAL SYSTEMS", "MR")
WORSE = Comparison("siemens-3t", Distance(23.1, 10.0), Distance(22.8, 10.3), 0.998)


@pytest.fixture(scope="module")
def scan() -> ScannedSeries:
    return demo_study(5, spacing_mm=4.0)[2]


@pytest.fixture(scope="module")
def derived(scan: ScannedSeries, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """Return what stands for a derived series: the source itself, as if a model had done nothing."""
    folder = tmp_path_factory.mktemp("report")
    save_study([scan], folder / "study")
    (source,) = read_sources(folder / "study").values()
    for ds in scan.datasets:
        ds.SourceImageSequence = [Dataset()]
        ds.SourceImageSequence[0].ReferencedSOPInstanceUID = ds.SOPInstanceUID
    files = tuple(save_study([scan], folder / "derived"))
    return Outcome(source, Kind.DERIVED, "RESEARCH", target="siemens-3t", proof=Proof("RESEARCH", files))


def test_a_simulated_series_gets_numbers_and_both_pictures(
    scan: ScannedSeries, derived: Outcome, tmp_path: Path
) -> None:
    assert scan.scene is not None
    with ThreadPoolExecutor(1) as pool:
        (line,), problems = look_at([derived], Truths({scan.series_uid: scan.scene}, pool), tmp_path)
    assert problems == []
    assert line.against_truth is not None
    assert not line.against_truth.is_nearer
    assert {path.name for path in tmp_path.iterdir()} == {BEFORE_AFTER, AGAINST_TRUTH}


def test_of_a_series_of_ones_own_there_is_the_picture_of_before_and_after_alone(
    derived: Outcome, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(1) as pool:
        (line,), problems = look_at([derived], Truths({}, pool), tmp_path)
    assert problems == []
    assert line.against_truth is None
    assert [path.name for path in tmp_path.iterdir()] == [BEFORE_AFTER]


def test_a_series_that_cannot_be_drawn_is_named_and_keeps_its_line(scan: ScannedSeries, tmp_path: Path) -> None:
    unrelated = tuple(save_study([scan], tmp_path / "derived"))
    line = Outcome(SOURCE, Kind.DERIVED, "RESEARCH", target="siemens-3t", proof=Proof("RESEARCH", unrelated))
    with ThreadPoolExecutor(1) as pool:
        lines, problems = look_at([line], Truths({}, pool), tmp_path)
    assert lines == [line]
    assert problems == ["AX T1: no picture, or no numbers: the derived images do not refer to the series that was sent"]


def printed(*lines: Outcome) -> str:
    text = io.StringIO()
    show(Narrator(Console(file=text, width=100, force_terminal=False, highlight=False)), lines)
    assert max(map(len, text.getvalue().splitlines())) <= 100
    return " ".join(text.getvalue().split())


def test_numbers_stand_in_one_row_with_their_meaning_and_what_they_are_measured_against() -> None:
    told = printed(Outcome(SOURCE, Kind.DERIVED, "RESEARCH", target="siemens-3t", against_truth=WORSE))
    assert "AX T1 → siemens-3t 23.1 → 22.8 10.0 → 10.3 0.998 worse: further from the" in told
    assert "All of it is simulated" in told
    assert "No truth is known" not in told


def test_where_no_truth_is_known_that_is_said() -> None:
    told = printed(Outcome(SOURCE, Kind.DERIVED, "RESEARCH"))
    assert "No truth is known of these series" in told
    assert "simulated" not in told
