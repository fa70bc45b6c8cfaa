"""Volumes as slices and back."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from inference.planes import AXES, along, fused, on_canvas, stacks


def _ramp() -> Tensor:
    z, y, x = (torch.arange(n, dtype=torch.float32) for n in (5, 7, 6))
    return 100 * z[:, None, None] + 10 * y[:, None] + x


@pytest.mark.parametrize("axis", AXES)
def test_stacks_hold_each_slice_between_its_neighbours_and_repeat_the_outer_ones(axis: int) -> None:
    volume = _ramp()
    cut = torch.cat(list(stacks(volume, axis, seen=3, at_once=2)))
    slices = volume.movedim(axis, 0)
    assert cut.shape == (len(slices), 3, *slices.shape[1:])
    torch.testing.assert_close(cut[2], slices[1:4])
    torch.testing.assert_close(cut[0], slices[[0, 0, 1]])
    torch.testing.assert_close(cut[-1], slices[[-2, -1, -1]])


@pytest.mark.parametrize("seen", [1, 3, 5])
def test_a_constant_and_a_ramp_come_back_from_three_planes(seen: int) -> None:
    for volume in (torch.full((5, 7, 6), 3.0), _ramp()):
        middle = fused(volume, lambda part: part[:, seen // 2 : seen // 2 + 1], seen=seen, at_once=3)
        torch.testing.assert_close(middle, volume)
    inner = (slice(2, -2),) * 3  # an outer slice also stands for the ones beyond it
    torch.testing.assert_close(fused(_ramp(), lambda part: part, seen=seen)[inner], _ramp()[inner])


def test_what_stacks_make_of_one_slice_is_averaged() -> None:
    volume = torch.zeros(4, 2, 2)
    made = along(volume, lambda part: part + torch.tensor([1.0, 2.0, 6.0]).reshape(1, 3, 1, 1), 0, seen=3)
    assert made[:, 0, 0].tolist() == [1.5, 3.0, 3.0, 4.0]  # the outer ones: by two stacks alone


def test_a_plane_that_disagrees_weighs_a_third() -> None:
    volume = torch.zeros(4, 4, 4)
    calls = iter((0.0, 0.0, 9.0))
    assert fused(volume, lambda part: part + next(calls), at_once=4).unique().tolist() == [3.0]


def test_every_plane_is_seen_on_the_same_canvas() -> None:
    seen = []

    def function(part: Tensor) -> Tensor:
        seen.append(part.shape[1:])
        assert part[0, 0, 0, 0] == -1
        return part

    volume = _ramp()
    torch.testing.assert_close(fused(volume, on_canvas(function, 10, outside=-1)), volume)
    assert set(seen) == {(1, 10, 10)}
