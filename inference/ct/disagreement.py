"""Disagreement: how far a network's answers lie apart when a head is changed in ways that ought not to matter.

Test-time averaging (Wang et al. 2019, Neurocomputing 338) with a few fixed changes, so that the same head gives the
same map. What all answers get wrong alike does not show: this is no calibrated error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from inference.ct.frame import BRIGHTEST, FINE_MM, FramedMr
from inference.volume import Float32Array

_AXES = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a head in its frame.

    Attributes
    ----------
    mirrored
        Left and right change places.
    shift
        By how many voxels of the frame the head moves along slices, rows and columns; the nodes of the network's
        lattice then hold other voxels together. What leaves on one side enters on the other: it is air around the head,
        of which `framed` leaves more, or nothing that was imaged.
    gain, gamma
        Intensities become gain * value ** gamma; 1 is the scale of the head.
    """

    mirrored: bool = False
    shift: tuple[int, int, int] = (0, 0, 0)
    gain: float = 1.0
    gamma: float = 1.0

    def made(self, seen: FramedMr) -> FramedMr:
        """Return the changed head."""
        voxels, (z, y, x) = seen.voxels, seen.corner_mm
        if self.mirrored:
            voxels, x = voxels[:, :, ::-1], -(x + (voxels.shape[2] - 1) * FINE_MM)
        voxels = np.roll(voxels, self.shift, _AXES)
        if (self.gain, self.gamma) != (1, 1):
            voxels = np.clip(np.float32(self.gain) * voxels ** np.float32(self.gamma), 0, np.float32(BRIGHTEST))
        down, back, left = (steps * FINE_MM for steps in self.shift)
        corner_mm = (z - down, y - back, x - left)
        return replace(seen, voxels=np.ascontiguousarray(voxels, np.float32), corner_mm=corner_mm)

    def undone(self, answer: Float32Array) -> Float32Array:
        """Return an answer to the changed head where the head was."""
        answer = np.roll(answer, [-steps for steps in self.shift], _AXES)
        return np.ascontiguousarray(answer[:, :, ::-1] if self.mirrored else answer)


CHANGES = (
    Change(),
    Change(mirrored=True),
    Change(shift=(1, 1, 1)),
    Change(shift=(3, -2, 3), mirrored=True),
    Change(gain=0.9),
    Change(gain=1.1, mirrored=True),
    Change(gamma=0.9),
    Change(gamma=1.1, mirrored=True),
)
"""Small against what training varies: it mirrors, shifts and scans every head anew."""


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """How far the answers lie apart.

    Attributes
    ----------
    voxels
        Standard deviation (of all answers, not a sample of them), in their unit.
    passes
        How often the network ran.
    """

    voxels: Float32Array
    passes: int


def spread(
    seen: FramedMr,
    answer: Callable[[FramedMr], Float32Array],
    placed: Callable[[Float32Array], Float32Array],
) -> Spread:
    """Ask a network for each of `CHANGES`.

    Parameters
    ----------
    answer
        The network: from a head to values on the frame.
    placed
        Brings values of the frame to the grid that is wanted.
    """
    mean: Float32Array = np.zeros(1, np.float32)  # running, after Welford 1962: two volumes, however many answers
    squares: Float32Array = np.zeros(1, np.float32)
    for count, change in enumerate(CHANGES, start=1):
        values = placed(change.undone(answer(change.made(seen))))
        before = values - mean
        mean = mean + before / np.float32(count)
        squares = squares + before * (values - mean)
    return Spread(np.sqrt(squares / np.float32(len(CHANGES))), len(CHANGES))
