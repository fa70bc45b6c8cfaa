"""The output gate lets a changed contrast pass, and nothing that changed anatomy, air or grid."""

import numpy as np
import phantom
import pytest

from dicom_node.infer.agreement import agreement
from dicom_node.infer.gate import judge
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
        changed(lambda v: v + np.random.default_rng(1).normal(300, 80, v.shape) * INSIDE),
        max_background_rise=1,
        min_place_cosine=-1,
    )
    assert found.failures == ()
    assert "only in part" in found.warnings[0]


def ball(centre_mm, diameter_mm):
    """Return how much of each voxel lies in a ball; `centre_mm` from the middle of the phantom."""
    index = np.indices(FINE.voxels.shape).reshape(3, -1)
    points = FINE.affine[:3, :3] @ index + FINE.affine[:3, 3:]
    away = np.linalg.norm(points - np.array(centre_mm)[:, None], axis=0).reshape(FINE.voxels.shape)
    return np.clip(diameter_mm / 2 - away + 1, 0, 1)


FINE = phantom.head((2.0, 2.0, 2.0), noise=6.0)
DEEP = (20, 25, 30)
STRICT = {"min_slice_cosine": 0.9, "min_place_cosine": 0.9}


def spoilt(change):
    return FINE.with_voxels(np.asarray(change(FINE.voxels.copy()), np.float32))


def with_slice(voxels, k, plane):
    voxels[k] = plane
    return voxels


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda v: np.roll(v, 1, axis=0), "do not agree with the source: "),
        (lambda v: np.roll(v, 1, axis=2), "do not agree with the source: "),
        (lambda v: with_slice(v, 60, 0), "in slice 61 of 120: "),
        (lambda v: with_slice(v, 60, v[40]), "in slice 61 of 120: "),
        (lambda v: v - ball(DEEP, 8) * 200, "around x="),  # a lesion that is drawn
        (lambda v: np.where(ball(DEEP, 30) > 0.5, 1200 - v, v), "around x="),  # a contrast that is reversed
        (lambda v: np.where(ball((0, 0, 0), 44) > 0.5, 600, v), "around x="),  # a ventricle that is erased
        (lambda v: np.minimum(v, 400), "do not agree"),  # the bright end cut off
        (lambda v: np.maximum(v - 430, 0), "do not agree"),  # the dark end cut off
    ],
)
def test_what_is_wrong_in_one_place_fails_and_the_place_is_named(spoil, words):
    assert verdict(FINE, FINE, **STRICT).failures == ()
    failures = verdict(spoilt(spoil), FINE, **STRICT).failures
    assert len(failures) == 1
    assert words in failures[0]


def test_a_lesion_of_the_source_that_the_result_does_not_show_fails():
    source = spoilt(lambda v: v - ball(DEEP, 8) * 200)
    assert any("around x=" in failure for failure in verdict(FINE, source, **STRICT).failures)


def test_the_place_is_where_the_lesion_is():
    found = agreement(FINE, spoilt(lambda v: v - ball(DEEP, 8) * 200), phantom.inside(FINE))
    assert np.abs(np.array(found.place_mm) - DEEP).max() <= 8


def test_a_smooth_gain_and_any_scale_pass_everywhere():
    wave = 1 + 0.2 * np.sin(np.linspace(0, 6, FINE.voxels.shape[1]))[:, None]
    assert verdict(spoilt(lambda v: v * wave), FINE, **STRICT).failures == ()
    assert verdict(spoilt(lambda v: v / 7), FINE, **STRICT).failures == ()


def test_what_is_clipped_is_left_to_its_own_limit():
    bright = spoilt(lambda v: v + 9000 * (ball(DEEP, 6) > 0.5))
    result = bright.with_voxels(np.minimum(bright.voxels, 4095))
    found = verdict(result, bright, **STRICT)
    assert 0 < found.numbers["clipped"] < 0.01
    assert found.failures == ()


def test_a_result_that_is_clipped_everywhere_in_the_head_fails():
    found = verdict(changed(lambda v: np.where(INSIDE, 4095, v)), **STRICT)
    assert any("is clipped" in failure for failure in found.failures)


@pytest.mark.parametrize(("gain", "taken"), [(1, True), (0.1, False), (4, False)])
def test_a_result_that_the_window_of_its_target_would_show_black_or_white_fails(gain, taken):
    found = verdict(changed(lambda v: v * gain), head_median=(200, 900))
    assert [("the head's median is" in failure) for failure in found.failures] == [True] * (not taken)


@pytest.mark.parametrize(("scale", "taken"), [(1.0, True), (1.9, False), (0.5, False)])
def test_a_body_that_has_not_the_size_of_a_head_fails_where_a_head_is_asked_for(scale, taken):
    body = Volume(SOURCE.voxels, np.diag([scale, scale, scale, 1.0]) @ SOURCE.affine)
    found = verdict(body, body, head_mm=(110, 280))
    assert [("not the size of a head" in failure) for failure in found.failures] == [True] * (not taken)
    assert verdict(body, body).failures == ()


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


def test_the_mean_is_the_same_however_the_volume_is_cut_into_slabs():
    whole = agreement(SOURCE, changed(lambda v: v**1.2), INSIDE).mean
    turned = [Volume(np.ascontiguousarray(v.voxels.T), SOURCE.affine) for v in (SOURCE, changed(lambda v: v**1.2))]
    assert agreement(*turned, np.ascontiguousarray(INSIDE.T)).mean == pytest.approx(whole, abs=1e-5)
