"""The base curve: monotone, bounded, and hardly there where a head differs from a look as people do."""

from __future__ import annotations

import numpy as np
import phantom
import pytest

from inference.classical.base import SPREAD, STEEPEST, aim_of, base_curve, gaps, scale_curve
from inference.look import LEVELS, TOP, Look, Profile, look_of, profile


def _profile(shape: float = 1.0, *, scale: float = 1.0) -> Profile:
    deep = scale * TOP * (0.2 + 0.8 * np.minimum(LEVELS / 90, 1.1)) ** shape
    return Profile(deep, 1.3 * deep)


def _look(shape: float = 1.0) -> Look:
    own = _profile(shape).scaled()
    return Look("T1", own.deep[None], own.head[None])


def test_a_head_that_has_the_look_is_scaled_only() -> None:
    head = _profile(scale=0.4)
    values = np.linspace(0, 400, 50, dtype=np.float32)[None]
    np.testing.assert_allclose(
        base_curve(head, aim_of(_look()))(values), scale_curve(head)(values), rtol=1e-3, atol=0.5
    )


def test_a_difference_as_large_as_among_people_is_moved_by_less_than_half() -> None:
    head, near = _profile(), _profile(1.08)
    curve = base_curve(near, aim_of(_look()))
    middle = float(np.interp(50, LEVELS, near.scaled().deep))
    wanted = float(np.interp(50, LEVELS, head.scaled().deep))
    got = float(curve(np.array([[np.interp(50, LEVELS, near.deep)]], np.float32))[0, 0])
    assert 0 < abs(got - middle) < abs(wanted - middle) / 2


def test_a_difference_that_no_person_explains_is_matched() -> None:
    bent = _profile(1.5)
    curve = base_curve(bent, aim_of(_look()))
    for percentile in (25, 50, 75, 90):
        wanted = np.interp(percentile, LEVELS, _look().mean_deep)
        got = curve(np.array([[np.interp(percentile, LEVELS, bent.deep)]], np.float32))[0, 0]
        assert got == pytest.approx(wanted, rel=0.06)


@pytest.mark.parametrize("shape", [0.2, 0.5, 1.0, 2.0, 5.0])
def test_the_slopes_are_bounded_and_positive(shape: float) -> None:
    head = _profile(shape)
    slopes = base_curve(head, aim_of(_look())).slopes / (TOP / head.anchor)
    assert slopes.min() >= 1 / STEEPEST - 1e-9
    assert slopes.max() <= STEEPEST + 1e-9


def test_another_top_gives_the_same_curve_in_other_units() -> None:
    head, values = _profile(1.6), np.linspace(0, 900, 40, dtype=np.float32)[None]
    in_looks, in_parts = (base_curve(head, aim_of(_look()), top=top)(values) for top in (TOP, 1.0))
    np.testing.assert_allclose(in_parts * TOP, in_looks, rtol=1e-5)


def test_the_more_people_are_taken_to_differ_the_less_is_moved() -> None:
    head, values = _profile(1.6), np.linspace(0, 1200, 60, dtype=np.float32)[None]
    low, high = scale_curve(head)(values), base_curve(head, aim_of(_look()))(values)
    hardly, fully = (base_curve(head, aim_of(_look()), spread=SPREAD * factor)(values) for factor in (1e3, 1e-3))
    np.testing.assert_allclose(hardly, low, rtol=1e-3, atol=0.5)
    assert (np.abs(fully - low) >= np.abs(high - low) - 0.5).all()


def test_trust_says_which_part_of_the_differences_is_moved() -> None:
    gap = gaps(_profile(1.6), aim_of(_look()))
    assert gap.trust(1e4 * SPREAD) < 1e-3
    assert 0.5 < gap.trust(SPREAD) < gap.trust(1e-4 * SPREAD) <= 1


def test_a_bent_phantom_comes_nearer_to_its_look() -> None:
    truth, bent = phantom.head((4.0, 4.0, 4.0)), phantom.head((4.0, 4.0, 4.0), gamma=1.35)
    look = look_of([truth], contrast="T1")
    inside = phantom.inside(truth)
    wanted = truth.voxels * (TOP / profile(truth).anchor)
    source = profile(bent)
    errors = [
        np.abs(curve(bent.voxels) - wanted)[inside].mean()
        for curve in (scale_curve(source), base_curve(source, aim_of(look)))
    ]
    assert errors[1] < errors[0] / 2
