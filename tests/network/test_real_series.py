"""Every real series through the whole pipeline: a derived series or a reason, and the same place as its source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from dicom3tools import SYNTHETIC_DATA, errors
from fake_clock import FakeClock
from harness import RULES, Harness
from pydicom import Dataset, dcmread

from dicom_node.domain.instance import InstanceKey, Transport
from dicom_node.domain.job import JobState
from dicom_node.domain.series import SeriesState

pytestmark = pytest.mark.real_data

EVERY_MR = RULES.replace("test-any-contrast, target: plain", "harmonize-nyul, target: siemens-3t").replace(
    ", contrast: T1}", "}"
)
ANY_CONTRAST = RULES.replace(", contrast: T1}", "}")

OUTCOMES = {
    "siemens_skyra3t_t1mprage_child": (JobState.DELIVERED, None),
    "philips_ingenia3t_t1mprage_classic": (JobState.DELIVERED, None),
    "siemens_prisma3t_xa30_t1tfl_enhanced": (JobState.DELIVERED, None),
    "siemens_prisma3t_xa30_t1tfl_enhanced_norm": (JobState.DELIVERED, None),
    "converted_nifti2dicom_t1_hanke": (JobState.DELIVERED, None),
    "ge_signa15t_fse_pd": (JobState.HELD, "the contrast is PD; that of the target is T1"),
    "toshiba_galan3t_dti_ortho": (JobState.HELD, "the contrast is DIFFUSION; the model takes T1 or T2 or PD or FLAIR"),
    "philips_ingenia3t_phantom_t1ffe_classic": (JobState.HELD, "bright and middle tissue hardly differ"),
    "philips_ingenia3t_phantom_t1ffe_enhanced": (JobState.HELD, "bright and middle tissue hardly differ"),
}
"""Under one rule, Modality MR to siemens-3t."""


FEW, VOLUMES = 24, {"toshiba_galan3t_dti_ortho": 80}
"""How many files, side by side, tell where a derived series lies; of the diffusion series two whole volumes do."""


def some_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())[: VOLUMES.get(folder.name, FEW)]


def receive_files(node: Harness, paths: Iterable[Path]) -> list[Path]:
    """Put files into the spool as the receiver does: their data sets byte for byte."""
    paths = sorted(path for path in paths if path.is_file())
    for path in paths:
        header = dcmread(path, stop_before_pixels=True)
        meta = header.file_meta
        key = InstanceKey(header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPClassUID, header.SOPInstanceUID)
        content = path.read_bytes()[132 + 12 + int(meta.FileMetaInformationGroupLength) :]
        node.spool.put(key, Transport("SCANNER", "HARMONIZE", str(meta.TransferSyntaxUID)), content)
    return paths


@pytest.mark.parametrize("name", OUTCOMES)
def test_under_one_rule_each_series_is_derived_or_held_for_a_stated_reason(
    name: str, real_series: Path, tmp_path: Path, clock: FakeClock
) -> None:
    node = Harness(tmp_path, clock, rules=EVERY_MR)
    paths = receive_files(node, (real_series / name).rglob("*"))
    node.run_all()
    state, reason = OUTCOMES[name]
    jobs = node.ledger.jobs()
    assert {job.state for job in jobs} == {state}
    if reason is None:
        assert node.series.state is SeriesState.ROUTED
        assert len(node.pacs["PACS"].held) == sum(_frames(path) for path in paths)
    else:
        assert all(str(job.reason).startswith(reason) for job in jobs)
        assert node.pacs["PACS"].held == {}


def test_the_tilted_ct_is_ignored_by_an_mr_rule(real_series: Path, tmp_path: Path, clock: FakeClock) -> None:
    node = Harness(tmp_path, clock, rules=EVERY_MR)
    receive_files(node, (real_series / "ct_ge_hispeed_head_tilt").rglob("*"))
    clock.advance(seconds=1)
    node.pipeline.collect()
    clock.advance(seconds=31)  # a tilted, uneven stack is no evidence: silence closes it
    node.run_all()
    assert node.series.state is SeriesState.IGNORED
    assert "Modality" in str(node.series.reason)


@pytest.mark.parametrize("name", OUTCOMES)
def test_a_derived_series_lies_where_its_source_lies_and_is_made_once(
    name: str, real_series: Path, tmp_path: Path, clock: FakeClock
) -> None:
    node = Harness(tmp_path, clock, rules=ANY_CONTRAST)
    paths = receive_files(node, some_of(real_series / name))
    node.pipeline.collect()
    node.clock.advance(seconds=31)  # a part of a series whose headers count more is taken after silence alone
    node.run_all()
    jobs = node.ledger.jobs()
    assert {job.state for job in jobs} == {JobState.DELIVERED}
    sources = _planes(paths)
    derived = [dcmread(BytesIO(content)) for content in node.pacs["PACS"].held.values()]
    assert Counter(ds.SeriesInstanceUID for ds in derived).keys() == {job.derived_series_uid for job in jobs}
    assert len(derived) == len(sources)
    for ds in derived:
        reference = ds.SourceImageSequence[0]
        frame = int(reference.get("ReferencedFrameNumber", 0))
        source = sources[reference.ReferencedSOPInstanceUID, frame]
        for keyword, value in source.items():
            np.testing.assert_allclose(np.array(ds[keyword].value, float), value, atol=1e-3, err_msg=keyword)
    _assert_no_new_errors(derived, paths, tmp_path)

    sent = node.pacs["PACS"].sent
    receive_files(node, paths)
    node.run_all()
    assert node.series.revision == 1
    assert node.pacs["PACS"].sent == sent


def _frames(path: Path) -> int:
    header = dcmread(path, stop_before_pixels=True)
    return int(header.get("NumberOfFrames", 1)) if "Rows" in header and "ImageType" in header else 0


def _planes(paths: Iterable[Path]) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    """Return (SOP instance UID, frame number or 0) -> the geometry that its own header gives."""
    planes = {}
    for path in paths:
        ds = dcmread(path, stop_before_pixels=True)
        if "PerFrameFunctionalGroupsSequence" in ds:
            for number, group in enumerate(ds.PerFrameFunctionalGroupsSequence, start=1):
                shared = ds.SharedFunctionalGroupsSequence[0]
                planes[str(ds.SOPInstanceUID), number] = {
                    keyword: np.array((group if sequence in group else shared)[sequence][0][keyword].value, float)
                    for sequence, keyword in (
                        ("PlanePositionSequence", "ImagePositionPatient"),
                        ("PlaneOrientationSequence", "ImageOrientationPatient"),
                        ("PixelMeasuresSequence", "PixelSpacing"),
                    )
                }
        elif "ImagePositionPatient" in ds:
            keywords = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
            planes[str(ds.SOPInstanceUID), 0] = {keyword: np.array(ds[keyword].value, float) for keyword in keywords}
    return planes


def _assert_no_new_errors(derived: list[Dataset], source_files: Sequence[Path], scratch: Path) -> None:
    """errors(derived) - errors(source) - {0008,001C} is empty, by dciodvfy, on first, middle and last slice."""
    allowed: set[str] = set()
    if len(source_files) > 2:  # an enhanced source is of another SOP class: then no error at all is allowed
        for path in (source_files[0], source_files[len(source_files) // 2], source_files[-1]):
            allowed |= errors(path)
    ordered = sorted(derived, key=lambda ds: int(ds.InstanceNumber))
    for number, ds in enumerate((ordered[0], ordered[len(ordered) // 2], ordered[-1])):
        path = scratch / f"checked-{number}.dcm"
        ds.save_as(path)
        assert {line for line in errors(path) - allowed if SYNTHETIC_DATA not in line} == set()
