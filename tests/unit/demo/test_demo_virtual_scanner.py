"""The virtual scanner: geometry, values and headers of what it writes, and what the node answers to it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import highdicom
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import JPEG2000Lossless, MRImageStorage
from pynetdicom import AE, evt

from dicom_node.demo.scanner_headers import CANON_MR, GE_MR, PHILIPS_MR, SIEMENS_CT, SIEMENS_MR, Habits
from dicom_node.demo.scanner_images import Examination, SeriesPlan, images
from dicom_node.demo.scanner_send import Node, send, send_folder
from dicom_node.demo.virtual_scanner import ScannedSeries, demo_study, save_study
from dicom_node.domain.identifiers import is_ae_title
from inference.volume import Volume
from training.simulate.grid import Grid


@pytest.fixture(scope="module")
def study() -> list[ScannedSeries]:
    return demo_study(5, spacing_mm=4.0)


@pytest.mark.parametrize(
    "habits", [GE_MR, PHILIPS_MR, SIEMENS_MR, CANON_MR, SIEMENS_CT], ids=lambda habits: habits.ae_title
)
@pytest.mark.parametrize("tilt_deg", [0.0, 6.0])
def test_images_give_back_the_volume_that_they_were_written_from(habits: Habits, tilt_deg: float) -> None:
    grid = Grid("sagittal", (6, 9, 8), (1.5, 0.9375, 0.8), tilt_deg)
    ct = habits is SIEMENS_CT
    values = np.random.default_rng(0).uniform(-1000 if ct else 0, 2900, grid.shape).astype(np.float32)
    volume = Volume(values, grid.affine, "[hnsf'U]" if ct else "1")
    plan = SeriesPlan(number=1, description="x", habits=habits, frame="f")
    datasets = images(volume, plan, Examination(("test",), "TEST"))
    read = highdicom.get_volume_from_series(datasets)
    index = np.linalg.inv(grid.affine) @ read.affine  # of the series' voxels in the volume; highdicom may turn axes
    assert np.allclose(np.abs(index[:3, :3]), np.eye(3), atol=1e-6)
    first = np.rint(index[:3, 3]).astype(int)
    assert np.allclose(index[:3, 3], first, atol=1e-3)
    turned = values[:: -1 if first[0] else 1]
    step = float(datasets[0].get("RescaleSlope", 1))
    assert np.abs(read.array - turned).max() <= step / 2 + 1e-3


def test_the_study_is_one_patient_on_three_scanners(study: list[ScannedSeries]) -> None:
    everything = [ds for series in study for ds in series.datasets]
    assert [series.ae_title for series in study] == ["GE_SCANNER", "GE_SCANNER", "PHILIPS_MR", "CT_SCANNER"]
    assert all(is_ae_title(series.ae_title) for series in study)
    assert len({ds.StudyInstanceUID for ds in everything}) == 1
    assert {str(ds.PatientName) for ds in everything} == {"DEMO^HEAD"}
    assert len({ds.SeriesInstanceUID for ds in everything}) == len(study)
    assert len({ds.SeriesNumber for ds in everything}) == len(study)
    assert len({ds.SOPInstanceUID for ds in everything}) == len(everything)
    assert len({ds.FrameOfReferenceUID for ds in everything}) == 3
    assert study[0].datasets[0].FrameOfReferenceUID == study[1].datasets[0].FrameOfReferenceUID


def test_the_localizer_has_three_planes(study: list[ScannedSeries]) -> None:
    localizer = study[0].datasets
    assert len({tuple(ds.ImageOrientationPatient) for ds in localizer}) == 3
    assert all("LOCALIZER" in ds.ImageType for ds in localizer)


def test_each_vendor_keeps_its_habits(study: list[ScannedSeries]) -> None:
    ge, philips, ct = (series.datasets for series in study[1:])
    assert ge[0].Manufacturer == "GE MEDICAL SYSTEMS"
    assert ge[0].ImagesInAcquisition == len(ge)
    assert ge[0].private_block(0x0025, "GEMS_SERS_01")[0x07].value == len(ge)
    assert ge[0].PixelRepresentation == 1
    assert "RescaleSlope" not in ge[0]
    assert philips[0].Manufacturer == "Philips Medical Systems"
    assert float(philips[0].RescaleSlope) != 1
    assert max(int(ds.pixel_array.max()) for ds in philips) == 4095
    assert len({float(ds.WindowWidth) for ds in philips}) > 1
    scale = philips[0].private_block(0x2005, "Philips MR Imaging DD 001")[0x0E].value
    assert scale * float(philips[0].RescaleSlope) == pytest.approx(0.01)
    assert ct[0].RescaleIntercept == -1024
    assert {ds.RescaleSlope for ds in ct} == {1}


def test_the_same_seed_writes_the_same_study_and_another_text_gives_other_uids(study: list[ScannedSeries]) -> None:
    again, later = demo_study(5, spacing_mm=4.0), demo_study(5, spacing_mm=4.0, study="next year")
    for first, second, third in zip(study, again, later, strict=True):
        for a, b, c in zip(first.datasets, second.datasets, third.datasets, strict=True):
            assert a == b
            assert a.PixelData == c.PixelData
            assert a.SOPInstanceUID != c.SOPInstanceUID
            assert a.StudyInstanceUID != c.StudyInstanceUID


def test_images_do_not_share_their_elements(study: list[ScannedSeries]) -> None:
    first, second = study[1].datasets[:2]
    assert all(first[element.tag] is not element for element in second)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
def test_dciodvfy_and_dcentvfy_find_no_error(study: list[ScannedSeries], tmp_path: Path) -> None:
    paths = save_study(study, tmp_path / "study")
    firsts = {path.parent: path for path in reversed(paths)}.values()
    for path in firsts:
        found = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        assert [line for line in found.stderr.splitlines() if line.startswith("Error")] == []
    found = subprocess.run(["dcentvfy", *paths], capture_output=True, text=True, check=False)
    assert "Error" not in found.stderr + found.stdout


@contextmanager
def listening(**statuses: int) -> Iterator[tuple[Node, list[tuple[str, str]]]]:
    """Take MR; answer a status by SOP Instance UID; note who sent what."""
    seen: list[tuple[str, str]] = []

    def store(event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        seen.append((event.assoc.requestor.ae_title, uid))
        return statuses.get(uid, 0x0000)

    entity = AE(ae_title="NODE")
    entity.add_supported_context(MRImageStorage)
    entity.add_supported_context(MRImageStorage, JPEG2000Lossless)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    try:
        yield Node("127.0.0.1", server.server_address[1], "NODE", "GE_SCANNER"), seen
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.network
def test_a_series_is_sent_in_order_under_the_scanners_title_and_refusals_are_seen(study: list[ScannedSeries]) -> None:
    datasets = study[0].datasets
    uids = [str(ds.SOPInstanceUID) for ds in datasets]
    told = []
    with listening(**{uids[1]: 0xA700}) as (node, seen):
        answers = send(datasets, node, on_sent=told.append)
    assert seen == [("GE_SCANNER", uid) for uid in uids]
    assert [(answer.sop_instance_uid, answer.status) for answer in answers] == list(
        zip(uids, (0, 0xA700, 0), strict=True)
    )
    assert told == answers


@pytest.mark.network
def test_a_sop_class_that_the_node_does_not_take_is_answered_0122(study: list[ScannedSeries]) -> None:
    with listening() as (node, seen):
        answers = send(study[3].datasets[:2], node)
    assert [answer.status for answer in answers] == [0x0122, 0x0122]
    assert seen == []


@pytest.mark.network
def test_a_node_that_is_not_there_gives_no_status(study: list[ScannedSeries]) -> None:
    with listening() as (node, _):
        pass
    assert [answer.status for answer in send(study[0].datasets, node)] == [None] * 3


@pytest.mark.network
def test_a_folder_is_sent_byte_for_byte_and_what_is_no_dicom_is_counted(
    study: list[ScannedSeries], tmp_path: Path
) -> None:
    save_study(study[:1], tmp_path / "in")
    compressed = _compressed(study[0].datasets[0])
    compressed.save_as(tmp_path / "in" / "compressed.dcm", enforce_file_format=True)
    (tmp_path / "in" / "readme.txt").write_text("not an image")
    with listening() as (node, seen):
        sent = send_folder(tmp_path / "in", node)
    assert sent.left_out == (tmp_path / "in" / "readme.txt",)
    assert {answer.status for answer in sent.answers.values()} == {0}
    assert len(seen) == len(sent.answers) == 4


def _compressed(ds: Dataset) -> Dataset:
    """Return a JPEG 2000 copy of an image, under another UID."""
    buffer = BytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    copy = dcmread(buffer)
    copy.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg")
    return copy
