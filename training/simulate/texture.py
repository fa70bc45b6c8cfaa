"""How a tissue differs from place to place: texture that belongs to a head, not to a scan. All of it is invented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from inference.volume import Float32Array
from training.simulate.shapes import smooth_field
from training.simulate.space import LabelArray
from training.simulate.tissues import Tissue

_T = Tissue


@dataclass(frozen=True, slots=True)
class Texture:
    """Spread of the signal within tissues.

    Attributes
    ----------
    scales
        (Cells, share) of each of the smooth fields that make it: a field varies over such a part of the head's lattice;
        squares of the shares sum to 1.
    spread
        Tissue -> amount against the mean; the standard deviation is `SPREAD` of it.
    """

    scales: tuple[tuple[int, float], ...]
    spread: Mapping[Tissue, float] = field(hash=False)


PLAIN = Texture(
    scales=((32, 1.0),),
    spread={
        _T.MUSCLE: 0.11, _T.FAT: 0.08, _T.MARROW: 0.20, _T.SKIN: 0.10, _T.MUCOSA: 0.15, _T.GREY_MATTER: 0.09,
        _T.WHITE_MATTER: 0.045, _T.CEREBELLAR_CORTEX: 0.08, _T.STRIATUM: 0.05, _T.THALAMUS: 0.06, _T.BRAIN_STEM: 0.04,
    },
)  # fmt: skip
"""That of the procedural head: tissues a little more uniform than real ones."""

LIVELY = Texture(
    scales=((12, 0.8), (40, 0.6)),
    spread={
        _T.MUSCLE: 0.13, _T.FAT: 0.18, _T.MARROW: 0.25, _T.SKIN: 0.12, _T.MUCOSA: 0.18, _T.GREY_MATTER: 0.10,
        _T.WHITE_MATTER: 0.07, _T.CEREBELLAR_CORTEX: 0.09, _T.STRIATUM: 0.06, _T.THALAMUS: 0.07, _T.BRAIN_STEM: 0.06,
        _T.CSF: 0.15, _T.BLOOD: 0.30, _T.LESION: 0.10,
    },
)  # fmt: skip
"""That of heads from label maps: white matter is as wide as in real T1 volumes, and differs from region to region."""


def textured(labels: LabelArray, levels: Float32Array, texture: Texture, *, seed: int) -> Float32Array:
    """Return the level of each voxel's tissue with texture; ``levels`` has one value a tissue."""
    spread = np.array([texture.spread.get(tissue, 0.0) for tissue in Tissue], np.float32) * levels
    rng = np.random.default_rng(seed)
    (cells, share), *finer = texture.scales
    signal = np.float32(share) * smooth_field(rng, labels.shape, cells)
    for cells, share in finer:
        signal += np.float32(share) * smooth_field(rng, labels.shape, cells)
    signal *= spread[labels]
    signal += levels[labels]
    np.maximum(signal, 0, out=signal)
    return np.asarray(signal, np.float32)
