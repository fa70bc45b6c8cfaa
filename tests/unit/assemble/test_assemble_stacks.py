from __future__ import annotations

import itertools
import random

import pytest
from highdicom.spatial import get_series_volume_positions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_node.assemble.gate import refusal
from dicom_node.assemble.stacks import split

SHARED_FIXTURES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)


def _content(stacks):
    return [(stack.label, [frame.sop_instance_uid for frame in stack.frames]) for stack in stacks]


def test_one_volume_is_one_stack_without_a_label(slices, frames_of):
    (stack,) = split(frames_of(slices(5)))
    assert stack.label == ""
    assert [frame.header.ImagePositionPatient[2] for frame in stack.frames] == [
        12,
        9,
        6,
        3,
        0,
    ]  # highdicom counts from the head down


def test_no_frames_are_no_stacks():
    assert split([]) == ()


@pytest.mark.parametrize(
    ("keyword", "values", "labels"),
    [
        ("EchoTime", ("30", "100"), ["EchoTime=30", "EchoTime=100"]),
        ("EchoNumbers", (1, 2), ["EchoNumbers=1", "EchoNumbers=2"]),
        ("InversionTime", ("700", "2500"), ["InversionTime=700", "InversionTime=2500"]),
        ("ImageType", (["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"]), ["ImageType=M", "ImageType=P"]),
        ("TemporalPositionIdentifier", (1, 2), ["TemporalPositionIdentifier=1", "TemporalPositionIdentifier=2"]),
        ("TriggerTime", ("0", "35.5"), ["TriggerTime=0", "TriggerTime=35.5"]),
        ("AcquisitionNumber", (1, 2), ["AcquisitionNumber=1", "AcquisitionNumber=2"]),
        ("FrameOfReferenceUID", ("1.2.3", "1.2.4"), ["FrameOfReferenceUID=(1)", "FrameOfReferenceUID=(2)"]),
        ("StackID", ("1", "2"), ["StackID=1", "StackID=2"]),
        ("PixelSpacing", ([1, 1], [2, 2]), ["PixelSpacing=1\\1", "PixelSpacing=2\\2"]),
        (
            "ImageOrientationPatient",
            ([0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 1, 0]),
            ["orientation=0\\1\\0\\0\\0\\-1", "orientation=1\\0\\0\\0\\1\\0"],
        ),
    ],
)
def test_a_series_is_split_by(slices, frames_of, keyword, values, labels):
    images = [image for value in values for image in slices(4, **{keyword: value})]
    assert [stack.label for stack in split(frames_of(images))] == labels
    assert {len(stack.frames) for stack in split(frames_of(images))} == {4}


def test_a_b_value_and_its_directions_make_a_stack_each(slices, frames_of):
    directions = ([1.0, 0.0, 0.0], [-0.0, 1.0, 0.0])
    images = slices(4) + [
        image for one in directions for image in slices(4, DiffusionBValue=800.0, DiffusionGradientOrientation=one)
    ]
    assert [stack.label for stack in split(frames_of(images))] == [
        "DiffusionBValue=none",
        "DiffusionBValue=800, DiffusionGradientOrientation=0\\1\\0",
        "DiffusionBValue=800, DiffusionGradientOrientation=1\\0\\0",
    ]


@pytest.mark.parametrize("keyword", ["AcquisitionNumber", "TriggerTime"])
def test_a_number_counted_from_slice_to_slice_does_not_shatter_a_volume(slices, frames_of, keyword):
    images = slices(20)
    for k, image in enumerate(images):
        setattr(image, keyword, k)
    assert len(split(frames_of(images))) == 1


def test_a_number_counted_from_slice_to_slice_does_not_shatter_two_echoes_either(slices, frames_of):
    images = slices(12, EchoNumbers=1) + slices(12, EchoNumbers=2)
    for k, image in enumerate(images):
        image.AcquisitionNumber = image.TriggerTime = k % 12
    assert [stack.label for stack in split(frames_of(images))] == ["EchoNumbers=1", "EchoNumbers=2"]


@pytest.mark.parametrize(
    ("keyword", "values", "labels"),
    [
        ("FlipAngle", ("5", "15"), ["FlipAngle=5", "FlipAngle=15"]),
        ("RepetitionTime", ("500", "900"), ["RepetitionTime=500", "RepetitionTime=900"]),
        ("ScanOptions", ("MT", ""), ["ScanOptions=none", "ScanOptions=MT"]),
        ("KVP", ("80", "140"), ["KVP=80", "KVP=140"]),
        ("FrameReferenceTime", ("0", "1000"), ["FrameReferenceTime=0", "FrameReferenceTime=1000"]),
        ("ReceiveCoilName", ("of CANARY", "other"), ["ReceiveCoilName=(1)", "ReceiveCoilName=(2)"]),
        ("AcquisitionTime", ("101010", "101020"), ["AcquisitionTime=(1)", "AcquisitionTime=(2)"]),
    ],
)
def test_whatever_a_scan_varied_divides_it_where_its_volumes_are_complete(slices, frames_of, keyword, values, labels):
    one, other = (slices(4, **{keyword: value}) for value in values)
    assert [stack.label for stack in split(frames_of(one + other))] == labels
    (stack,) = split(frames_of(one + other[:3]))
    assert refusal(stack) == "3 of 7 images repeat a position, and no attribute tells them apart"


def test_two_things_that_a_scan_varied_divide_it_both(slices, frames_of):
    images = [image for angle in (5, 15) for time in (500, 900) for image in slices(4, FlipAngle=angle, SAR=time)]
    assert [len(stack.frames) for stack in split(frames_of(images))] == [4, 4, 4, 4]


def test_a_vendors_own_number_divides_a_scan_and_is_not_shown(slices, frames_of):
    images = []
    for number in (1, 2):
        for image in slices(4, Manufacturer=str(number)):
            image.private_block(0x0019, "OWN", create=True).add_new(0x0C, "IS", number)
            images.append(image)
    assert [stack.label for stack in split(frames_of(images))] == ["(0019,100c)=(1)", "(0019,100c)=(2)"]


def test_the_dimensions_of_a_multi_frame_image_divide_it_whatever_they_are(slices, frames_of):
    images = slices(4) + slices(4, Manufacturer="the same")
    for k, image in enumerate(images):
        image.DimensionIndexValues = [1, k // 4 + 1, k % 4 + 1]
    assert [stack.label for stack in split(frames_of(images))] == [
        "DimensionIndexValues[2]=1",
        "DimensionIndexValues[2]=2",
    ]


@pytest.mark.parametrize("keyword", ["PatientComments", "InstanceCreationTime", "ContentTime", "SeriesTime"])
def test_the_same_scan_stored_twice_is_no_two_scans(slices, frames_of, keyword):
    images = slices(4, **{keyword: "101010"}) + slices(4, **{keyword: "101020"})
    assert len(split(frames_of(images))) == 1


def test_stacks_that_lie_side_by_side_are_two(slices, frames_of):
    left, right = slices(6), slices(6, Manufacturer="the same")
    for k, image in enumerate(right):
        image.ImagePositionPatient = [90, -20, 3 * k]
    assert [(stack.label, len(stack.frames)) for stack in split(frames_of(left + right))] == [
        ("beside=0", 6),
        ("beside=1", 6),
    ]


def test_a_sheared_stack_of_which_a_slice_is_there_twice_is_not_taken_apart_by_its_shear(slices, frames_of):
    images = slices(6) + slices(6, Manufacturer="the same")[:1]
    for k, image in enumerate(images):
        image.ImagePositionPatient = [-10 + 2 * (k % 6), -20, 3 * (k % 6)]
    assert len(split(frames_of(images))) == 1


@pytest.mark.parametrize("lost", [0, 3, 5])
def test_an_image_that_does_not_say_where_it_lies_stays_with_those_of_its_kind(slices, frames_of, lost):
    images = slices(6)
    del images[lost].ImagePositionPatient
    (stack,) = split(frames_of(images))
    assert refusal(stack) == "ImagePositionPatient is missing"


def test_a_picture_without_a_place_that_is_of_another_kind_spoils_nothing(slices, frames_of):
    (picture,) = slices(1, ImageType=["DERIVED", "SECONDARY", "OTHER"])
    del picture.ImagePositionPatient
    volume, other = sorted(split(frames_of([*slices(6), picture])), key=lambda stack: -len(stack.frames))
    assert refusal(volume) is None
    assert len(other.frames) == 1


def test_a_second_dynamic_that_has_only_begun_does_not_spoil_the_first(slices, frames_of):
    images = slices(20, TemporalPositionIdentifier=1) + slices(20, TemporalPositionIdentifier=2)[:3]
    assert [len(stack.frames) for stack in split(frames_of(images))] == [20, 3]


def test_repeats_that_nothing_tells_apart_stay_together_and_are_refused(slices, frames_of):
    (stack,) = split(frames_of(slices(6) + slices(6, InstanceNumber=99)))
    assert refusal(stack) == "6 of 12 images repeat a position, and no attribute tells them apart"


def test_cosines_that_differ_by_rounding_are_one_orientation(slices, frames_of):
    images = slices(6)
    for k, image in enumerate(images):
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, [0.0004999, 0.0005001][k % 2]]
    assert len(split(frames_of(images))) == 1


@pytest.mark.parametrize(
    "cosines", [[1, 0, 0, 0, 1, 0], [1, 0, 0, 0, -1, 0], [0, 1, 0, 0, 0, -1], [0.6, 0.8, 0, -0.8, 0.6, 0]]
)
def test_slice_order_is_that_of_highdicom(slices, frames_of, cosines):
    images = slices(7, ImageOrientationPatient=cosines)
    for k, image in enumerate(images):
        normal = [cosines[1] * cosines[5] - cosines[2] * cosines[4], cosines[2] * cosines[3] - cosines[0] * cosines[5]]
        normal.append(cosines[0] * cosines[4] - cosines[1] * cosines[3])
        image.ImagePositionPatient = [5 * (k - 3) * one for one in normal]
    (stack,) = split(frames_of(images))
    headers = [frame.header for frame in stack.frames]
    assert get_series_volume_positions(headers)[1] == list(range(7))


@SHARED_FIXTURES
@given(seed=st.integers(0, 2**16), volumes=st.integers(1, 3), missing=st.integers(0, 5))
def test_the_order_of_arrival_never_changes_the_stacks(slices, frames_of, seed, volumes, missing):
    shuffle = random.Random(seed)
    images = [image for echo in range(volumes) for image in slices(6, EchoTime=str(10 + 20 * echo))]
    images = shuffle.sample(images, len(images) - min(missing, len(images) - 1))
    arrived = frames_of(images)
    other = shuffle.sample(arrived, len(arrived))
    assert _content(split(arrived)) == _content(split(other))


@SHARED_FIXTURES
@given(present=st.sets(st.integers(0, 9), min_size=1))
def test_every_frame_is_in_one_stack(slices, frames_of, present):
    images = slices(10, TriggerTime="1") + [slices(10, TriggerTime="2")[k] for k in sorted(present)]
    frames = frames_of(images)
    found = list(itertools.chain.from_iterable(stack.frames for stack in split(frames)))
    assert sorted(frame.sop_instance_uid for frame in found) == sorted(frame.sop_instance_uid for frame in frames)
