"""The gate of a synthetic CT lets a plausible head pass, and says what is not plausible in another."""

import numpy as np
import phantom
import pytest

from dicom_node.infer.gate import judge
from inference.manifest import CtLimits, OutputSpec, QaLimits
from inference.volume import Volume

HOUNSFIELD = "[hnsf'U]"
OUTPUT = OutputSpec(kind="ct", unit=HOUNSFIELD, range=(-1024, 3000))
SOURCE = phantom.head((3.0, 3.0, 3.0))
RADIUS = phantom.radius(SOURCE.voxels.shape, SOURCE.affine)
LIMITS = CtLimits(bone_share=(0.05, 0.3), air_share=(0, 0.1), brain_hu=(0, 80))


def ct(*shells):
    """Return a CT of (relative radius, HU) from the outside inwards."""
    voxels = np.full(RADIUS.shape, -1024, np.float32)
    for radius, hounsfield in shells:
        voxels[radius > RADIUS] = hounsfield
    return Volume(voxels, SOURCE.affine, HOUNSFIELD)


def verdict(result, source=SOURCE, **limits):
    return judge(source, result, output=OUTPUT, limits=QaLimits(ct=LIMITS, **limits))


HEAD = ((1.0, 40), (0.93, 900), (0.87, 35))


def test_a_plausible_head_passes_and_is_measured():
    found = verdict(ct(*HEAD))
    assert (found.failures, found.warnings) == ((), ())
    assert found.numbers["body_dice"] > 0.97
    assert found.numbers["bone_share"] == pytest.approx((0.93**3 - 0.87**3), abs=0.03)
    assert found.numbers["air_share"] < 0.01
    assert found.numbers["brain_hu"] == 35


@pytest.mark.parametrize(
    ("shells", "words"),
    [
        (((1.0, 40),), "0.0% of the result's head is bone, 5.0% to 30.0%"),
        (((1.0, 40), (0.93, 900), (0.7, 35)), "of the result's head is bone"),
        ((*HEAD, (0.87, -1000), (0.72, 35)), "of the result's head is air, 0.0% to 10.0%"),
        ((*HEAD[:2], (0.87, 200)), "the median of the result's brain is 200 HU, 0 to 80"),
        (tuple((0.8 * radius, hounsfield) for radius, hounsfield in HEAD), "by a Dice coefficient of"),
    ],
)
def test_what_is_not_plausible_fails_and_says_what_to_do(shells, words):
    (failure,) = verdict(ct(*shells)).failures
    assert words in failure
    assert failure.endswith("or plan on a CT scan")


def test_several_reasons_are_all_told_and_what_to_do_once():
    failures = verdict(ct((1.0, 900))).failures
    assert len(failures) == 2
    assert sum("plan on a CT scan" in failure for failure in failures) == 1


def test_a_head_that_is_elsewhere_fails():
    moved = ct(*HEAD)
    failures = verdict(moved.with_voxels(np.roll(moved.voxels, 6, axis=1))).failures
    assert any("Dice coefficient" in failure for failure in failures)


def test_a_body_that_agrees_only_in_part_is_a_warning():
    found = verdict(ct(*((0.97 * radius, hounsfield) for radius, hounsfield in HEAD)))
    assert found.failures == ()
    (warning,) = found.warnings
    assert "agrees only in part" in warning


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (ct((1.0, 4000)), "beyond -1024 to 3000"),
        (ct((9.0, 40)), "the result is blank"),
        (Volume(ct(*HEAD).voxels, SOURCE.affine, "1"), "another unit"),
        (ct(*HEAD).with_voxels(np.where(RADIUS < 0.1, np.nan, ct(*HEAD).voxels).astype(np.float32)), "not numbers"),
    ],
)
def test_what_cannot_be_a_ct_of_the_source_fails(result, words):
    (failure,) = verdict(result).failures
    assert words in failure


def test_a_source_that_has_not_the_size_of_a_head_fails_where_one_is_asked_for():
    wide = Volume(SOURCE.voxels, np.diag([1.9, 1.9, 1.9, 1.0]) @ SOURCE.affine)
    made = Volume(ct(*HEAD).voxels, wide.affine, HOUNSFIELD)
    assert any("not the size of a head" in failure for failure in verdict(made, wide, head_mm=(110, 280)).failures)


def test_a_result_without_a_body_fails():
    speck = ct(*HEAD).with_voxels(np.full(RADIUS.shape, -1024, np.float32))
    speck.voxels[0, 0, 0] = -1000
    assert verdict(speck).failures
