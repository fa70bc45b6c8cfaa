"""The gate of a map of uncertainty lets pass what speaks of the head alone."""

import numpy as np
import phantom
import pytest

from dicom_node.infer.gate import judge
from inference.errors import ModelRefused
from inference.manifest import CtLimits, OutputSpec, QaLimits
from inference.output import Output
from inference.volume import Volume

HOUNSFIELD = "[hnsf'U]"
OUTPUT = OutputSpec(kind="ct", unit=HOUNSFIELD, range=(-1024, 3000), uncertainty=500)
LIMITS = QaLimits(ct=CtLimits(bone_share=(0.9, 1), air_share=(0.9, 1), brain_hu=(900, 1000)), head_mm=(110, 280))
SOURCE = phantom.head((4.0, 4.0, 4.0))
RADIUS = phantom.radius(SOURCE.voxels.shape, SOURCE.affine)
GOOD = np.where(RADIUS < 1, 20 + 100 * np.clip(RADIUS, 0, 1), 0).astype(np.float32)


def verdict(voxels, source=SOURCE, output=OUTPUT):
    made = Volume(np.asarray(voxels, np.float32), source.affine, HOUNSFIELD)
    return judge(source, made, output=output, limits=LIMITS, asked=Output.UNCERTAINTY)


def test_a_map_of_the_head_passes_and_is_measured():
    found = verdict(GOOD)
    assert (found.failures, found.warnings) == ((), ())
    assert found.numbers["uncertainty_median_hu"] == pytest.approx(np.median(GOOD[RADIUS < 1]), rel=0.1)
    assert found.numbers["uncertainty_p95_hu"] == pytest.approx(np.percentile(GOOD[RADIUS < 1], 95), rel=0.1)


@pytest.mark.parametrize(
    ("voxels", "words"),
    [
        (np.where(RADIUS < 0.1, np.nan, GOOD), "values that are not numbers"),
        (np.where(RADIUS < 0.1, np.inf, GOOD), "values that are not numbers"),
        (np.where(RADIUS < 0.1, -1, GOOD), "goes beyond 0 to 500"),
        (np.where(RADIUS < 0.1, 501, GOOD), "goes beyond 0 to 500"),
        (np.zeros_like(GOOD), "the result is blank"),
        (np.where(RADIUS > 1.4, 1, GOOD), "values outside the head"),
        (GOOD[1:], "another matrix"),
    ],
)
def test_what_is_no_map_of_the_head_fails(voxels, words):
    (failure,) = verdict(voxels).failures
    assert words in failure


def test_what_has_not_the_size_of_a_head_fails():
    wide = Volume(SOURCE.voxels, np.diag([1.9, 1.9, 1.9, 1.0]) @ SOURCE.affine)
    assert any("not the size of a head" in failure for failure in verdict(GOOD, wide).failures)


def test_a_model_that_offers_none_is_not_judged():
    with pytest.raises(ModelRefused, match="offers no uncertainty"):
        verdict(GOOD, output=OUTPUT.model_copy(update={"uncertainty": None}))
