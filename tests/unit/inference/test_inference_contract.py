"""What a model may be given, and how a refusal reads."""

from dataclasses import replace

import numpy as np
import phantom
import pytest
from pydantic import ValidationError

from inference.contract import Acquisition, InputContract
from inference.volume import Volume

CONTRACT = InputContract(
    modality="MR",
    contrasts=("T1",),
    contrast_agent=False,
    derived=False,
    unit="1",
    spacing_mm=(0.4, 8.0),
    min_slices=10,
    min_field_of_view_mm=60,
    body_parts=("HEAD", "BRAIN"),
    skull="kept",
)
T1_HEAD = Acquisition("MR", contrast="T1", body_part="HEAD")


def test_a_head_inside_the_contract_has_no_violations():
    assert CONTRACT.acquisition_violations(T1_HEAD) == ()
    assert CONTRACT.volume_violations(phantom.head()) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"modality": "CT"}, "takes MR, this is CT"),
        ({"contrast": "T2"}, "contrast is T2; the model takes T1"),
        ({"contrast": None}, "contrast could not be told"),
        ({"contrast_agent": True}, "contrast agent"),
        ({"body_part": "KNEE"}, "body part is KNEE; the model takes HEAD, BRAIN"),
        ({"is_original": False}, "made from other images"),
    ],
)
def test_each_violation_of_an_acquisition_is_told(change, words):
    (reason,) = CONTRACT.acquisition_violations(replace(T1_HEAD, **change))
    assert words in reason


@pytest.mark.parametrize("body_part", [None, "", " brain "])
def test_a_body_part_counts_only_where_it_is_stated(body_part):
    assert CONTRACT.acquisition_violations(replace(T1_HEAD, body_part=body_part)) == ()


def test_all_violations_are_told_at_once():
    wrong = Acquisition("MR", contrast="FLAIR", contrast_agent=True, body_part="KNEE", is_original=False)
    assert len(CONTRACT.acquisition_violations(wrong)) == 4


def test_any_contrast_takes_an_unknown_one():
    anything = CONTRACT.model_copy(update={"contrasts": "any"})
    assert anything.acquisition_violations(replace(T1_HEAD, contrast=None)) == ()


def with_nan(volume):
    voxels = volume.voxels.copy()
    voxels[3, 4, 5] = np.nan
    return volume.with_voxels(voxels)


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        (phantom.head((9.0, 5.0, 5.0)), "5.00 to 9.00 mm apart; the model takes 0.4 to 8 mm"),
        (Volume(phantom.head((8.0, 5.0, 5.0)).voxels[:9], phantom.head((8.0, 5.0, 5.0)).affine), "9 slices"),
        (Volume(phantom.head((5.0, 5.0, 5.0)).voxels[:11], phantom.head().affine), "field of view is 55 mm"),
        (with_nan(phantom.head()), "not numbers"),
        (phantom.head().with_voxels(np.ones((48, 46, 38), np.float32)), "blank"),
        (replace(phantom.head(), unit="[hnsf'U]"), "the unit is"),
    ],
)
def test_each_violation_of_a_volume_is_told(volume, words):
    (reason,) = CONTRACT.volume_violations(volume)
    assert words in reason


@pytest.mark.parametrize(
    ("spacing_mm", "words"),
    [
        ((6.0, 2.0, 2.0), None),
        ((2.0, 6.0, 2.0), None),  # no matter which axis the slices lie along
        ((2.5, 2.5, 2.5), None),
        ((3.0, 3.0, 3.0), "pixels are 3.00 mm wide; the model takes 2.5 mm or less"),
        ((2.0, 4.0, 4.0), "pixels are 4.00 mm wide"),
        ((9.0, 4.0, 4.0), "4.00 to 9.00 mm apart"),  # one sentence, not two
    ],
)
def test_how_coarse_pixels_may_be_is_a_limit_of_its_own(spacing_mm, words):
    told = CONTRACT.model_copy(update={"pixel_mm": 2.5}).volume_violations(phantom.head(spacing_mm))
    assert len(told) == (words is not None)
    assert words is None or words in told[0]


def test_a_spacing_that_lost_digits_in_its_decimal_string_is_inside():
    volume = phantom.head((7.99999, 8.00001, 8.0))
    assert CONTRACT.volume_violations(volume) == ()


@pytest.mark.parametrize(
    "change", [{"contrasts": ["T3"]}, {"contrasts": []}, {"spacing_mm": [8, 0.4]}, {"skul": "kept"}, {"min_slices": 0}]
)
def test_a_contract_with_a_mistake_is_refused(change):
    with pytest.raises(ValidationError):
        InputContract.model_validate({**CONTRACT.model_dump(), **change})


@pytest.mark.parametrize("contrasts", ["any", ("T1", "T2")])
@pytest.mark.parametrize(
    ("contrast", "words"),
    [
        ("T2", "the contrast is T2; that of the target is T1"),
        (None, "the contrast could not be told from the description and the sequence; "),
    ],
)
def test_an_image_never_gets_the_look_of_another_contrast(contrasts, contrast, words):
    contract = CONTRACT.model_copy(update={"contrasts": contrasts})
    (reason,) = contract.acquisition_violations(replace(T1_HEAD, contrast=contrast), aimed_at="T1")
    assert reason.startswith(words)
    assert contract.acquisition_violations(T1_HEAD, aimed_at="T1") == ()


def test_where_model_and_target_say_no_to_a_contrast_one_of_them_says_so():
    (reason,) = CONTRACT.acquisition_violations(replace(T1_HEAD, contrast="T2"), aimed_at="T1")
    assert reason == "the contrast is T2; the model takes T1"
