from __future__ import annotations

import random
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage
from pynetdicom.dsutils import encode, split_dataset

from dicom_node.domain.identifiers import is_uid
from dicom_node.domain.instance import InstanceKey
from dicom_node.errors import InstanceRejected
from dicom_node.receive.key import MAXIMUM_ELEMENTS, key_of

KEY = InstanceKey("1.2.3.4", "1.2.3.4.5", MRImageStorage, "1.2.3.4.5.6")
SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian]


def dataset_of(key: InstanceKey = KEY) -> Dataset:
    dataset = Dataset()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = key.study_uid, key.series_uid
    dataset.SOPClassUID, dataset.SOPInstanceUID = key.sop_class_uid, key.sop_instance_uid
    dataset.PatientName = "Canary^Patient"
    dataset.PixelData = b"\0\1" * 50
    dataset["PixelData"].VR = "OW"
    return dataset


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    result = encode(dataset, syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)
    assert result is not None
    return result


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("undefined", [True, False])
def test_the_key_is_read_past_nested_sequences_of_either_length(syntax: str, *, undefined: bool) -> None:
    inner, item, dataset = Dataset(), Dataset(), dataset_of()
    inner.SOPInstanceUID = "9.9.9"
    item.ReferencedSOPSequence = Sequence([inner, inner])
    item.SeriesInstanceUID = "8.8.8"
    dataset.ReferencedImageSequence = Sequence([item, item])
    for holder in (dataset["ReferencedImageSequence"], item["ReferencedSOPSequence"]):
        holder.is_undefined_length = undefined
    item.is_undefined_length_sequence_item = inner.is_undefined_length_sequence_item = undefined
    assert key_of(encoded(dataset, syntax), syntax) == KEY


def test_a_sequence_of_unknown_vr_is_implicit_inside() -> None:
    sequence = struct.pack("<HH2sHL", 0x0009, 0x1001, b"UN", 0, 0xFFFFFFFF)
    sequence += struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) + struct.pack("<HHL4s", 0x0009, 0x1002, 4, b"abcd")
    sequence += struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    data = encoded(dataset_of())
    at = data.index(struct.pack("<HH", 0x0010, 0x0010))
    assert key_of(data[:at] + sequence + data[at:], ExplicitVRLittleEndian) == KEY


@pytest.mark.parametrize("padding", [b"\0", b" ", b"\0\0"])
def test_padding_is_no_part_of_a_uid(padding: bytes) -> None:
    plain = struct.pack("<HH2sH", 0x0020, 0x000D, b"UI", 8) + b"1.2.3.4\0"
    padded = struct.pack("<HH2sH", 0x0020, 0x000D, b"UI", 7 + len(padding)) + b"1.2.3.4" + padding
    assert key_of(encoded(dataset_of()).replace(plain, padded), ExplicitVRLittleEndian) == KEY


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID"])
@pytest.mark.parametrize("value", [None, "", "../../x", "1.2.x", "1." * 40 + "1"])
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
def test_a_missing_or_impossible_uid_is_refused_without_its_value(keyword: str, value: str | None) -> None:
    dataset = dataset_of()
    del dataset[keyword]
    if value is not None:
        setattr(dataset, keyword, value)
    with pytest.raises(InstanceRejected, match="is missing or no UID") as refusal:
        key_of(encoded(dataset), ExplicitVRLittleEndian)
    assert refusal.value.status == 0xC000
    assert keyword in refusal.value.comment
    assert not value or value not in refusal.value.comment


def element(group: int, number: int, value: bytes) -> bytes:
    return struct.pack("<HH2sH", group, number, b"UI", len(value)) + value


@pytest.mark.parametrize(
    ("data", "comment"),
    [
        (b"", "is missing"),
        (b"\x08\x00", "ends within an element"),
        (struct.pack("<HH2sHL", 0x0008, 0x0005, b"OB", 0, 0xFFFFFFF0), "longer than the data set"),
        (struct.pack("<HHL", 0x0008, 0x0005, 4) + b"abcd", "has no value representation"),
        (struct.pack("<HHL", 0xFFFE, 0xE0DD, 0), "a sequence ends that did not begin"),
        (element(0x0008, 0x0018, b"1.2.") + element(0x0008, 0x0018, b"1.2."), "stands twice"),
        (element(0x0008, 0x0005, b"") * (MAXIMUM_ELEMENTS + 1), "too many elements"),
        (struct.pack("<HH2sHL", 0x0008, 0x1140, b"SQ", 0, 0xFFFFFFFF) * 50_000, "is missing"),
    ],
)
def test_an_encoding_that_cannot_be_followed_is_refused(data: bytes, comment: str) -> None:
    with pytest.raises(InstanceRejected, match=comment) as refusal:
        key_of(data, ExplicitVRLittleEndian)
    assert refusal.value.status == 0xC000
    assert len(refusal.value.comment) <= 64


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_no_damage_of_a_data_set_has_another_outcome_than_a_key_or_a_refusal(syntax: str) -> None:
    chance = random.Random(5)
    whole = encoded(dataset_of(), syntax)
    for _ in range(500):
        damaged = bytearray(whole[: chance.randrange(len(whole) + 1)])
        for _ in range(chance.randrange(8)):
            if damaged:
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with suppress(InstanceRejected):
            key = key_of(bytes(damaged), syntax)
            assert all(map(is_uid, (key.study_uid, key.series_uid, key.sop_class_uid, key.sop_instance_uid)))


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore")  # pydicom comments on these files
def test_the_key_of_real_files_is_the_one_that_pydicom_reads(real_data: Path) -> None:
    paths = [next(path for path in folder.rglob("*.dcm")) for folder in (real_data / "dicom").iterdir()]
    paths += [path for path in (real_data / "odd").rglob("*.dcm") if path.is_file()]
    compared = 0
    for path in paths:
        try:
            dataset = dcmread(path, stop_before_pixels=True)
            key = InstanceKey(
                dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPClassUID, dataset.SOPInstanceUID
            )
            syntax = dataset.file_meta.TransferSyntaxUID
        except (InvalidDicomError, AttributeError):
            continue  # no Part 10 file, or one without the key
        if syntax.is_deflated or not all(map(is_uid, (key.study_uid, key.series_uid))):
            continue
        assert key_of(path.read_bytes()[split_dataset(path)[1] :], syntax) == key, path.name
        compared += 1
    assert compared > 60
