"""Derived MR images: grid, identity, order, and what must not survive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from pydicom import DataElement, Dataset, dcmread
from pydicom import Sequence as Items
from pydicom.config import IGNORE
from pydicom.datadict import keyword_for_tag
from pydicom.uid import UID, ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEGExtended12Bit

from dicom_node.domain.provenance import Provenance, StoredScale
from dicom_node.domain.stack import Stack
from dicom_node.encode import derived_mr
from dicom_node.encode.series import to_bytes

Derive = Callable[..., list[bytes]]
MakeStack = Callable[..., Stack]


def read(files: list[bytes]) -> list[Dataset]:
    return [dcmread(BytesIO(file)) for file in files]


def test_same_inputs_give_the_same_bytes_after_the_instance_was_looked_at(
    make_stack: MakeStack, scale: StoredScale, provenance: Provenance
) -> None:
    stack = make_stack()
    voxels = np.ones((3, 4, 5), dtype=np.float32)
    first, second = (derived_mr.encode(stack, voxels, scale=scale, provenance=provenance) for _ in range(2))
    str(first.instances[0])
    for one, other in zip(first.instances, second.instances, strict=True):
        assert to_bytes(one) == to_bytes(other)


def test_file_has_a_zero_preamble_and_says_who_wrote_it(make_stack: MakeStack, derive: Derive) -> None:
    file = derive(make_stack())[0]
    assert file[:132] == bytes(128) + b"DICM"
    meta = dcmread(BytesIO(file)).file_meta
    assert meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert meta.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.4"
    assert meta.ImplementationClassUID.startswith("2.25.")
    assert meta.ImplementationVersionName == "DICOM_NODE"


def test_each_slice_keeps_the_geometry_of_its_frame_to_the_character(make_stack: MakeStack, derive: Derive) -> None:
    stack = make_stack()
    for frame, image in zip(stack.frames, read(derive(stack)), strict=True):
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
            assert image.get_item(keyword).value == frame.header.get_item(keyword).value


def test_decimal_strings_that_are_too_long_are_shortened(make_stack: MakeStack, derive_first: Derive) -> None:
    def lengthen(header: Dataset) -> None:
        header["SliceThickness"] = DataElement("SliceThickness", "DS", "0.666666686534882", validation_mode=IGNORE)

    image = derive_first(make_stack(lengthen))
    assert len(image.get_item("SliceThickness").value) <= 16
    assert image.SliceThickness == pytest.approx(0.666666686534882, abs=1e-12)


def test_study_is_the_source_s_and_series_is_ours(make_stack: MakeStack, derive_first: Derive) -> None:
    image = derive_first(make_stack())
    assert (image.StudyInstanceUID, image.PatientName, image.AccessionNumber) == ("1.2.3", "Muster^Anna", "A1")
    assert (image.FrameOfReferenceUID, image.PatientPosition, image.BodyPartExamined) == ("1.2.3.9", "HFS", "BRAIN")
    assert (image.SeriesInstanceUID, image.SeriesNumber) == ("2.25.1234567890", 1005)
    assert (image.Manufacturer, image.DeviceSerialNumber) == ("dicom-node project", "node-1")
    assert (image.SyntheticData, image.ContentQualification, image.BurnedInAnnotation) == ("YES", "RESEARCH", "NO")
    assert list(image.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]
    assert (image.AcquisitionDate, image.AcquisitionTime) == ("20260102", "031500")


def test_type_2_attributes_that_the_source_lacks_are_empty(make_stack: MakeStack, derive_first: Derive) -> None:
    def strip(header: Dataset) -> None:
        for keyword in ("AccessionNumber", "StudyID", "ScanOptions", "EchoTime", "EchoTrainLength", "PatientPosition",
                        "ScanningSequence", "SequenceVariant", "RepetitionTime", "BodyPartExamined"):  # fmt: skip
            delattr(header, keyword)

    image = derive_first(make_stack(strip))
    for keyword in ("AccessionNumber", "StudyID", "ReferringPhysicianName", "PatientBirthDate", "PatientSex",
                    "PositionReferenceIndicator", "PatientPosition", "ScanOptions", "EchoTime", "EchoTrainLength",
                    "RepetitionTime", "Laterality"):  # fmt: skip
        assert keyword in image
        assert not image[keyword].value
    assert (image.ScanningSequence, image.SequenceVariant) == ("RM", "NONE")


def test_instance_numbers_follow_the_source(make_stack: MakeStack, derive: Derive) -> None:
    stack = make_stack()
    backwards = replace(stack, frames=stack.frames[::-1])
    assert [image.InstanceNumber for image in read(derive(backwards))] == [3, 2, 1]


@pytest.mark.parametrize("value", [None, "7"])
def test_instance_numbers_that_are_missing_or_repeat_are_counted_by_place(
    make_stack: MakeStack, derive: Derive, value: str | None
) -> None:
    def change(header: Dataset) -> None:
        header.InstanceNumber = value

    assert [image.InstanceNumber for image in read(derive(make_stack(change)))] == [1, 2, 3]


def test_frames_of_one_file_are_told_apart(make_stack: MakeStack, derive: Derive) -> None:
    stack = make_stack()
    first = stack.frames[0]
    frames = tuple(
        replace(frame, frame_number=k, sop_instance_uid=first.sop_instance_uid, path=first.path)
        for k, frame in zip((9, 5, 2), stack.frames, strict=True)
    )
    images = read(derive(replace(stack, frames=frames)))
    assert [image.InstanceNumber for image in images] == [9, 5, 2]
    assert [image.SourceImageSequence[0].ReferencedFrameNumber for image in images] == [9, 5, 2]
    assert len({image.SOPInstanceUID for image in images}) == 3


@pytest.mark.parametrize("shape", [(2, 4, 5), (4, 4, 5), (3, 5, 4)])
def test_voxels_that_do_not_fit_the_stack_are_refused(
    make_stack: MakeStack, scale: StoredScale, provenance: Provenance, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"fit|shorter|longer"):
        derived_mr.encode(make_stack(), np.zeros(shape, dtype=np.float32), scale=scale, provenance=provenance)


def test_contrast_agents_that_are_named_by_code_are_named_in_words(make_stack: MakeStack, derive_first: Derive) -> None:
    def add_agent(header: Dataset) -> None:
        agent = Dataset()
        agent.CodeValue, agent.CodingSchemeDesignator, agent.CodeMeaning = "C-B03CA", "SRT", "Gadoterate"
        header.ContrastBolusAgentSequence = [agent]

    assert derive_first(make_stack(add_agent)).ContrastBolusAgent == "Gadoterate"


def test_lossy_history_is_carried_forward(make_stack: MakeStack, derive_first: Derive) -> None:
    def compress(header: Dataset) -> None:
        header.LossyImageCompression = "01"
        header.LossyImageCompressionRatio, header.LossyImageCompressionMethod = "12.5", "ISO_15444_1"

    image = derive_first(make_stack(compress))
    assert (image.LossyImageCompression, image.LossyImageCompressionRatio) == ("01", 12.5)
    assert image.LossyImageCompressionMethod == "ISO_15444_1"


def test_pixels_that_came_by_a_lossy_codec_are_told_to_be_lossy(make_stack: MakeStack, derive_first: Derive) -> None:
    stack = make_stack(lambda header: setattr(header, "LossyImageCompression", "00"))
    for frame in stack.frames:
        frame.header.file_meta.TransferSyntaxUID = JPEGExtended12Bit
    assert derive_first(stack).LossyImageCompression == "01"
    assert "LossyImageCompression" not in derive_first(make_stack())


@pytest.mark.parametrize("laterality", ["R", "U"])
def test_the_laterality_of_a_frame_is_that_of_its_image(
    make_stack: MakeStack, derive_first: Derive, laterality: str
) -> None:
    def change(header: Dataset) -> None:
        header.BodyPartExamined, header.FrameLaterality = "ORBIT", laterality

    image = derive_first(make_stack(change))
    assert image.ImageLaterality == laterality
    assert "Laterality" not in image


def test_a_series_number_beyond_what_an_integer_string_holds_is_left_empty(
    make_stack: MakeStack, derive_first: Derive
) -> None:
    assert derive_first(make_stack(), series_number=2**31 - 1).SeriesNumber == 2**31 - 1
    assert derive_first(make_stack(), series_number=2**31).SeriesNumber is None


def stuff(header: Dataset) -> None:
    """Add everything that a derived image must not inherit."""
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.11.1", "1.2.3.77"
    for keyword in (
        "ReferencedSeriesSequence", "ReferencedPerformedProcedureStepSequence",
        "RequestAttributesSequence", "ReferencedImageSequence", "ReferencedStudySequence",
        "RealWorldValueMappingSequence", "VOILUTSequence", "ModalityLUTSequence", "IconImageSequence",
    ):  # fmt: skip
        header.add_new(keyword, "SQ", Items([item]))
    private = header.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    private.add_new(0x10, "OB", b"\1\2")
    header.SmallestImagePixelValue, header.LargestImagePixelValue = 0, 4000
    header["SmallestImagePixelValue"].VR = header["LargestImagePixelValue"].VR = "US"
    header.add_new("PixelPaddingValue", "US", 0)
    header.RescaleSlope, header.RescaleIntercept, header.RescaleType = "2", "1", "US"
    header.WindowCenter, header.WindowWidth, header.WindowCenterWidthExplanation = "11", "22", "Algo1"
    header.VOILUTFunction, header.PresentationLUTShape = "SIGMOID", "IDENTITY"
    header.PerformedProcedureStepID, header.RequestingPhysician = "PPS1", "Who^Else"
    header.PerformedProcedureStepStartDate, header.ImageComments = "20260102", "from the scanner"
    header.add_new(0x60000010, "US", 4)  # OverlayRows
    header.add_new(0x60003000, "OW", b"\0\0")  # OverlayData
    header.add_new(0xFFFCFFFC, "OB", b"\0\0")  # DataSetTrailingPadding
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "Head"
    code.private_block(0x0029, "IN AN ITEM", create=True).add_new(0x10, "LO", "secret")
    header.ProcedureCodeSequence = [code]


def test_only_the_whitelist_survives(make_stack: MakeStack, derive_first: Derive) -> None:
    plain, stuffed = derive_first(make_stack()), derive_first(make_stack(stuff))
    new = {element.tag for element in stuffed} - {element.tag for element in plain}
    assert {keyword_for_tag(tag) for tag in new} == {"ProcedureCodeSequence"}
    assert [element.keyword for element in stuffed.ProcedureCodeSequence[0]] == [
        "CodeValue", "CodingSchemeDesignator", "CodeMeaning",
    ]  # fmt: skip
    assert (stuffed.WindowCenter, stuffed.WindowWidth) == (700, 1200.5)


def test_earlier_equipment_is_kept_before_the_scanner_and_this_node(
    make_stack: MakeStack, derive_first: Derive
) -> None:
    def add_earlier(header: Dataset) -> None:
        purpose = Dataset()
        purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = "109104", "DCM", "De-identifying"
        earlier = Dataset()
        earlier.Manufacturer, earlier.PurposeOfReferenceCodeSequence = "Someone", [purpose]
        header.ContributingEquipmentSequence = [earlier]

    image = derive_first(make_stack(add_earlier))
    steps = image.ContributingEquipmentSequence
    assert [step.Manufacturer for step in steps] == ["Someone", "SIEMENS", "dicom-node project"]
    assert [step.PurposeOfReferenceCodeSequence[0].CodeValue for step in steps] == ["109104", "109101", "109102"]
    assert (steps[1].ContributionDateTime, steps[2].ContributionDateTime) == ("20260102031500", "20261121233000+0000")


def test_derivation_names_model_weights_target_and_scale(make_stack: MakeStack, derive_first: Derive) -> None:
    image = derive_first(make_stack(), warnings=("gradients differ", "ungünstig " * 200))
    assert len(image.DerivationDescription) == 1024
    for part in ("harmonize-nyul 1.0.0", "ab" * 32, "siemens-3t", "* 1000", "CHECK: gradients differ"):
        assert part in image.DerivationDescription
    of_the_site = derive_first(make_stack(), target_digest="cd" * 32).DerivationDescription
    assert f"target siemens-3t; target sha256 {'cd' * 32};" in of_the_site
    code = image.DerivationCodeSequence[0]
    assert code.CodingSchemeDesignator == image.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator
    assert code.CodingSchemeDesignator.startswith("99")
    source = image.SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == "1.2.3.4.1"
    assert source.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"
    assert source.SpatialLocationsPreserved == "YES"
    assert "ReferencedFrameNumber" not in source


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_sources_of_other_encodings_give_the_same_bytes(make_stack: MakeStack, derive: Derive, syntax: UID) -> None:
    def add_numbers(header: Dataset) -> None:
        header.AcquisitionMatrix, header.B1rms = [0, 256, 192, 0], 0.75

    assert derive(make_stack(add_numbers, syntax)) == derive(make_stack(add_numbers))
