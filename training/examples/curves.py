"""Random monotone curves: what training sees of other intensity scales."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from inference.volume import Float32Array

_TABLE = np.linspace(0, 2, 513)


def random_curve(rng: np.random.Generator) -> Float32Array:
    """Return a monotone curve through zero as a table over 0 to 2, where 1 goes to about 1; shape (513,).

    Half of them are powers with a smooth disturbance, half are monotone splines with random slopes.
    """
    if rng.random() < 0.5:
        table = _TABLE ** np.exp(rng.normal(0, 0.3))
        table = table * np.exp(rng.normal(0, 0.1) * np.sin(rng.uniform(0.5, 1.5) * np.pi * _TABLE + rng.uniform(0, 6)))
        table = np.maximum.accumulate(table)
    else:
        knots = np.linspace(0, 2, int(rng.integers(4, 8)))
        rises = np.exp(rng.normal(0, 0.45, knots.size - 1) + rng.normal(0, 0.5) * (knots[1:] - 1))
        table = PchipInterpolator(knots, np.concatenate(([0], np.cumsum(rises))))(_TABLE)
    return np.asarray(table / np.interp(1.0, _TABLE, table), np.float32)


def apply_curve(curve: Float32Array, voxels: Float32Array) -> Float32Array:
    """Map voxels, of any shape, by a table over 0 to 2; beyond, the curve stays where it ends."""
    return np.interp(voxels, _TABLE, curve).astype(np.float32)
