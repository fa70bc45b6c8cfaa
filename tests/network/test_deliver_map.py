"""A map of uncertainty on its way to a PACS: under a context of its own SOP class, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from made_series import a_few
from pydicom import Dataset, dcmread
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian, ParametricMapStorage
from pynetdicom.dsutils import decode, split_dataset
from scripted_pacs import running_pacs

from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.stacks import split
from dicom_node.assemble.volume import read_volume
from dicom_node.deliver.dicom import DicomDestination
from dicom_node.deliver.settings import DicomDestinationSettings
from dicom_node.domain.ports import DeliveryReport
from dicom_node.domain.provenance import Provenance
from dicom_node.encode import derived_map
from dicom_node.encode.series import to_bytes

pytestmark = pytest.mark.network

PROVENANCE = Provenance(
    model="synth-ct-unet", model_version="1.0.0", model_digest="ab" * 32, task="uncertainty of synthetic ct",
    target=None, node_version="0.1.0", serial_number="node-1", series_uid="2.25.1234567890", series_number=1005,
    derived_at=datetime(2026, 11, 21, tzinfo=UTC), revision=1,
)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the file of a map."""
    series = a_few()
    sources = [tmp_path / f"{image.InstanceNumber}.dcm" for image in series]
    for source, image in zip(sources, series, strict=True):
        image.save_as(source, enforce_file_format=True)
    (stack,) = split([frame for source in sources for frame in read_frames(source).frames])
    (made,) = derived_map.encode(stack, read_volume(stack), provenance=PROVENANCE).instances
    file = tmp_path / "map.dcm"
    file.write_bytes(to_bytes(made))
    return file


def destination(port: int) -> DicomDestination:
    settings = DicomDestinationSettings(host="127.0.0.1", port=port, ae_title="PACS", response_timeout_s=20)
    return DicomDestination(settings, "HARMONIZE")


def test_it_arrives_byte_for_byte_where_its_class_is_taken(path: Path) -> None:
    with running_pacs(sop_classes=[ParametricMapStorage]) as pacs:
        assert destination(pacs.port).send([path]) == DeliveryReport(1)
    assert pacs.received[0][2] == path.read_bytes()[split_dataset(path)[1] :]


def test_its_values_arrive_where_only_implicit_vr_is_taken(path: Path) -> None:
    with running_pacs(syntaxes=[ImplicitVRLittleEndian]) as pacs:
        assert destination(pacs.port).send([path]) == DeliveryReport(1)
    arrived: Dataset = decode(BytesIO(pacs.received[0][2]), True, True)
    values = np.frombuffer(arrived.FloatPixelData, "<f4")
    np.testing.assert_array_equal(values, dcmread(path).pixel_array.ravel())


def test_a_pacs_that_does_not_take_its_class_refuses_it(path: Path) -> None:
    uid = str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
    with running_pacs(sop_classes=[CTImageStorage]) as pacs:
        assert destination(pacs.port).send([path]) == DeliveryReport(0, refused={uid: 0x0122})
