"""A volume as slices along each of its axes, and back: what networks of two dimensions make of a whole head."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

AXES = (0, 1, 2)
"""Of a volume (slices, rows, columns) that runs upwards, to the back and to the left: axial, coronal, sagittal."""

AT_ONCE = 8

Sliced = Callable[[Tensor], Tensor]
"""Stacks of neighbouring slices, shape (batch, seen, rows, columns) -> what is made of them: (batch, 1, rows, columns)
for the middle slice alone, or as many slices as were seen."""


def stacks(volume: Tensor, axis: int, *, seen: int = 1, at_once: int = AT_ONCE) -> Iterator[Tensor]:
    """Cut a volume into slices, each with its neighbours; beyond the ends the outer slice stands for them.

    Parameters
    ----------
    volume
        Shape (slices, rows, columns).
    axis
        Along which it is cut.
    seen
        Odd: a slice with (seen - 1) / 2 neighbours on either side.
    at_once
        Most stacks in a batch.

    Yields
    ------
    Shape (at_once or fewer, seen, rows, columns), the axes that are left in their order.
    """
    along, reach = volume.movedim(axis, 0), seen // 2
    padded = torch.cat([along[:1].expand(reach, -1, -1), along, along[-1:].expand(reach, -1, -1)])
    for part in padded.unfold(0, seen, 1).split(at_once):
        yield part.movedim(-1, 1)


def along(volume: Tensor, function: Sliced, axis: int, *, seen: int = 1, at_once: int = AT_ONCE) -> Tensor:
    """Run a function on all slices of one plane.

    Where it gives neighbours too, a slice is the mean of what its own stack and those beside it make of it: what
    differs from stack to stack does not flicker through the volume.

    Parameters
    ----------
    volume, axis, seen, at_once
        As in `stacks`.
    function
        See `Sliced`.

    Returns
    -------
    Shape of the volume.
    """
    made = torch.cat([function(part) for part in stacks(volume, axis, seen=seen, at_once=at_once)])
    count, given = made.shape[:2]
    total, times = torch.zeros_like(made[:, 0]), made.new_zeros(count, 1, 1)
    for channel in range(given):
        step = channel - given // 2  # of the slice that this channel shows, from its stack's middle
        here, there = slice(max(step, 0), count + min(step, 0)), slice(max(-step, 0), count - max(step, 0))
        total[here] += made[there, channel]
        times[here] += 1
    return (total / times).movedim(0, axis)


def fused(
    volume: Tensor, function: Sliced, *, axes: Sequence[int] = AXES, seen: int = 1, at_once: int = AT_ONCE
) -> Tensor:
    """Run a function on the slices of several planes, and return the mean of what the planes give.

    Parameters
    ----------
    volume, function, seen, at_once
        As in `along`.
    axes
        Along which the volume is cut, in turn.
    """
    return torch.stack([along(volume, function, axis, seen=seen, at_once=at_once) for axis in axes]).mean(dim=0)


def on_canvas(function: Sliced, side: int, *, outside: float) -> Sliced:
    """Make a function see every slice in the middle of a square, whatever the plane.

    Parameters
    ----------
    function
        See `Sliced`.
    side
        Rows and columns of the square; no slice is larger.
    outside
        Value around the slice.
    """

    def placed(part: Tensor) -> Tensor:
        rows, columns = part.shape[2:]
        top, left = (side - rows) // 2, (side - columns) // 2
        around = (left, side - columns - left, top, side - rows - top)
        made = function(functional.pad(part, around, value=outside))
        return made[:, :, top : top + rows, left : left + columns]

    return placed
