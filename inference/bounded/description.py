"""What the network is told besides the image: the percentiles of the head and of the look."""

from __future__ import annotations

import numpy as np

from inference.look import LEVELS, TOP, Look, Profile
from inference.volume import Float32Array, Float64Array

_DEEP = np.array([1.0, 3, 6, 10, 18, 26, 36, 46, 56, 66, 76, 84, 90, 95, 98, 99.5])
_HEAD = np.array([5.0, 15, 30, 45, 60, 75, 85, 92, 96, 99, 99.9])

_MOST = 3.0

LENGTH = 4 * (_DEEP.size + _HEAD.size) + 1


def description(source: Profile, look: Look) -> Float32Array:
    """Describe a task.

    Parameters
    ----------
    source
        Of the head.
    look
        That it is to have.

    Returns
    -------
    Shape (`LENGTH`,): percentiles of the head and of the look, their difference, and how much the references of the
    look differ among each other, all in parts of `TOP`; last, how few references there are.
    """
    own, aim = _picked(source.scaled().deep, source.scaled().head), _picked(look.mean_deep, look.mean_head)
    each = np.array([_picked(deep, head) for deep, head in zip(look.deep, look.head, strict=True)])
    parts = (own - 0.6, aim - 0.6, 4 * (own - aim), 10 * each.std(axis=0), np.array([1 / len(each)]))
    return np.asarray(np.clip(np.concatenate(parts), -_MOST, _MOST), np.float32)


def _picked(deep: Float64Array, head: Float64Array) -> Float64Array:
    return np.concatenate([np.interp(_DEEP, LEVELS, deep), np.interp(_HEAD, LEVELS, head)]) / TOP
