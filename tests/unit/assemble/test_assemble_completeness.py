from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_node.assemble.completeness import Shape, Told, Waits, evidence, heard, shape_of
from dicom_node.assemble.counts import PRIVATE

WAITS = Waits(settle_s=2, silence_s=30)


def test_evidence_is_taken_strongest_first():
    shape = Shape("whole", "counted", "gapless")
    assert evidence(shape, WAITS, quiet_s=0, sender_connected=True) == "whole"
    shape = replace(shape, whole=None)
    assert evidence(shape, WAITS, quiet_s=1.9, sender_connected=False) is None
    assert evidence(shape, WAITS, quiet_s=2, sender_connected=True) == "counted, and nothing came for 2 s"
    shape = replace(shape, counted=None)
    assert evidence(shape, WAITS, quiet_s=2, sender_connected=False) == "gapless, and nothing came for 2 s"
    assert evidence(shape, WAITS, quiet_s=29, sender_connected=True) is None
    assert evidence(shape, WAITS, quiet_s=30, sender_connected=True) == "nothing came for 30 s"
    assert evidence(Shape(), WAITS, quiet_s=29, sender_connected=False) is None


def test_a_regular_stack_is_evidence_by_geometry(slices, frames_of):
    assert shape_of(frames_of(slices(8))) == Shape(gapless="one stack of 8 slices without a gap")


def test_few_slices_say_nothing_by_lying_regularly(slices, frames_of):
    assert shape_of(frames_of(slices(4))) == Shape()


def test_stacks_of_different_length_are_not_whole(slices, frames_of):
    images = slices(8, EchoTime="30") + slices(8, EchoTime="90")
    assert shape_of(frames_of(images)).gapless == "2 stacks of 8 slices without a gap"
    assert shape_of(frames_of(images[:-1])) == Shape()


def test_the_count_of_an_acquisition_needs_geometry_that_agrees(slices, frames_of):
    images = slices(9, ImagesInAcquisition=8, AcquisitionNumber=1)
    assert shape_of(frames_of(images[:8])).counted is not None
    assert shape_of(frames_of(images[:7])).counted is None
    assert shape_of(frames_of(images[:3] + images[4:])) == Shape()  # 8 images, and a gap


def test_a_count_of_one_image_an_acquisition_completes_nothing(slices, frames_of):
    images = slices(20, ImagesInAcquisition=1)
    for k, image in enumerate(images):
        image.AcquisitionNumber = 31744 + k
    for n in range(1, 21):
        assert shape_of(frames_of(images[:n])).counted is None


def test_one_multi_frame_instance_is_whole(slices, frames_of):
    frames = [
        replace(frame, frame_number=k, sop_instance_uid="1.2") for k, frame in enumerate(frames_of(slices(3)), start=1)
    ]
    assert shape_of(frames).whole == "one multi-frame instance holds its 3 images"


def test_a_multi_frame_instance_of_one_time_point_of_several_is_not_whole(slices, frames_of):
    images = slices(3, NumberOfTemporalPositions=4, TemporalPositionIdentifier=1)
    frames = [replace(frame, frame_number=1, sop_instance_uid="1.2") for frame in frames_of(images)]
    assert shape_of(frames).whole is None


def test_a_concatenation_is_whole_when_all_its_parts_are_there(slices, frames_of):
    frames = []
    for part in (1, 2, 3):
        images = slices(2, ConcatenationUID="1.9", InConcatenationNumber=part, InConcatenationTotalNumber=3)
        frames += [replace(frame, frame_number=1, sop_instance_uid=f"1.2.{part}") for frame in frames_of(images)]
    assert shape_of(frames).whole == "all 3 parts of the concatenation are there"
    assert shape_of(frames[2:]).whole is None


def test_a_concatenation_without_a_total_is_never_known_to_be_whole(slices, frames_of):
    images = slices(2, ConcatenationUID="1.9", InConcatenationNumber=1)
    frames = [replace(frame, frame_number=1, sop_instance_uid="1.2") for frame in frames_of(images)]
    assert shape_of(frames).whole is None


@pytest.mark.parametrize("keyword", ["ImagesInAcquisition", "AcquisitionNumber"])
def test_a_count_that_is_no_number_is_no_evidence(slices, frames_of, keyword):
    images = slices(6, ImagesInAcquisition=6, AcquisitionNumber=1)
    images[0].add_new(keyword, "IS", None)
    assert shape_of(frames_of(images)).counted is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(missing=st.sets(st.integers(1, 12), min_size=1, max_size=9), counted=st.booleans())
def test_no_subset_with_a_gap_is_complete_by_geometry(slices, frames_of, missing, counted):
    images = slices(14)
    held = [image for k, image in enumerate(images) if k not in missing]
    for image in held:
        image.AcquisitionNumber = 1
        image.ImagesInAcquisition = len(held) if counted else 14
    assert shape_of(frames_of(held)) == Shape()


def test_every_second_slice_is_known_by_the_numbers_that_are_left_out(slices, frames_of):
    images = slices(20)[::2]
    assert shape_of(frames_of(images)) == Shape()
    for image in images:
        image.InstanceNumber = 1  # says nothing
    assert shape_of(frames_of(images)).gapless is not None


def vendors_count(images, name, value):
    group, creator, element = PRIVATE[name]
    for image in images:
        image.private_block(group, creator, create=True).add_new(element, "SL", value)
    return images


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ImagesInSeries", "all 8 images of the series are there without a gap (GE Images in Series (0025,1007))"),
        ("NumberOfSlices", "all 8 slices of the stack are there without a gap (Philips Number of Slices (2001,1018))"),
    ],
)
def test_a_vendors_count_is_evidence_with_geometry_and_against_it(slices, frames_of, name, said):
    images = vendors_count(slices(9), name, 8)
    assert shape_of(frames_of(images[:8])).counted == said
    assert shape_of(frames_of(images[:7])) == Shape()  # gapless, and one is missing
    assert shape_of(frames_of(images[:3] + images[4:])) == Shape()  # 8 images, and a gap


@pytest.mark.parametrize("name", list(PRIVATE))
def test_a_private_element_without_its_creator_counts_nothing(slices, frames_of, name):
    images = slices(8)
    group, _, element = PRIVATE[name]
    for image in images:
        image.private_block(group, "SOMEONE ELSE", create=True).add_new(element, "SL", 99)
    assert shape_of(frames_of(images)) == Shape(gapless="one stack of 8 slices without a gap")


def test_a_stack_that_is_all_there_is_not_the_series_where_more_echoes_are_promised(slices, frames_of):
    images = vendors_count(vendors_count(slices(8, EchoTime="30"), "NumberOfSlices", 8), "NumberOfEchoes", 2)
    assert shape_of(frames_of(images)).counted is None


def test_an_acquisition_of_which_images_are_missing_is_not_whole_by_geometry(slices, frames_of):
    images = slices(8, ImagesInAcquisition=16, AcquisitionNumber=1)
    assert shape_of(frames_of(images)) == Shape()


def test_time_points_that_are_missing_are_known(slices, frames_of):
    images = [
        image for time in (1, 2) for image in slices(8, TemporalPositionIdentifier=time, NumberOfTemporalPositions=2)
    ]
    assert shape_of(frames_of(images[:8])) == Shape()
    assert shape_of(frames_of(images)).gapless == "2 stacks of 8 slices without a gap"


def test_who_knows_the_whole_series_is_believed_both_ways():
    shape = Shape(gapless="gapless")
    assert heard(shape, None) == shape
    assert heard(shape, Told("all 9 instances", 1)) == Shape()
    assert heard(shape, Told("all 9 instances", 0)).whole == "all 9 instances are there"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    present=st.sets(st.integers(0, 11), min_size=1), promised=st.sampled_from(["", "ImagesInSeries", "NumberOfSlices"])
)
def test_a_part_of_a_stack_is_complete_only_by_evidence(slices, frames_of, present, promised):
    """A part that its own headers cannot tell from a whole: consecutive images, and no count that says otherwise."""
    images = slices(12)
    if promised:
        vendors_count(images, promised, 12)
    shape = shape_of(frames_of([images[k] for k in sorted(present)]))
    consecutive = max(present) - min(present) + 1 == len(present) >= 5
    assert (shape.gapless is not None) is (len(present) == 12 or (consecutive and not promised))
    assert (shape.counted is not None) is (len(present) == 12 and bool(promised))
