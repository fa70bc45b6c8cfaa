"""Corruptions: curves rise and keep 0 and 1, fields are smooth and bounded, the same seed spoils alike."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluate.corruption import BRIGHTEST, CORRUPTIONS, random_field

RAMP = np.linspace(0, BRIGHTEST, 301, dtype=np.float32).reshape(1, 1, -1)
HEAD = np.ones((12, 12, 12), bool)
CURVES = [name for name, each in CORRUPTIONS.items() if each.kind == "curves"]
FIELDS = [name for name, each in CORRUPTIONS.items() if each.kind == "fields"]


@pytest.mark.parametrize("name", CURVES)
def test_a_curve_rises_and_keeps_zero_and_one(name: str) -> None:
    spoiled = CORRUPTIONS[name](RAMP, RAMP > 0, seed=1).ravel()
    assert (np.diff(spoiled) > 0).all()
    assert spoiled[0] == 0
    assert spoiled[200] == pytest.approx(1, abs=1e-5)
    assert np.abs(spoiled[:201] - RAMP.ravel()[:201]).max() > 0.03


def test_all_published_strengths_are_there() -> None:
    assert len(CURVES) == 8
    assert len(FIELDS) == 9


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_stays_within_its_gain_and_offset(name: str) -> None:
    gain, offset = (float(part) for part in name.removeprefix("field ").split(" + "))
    x = np.ones((12, 14, 16), np.float32)
    head = x > 0
    spoiled = CORRUPTIONS[name](x, head, seed=2)
    assert 0.02 < np.abs(spoiled - 1).max() <= gain + offset + 1e-6
    assert np.array_equal(spoiled, CORRUPTIONS[name](x, head, seed=2))
    assert not np.array_equal(spoiled, CORRUPTIONS[name](x, head, seed=3))


def test_nothing_falls_below_zero() -> None:
    spoiled = CORRUPTIONS["field 0.3 + 0.1"](np.zeros((12, 12, 12), np.float32), HEAD, seed=0)
    assert spoiled.min() == 0
    assert spoiled.max() > 0


def test_a_field_is_smooth_and_as_strong_in_the_head_as_it_says() -> None:
    mask = np.zeros((40, 40, 40), bool)
    mask[10:30, 10:30, 10:30] = True
    field = random_field(np.random.default_rng(0), mask)
    assert np.abs(field).max() <= 1
    assert np.abs(field[mask]).max() == 1
    assert np.abs(np.diff(field, axis=0)).max() < 0.3
