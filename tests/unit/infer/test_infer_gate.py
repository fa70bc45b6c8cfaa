"""The output gate lets a changed contrast pass, and nothing that changed anatomy, air or grid."""

import numpy as np
import phantom
import pytest

from dicom_node.infer.gate import gradient_cosine, judge
from inference.manifest import OutputSpec, QaLimits
from inference.volume import Volume

OUTPUT = OutputSpec(kind="mr", unit="1", range=(0, 4095))
SOURCE = phantom.head((4.0, 4.0, 4.0))
INSIDE = phantom.inside(SOURCE)


def verdict(result, source=SOURCE, **limits):
    return judge(source, result, output=OUTPUT, limits=QaLimits(**limits))


def changed(change):
    voxels = SOURCE.voxels.copy()
    return SOURCE.with_voxels(np.asarray(change(voxels), np.float32))


def with_value(value):
    voxels = SOURCE.voxels.copy()
    voxels[20, 20, 20] = value
    return SOURCE.with_voxels(voxels)


@pytest.mark.parametrize("directions", [phantom.AXIAL, phantom.SAGITTAL, -phantom.CORONAL])
@pytest.mark.parametrize("gamma", [0.8, 1.0, 1.25])
def test_a_monotone_change_of_contrast_passes(gamma, directions):
    source = phantom.head((4.0, 4.0, 4.0), directions)
    result = source.with_voxels((900 * (source.voxels / 900) ** np.float32(gamma)).astype(np.float32))
    found = verdict(result, source)
    assert (found.failures, found.warnings) == ((), ())
    assert found.numbers["gradient_cosine"] > 0.95


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (Volume(SOURCE.voxels[1:], SOURCE.affine), "another matrix"),
        (Volume(SOURCE.voxels, SOURCE.affine @ np.diag([1, 1, 1.01, 1])), "lies elsewhere"),
        (Volume(SOURCE.voxels, SOURCE.affine, "[hnsf'U]"), "another unit"),
        (with_value(np.nan), "not numbers"),
        (with_value(np.inf), "not numbers"),
        (with_value(-1), "beyond 0 to 4095"),
        (with_value(5000), "beyond 0 to 4095"),
        (changed(lambda v: np.full_like(v, 3)), "blank"),
    ],
)
def test_what_cannot_be_an_image_of_the_source_fails(result, words):
    (failure,) = verdict(result).failures
    assert words in failure


def test_reversed_contrast_fails():
    (failure,) = verdict(changed(lambda v: np.where(INSIDE, 950 - np.minimum(v, 940), v))).failures
    assert "edges do not agree" in failure


def test_another_anatomy_fails():
    (failure,) = verdict(changed(lambda v: np.roll(v, 4, axis=1))).failures[:1]
    assert "edges do not agree" in failure


def test_edges_that_agree_in_part_are_a_warning():
    found = verdict(
        changed(lambda v: v + np.random.default_rng(1).normal(300, 80, v.shape) * INSIDE), max_background_rise=1
    )
    assert found.failures == ()
    assert "only in part" in found.warnings[0]


def test_a_drawn_edge_counts_although_the_source_is_flat_there():
    def with_a_lesion(voxels):
        lesion = np.linalg.norm(np.indices(voxels.shape).T - np.array([38, 28, 24]), axis=-1).T < 5
        return np.where(lesion, 1800, voxels)

    drawn = changed(with_a_lesion)
    assert gradient_cosine(SOURCE, drawn, INSIDE) < gradient_cosine(SOURCE, SOURCE, INSIDE) - 0.015


@pytest.mark.parametrize(
    "paint", [lambda air: air + 300, lambda air: np.where(np.arange(air.size).reshape(air.shape) % 50 == 0, 800, air)]
)
def test_brighter_air_fails_as_a_haze_and_as_spots(paint):
    found = verdict(changed(lambda v: np.where(INSIDE, v, paint(v))))
    assert any("air around the head became brighter" in failure for failure in found.failures)


def test_too_much_clipping_fails():
    found = verdict(changed(lambda v: np.minimum(v * 7, 4095)))
    assert any("is clipped" in failure for failure in found.failures)


def test_a_source_without_a_head_cannot_be_judged():
    blank = SOURCE.with_voxels(np.zeros_like(SOURCE.voxels))
    (failure,) = verdict(SOURCE, blank).failures
    assert "no head" in failure


def test_a_single_slice_can_be_judged():
    one = Volume(SOURCE.voxels[30:31], SOURCE.affine)
    assert verdict(one.with_voxels(one.voxels * 2), one).failures == ()


def test_gradients_are_the_same_however_the_volume_is_cut_into_slabs():
    whole = gradient_cosine(SOURCE, changed(lambda v: v**1.2), INSIDE)
    turned = [Volume(np.ascontiguousarray(v.voxels.T), SOURCE.affine) for v in (SOURCE, changed(lambda v: v**1.2))]
    assert gradient_cosine(*turned, np.ascontiguousarray(INSIDE.T)) == pytest.approx(whole, abs=1e-5)
