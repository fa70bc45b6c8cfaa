from __future__ import annotations

import pytest
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import HEVCMP51

from dicom_node.assemble import gate
from dicom_node.assemble.elements import unquoted
from dicom_node.assemble.gate import refusal, series_refusal
from dicom_node.assemble.stacks import split
from dicom_node.domain.provenance import MODEL_NAME


@pytest.fixture
def stack(slices, frames_of):
    """Return the maker of a stack of 13 slices with the given attributes."""

    def make(**attributes):
        (only,) = split(frames_of(slices(13, **attributes)))
        return only

    return make


def test_a_plain_stack_is_not_refused(stack):
    assert refusal(stack()) is None


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"SyntheticData": "YES"}, "made by a model already"),
        ({"ManufacturerModelName": MODEL_NAME}, "a node of this kind made it"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"SeriesDescription": "3-plane scout"}, "localizer by its name, with 13 images"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "reformat or projection"),
        ({"ImageType": ["DERIVED", "SECONDARY", "PROJECTION IMAGE", "MIP"]}, "reformat or projection"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MNIP"]}, "reformat or projection"),
        (
            {"ImageType": ["DERIVED", "PRIMARY", "T1", "NONE"], "VolumeBasedCalculationTechnique": "MAX_IP"},
            "VolumeBasedCalculationTechnique",
        ),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "screen capture"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]}, "mosaic"),
        ({"BurnedInAnnotation": "YES"}, "burned into its pixels"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, "inverted"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB"}, "in colour"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "not plain grey"),
        ({"HighBit": 15}, "contradict each other"),
        ({"BitsStored": 17, "HighBit": 16}, "contradict each other"),
        ({"BitsAllocated": 12}, "BitsAllocated 12 is not read"),
        ({"PixelRepresentation": 7}, "neither 0 nor 1"),
        ({"RescaleSlope": "0"}, "RescaleSlope or RescaleIntercept"),
        ({"PixelSpacing": [0, 1]}, "PixelSpacing is not positive"),
        ({"PixelSpacing": [-1, 1]}, "PixelSpacing is not positive"),
        ({"PixelSpacing": None}, "PixelSpacing is missing"),
        ({"ImagePositionPatient": None}, "ImagePositionPatient is missing"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 2, 0]}, "not two perpendicular unit vectors"),
        ({"ImageOrientationPatient": [1, 0, 0, 0.1, 0.99, 0]}, "not two perpendicular unit vectors"),
        ({"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]}, "not two perpendicular unit vectors"),
        ({"FrameOfReferenceUID": None}, "FrameOfReferenceUID is missing"),
    ],
)
def test_a_stack_is_refused_with_the_reason(stack, attributes, reason):
    assert reason in str(refusal(stack(**attributes)))


@pytest.mark.parametrize("text", ["nan", "inf"])
def test_a_spacing_that_is_no_finite_number_is_refused(stack, text):
    made = stack()
    with unquoted():
        made.frames[4].header.add_new("PixelSpacing", "DS", [text, "1"])
    assert refusal(made) == "PixelSpacing is not 2 finite numbers"


def test_original_images_that_ge_calls_mpr_are_no_reformats(stack):
    assert refusal(stack(ImageType=["ORIGINAL", "PRIMARY", "MPR"])) is None


def test_the_work_of_another_node_is_known_by_its_contributing_equipment(stack):
    equipment = Dataset()
    equipment.ManufacturerModelName = MODEL_NAME
    assert "a node of this kind" in str(refusal(stack(ContributingEquipmentSequence=[equipment])))


@pytest.mark.parametrize(
    ("keyword", "other"),
    [
        ("ImageType", ["ORIGINAL", "PRIMARY", "P"]),  # seen: five phase images among 224 magnitude images
        ("ComplexImageComponent", "PHASE"),
        ("EchoTime", "30"),
        ("ScanningSequence", "GR"),
        ("DiffusionBValue", 1000.0),
        ("ContrastBolusAgent", "Gadovist"),
    ],
)
def test_images_of_another_kind_at_positions_of_their_own_are_no_part_of_the_volume(slices, frames_of, keyword, other):
    images = slices(13)
    setattr(images[5], keyword, other)
    (mixed,) = split(frames_of(images))
    assert refusal(mixed) == f"its images are not all of one kind: {keyword} differs"


def test_echo_times_that_differ_by_rounding_are_one_kind(slices, frames_of):
    images = slices(13)
    for k, image in enumerate(images):
        image.EchoTime = ["12.0", "12.05", "11.9"][k % 3]
    (stack,) = split(frames_of(images))
    assert refusal(stack) is None


def test_a_missing_slice_is_named_by_where_it_was(slices, frames_of):
    images = slices(13)
    del images[5]
    (gap,) = split(frames_of(images))
    assert refusal(gap) == "a slice is missing between z=12.0 and z=18.0 mm, 12 of 13 present"


def test_several_missing_slices_are_counted(slices, frames_of):
    images = slices(13)
    del images[8:10], images[3]
    (gap,) = split(frames_of(images))
    assert refusal(gap) == "3 slices are missing, the first between z=21.0 and z=30.0 mm, 10 of 13 present"


@pytest.mark.parametrize("keyword", ["SpacingBetweenSlices", "SliceThickness"])
def test_fault_33_every_second_slice_of_a_finer_stack_is_no_volume(slices, frames_of, keyword):
    whole = slices(12, **{keyword: "3"})
    (half,) = split(frames_of(whole[::2]))
    assert refusal(half) == (
        "only one slice of every 2 is there: InstanceNumber goes up by 2, and the slices lie 2 times as far apart as "
        f"{keyword} says"
    )
    assert refusal(split(frames_of(whole))[0]) is None


@pytest.mark.parametrize(("step", "thickness"), [(2, "6"), (1, "1.5"), (2, "")])
def test_one_sign_of_lost_slices_alone_holds_nothing(slices, frames_of, step, thickness):
    images = slices(6, SliceThickness=thickness)
    for k, image in enumerate(images):
        image.InstanceNumber, image.ImagePositionPatient = 1 + step * k, [-10, -20, 6 * k]
    assert refusal(split(frames_of(images))[0]) is None


def test_a_sheared_stack_is_named_by_its_angle(slices, frames_of):
    images = slices(13)
    for k, image in enumerate(images):
        image.ImagePositionPatient = [0, k, 3 * k]
    (sheared,) = split(frames_of(images))
    assert refusal(sheared) == (
        "the slices are shifted sideways, by up to 18.4 degrees off their normal (gantry tilt or shear)"
    )


def test_uneven_spacing_is_named_by_its_range(slices, frames_of):
    images = slices(13)
    for image in images[6:]:
        image.ImagePositionPatient[2] += 1.3
    (uneven,) = split(frames_of(images))
    assert refusal(uneven) == "the slices are unevenly spaced, 3.00 to 4.30 mm apart"


def test_positions_written_with_a_tenth_of_a_millimetre_are_regular(slices, frames_of):
    images = slices(20)
    for k, image in enumerate(images):
        image.ImagePositionPatient = [0, 0, round(7.04 * k, 1)]
    (stack,) = split(frames_of(images))
    assert refusal(stack) is None


def test_a_slice_that_is_there_twice_is_refused(slices, frames_of):
    images = slices(13)
    (stack,) = split(frames_of([*images, *slices(1, InstanceNumber=77)]))
    assert refusal(stack) == "1 of 14 images repeat a position, and no attribute tells them apart"


def test_one_slice_is_no_volume(slices, frames_of):
    assert refusal(split(frames_of(slices(1)))[0]) == "a single slice makes no volume"


def test_a_transfer_syntax_without_decoder_is_refused_before_decoding(stack):
    made = stack()
    for frame in made.frames:
        frame.header.file_meta.TransferSyntaxUID = HEVCMP51
    assert "no decoder for its transfer syntax" in str(refusal(made))


def test_a_huge_series_is_refused_before_decoding(stack, monkeypatch):
    monkeypatch.setattr(gate, "MAX_VOXELS", 13 * 24 - 1)
    assert refusal(stack()) == "it is too large: 312 voxels, 311 are the most"


def test_values_that_cannot_be_read_are_a_reason(stack):
    made = stack()
    made.frames[2].header[0x00280102] = RawDataElement(Tag(0x00280102), "US", 1, b"x", 0, False, True)
    assert "cannot be read" in str(refusal(made))


def test_fault_37_two_patients_in_one_series_are_refused_without_their_names(slices, frames_of):
    reason = series_refusal(frames_of([*slices(5), *slices(1, PatientID="OTHER")]))
    assert reason == "its images name more than one patient (PatientID differs)"


def test_a_series_with_an_unreadable_file_is_refused(slices, frames_of):
    reason = series_refusal(frames_of(slices(5)), ["the file ends before its pixel data"])
    assert reason == "1 of its files cannot be read: the file ends before its pixel data"


def test_a_series_without_images_is_refused():
    assert series_refusal([]) == "it holds no images that could form a volume"


def test_few_images_in_three_planes_are_a_localizer(slices, frames_of):
    planes = ([1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1])
    images = [image for cosines in planes for image in slices(5, ImageOrientationPatient=cosines)]
    assert series_refusal(frames_of(images)) == "it is a localizer: 15 images in three planes"
    assert series_refusal(frames_of(slices(5))) is None
