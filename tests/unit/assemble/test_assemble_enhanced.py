from __future__ import annotations

import pytest
from pydicom import Dataset

from dicom_node.assemble import enhanced as enhanced_module
from dicom_node.assemble.enhanced import flattened, scanning_sequence, sequence_variant
from dicom_node.assemble.facts import facts_of
from dicom_node.assemble.frames import read_frames
from dicom_node.assemble.stacks import split
from dicom_node.assemble.volume import read_volume
from dicom_node.errors import SeriesRefused


def test_functional_groups_stand_under_their_classic_keywords(slices, enhanced):
    images = slices(3)
    images[2].EchoTime = "98"
    headers = flattened(enhanced(images))
    assert [float(header.EchoTime) for header in headers] == [12, 12, 98]
    assert [header.ImagePositionPatient for header in headers] == [image.ImagePositionPatient for image in images]
    assert {float(header.RepetitionTime) for header in headers} == {500}
    assert headers[0].ImageType == ["ORIGINAL", "PRIMARY", "T1", "NONE"]
    assert headers[0].PixelSpacing == [1, 2]
    assert headers[0].ScanningSequence == "SE"
    assert headers[0].SequenceVariant == "NONE"
    assert "PerFrameFunctionalGroupsSequence" not in headers[0]
    assert "NumberOfFrames" not in headers[0]


def test_frames_share_the_elements_that_do_not_differ(slices, enhanced):
    first, second = flattened(enhanced(slices(2)))
    assert first["PatientID"] is second["PatientID"]
    assert first["ImagePositionPatient"] is not second["ImagePositionPatient"]


def test_times_numbers_and_diffusion_come_from_their_groups(slices, enhanced):
    whole = enhanced(slices(1))
    content, cardiac, diffusion, direction, modifier = (Dataset() for _ in range(5))
    content.FrameAcquisitionNumber, content.TemporalPositionIndex = 7, 2
    content.FrameAcquisitionDateTime = "20240229131415.5+0100"
    cardiac.NominalCardiacTriggerDelayTime = 123.4
    direction.DiffusionGradientOrientation = [0, 0, 1]
    diffusion.DiffusionBValue, diffusion.DiffusionGradientDirectionSequence = 1000.0, [direction]
    modifier.InversionRecovery, modifier.InversionTimes = "YES", 900.0
    groups = whole.PerFrameFunctionalGroupsSequence[0]
    groups.FrameContentSequence, groups.CardiacSynchronizationSequence = [content], [cardiac]
    groups.MRDiffusionSequence, groups.MRModifierSequence = [diffusion], [modifier]
    (header,) = flattened(whole)
    assert (header.AcquisitionNumber, header.TemporalPositionIdentifier) == (7, 2)
    assert (header.AcquisitionDate, header.AcquisitionTime) == ("20240229", "131415.5")
    assert header.TriggerTime == 123.4
    assert (header.DiffusionBValue, header.DiffusionGradientOrientation) == (1000, [0, 0, 1])
    assert header.InversionTime == 900
    assert header.ScanningSequence == ["SE", "IR"]
    assert header.SequenceVariant == "MP"


def test_a_number_of_frames_that_is_not_that_of_the_groups_is_refused(slices, enhanced):
    whole = enhanced(slices(3))
    whole.NumberOfFrames = 4
    with pytest.raises(SeriesRefused, match="4 frames are declared and 3 described"):
        flattened(whole)


def test_more_frames_than_memory_is_meant_for_are_refused(slices, enhanced, monkeypatch):
    monkeypatch.setattr(enhanced_module, "MAX_FRAMES", 2)
    with pytest.raises(SeriesRefused, match="3 frames in one instance, 2 are the most"):
        flattened(enhanced(slices(3)))


def test_an_empty_functional_group_adds_nothing(slices, enhanced):
    whole = enhanced(slices(2))
    whole.PerFrameFunctionalGroupsSequence[0].MREchoSequence = []
    assert "EchoTime" not in flattened(whole)[0]


def test_sequence_facts_are_not_invented_where_nothing_declares_them():
    assert scanning_sequence({}) == []
    assert sequence_variant({}) == []


def test_an_enhanced_series_gives_the_voxels_and_facts_of_the_classic_one(written, slices, enhanced):
    images = slices(6)
    for k, image in enumerate(images):
        image.RescaleSlope, image.RescaleIntercept = 1 + k / 8, -k
    (classic,) = split([frame for path in written(images) for frame in read_frames(path).frames])
    (multi,) = split(read_frames(written([enhanced(images)])[0]).frames)
    assert [frame.frame_number for frame in multi.frames] == [6, 5, 4, 3, 2, 1]  # highdicom counts from the head down
    one, other = read_volume(classic), read_volume(multi)
    assert (one.voxels == other.voxels).all()
    assert (one.affine == other.affine).all()
    assert facts_of(multi.frames).derived == classic.facts.derived
