"""Smooth random fields, and the mishaps that they make: what training sees of uneven coils."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from inference.bounded.frame import FINE_MM, SHAPE
from inference.volume import BoolArray, Float32Array
from training.simulate.shapes import smooth_field

_LARGEST_ORDER = 3
_MOST_CELLS = 6
"""Of splines along each axis: they vary over 35 mm at the least, about as steeply as the limits can follow."""


def random_field(rng: np.random.Generator, inside: BoolArray) -> Float32Array:
    """Return one of several kinds of smooth fields.

    Parameters
    ----------
    rng
        For all that is random.
    inside
        Shape `SHAPE`: the head. In it the field has mean 0 and is at the most 1 away from that.
    """
    kind = _KINDS[rng.integers(len(_KINDS))]
    field = kind(rng)
    head = field[::4, ::4, ::4][inside[::4, ::4, ::4]]
    level = head.mean()
    return np.asarray(np.clip((field - level) / max(float(np.abs(head - level).max()), 1e-3), -1.5, 1.5), np.float32)


def _spline(rng: np.random.Generator) -> Float32Array:
    return smooth_field(rng, SHAPE, int(rng.integers(1, _MOST_CELLS + 1)))


def _polynomial(rng: np.random.Generator) -> Float32Array:
    """Sum products of powers; separable, so that three small sums make the volume."""
    orders = [o for o in product(range(_LARGEST_ORDER + 1), repeat=3) if 0 < sum(o) <= _LARGEST_ORDER]
    weights = np.zeros((_LARGEST_ORDER + 1,) * 3, np.float32)
    for order in orders:
        weights[order] = rng.standard_normal() / sum(order)
    lines = [np.linspace(-1, 1, n, dtype=np.float32) + np.float32(rng.uniform(-0.3, 0.3)) for n in SHAPE]
    powers = [np.stack([line**o for o in range(_LARGEST_ORDER + 1)]) for line in lines]
    return _outer(weights, powers)


def _coils(rng: np.random.Generator) -> Float32Array:
    """Sum what one to eight coils around the head hear; each falls off like a bell. Separable, coil by coil."""
    total = np.zeros(SHAPE, np.float32)
    extent = np.array(SHAPE) * FINE_MM
    for _ in range(int(rng.integers(1, 9))):
        direction = rng.standard_normal(3)
        centre = direction / np.linalg.norm(direction) * rng.uniform(90, 170) + rng.normal(0, 10, 3)
        width = rng.uniform(80, 170)
        bells = [
            np.exp(-0.5 * ((np.arange(n) * FINE_MM - length / 2 - c) / width) ** 2).astype(np.float32)
            for n, length, c in zip(SHAPE, extent, centre, strict=True)
        ]
        total += bells[0][:, None, None] * (bells[1][:, None] * bells[2])
    return np.sqrt(total)


_KINDS: tuple[Callable[[np.random.Generator], Float32Array], ...] = (_spline, _spline, _polynomial, _coils)


def _outer(weights: Float32Array, powers: list[Float32Array]) -> Float32Array:
    flat = np.einsum("abc,ai->ibc", weights, powers[0])
    plane = np.einsum("ibc,bj->ijc", flat, powers[1])
    return np.asarray(np.tensordot(plane, powers[2], (2, 0)), np.float32)
