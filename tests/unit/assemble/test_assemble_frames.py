from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RawDataStorage,
    SecondaryCaptureImageStorage,
)

from dicom_node.assemble import frames as frames_module
from dicom_node.assemble.completeness import shape_of
from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.gate import refusal, series_refusal
from dicom_node.assemble.stacks import split
from dicom_node.errors import SeriesRefused


def test_a_classic_image_is_one_frame_without_pixels(written, one_slice):
    (path,) = written([one_slice(3)])
    (frame,) = read_frames(path).frames
    assert frame.frame_number is None
    assert frame.path == path
    assert frame.header.ImagePositionPatient == [-10, -20, 9]
    assert "PixelData" not in frame.header


def test_sender_and_receiver_come_from_the_file_meta_information(written, one_slice):
    image = one_slice(0)
    image.file_meta.SendingApplicationEntityTitle = "SCANNER "
    image.file_meta.ReceivingApplicationEntityTitle = "NODE"
    (frame,) = read_frames(written([image])[0]).frames
    assert (frame.calling_ae, frame.called_ae) == ("SCANNER", "NODE")


def test_raw_data_beside_the_images_is_set_aside(written, one_slice):
    raw = one_slice(0, SOPClassUID=RawDataStorage)
    content = read_frames(written([raw])[0])
    assert content.frames == ()
    assert content.set_aside == "Raw Data is set aside: volumes are made of MR, CT and PET images"


def test_a_secondary_capture_is_set_aside(written, one_slice):
    content = read_frames(written([one_slice(0, SOPClassUID=SecondaryCaptureImageStorage)])[0])
    assert "Secondary Capture Image is set aside" in str(content.set_aside)


def test_many_frames_without_functional_groups_have_no_positions(written, one_slice):
    image = one_slice(0, NumberOfFrames=2)
    image.PixelData *= 2
    content = read_frames(written([image])[0])
    assert content.frames == ()
    assert "they have no positions" in str(content.set_aside)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_the_length_of_the_pixel_data_is_found_in_every_byte_order(written, one_slice, syntax):
    image = one_slice(0)
    image.file_meta.TransferSyntaxUID = syntax
    (path,) = written([image])
    assert len(read_frames(path).frames) == 1
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SeriesRefused, match="holds 47 of 48 bytes, the header asks for 48"):
        read_frames(path)


def test_a_file_cut_off_at_any_byte_is_refused_with_a_reason(written, one_slice):
    (path,) = written([one_slice(0)])
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(SeriesRefused):
            read_frames(path)


def test_pixel_data_longer_than_the_header_asks_for_is_refused(written, one_slice):
    image = one_slice(0)
    image.PixelData += b"\0\0"
    with pytest.raises(SeriesRefused, match="holds 50 of 50 bytes, the header asks for 48"):
        read_frames(written([image])[0])


def test_what_is_not_dicom_is_refused_without_a_word_of_its_content(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("CANARY " * 100)
    with pytest.raises(SeriesRefused, match="not a DICOM file") as refused:
        read_frames(path)
    assert "CANARY" not in str(refused.value)


def test_a_deflated_file_is_refused_before_it_is_inflated(written, one_slice):
    image = one_slice(0)
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    with pytest.raises(SeriesRefused, match="Deflated"):
        read_frames(written([image])[0])


def test_sequences_nested_without_end_are_refused(written, one_slice):
    (path,) = written([one_slice(0)])
    start = bytes.fromhex("08009092") + b"SQ\0\0" + b"\xff" * 4 + bytes.fromhex("feff00e0") + b"\xff" * 4
    whole = path.read_bytes()
    at = whole.index(bytes.fromhex("10002000") + b"LO")  # before PatientID
    path.write_bytes(whole[:at] + start * 5000)
    with pytest.raises(SeriesRefused):
        read_frames(path)


def test_an_element_that_claims_four_gigabytes_is_not_read(written, one_slice):
    (path,) = written([one_slice(0)])
    whole = path.read_bytes()
    at = whole.index(bytes.fromhex("10002000") + b"LO")
    giant = bytes.fromhex("09000110") + b"OB\0\0" + struct.pack("<L", 0xFFFFFFF0)
    path.write_bytes(whole[:at] + giant + whole[at:])
    with pytest.raises(SeriesRefused):
        read_frames(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(spoilt=st.dictionaries(st.integers(132, 900), st.integers(0, 255), min_size=1, max_size=20))
def test_whatever_its_bytes_a_file_is_stacks_or_a_reason(written, one_slice, tmp_path, spoilt):
    path = tmp_path / "0000.dcm"
    path.unlink(missing_ok=True)
    whole = bytearray(written([one_slice(0)])[0].read_bytes())
    for at, byte in spoilt.items():
        whole[at % len(whole)] = byte
    path.write_bytes(whole)
    try:
        frames = read_frames(path).frames
    except SeriesRefused:
        return
    series_refusal(frames)
    shape_of(frames)
    assert all(refusal(stack) for stack in split(frames))  # one slice is never a volume


def test_private_blobs_are_not_kept(written, one_slice):
    image = one_slice(0)
    block = image.private_block(0x0029, "MAKER", create=True)
    block.add_new(1, "OB", b"\0" * 5000)
    block.add_new(2, "LO", "kept")
    (frame,) = read_frames(written([image])[0]).frames
    assert (0x0029, 0x1001) not in frame.header
    assert frame.header[0x0029, 0x1002].value == "kept"


def test_functional_groups_are_read_however_long_they_are(written, slices, enhanced, monkeypatch):
    monkeypatch.setattr(frames_module, "_BULK", 64)
    whole = enhanced(slices(5))
    (path,) = written([whole])
    assert len(dcmread(path).PerFrameFunctionalGroupsSequence) == 5
    assert [frame.header.ImagePositionPatient[2] for frame in read_frames(path).frames] == [0, 3, 6, 9, 12]


def test_an_image_without_rows_is_refused_by_name(written, one_slice):
    image: Dataset = one_slice(0)
    del image.Rows
    with pytest.raises(SeriesRefused, match="its header lacks Rows"):
        read_frames(written([image])[0])
