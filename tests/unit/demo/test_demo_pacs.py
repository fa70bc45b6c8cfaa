"""What the embedded PACS finds, and what it takes into its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

from dicom_node.demo.pacs_index import InvalidQuery, Keys, Level, PacsIndex, keys_of

STUDY, OTHER_STUDY = "1.2.3", "1.2.4"


def write_instance(path: Path, study: str, series: str, sop: str, **values: str) -> Path:
    instance = Dataset()
    instance.file_meta = FileMetaDataset()
    instance.file_meta.MediaStorageSOPClassUID = MRImageStorage
    instance.file_meta.MediaStorageSOPInstanceUID = sop
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    instance.SOPClassUID = MRImageStorage
    instance.StudyInstanceUID, instance.SeriesInstanceUID, instance.SOPInstanceUID = study, series, sop
    instance.Modality = "MR"
    for keyword, value in values.items():
        setattr(instance, keyword, value)
    instance.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def index(tmp_path: Path) -> PacsIndex:
    index = PacsIndex()
    instances = [
        (STUDY, "1.2.3.1", "1.2.3.1.1", {"SeriesDescription": "AX T1", "PatientName": "Doe^Jane", "Modality": "CT"}),
        (STUDY, "1.2.3.2", "1.2.3.2.1", {"SeriesDescription": "SAG T1", "StudyDate": "20260105"}),
        (STUDY, "1.2.3.2", "1.2.3.2.2", {"SeriesDescription": "SAG T1"}),
        (OTHER_STUDY, "1.2.4.1", "1.2.4.1.1", {"StudyDate": "20260201", "PatientName": "Roe^John"}),
    ]
    for number, (study, series, sop, values) in enumerate(instances):
        index.add(write_instance(tmp_path / f"{number}.dcm", study, series, sop, **values))
    return index


def series_of(found: list[Keys]) -> list[str]:
    return [entity["SeriesInstanceUID"] for entity in found]


def test_a_key_without_a_value_matches_everything(index: PacsIndex) -> None:
    found = index.find(Level.STUDY, {"StudyInstanceUID": "", "PatientName": ""})
    assert [entity["StudyInstanceUID"] for entity in found] == [STUDY, OTHER_STUDY]


@pytest.mark.parametrize(
    ("key", "wanted", "expected"),
    [
        ("SeriesDescription", "SAG T1", ["1.2.3.2"]),
        ("SeriesDescription", "*T1", ["1.2.3.1", "1.2.3.2"]),
        ("SeriesDescription", "A? T1", ["1.2.3.1"]),
        ("SeriesDescription", "T1", []),
        ("SeriesDescription", ".*", []),
        ("SeriesInstanceUID", "1.2.3.2\\1.2.3.9", ["1.2.3.2"]),
        ("Modality", "MR", ["1.2.3.2"]),
    ],
)
def test_series_match_by_value_by_wild_card_and_by_list(
    index: PacsIndex, key: str, wanted: str, expected: list[str]
) -> None:
    assert series_of(index.find(Level.SERIES, {"StudyInstanceUID": STUDY, key: wanted})) == expected


@pytest.mark.parametrize(
    ("key", "wanted", "expected"),
    [
        ("StudyDate", "20260201", [OTHER_STUDY]),
        ("StudyDate", "20260115-", [OTHER_STUDY]),
        ("StudyDate", "20260101-20260301", [OTHER_STUDY]),
        ("StudyDate", "-20260115", []),
        ("PatientName", "doe*", [STUDY]),
        ("ModalitiesInStudy", "CT", [STUDY]),
    ],
)
def test_studies_match_by_range_by_name_without_case_and_by_any_modality(
    index: PacsIndex, key: str, wanted: str, expected: list[str]
) -> None:
    found = index.find(Level.STUDY, {key: wanted})
    assert [entity["StudyInstanceUID"] for entity in found] == expected


def test_studies_and_series_are_counted(index: PacsIndex) -> None:
    study, _ = index.find(Level.STUDY, {})
    _, sagittal = index.find(Level.SERIES, {"StudyInstanceUID": STUDY})
    assert study["ModalitiesInStudy"] == "CT\\MR"
    assert (study["NumberOfStudyRelatedSeries"], study["NumberOfStudyRelatedInstances"]) == ("2", "3")
    assert sagittal["NumberOfSeriesRelatedInstances"] == "2"


@pytest.mark.parametrize("above", [{}, {"StudyInstanceUID": ""}, {"StudyInstanceUID": f"{STUDY}\\{OTHER_STUDY}"}])
def test_a_query_below_no_single_study_is_refused(index: PacsIndex, above: Keys) -> None:
    with pytest.raises(InvalidQuery, match="StudyInstanceUID"):
        index.find(Level.SERIES, above)


def test_retrieval_goes_by_unique_keys_alone(index: PacsIndex) -> None:
    query = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "1.2.3.2", "Modality": "CT"}
    held = index.retrieve(Level.SERIES, query)
    assert [holding.keys["SOPInstanceUID"] for holding in held] == ["1.2.3.2.1", "1.2.3.2.2"]
    with pytest.raises(InvalidQuery, match="SeriesInstanceUID"):
        index.retrieve(Level.SERIES, {"StudyInstanceUID": STUDY})


def test_an_instance_that_is_added_again_stays_as_it_is(index: PacsIndex, tmp_path: Path) -> None:
    again = write_instance(tmp_path / "again.dcm", STUDY, "1.2.3.1", "1.2.3.1.1", SeriesDescription="CHANGED")
    index.add(again)
    assert len(index) == 4
    assert not index.find(Level.SERIES, {"StudyInstanceUID": STUDY, "SeriesDescription": "CHANGED"})


def test_text_is_read_by_the_character_set_that_the_header_names() -> None:
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientName = "Müller^Jürgen"
    header.SeriesDescription = "T1"
    assert keys_of(header, ["PatientName", "StudyID"]) == {"PatientName": "Müller^Jürgen"}


def test_bytes_outside_the_character_set_do_not_keep_an_instance_out(tmp_path: Path) -> None:
    path = write_instance(tmp_path / "odd.dcm", STUDY, "1.2.3.1", "1.2.3.1.1", SeriesDescription="M?ller")
    path.write_bytes(path.read_bytes().replace(b"M?ller", b"M\xfcller"))
    index = PacsIndex()
    index.add(path)
    assert index.find(Level.SERIES, {"StudyInstanceUID": STUDY, "SeriesDescription": "M?ller"})
