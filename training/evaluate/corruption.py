"""Corruptions with a known answer: intensity scales and uneven fields that make a source of a truth.

The families are those of the evaluation of a published flow-based harmonizer: exponential, logarithmic and power
curves, low-frequency products and sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from inference.volume import BoolArray, Float32Array

Kind: TypeAlias = Literal["curves", "fields"]

BRIGHTEST = 1.5
"""Where x, the truth against the 99.9th percentile of its head, is clipped."""

_NODES = 4


@dataclass(frozen=True, slots=True)
class Corruption:
    """One way to spoil an image.

    Attributes
    ----------
    name, family
        As tables call it; what it is counted with.
    kind
        ``curves``: a monotone map of intensities. ``fields``: an uneven gain and offset.
    apply
        From x, shape (slices, rows, columns), and where the head is, to the spoiled x; a generator gives what is
        random.
    """

    name: str
    family: str
    kind: Kind
    apply: Callable[[Float32Array, BoolArray, np.random.Generator], Float32Array]

    def __call__(self, x: Float32Array, mask: BoolArray, *, seed: int) -> Float32Array:
        """Spoil x, in which the head is where `mask` is true; nothing falls below 0."""
        return np.maximum(self.apply(x, mask, np.random.default_rng(seed)), 0).astype(np.float32)


def random_field(rng: np.random.Generator, mask: BoolArray) -> Float32Array:
    """Draw a smooth field: 4 x 4 x 4 uniform values, cubically interpolated.

    It is scaled so that it is nowhere in the head more than 1 away from 0, and somewhere 1; in the air it is clipped
    there. So a strength means what it says, wherever the head lies in its field of view.

    Parameters
    ----------
    rng
        Gives the values.
    mask
        Shape (slices, rows, columns): the head.
    """
    nodes = rng.uniform(-1, 1, (_NODES,) * 3).astype(np.float32)
    field = ndimage.zoom(nodes, [length / _NODES for length in mask.shape], order=3, grid_mode=True, mode="nearest")
    return np.asarray(np.clip(field / np.abs(field[mask]).max(), -1, 1), np.float32)


def _curve(name: str, family: str, curve: Callable[[Float32Array], NDArray[np.floating]]) -> Corruption:
    return Corruption(name, family, "curves", lambda x, *_: np.asarray(curve(x), np.float32))


def _gamma(exponent: float) -> Corruption:
    return _curve(f"gamma {exponent:g}", "gamma", lambda x: np.power(x, exponent))


def _fields(gain: float, offset: float) -> Corruption:
    def apply(x: Float32Array, mask: BoolArray, rng: np.random.Generator) -> Float32Array:
        first, second = random_field(rng, mask), random_field(rng, mask)
        return np.asarray(x * (1 + gain * first) + offset * second, np.float32)

    return Corruption(f"field {gain:g} + {offset:g}", f"field {gain:g}", "fields", apply)


CORRUPTIONS: dict[str, Corruption] = {
    each.name: each
    for each in (
        _curve("exp", "exp", lambda x: np.expm1(x) / np.float32(np.e - 1)),
        _curve("log", "log", lambda x: np.log1p(3 * x) / np.float32(np.log(4))),
        *(_gamma(exponent) for exponent in (0.7, 0.8, 0.9, 1.2, 1.3, 1.5)),
        *(_fields(gain, offset) for gain in (0.1, 0.2, 0.3) for offset in (0.0, 0.05, 0.1)),
    )
}
"""Name -> corruption."""
