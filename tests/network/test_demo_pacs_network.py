"""The embedded PACS, asked over the network by DCMTK and by pynetdicom."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, RLELossless
from pynetdicom import AE

from dicom_node.demo.pacs import EmbeddedPacs

pytestmark = pytest.mark.network
STUDY, SERIES = "1.2.826.0.1", "1.2.826.0.1.1"


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[EmbeddedPacs]:
    with EmbeddedPacs(tmp_path / "pacs") as pacs:
        yield pacs


def dcmtk(tool: str, pacs: EmbeddedPacs, *options: str, files: tuple[Path, ...] = ()) -> str:
    if shutil.which(tool) is None:
        pytest.skip(f"DCMTK's {tool} is not installed")
    command = [tool, *options, "-aec", pacs.ae_title, "127.0.0.1", str(pacs.port), *map(str, files)]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, env=environment, check=True)
    return done.stdout + done.stderr


def instance(number: int, *, sop: str | None = None) -> Dataset:
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = MRImageStorage
    made.StudyInstanceUID, made.SeriesInstanceUID = STUDY, SERIES
    made.SOPInstanceUID = sop or f"{SERIES}.{number}"
    made.file_meta.MediaStorageSOPClassUID = MRImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.PatientName, made.PatientID, made.Modality = "Müller^J", "P1", "MR"
    made.SpecificCharacterSet = "ISO_IR 100"
    made.SeriesDescription, made.InstanceNumber = "AX T1", number
    made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = 8, 8, 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = np.arange(64, dtype="<u2").tobytes()
    return made


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, ...]:
    paths = tuple(tmp_path / f"{number}.dcm" for number in (1, 2, 3))
    for number, path in enumerate(paths, start=1):
        instance(number).save_as(path, enforce_file_format=True)
    return paths


def store(pacs: EmbeddedPacs, what: Dataset | Path, syntax: UID = ExplicitVRLittleEndian) -> int:
    entity = AE()
    entity.add_requested_context(MRImageStorage, syntax)
    association = entity.associate("127.0.0.1", pacs.port)
    assert association.is_established
    status = association.send_c_store(what)
    association.release()
    return int(status.Status)


def test_it_answers_an_echo(pacs: EmbeddedPacs) -> None:
    dcmtk("echoscu", pacs)


def test_stored_instances_are_found_at_each_level(pacs: EmbeddedPacs, files: tuple[Path, ...]) -> None:
    dcmtk("storescu", pacs, files=files)
    study = dcmtk("findscu", pacs, "-v", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID",
                  "-k", "PatientName=M*", "-k", "NumberOfStudyRelatedInstances")  # fmt: skip
    series = dcmtk("findscu", pacs, "-v", "-S", "-k", "QueryRetrieveLevel=SERIES", "-k", f"StudyInstanceUID={STUDY}",
                   "-k", "SeriesDescription=*T1", "-k", "NumberOfSeriesRelatedInstances")  # fmt: skip
    image = dcmtk("findscu", pacs, "-v", "-S", "-k", "QueryRetrieveLevel=IMAGE", "-k", f"StudyInstanceUID={STUDY}",
                  "-k", f"SeriesInstanceUID={SERIES}", "-k", "InstanceNumber=2", "-k", "SOPInstanceUID")  # fmt: skip
    assert study.count("Find Response") == 2  # one match, then the final one
    assert STUDY in study
    assert "[3 ]" in study
    assert "Müller^J" in study
    assert "[3 ]" in series
    assert f"[{SERIES}.2]" in image.replace("\0", "")
    assert f"{SERIES}.1]" not in image


def test_what_it_gives_back_is_what_it_was_given(pacs: EmbeddedPacs, files: tuple[Path, ...], tmp_path: Path) -> None:
    dcmtk("storescu", pacs, files=files)
    got = tmp_path / "got"
    got.mkdir()
    dcmtk("getscu", pacs, "-S", "-od", str(got), "-k", "QueryRetrieveLevel=SERIES",
          "-k", f"StudyInstanceUID={STUDY}", "-k", f"SeriesInstanceUID={SERIES}")  # fmt: skip
    returned = sorted((dcmread(path) for path in got.iterdir()), key=lambda each: int(each.InstanceNumber))
    assert returned == [dcmread(path) for path in files]


def test_a_query_that_the_model_does_not_allow_gets_a900(pacs: EmbeddedPacs) -> None:
    answer = dcmtk("findscu", pacs, "-v", "-S", "-k", "QueryRetrieveLevel=SERIES", "-k", "SeriesInstanceUID")
    assert "DataSetDoesNotMatchSOPClass" in answer
    answer = dcmtk("findscu", pacs, "-v", "-S", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID")
    assert "DataSetDoesNotMatchSOPClass" in answer


def test_it_remembers_what_its_folder_holds(pacs: EmbeddedPacs, tmp_path: Path) -> None:
    assert store(pacs, instance(1)) == 0x0000
    with EmbeddedPacs(tmp_path / "pacs") as again:
        assert len(again.index) == 1


def test_an_instance_sent_twice_is_held_once(pacs: EmbeddedPacs) -> None:
    assert [store(pacs, instance(1)), store(pacs, instance(1))] == [0x0000, 0x0000]
    assert len(pacs.index) == len(list(pacs.folder.iterdir())) == 1


def test_compressed_instances_stay_compressed(pacs: EmbeddedPacs) -> None:
    compressed = instance(1)
    compressed.compress(RLELossless)
    assert store(pacs, compressed, RLELossless) == 0x0000
    (path,) = pacs.folder.iterdir()
    held = dcmread(path)
    assert held.file_meta.TransferSyntaxUID == RLELossless
    assert np.array_equal(held.pixel_array.ravel(), np.arange(64))


@pytest.fixture
def store_by_file_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pynetdicom take the UIDs of the command from the file meta information, and the data set as it stands."""
    monkeypatch.setattr("pynetdicom._config.STORE_SEND_CHUNKED_DATASET", True)


@pytest.mark.usefixtures("store_by_file_meta")
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_no_text_from_the_network_becomes_part_of_a_path(pacs: EmbeddedPacs, tmp_path: Path) -> None:
    path = tmp_path / "hostile.dcm"
    instance(1, sop="1.2.826.0.1.9").save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes().replace(b"1.2.826.0.1.9", b"../../outside"))
    before = {each for each in tmp_path.rglob("*") if pacs.folder not in each.parents}
    store(pacs, path)
    assert {each for each in tmp_path.rglob("*") if pacs.folder not in each.parents} == before
    assert all(each.stem.isalnum() for each in pacs.folder.iterdir())


@pytest.mark.usefixtures("store_by_file_meta")
def test_a_data_set_under_another_name_than_its_own_is_refused(pacs: EmbeddedPacs, tmp_path: Path) -> None:
    misnamed = instance(1)
    misnamed.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    misnamed.preamble = bytes(128)
    misnamed.save_as(tmp_path / "misnamed.dcm")
    assert store(pacs, tmp_path / "misnamed.dcm") == 0xA900
    assert not list(pacs.folder.iterdir())
